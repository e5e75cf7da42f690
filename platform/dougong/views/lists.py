"""The list of an entity: one query in the address, one page of rows, everything to change it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, render_template, request, url_for
from flask_babel import gettext

from dougong.i18n import language
from dougong.routing import go, login_required, reading, writing
from dougong.shell import shell
from dougong.words import operator_word
from engine.definitions.model import Entity, Field, text_of
from engine.fields import Cell, Names, bind
from engine.lists import SIZES, Condition, Query, parse_query, to_args
from engine.problems import text
from engine.records import reading as records
from engine.records.labels import names_of, worded
from engine.records.saved_views import delete_view, save_view, saved_views
from engine.records.unit import Unit
from engine.records.views import Masked

blueprint = Blueprint("lists", __name__, url_prefix="/<company>/e/<entity>")

Args = list[tuple[str, str]]
KINDS = {
    "integer": "number", "decimal": "number", "money": "number", "percent": "number",
    "rating": "number", "date": "date", "month": "text", "datetime": "date", "created_at": "date",
    "updated_at": "date", "boolean": "bool", "choice": "choice", "multichoice": "choice",
    "ref": "ref", "refs": "ref", "user": "ref", "users": "ref", "department": "ref",
    "created_by": "ref", "updated_by": "ref",
}  # fmt: skip
"""How the filter builder asks for a value of a type; anything else is text."""


@blueprint.get("")
@login_required
def index(entity: str) -> str:
    """The list that the address describes."""
    with reading() as unit:
        definition = unit.entity(entity)
        query, problems = parse_query(_pairs(), definition, unit.access(entity))
        listed = replace(query, columns=_with_label(query.columns, definition))
        page = records.find(unit, listed)
        count = records.count(unit, query)
        view = _View(unit, definition, query, page.names)
        return render_template(
            "list.html",
            shell=shell(unit),
            title=text_of(definition.plural, language()),
            entity=_named(definition),
            href=view.href,
            new_href=_new_href(unit, entity),
            export_href="",
            views=_tabs(unit, definition, query),
            query=_Asked(query, view.args),
            quick=view.quick(),
            chips=view.chips(),
            clear_href=view.href if query.text or query.conditions or query.where else "",
            columns=[view.column(name) for name in query.columns],
            rows=[view.row(row) for row in page.rows],
            all_columns=view.all_columns(),
            fields=view.fields(),
            total=count.number,
            capped=count.more,
            prev_href=view.page(before=page.before) if page.before else "",
            next_href=view.page(after=page.after) if page.after else "",
            sizes=SIZES,
            problems=[text(problem, language()) for problem in problems],
            removed_href=_removed_href(unit, entity),
            save_view=True,
            modes=[],
        )


@blueprint.post("/views")
@login_required
def keep_view(entity: str) -> Response:
    """Keep the list in the address under a name, for oneself."""
    name = request.form.get("name", "").strip()
    if not 1 <= len(name) <= 60:
        abort(400)
    with writing() as unit:
        definition = unit.entity(entity)
        pairs = request.form.get("args", "").lstrip("?")
        query, _ = parse_query(pairs, definition, unit.access(entity))
        kept = replace(query, after=None, before=None)
        save_view(unit, entity, name, urlencode(to_args(kept, definition)))
    return go(f"{url_for('.index', entity=entity)}?{urlencode(to_args(query, definition))}")


@blueprint.post("/views/<int:id>/delete")
@login_required
def forget_view(entity: str, id: int) -> Response:
    """Forget a saved list."""
    with writing() as unit:
        delete_view(unit, id)
    return go(url_for(".index", entity=entity))


@blueprint.get("/removed")
@login_required
def removed(entity: str) -> str:
    """The recycle bin."""
    with reading() as unit:
        definition = unit.entity(entity)
        query, _ = parse_query(_pairs(), definition, unit.access(entity))
        columns = _with_label(("updated_at", "updated_by"), definition)
        page = records.find(unit, replace(query, columns=columns), removed=True)
        view = _View(unit, definition, query, page.names)
        may = unit.access(entity).may("delete")
        rows = [
            {
                "title": worded(definition, row, language(), page.names),
                "href": f"{view.href}/{row['id']}",
                "who": view.cell(row, "updated_by").text,
                "when": view.cell(row, "updated_at").text,
                "may_restore": may,
            }
            for row in page.rows
        ]
        return render_template(
            "removed.html",
            shell=shell(unit),
            title=gettext("Removed records"),
            entity=_named(definition),
            list_href=view.href,
            rows=rows,
            prev_href=view.page(before=page.before, base="/removed") if page.before else "",
            next_href=view.page(after=page.after, base="/removed") if page.after else "",
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """The query as the template wants it."""

    query: Query
    args: Args

    @property
    def text(self) -> str:
        return self.query.text

    @property
    def sort(self) -> str:
        return ",".join(map(str, self.query.sort))

    @property
    def size(self) -> int:
        return self.query.size

    @property
    def where(self) -> str:
        return dict(self.args).get("where", "")


class _View:
    """One list drawn in one language: every method makes one part of the template's context."""

    def __init__(self, unit: Unit, entity: Entity, query: Query, names: Names) -> None:
        self.unit, self.entity, self.query, self.names = unit, entity, query, names
        self.access = unit.access(entity.name)
        self.language = language()
        self.kinds = {name: bind(field) for name, field in entity.fields.items()}
        self.href = url_for("lists.index", entity=entity.name)
        self.args = to_args(replace(query, after=None, before=None), entity)

    def link(self, args: Iterable[tuple[str, str]], base: str = "") -> str:
        """The list with other arguments."""
        query = urlencode(list(args))
        return f"{self.href}{base}?{query}" if query else self.href + base

    def page(self, *, after: Any = None, before: Any = None, base: str = "") -> str:
        """Another page of the same list."""
        return self.link(
            to_args(replace(self.query, after=after, before=before), self.entity), base
        )

    def without(self, name: str) -> Args:
        """The arguments less one."""
        return [(key, value) for key, value in self.args if key != name]

    # --- columns and rows ----------------------------------------------------------------------
    def column(self, name: str) -> dict[str, Any]:
        """The head of a column: a click sorts by it, a second one turns the order round."""
        kind = self.kinds[name]
        current = self.query.sort[0] if self.query.sort else None
        chosen = current is not None and current.field == name
        direction = "" if not chosen or current is None else "desc" if current.descending else "asc"
        wanted = f"-{name}" if direction == "asc" else name
        sortable = kind.sortable and self.access.usable(name)
        return {
            "name": name,
            "title": text_of(self.entity.fields[name].title, self.language),
            "align": kind.align,
            "sorted": direction,
            "sort_href": self.link([*self.without("sort"), ("sort", wanted)]) if sortable else "",
        }

    def cell(self, row: Mapping[str, Any], name: str) -> Cell:
        """A value of a row; a masked one keeps its mask."""
        value = row.get(name)
        if isinstance(value, Masked):
            return Cell(str(value), "masked")
        return self.kinds[name].cell(value, self.language, self.names)

    def row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row for the table and for the two-line card of a phone."""
        cells = [self.cell(row, name) for name in self.query.columns]
        title = worded(self.entity, row, self.language, self.names)
        return {
            "id": row["id"],
            "href": f"{self.href}/{row['id']}",
            "title": title,
            "cells": cells,
            "card": _card(cells, title),
        }

    def all_columns(self) -> list[dict[str, Any]]:
        """Every field that may be a column: those shown first, in their order."""
        rest = [
            name
            for name, field in self.entity.fields.items()
            if name not in self.query.columns and self.access.shown(name) and field.rows is None
        ]
        return [
            {
                "name": name,
                "title": text_of(self.entity.fields[name].title, self.language),
                "shown": name in self.query.columns,
            }
            for name in (*self.query.columns, *rest)
        ]

    # --- filters -------------------------------------------------------------------------------
    def quick(self) -> list[dict[str, Any]]:
        """The definition's filters with few options, as selects above the list."""
        chosen = dict(self.args)
        return [
            {
                "name": f"f.{field.name}.{op}",
                "title": text_of(field.title, self.language),
                "options": [
                    {
                        "value": option.value,
                        "title": text_of(option.title, self.language),
                        "active": chosen.get(f"f.{field.name}.{op}") == option.value,
                    }
                    for option in field.options
                ],
            }
            for field in self._filterable()
            if field.name in self.entity.list.filters and 0 < len(field.options) <= 15
            for op in ("contains" if field.multiple else "eq",)
        ][:4]

    def chips(self) -> list[dict[str, str]]:
        """What is filtered, in words, each with the way to drop it."""
        found = [("q", f"“{self.query.text}”")] if self.query.text else []
        found += [(f"f.{one.field}.{one.op}", self.sentence(one)) for one in self.query.conditions]
        if self.query.where is not None:
            inner = [leaf for leaf in self.query.filters() if leaf not in self.query.conditions]
            words = " · ".join(self.sentence(leaf) for leaf in inner[:3])
            found.append(("where", words + (" …" if len(inner) > 3 else "")))
        return [
            {"text": words, "remove_href": self.link(self.without(name))} for name, words in found
        ]

    def sentence(self, condition: Condition) -> str:
        """A condition in words."""
        field = self.entity.fields.get(condition.field)
        title = text_of(field.title, self.language) if field else condition.field
        value = condition.value
        several = value if isinstance(value, tuple) else () if value is None else (value,)
        shown = "、".join(self._shown(field, item) for item in several)
        return f"{title} {operator_word(condition.op)} {shown}".strip()

    def fields(self) -> list[dict[str, Any]]:
        """What the filter builder offers."""
        return [
            {
                "name": field.name,
                "title": text_of(field.title, self.language),
                "kind": KINDS.get(field.type, "text"),
                "operators": list(self.kinds[field.name].operators),
                "options": self._options(field),
                "lookup": self._lookup(field),
            }
            for field in self._filterable()
        ]

    def _filterable(self) -> list[Field]:
        return [
            field
            for field in self.entity.fields.values()
            if self.access.usable(field.name) and field.rows is None and self.kinds[field.name].operators
        ]

    def _options(self, field: Field) -> list[list[str]]:
        """What may be chosen; of a field that points somewhere, what the query names already."""
        if not self._lookup(field):
            return [[one.value, text_of(one.title, self.language)] for one in field.options]
        values = [one.value for one in self.query.filters() if one.field == field.name]
        ids = [id for value in values for id in (value if isinstance(value, tuple) else (value,))]
        return [
            [str(id), self._shown(field, id)] for id in dict.fromkeys(ids) if isinstance(id, int)
        ]

    def _lookup(self, field: Field) -> str:
        """Where a field's records are found: any that was ever chosen, `x-ref.where` or not."""
        if KINDS.get(field.type) != "ref":
            return ""
        return f"{self.href}/lookup/{field.name}?any=1"

    def _shown(self, field: Field | None, value: Any) -> str:
        if field is None or isinstance(value, bool) or not isinstance(value, _wire_types(field)):
            return str(value)
        kind = bind(field)
        whole = [value] if kind.many else value
        names = self.names
        if isinstance(value, int) and KINDS.get(field.type) == "ref":
            names = names_of(self.unit, {target: [id] for target, id in kind.references(whole)})
        return kind.format(whole, self.language, names)


