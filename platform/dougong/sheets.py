"""A form at work: the fields its actor may fill in, what the rules say just now, how it is drawn.

Pages, the quick-create drawer and the answers to a form that is being filled in all come from here,
so that what is shown at first is what the rules would say a moment later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from flask import url_for
from flask_babel import gettext
from werkzeug.datastructures import MultiDict

from dougong.i18n import language
from dougong.pace import within
from engine.access import Level
from engine.definitions.model import MISSING, Entity, Field
from engine.expressions import dependencies, parse
from engine.fields import BadValue, Names, bind
from engine.forms import (
    FormView,
    Item,
    Placed,
    RecordForm,
    Scene,
    Section,
    Tab,
    build_form,
    draw,
    form_layout,
)
from engine.forms.build import PREFIX, may_fill
from engine.forms.layout import placed_names
from engine.problems import Problem, Severity, text
from engine.records.effects import Outlook, outlook
from engine.records.evaluation import Relations
from engine.records.failures import Forbidden
from engine.records.flows import rights
from engine.records.intake import holds, kept_by_system
from engine.records.labels import names_for
from engine.records.lookups import duplicates
from engine.records.reading import Record, read, visible
from engine.records.unit import Unit
from engine.records.views import Masked
from engine.records.writing import defaults

Posted = MultiDict[str, str]

_NAME: Final = re.compile(rf"{PREFIX}([A-Za-z0-9_]+)(?:[.-].*)?\Z", re.S)
UPLOAD: Final = "-upload"
"""After the name of a file field: the input that takes new files."""

QUICK: Final = 8
"""Fields of a quick-create form at most, beside the required ones."""


@dataclass(frozen=True, slots=True)
class _Granted:
    """What `build_form` asks of access, answered for one record."""

    names: frozenset[str]

    def level(self, name: str) -> int:
        return 3 if name in self.names else 2


class Sheet:
    """One form of one actor: for a new record (`id` None) or for a change of a stored one.

    Raises: NotFound, Forbidden.
    """

    def __init__(
        self,
        unit: Unit,
        entity: str,
        id: int | None = None,
        *,
        posted: Posted | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self.unit, self.id, self.posted = unit, id, posted
        self.entity: Entity = unit.entity(entity)
        self.access = unit.access(entity)
        self.relations = Relations(unit)
        self.whole: Record = {}
        self.rights: Mapping[str, str] = {}
        if id is None:
            self._begin()
        else:
            self._load(id)
        if given:
            self.record |= {name: given[name] for name in given if name in self.writable}
        self.form = self._form_class().reading(posted, self._own_values(), unit.zone)

    def _begin(self) -> None:
        if not self.access.may("create"):
            raise Forbidden("create", entity=self.entity.title)
        self.record: Record = defaults(self.unit, self.entity)

    def _load(self, id: int) -> None:
        unit, name = self.unit, self.entity.name
        self.record = read(unit, name, id)
        if not visible(unit, name, [id], action="write"):
            raise Forbidden("write", entity=self.entity.title)
        self.whole = unit.app.reader.load(unit.connection, name, id) or {}
        self.rights = rights(unit, self.entity, self.whole)

    # --- which fields --------------------------------------------------------------------------
    @cached_property
    def writable(self) -> frozenset[str]:
        """The fields the actor may fill in on this record now."""
        return frozenset(name for name in self.entity.fields if self._may_write(name))

    def _may_write(self, name: str) -> bool:
        field = self.entity.fields[name]
        if not may_fill(field) or kept_by_system(self.unit, self.entity, field):
            return False
        if self.rights.get(name) in ("read", "hidden") or isinstance(self.record.get(name), Masked):
            return False
        cell = self.access.fields[name]
        if self.id is None:
            return cell.create.ever
        if cell.write.always or not cell.write.ever:
            return cell.write.always
        return holds(self.unit, self.entity, cell.write, self.relations.env(self.whole))

    def _shown(self, name: str) -> bool:
        if self.rights.get(name) == "hidden":
            return False
        if name in self.writable:
            return True
        field = self.entity.fields[name]
        if self.id is None:  # a number that is yet to be given, say
            kept = not field.compute and self.record.get(name) in (None, "", [])
            return self.access.shown(name) and not kept
        return name in self.record

    def _form_class(self) -> type[RecordForm]:
        key = ("form", self.entity.name, self.writable, language())
        built: type[RecordForm] = self.unit.app.kept(
            key, lambda: build_form(self.entity, _Granted(self.writable), language(), bind)
        )
        return built

    def _own_values(self) -> Record:
        return {n: v for n, v in self.record.items() if not isinstance(v, Masked)}

    # --- what was typed ------------------------------------------------------------------------
    def raw(self) -> dict[str, Any]:
        """Everything that was posted for fields, as typed: engine.records decides what it is worth
        and refuses what is not the actor's to set."""
        found: dict[str, Any] = {}
        posted = Posted() if self.posted is None else self.posted
        for key in posted:
            match = _NAME.match(key)
            if match is None or match[1] in found or key.endswith(UPLOAD):
                continue
            field = self.entity.fields.get(match[1])
            if field is None:
                found[match[1]] = ""
            elif (value := bind(field).posted(posted, PREFIX + field.name)) is not None:
                found[field.name] = value
        return found

    def current(self) -> Record:
        """The whole record with everything understood laid over it."""
        return {**(self.whole or self._own_values()), **self._kept_given(), **self.form.values()}

    def _kept_given(self) -> Record:
        return {n: v for n, v in self._own_values().items() if n in self.writable}

    @cached_property
    def outlook(self) -> Outlook:
        """What rules and formulas say about the form as it stands."""
        return outlook(self.unit, self.entity.name, self.id, self.current())

    @cached_property
    def closed(self) -> frozenset[str]:
        """The keys of tabs and sections whose condition does not hold just now."""
        return closed_parts(self.unit, self.entity, self.layout, self.outlook.values)

    # --- drawing -------------------------------------------------------------------------------
    @cached_property
    def layout(self) -> tuple[Tab, ...]:
        """Where the fields stand."""
        shown = frozenset(name for name in self.entity.fields if self._shown(name))
        found: tuple[Tab, ...] = self.unit.app.kept(
            ("layout", self.entity.name, shown),
            lambda: form_layout(self.entity, shown.__contains__),
        )
        return found

    def draw(
        self, problems: Sequence[Problem] = (), layout: Sequence[Tab] | None = None
    ) -> FormView:
        """The form with what saving found wrong, and with the rules' warnings."""
        outlook = self.outlook
        warnings = [
            problem
            for effect in outlook.effects.values()
            for problem in effect.messages
            if problem.severity is Severity.WARNING
        ]
        scene = Scene(
            bind=bind,
            language=language(),
            values=self._drawn(),
            names=self.names,
            settings=outlook.effects,
            problems=[*problems, *warnings],
            closed=self.closed,
            lookup=self._lookup,
            column=self._column,
        )
        return draw(self.form, self.layout if layout is None else layout, scene)

    def _column(self, name: str, column: str) -> int:
        """What the actor may do with a column of rows; most are as free as their field."""
        narrowed = self.access.fields[name].columns.get(column)
        if narrowed is None:
            return Level.WRITE
        may = narrowed.create if self.id is None else narrowed.write
        return Level.WRITE if may.ever else min(narrowed.level, Level.READ)

    def _drawn(self) -> Record:
        """The values of fields that are only shown: as formulas see them now, but of a stored
        record nothing beyond what the actor was given to read."""
        now = self.outlook.shown
        if self.id is None:
            return {**self.record, **now}
        return {
            name: value if isinstance(value, Masked) else now.get(name, value)
            for name, value in self.record.items()
        }

    @cached_property
    def names(self) -> Names:
        """Labels of whatever the form points at, before and after."""
        rows = [self.record, self._drawn(), self.form.values()]
        return names_for(self.unit, self.entity, rows)

    def _lookup(self, field: Field) -> tuple[str, str]:
        """Where a pointing field is searched, and where it is created."""
        path = _path(self.entity, field)
        needs = sorted(needed(field))
        search = url_for("forms.lookup", entity=self.entity.name, field=path, needs=needs)
        target = field.reference.to if field.reference else ""
        may = target in self.unit.app.model.entities and self.unit.access(target).may("create")
        return search, url_for("forms.quick", entity=target) if may else ""


