"""A list as a board: a column for each option of one field, and cards that move between them.

What may be done with a card is asked for when its menu opens or it is picked up: the board itself
costs a few statements for each column, however many cards there are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, Response, abort, flash, render_template, request, url_for
from flask_babel import gettext

from dougong.cards import DANGEROUS
from dougong.i18n import language
from dougong.routing import go, login_required, patient, reading, writing
from dougong.shell import shell
from dougong.views.listing import (
    Display,
    Listing,
    board_field,
    card,
    display_of,
    named,
    with_label,
)
from dougong.views.records import tell
from engine.access import Level
from engine.definitions.model import Entity, Field, text_of
from engine.fields import USER, Names, bind
from engine.lists import Condition, Filter, Group, Query, parse_query, to_args
from engine.records import flows
from engine.records import reading as records
from engine.records.effects import outlook
from engine.records.failures import Failure, Invalid, NotFound
from engine.records.labels import label_of, worded
from engine.records.unit import Unit
from engine.records.views import Masked
from engine.records.writing import change
from engine.workflow import Command

blueprint = Blueprint("boards", __name__, url_prefix="/<company>/e/<entity>/<int:id>")

CARDS: Final = 20
DECISIONS: Final = frozenset({"task.approve", "task.reject", "task.return"})


# --- the board ---------------------------------------------------------------------------------
def board_page(
    unit: Unit, entity: Entity, query: Query, display: Display, problems: Sequence[str]
) -> str:
    """The list as a board."""
    field = board_field(entity, unit.access(entity.name))
    assert field is not None
    board = _Board(unit, entity, query, field, display)
    context = {**board.view.frame(problems), "columns": board.columns()}
    return render_template("board.html", shell=shell(unit), **context)


class _Board:
    """One board drawn in one language."""

    def __init__(
        self, unit: Unit, entity: Entity, query: Query, field: Field, display: Display
    ) -> None:
        self.unit, self.entity, self.field = unit, entity, field
        self.query = replace(query, after=None, before=None)
        self.view = Listing(unit, entity, self.query, Names({}, unit.zone), display)
        self.access = unit.access(entity.name)
        self.owner = _owner(entity, self.access.shown)
        self.money = _money(entity, self.access.usable)
        told = {field.name, self.owner, *entity.label_fields}
        self.facts = [name for name in query.columns if name not in told]
        self.by_flow = _by_flow(unit, entity, field)

    def columns(self) -> list[dict[str, Any]]:
        """A column for each option, and one more where records have none of them."""
        name = self.field.name
        found = [
            self._column(
                option.value,
                text_of(option.title, language()),
                option.color,
                Condition(name, "eq", option.value, option.value),
            )
            for option in self.field.options
        ]
        rest = self._column("", gettext("Other"), "", _none_of(self.field))
        return [*found, rest] if rest["count"] else found

    def _column(self, value: str, title: str, color: str, part: Filter) -> dict[str, Any]:
        query = _narrowed(self.query, part)
        shown = with_label((*self.facts, *filter(None, (self.owner,))), self.entity)
        page = records.find(self.unit, replace(query, columns=shown, size=CARDS))
        count = records.Count(len(page.rows))
        if page.after is not None:
            count = records.count(self.unit, query)
        self.view.names = page.names
        movable = self._movable([row["id"] for row in page.rows])
        return {
            "value": value,
            "title": title,
            "color": color,
            "count": count.number,
            "capped": count.more,
            "sum": self._sum(query, page.names) if page.rows else "",
            "cards": [self._card(row, movable) for row in page.rows],
            "more_href": self.view.link(to_args(query, self.entity)) if page.after else "",
        }

    def _movable(self, ids: Sequence[int]) -> Collection[int]:
        """The cards with a menu. What a workflow allows is asked for when it opens."""
        if self.by_flow:
            return ids
        if not _writable(self.field) or self.access.level(self.field.name) < Level.WRITE:
            return ()
        return records.visible(self.unit, self.entity.name, ids, action="write")

    def _card(self, row: Mapping[str, Any], movable: Collection[int]) -> dict[str, Any]:
        title = worded(self.entity, row, language(), self.view.names)
        cells = [self.view.cell(row, name) for name in self.facts]
        owner = row.get(self.owner)
        moves = url_for(
            "boards.moves",
            entity=self.entity.name,
            id=row["id"],
            version=row["version"],
            back=urlencode(self.view.args),
        )
        return {
            **card(cells, title),
            "id": row["id"],
            "href": f"{self.view.href}/{row['id']}",
            "title": title,
            "owner": self.view.names.label(USER, owner) if isinstance(owner, int) else "",
            "moves_href": moves if row["id"] in movable else "",
        }

    def _sum(self, query: Query, names: Names) -> str:
        """What the column's amounts add up to; nothing for a formula that the database cannot
        add up."""
        if self.money is None:
            return ""
        try:
            total = records.total(self.unit, query, self.money.name)
        except Invalid:
            return ""
        return "" if total is None else bind(self.money).format(total, language(), names)


def _narrowed(query: Query, part: Filter) -> Query:
    """The list less what is not in one column."""
    if isinstance(part, Condition):
        kept = tuple(one for one in query.conditions if one != part)
        return replace(query, conditions=(*kept, part))
    where = part if query.where is None else Group("and", (query.where, part))
    return replace(query, where=where)


def _none_of(field: Field) -> Filter:
    """Records whose field is empty, or holds what is no option any more."""
    values = tuple(option.value for option in field.options)
    gone = Group("not", (Condition(field.name, "in", values, values),))
    filled = Condition(field.name, "filled")
    return Group("or", (Condition(field.name, "empty"), Group("and", (filled, gone))))


def _owner(entity: Entity, shown: Any) -> str:
    """The field that says whose a record is."""
    names = [name for name, field in entity.fields.items() if field.type == "user" and shown(name)]
    return "owner" if "owner" in names else next(iter(names), "")


def _money(entity: Entity, usable: Any) -> Field | None:
    """The first amount of the list."""
    names = dict.fromkeys((*entity.list.columns, *entity.fields))
    fields = [entity.fields[name] for name in names if name in entity.fields]
    return next((one for one in fields if one.type == "money" and usable(one.name)), None)


def _writable(field: Field) -> bool:
    return not (field.system or field.read_only or field.compute)


def _by_flow(unit: Unit, entity: Entity, field: Field) -> bool:
    """Whether a workflow moves the cards."""
    workflow = unit.app.workflow(entity.name)
    return workflow is not None and workflow.state_field == field.name


# --- moving ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Move:
    """One thing to do with a card. `value` is the column it would go to ("" when that depends),
    `title` its name and `action` what it takes; `href` is set when the record's page has to ask."""

    value: str
    title: str
    color: str
    event: str = ""
    action: str = ""
    href: str = ""