def _wire_types(field: Field) -> tuple[type, ...]:
    """What a parsed filter value of the field may be; words such as "this_month" are not."""
    kind = bind(field).python
    return (int, str) if kind is list else (kind,)


def _card(cells: Sequence[Cell], title: str) -> dict[str, Any]:
    """The two lines of a phone: a badge beside the title, facts below, an amount at the end."""
    badge = next((cell for cell in cells if cell.kind in ("badge", "tag")), None)
    end = next((cell for cell in reversed(cells) if cell.kind == "money"), None)
    facts = [
        cell for cell in cells if cell not in (badge, end) and cell.text and cell.text != title
    ]
    return {"badge": badge, "meta": facts[:3], "end": end}


def _tabs(unit: Unit, entity: Entity, query: Query) -> list[dict[str, Any]]:
    """The definition's list and the saved ones."""
    href = url_for("lists.index", entity=entity.name)
    current = urlencode(to_args(replace(query, after=None, before=None), entity))
    own = [
        {
            "title": found.name,
            "href": f"{href}?{found.query}",
            "active": current == found.query,
            "own": found.own,
            "id": str(found.id),
        }
        for found in saved_views(unit, entity.name)
    ]
    everything = {
        "title": gettext("All"),
        "href": href,
        "active": not any(v["active"] for v in own),
    }
    return [{**everything, "own": False, "id": ""}, *own]


def _with_label(columns: tuple[str, ...], entity: Entity) -> tuple[str, ...]:
    """The columns and whatever the record's name is made of."""
    return tuple(dict.fromkeys((*columns, *(n for n in entity.label_fields if n in entity.fields))))


def _named(entity: Entity) -> dict[str, str]:
    return {
        "name": entity.name,
        "title": text_of(entity.title, language()),
        "plural": text_of(entity.plural, language()),
        "icon": entity.icon,
        "help": text_of(entity.help, language()),
    }


def _new_href(unit: Unit, entity: str) -> str:
    return url_for("forms.new", entity=entity) if unit.access(entity).may("create") else ""


def _removed_href(unit: Unit, entity: str) -> str:
    return url_for("lists.removed", entity=entity) if unit.access(entity).may("delete") else ""


def _pairs() -> Args:
    """The address's arguments; a select above the list that was left empty asks for nothing."""
    return [
        (key, value)
        for key, value in request.args.items(multi=True)
        if value or not key.endswith((".eq", ".contains"))
    ]