def closed_parts(
    unit: Unit, entity: Entity, layout: Iterable[Tab], values: Mapping[str, Any]
) -> frozenset[str]:
    """The keys of tabs and sections whose condition does not hold for `values`."""
    env = Relations(unit).env(values)
    parts: list[Tab | Section] = []
    for tab in layout:
        parts += (tab, *tab.sections)
    return frozenset(
        part.key
        for part in parts
        if part.when and unit.app.expression(entity, part.when)(env) is not True
    )


# --- what a form begins with -------------------------------------------------------------------
def prefilled(unit: Unit, entity: str, args: Mapping[str, str]) -> Record:
    """Values of a new record from an address ("?customer=12"); what does not fit is passed over."""
    found: Record = {}
    for name, raw in args.items():
        field = unit.entity(entity).fields.get(name)
        if field is None or field.rows is not None:
            continue
        try:
            kind = bind(field)
            found[name] = kind.parse_local([raw] if kind.many else raw, unit.zone)
        except BadValue:
            continue
    return found


def copied(unit: Unit, entity: str, id: int) -> Record:
    """The values of a record that a copy may begin with: not its files, which are its own, and not
    what has to be unique."""
    definition, record = unit.entity(entity), read(unit, entity, id)
    unique = {name for key in definition.keys.unique for name in key}
    found: Record = {}
    for name, value in record.items():
        field = definition.fields.get(name)
        if field is None or name in unique or isinstance(value, Masked):
            continue
        if field.rows is not None:
            found[name] = [{k: v for k, v in row.items() if k != "id"} for row in value]
        elif field.type not in ("file", "image"):
            found[name] = value
    return found