@blueprint.get("/moves")
@login_required
def moves(entity: str, id: int) -> str:
    """Where the card may go: a page of its own, and the content of its menu."""
    with reading() as unit:
        definition, field = _board_of(unit, entity)
        record = records.read(unit, entity, id, told=False)
        own = _flow_moves if _by_flow(unit, definition, field) else _plain_moves
        return render_template(
            "moves.html",
            shell=shell(unit),
            title=label_of(unit, entity, record),
            entity=named(definition),
            board_href=_board_href(unit, definition, request.args.get("back", "")),
            record_href=url_for("records.show", entity=entity, id=id),
            action=url_for(".move", entity=entity, id=id),
            version=request.args.get("version", record["version"], type=int),
            back=request.args.get("back", ""),
            moves=own(unit, definition, field, record),
        )


@blueprint.post("/move")
@login_required
@patient
def move(entity: str, id: int) -> Response:
    """Put the card into another column, if that is allowed; else it stays and is told why."""
    form = request.form
    version = form.get("version", type=int)
    try:
        with writing() as unit:
            definition, field = _board_of(unit, entity)
            back = _board_href(unit, definition, form.get("back", ""))
            if _by_flow(unit, definition, field):
                flows.fire(unit, entity, id, form.get("event", ""), version=version)
            else:
                values = {field.name: form.get("to", "")}
                change(unit, entity, id, values, version)
            done = _moved(unit, definition, field, id)
    except NotFound:
        raise
    except Failure as failure:
        tell(failure, entity)
    else:
        flash(done, "success")
    return go(f"{back}#card-{id}")


def _moved(unit: Unit, entity: Entity, field: Field, id: int) -> str:
    """What became of the card, in words."""
    try:
        record = records.read(unit, entity.name, id, told=False)
    except NotFound:  # it went where he may not follow
        return gettext("Done.")
    title, value = label_of(unit, entity.name, record), record.get(field.name)
    if value is None or isinstance(value, Masked):
        return gettext("Done.")
    column = bind(field).format(value, language(), Names({}, unit.zone))
    return gettext("%(title)s: %(column)s", title=title, column=column)


def _board_of(unit: Unit, entity: str) -> tuple[Entity, Field]:
    definition = unit.entity(entity)
    field = board_field(definition, unit.access(entity))
    if field is None:
        abort(404)
    return definition, field


def _board_href(unit: Unit, entity: Entity, back: str) -> str:
    """The board that the reader came from."""
    try:
        given = parse_qsl(back, keep_blank_values=True, max_num_fields=500)
    except ValueError:
        given = []
    query, _ = parse_query(given, entity, unit.access(entity.name))
    display, _ = display_of([*given, ("view", "board")], entity, unit.access(entity.name))
    args = to_args(replace(query, after=None, before=None), entity) + display.args()
    return f"{url_for('lists.index', entity=entity.name)}?{urlencode(args)}"


def _plain_moves(unit: Unit, entity: Entity, field: Field, record: Mapping[str, Any]) -> list[Move]:
    """The other options, as far as roles, the workflow's state and the rules leave them."""
    name, id = entity.name, record["id"]
    if not _writable(field) or unit.access(name).level(field.name) < Level.WRITE:
        return []
    if not records.visible(unit, name, [id], action="write"):
        return []
    whole = unit.app.reader.load(unit.connection, name, id) or {}
    effect = outlook(unit, name, id, whole).effects.get(field.name)
    if effect and (effect.readonly or not effect.visible):
        return []
    allowed = effect.options if effect else None
    return [
        Move(option.value, text_of(option.title, language()), option.color)
        for option in field.options
        if option.value != record.get(field.name) and (allowed is None or option.value in allowed)
    ]


def _flow_moves(unit: Unit, entity: Entity, field: Field, record: Mapping[str, Any]) -> list[Move]:
    """What the workflow allows now; what has to be thought about or asked for leads to the
    record's page."""
    options = {option.value: option for option in field.options}
    href = url_for("records.show", entity=entity.name, id=record["id"])
    found = []
    for command, state in flows.prospects(unit, entity.name, record["id"]):
        if command.event.startswith("task.") and command.event not in DECISIONS:
            continue
        option = options.get(state) if state != record.get(field.name) else None
        found.append(
            Move(
                value=option.value if option else "",
                title=text_of(option.title, language()) if option else "",
                color=option.color if option else "",
                event=command.event,
                action=text_of(command.title, language()),
                href=href if _asks(command, state) else "",
            )
        )
    return found


def _asks(command: Command, state: str) -> bool:
    return (
        not state
        or command.event in DECISIONS
        or command.event in DANGEROUS
        or command.comment == "required"
        or bool(command.asks)
    )