def without(posted: Posted, names: Iterable[str]) -> Posted:
    """A post less some fields."""
    gone = set(names)
    kept = [
        (key, value)
        for key, value in posted.items(multi=True)
        if (match := _NAME.match(key)) is None or match[1] not in gone
    ]
    return MultiDict(kept)


def field_of(entity: Entity, name: str) -> Field | None:
    """The field that an input belongs to: "f_items-0.photo" is the photo of a row of items."""
    match = _NAME.match(name)
    field = entity.fields.get(match[1]) if match else None
    if field is not None and field.rows is not None:
        return field.rows.fields.get(name.rpartition(".")[2])
    return field


def pointer_of(name: str) -> str:
    """Where a problem with an input belongs: "f_items-0.photo" is /items/0/photo."""
    return "/" + re.sub(r"[.-]", "/", name.removeprefix(PREFIX))


def quick_layout(sheet: Sheet) -> tuple[Tab, ...]:
    """The form cut down to what has to be filled in and what tells records apart."""
    entity = sheet.entity
    required = {
        name
        for name in sheet.writable
        if entity.fields[name].required or name in entity.label_fields
    }
    listed = [name for name in entity.list.columns if name in sheet.writable]
    plain = [name for name in listed if entity.fields[name].rows is None]
    chosen = required | set(plain[: max(0, QUICK - len(required))])
    order = {name: at for at, name in enumerate(placed_names(sheet.layout))}
    rows = tuple((Placed(n, 12),) for n in sorted(chosen & order.keys(), key=order.__getitem__))
    return (Tab("quick", {}, (Section("quick", {}, rows),)),)


# --- what a form is told while it is filled in -------------------------------------------------
def answer(sheet: Sheet) -> dict[str, Any]:
    """The answer to a form that asks: how each field stands, which parts are shown."""
    view = sheet.draw()
    general = [{"kind": "warning", "text": words} for words in view.warnings]
    parts = {tab.key: not tab.hidden for tab in view.tabs}
    parts |= {part.key: not part.hidden for tab in view.tabs for part in tab.sections}
    fields = {item.name: _told(sheet, item) for item in view.items()}
    if sheet.id is None:
        for name, words in _known(sheet).items():
            if name in fields:
                fields[name]["message"] = f"{fields[name]['message']} {words}".strip()
    return {"fields": fields, "parts": parts, "general": general + _objections(sheet)}


def _broken(sheet: Sheet, name: str) -> list[str]:
    """The rules' own objections at a field ("" for the record): saving will refuse it. A field
    that is still empty is not blamed yet."""
    effect = sheet.outlook.effects.get(name)
    if effect is None or (name and sheet.current().get(name) in (None, "", [])):
        return []
    return [
        text(problem, language())
        for problem in effect.messages
        if problem.severity is Severity.ERROR and problem.code == "V090"
    ]


def _objections(sheet: Sheet) -> list[dict[str, str]]:
    """What rules object to in a stored record as a whole; a new one is not complete yet."""
    broken = [] if sheet.id is None else _broken(sheet, "")
    return [{"kind": "error", "text": words} for words in broken]


def _known(sheet: Sheet) -> dict[str, str]:
    """By field, that there is such a record already (`x-keys.duplicate`)."""
    told: dict[str, str] = {}
    if not sheet.entity.keys.duplicate or not within("duplicate"):
        return told
    for found in duplicates(sheet.unit, sheet.entity.name, sheet.form.values()):
        name = " · ".join(part for part in (found.label, found.owner) if part)
        words = gettext("There is one already: %(name)s", name=name)
        told.setdefault(found.fields[0], words if name else gettext("There is one already."))
    return told


def _told(sheet: Sheet, item: Item) -> dict[str, Any]:
    """One field: only what may change while the form is open."""
    told: dict[str, Any] = {
        "visible": not item.hidden,
        "message": " ".join(item.warnings),
    }
    if broken := _broken(sheet, item.name):
        told["problem"] = " ".join(broken)
    effect = sheet.outlook.effects.get(item.name)
    field = sheet.entity.fields[item.name]
    if item.name not in sheet.writable:
        if item.lines is None:
            told |= _words(item)
        return told
    told["readonly"] = item.readonly
    told["required"] = item.required
    if field.options:
        told["options"] = effect.options if effect else None
    if effect is not None and effect.value is not MISSING and effect.visible:
        told["value"] = bind(field).form_text(effect.value, sheet.unit.zone)
    if item.lines is not None:
        told["rows"] = [
            {cell.name: cell.shown.text for cell in row.items if cell.computed and cell.shown}
            for row in item.lines.rows
            if not row.spare
        ]
        columns = (column.name for column in item.lines.columns)
        totals = zip(columns, item.lines.totals, strict=True)
        told["totals"] = {name: total for name, total in totals if total}
    return told


def _words(item: Item) -> dict[str, str]:
    """A value that is only shown: its text, and the colour of a state's badge."""
    cell = item.shown
    if cell is None:
        return {"text": ""}
    badge = cell.kind in ("badge", "tag") and cell.text
    return {"text": cell.text} | ({"badge": cell.color or "grey"} if badge else {})


def needed(field: Field) -> frozenset[str]:
    """The fields of the form that decide what `field` may point at (`x-ref.where`)."""
    where = field.reference.where if field.reference else ""
    paths = dependencies(parse(where)) if where else frozenset()
    return frozenset(path[1] for path in paths if path[0] == "record" and len(path) > 1)


def _path(entity: Entity, field: Field) -> str:
    """The field's name, with that of the lines field it stands in before it."""
    if entity.fields.get(field.name) is field:
        return field.name
    for outer in entity.fields.values():
        if outer.rows is not None and outer.rows.fields.get(field.name) is field:
            return f"{outer.name}.{field.name}"
    return field.name
