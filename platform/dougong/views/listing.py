"""One list drawn in one language, whatever it is displayed as: links, columns, rows and filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from flask import request, url_for
from flask_babel import gettext

from dougong.i18n import language
from dougong.views.quick import Select, quick_filters, unfolded
from dougong.words import operator_word
from engine.access import Action, EntityAccess
from engine.definitions.model import Entity, Field, text_of
from engine.fields import Cell, Names, bind
from engine.lists import Condition, Query, to_args
from engine.problems import Problem, text
from engine.records import pool
from engine.records.labels import names_of, worded
from engine.records.quotas import Left
from engine.records.saved_views import saved_views
from engine.records.unit import Unit
from engine.records.views import Masked

Args = list[tuple[str, str]]
KINDS = {
    "integer": "number", "decimal": "number", "money": "number", "percent": "number",
    "rating": "number", "date": "date", "month": "text", "datetime": "date", "created_at": "date",
    "updated_at": "date", "boolean": "bool", "choice": "choice", "multichoice": "choice",
    "ref": "ref", "refs": "ref", "user": "ref", "users": "ref", "department": "ref",
    "created_by": "ref", "updated_by": "ref",
}  # fmt: skip
"""How the filter builder asks for a value of a type; anything else is text."""


@dataclass(frozen=True, slots=True)
class Asked:
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


@dataclass(frozen=True, slots=True)
class Display:
    """What a list is displayed as: a table (""), a "board", or a month of a "calendar" by one of
    its fields. `month` is as the address has it."""

    view: str = ""
    by: str = ""
    month: str = ""

    def args(self, *, lasting: bool = False) -> Args:
        """As arguments of an address; `lasting` ones do not name the month."""
        month = "" if lasting else self.month
        named = (("view", self.view), ("by", self.by), ("month", month))
        return [(key, value) for key, value in named if value]


def board_field(entity: Entity, access: EntityAccess) -> Field | None:
    """The field whose options are the columns of the board, if the reader may see it."""
    field = entity.fields.get(entity.list.board)
    if field is None or not field.options or field.multiple or not access.usable(field.name):
        return None
    return field


def calendar_fields(entity: Entity, access: EntityAccess) -> list[Field]:
    """The fields that place records in a calendar, less those the reader may not see."""
    return [entity.fields[name] for name in entity.list.calendar if access.usable(name)]


def display_of(args: Args, entity: Entity, access: EntityAccess) -> tuple[Display, list[str]]:
    """What the address wants the list displayed as, and what is wrong with that. A display that
    is not declared and one of a field that may not be read are refused in the same words."""
    given = dict(args)
    view = given.get("view", "")
    if view == "board" and board_field(entity, access):
        return Display("board"), []
    if view == "calendar" and (fields := calendar_fields(entity, access)):
        by, names = given.get("by", ""), [field.name for field in fields]
        told = []
        if by and by not in names:
            told = [text(Problem("R101", {"field": by, "argument": "by"}), language())]
        chosen = by if by in names[1:] else ""
        return Display("calendar", chosen, given.get("month", "")), told
    return Display(), [gettext("This list has no such display.")] if view else []


class Listing:
    """One list drawn in one language: every method makes one part of the template's context."""

    def __init__(
        self,
        unit: Unit,
        entity: Entity,
        query: Query,
        names: Names,
        display: Display = Display(),
    ) -> None:
        self.unit, self.entity, self.query, self.names = unit, entity, query, names
        self.access = unit.access(entity.name)
        self.language = language()
        self.kinds = {name: bind(field) for name, field in entity.fields.items()}
        self.ends = [self.kinds[name].align == "end" for name in query.columns[1:]]
        self.href = url_for("lists.index", entity=entity.name)
        self.display = display
        self.plain = to_args(replace(query, after=None, before=None), entity)
        self.args = [*self.plain, *display.args()]

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

    # --- around the records --------------------------------------------------------------------
    def frame(self, problems: Sequence[str]) -> dict[str, Any]:
        """What list.html wants around the records, whatever they are displayed as."""
        entity, query = self.entity, self.query
        filtered = bool(query.text or query.conditions or query.where or query.shared)
        start = self.link(self.display.args())
        return {
            "title": text_of(entity.plural, self.language),
            "entity": named(entity),
            "href": self.href,
            "start_href": start,
            "new_href": self._href_if("create", "forms.new"),
            "export_href": "",
            "removed_href": self._href_if("delete", "lists.removed"),
            "views": self.tabs(),
            "query": Asked(query, self.args),
            "quick": self.quick(),
            "chips": self.chips(),
            "clear_href": start if filtered else "",
            "fields": self.fields(),
            "problems": problems,
            "save_view": filtered or bool(self.display.view),
            "modes": self.modes(),
            "all_columns": [],
        }

    def _href_if(self, action: Action, endpoint: str) -> str:
        return url_for(endpoint, entity=self.entity.name) if self.access.may(action) else ""

    def tabs(self) -> list[dict[str, Any]]:
        """The definition's list and the saved ones."""
        lasting = self.display.args(lasting=True)
        current = urlencode([*self.plain, *lasting])
        own = [
            {
                "title": found.name,
                "href": f"{self.href}?{found.query}",
                "active": current == found.query,
                "own": found.own,
                "id": str(found.id),
            }
            for found in saved_views(self.unit, self.entity.name)
        ]
        shared = self._shared_tab(lasting)
        everything = {
            "title": gettext("All"),
            "href": self.link(lasting),
            "active": not any(view["active"] for view in (*shared, *own)),
        }
        return [{**everything, "own": False, "id": ""}, *shared, *own]

    def _shared_tab(self, lasting: Args) -> list[dict[str, Any]]:
        """What others shared with the reader, where records can be shared at all."""
        if "shared" not in self.entity.traits:
            return []
        href = self.link([("shared", "me"), *lasting])
        tab = {"title": gettext("Shared with me"), "href": href, "active": self.query.shared}
        return [{**tab, "own": False, "id": ""}]

    # --- the pool ------------------------------------------------------------------------------
    def pool(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Which rows the reader may take from the pool, and how many more."""
        left = pool.left(self.unit, self.entity) if self.entity.pool else None
        free: frozenset[int] = frozenset()
        if left is not None and left.any:
            free = pool.claimable(self.unit, self.entity, rows)
        return {
            "claim_href": url_for("pool.claim_many", entity=self.entity.name) if free else "",
            "free": free,
            "pool_left": self._left(left),
        }

    def _left(self, left: Left | None) -> str:
        """What the pool still lets the reader take; "" where nothing limits him."""
        if left is None:
            return ""
        held = str(left.held) if left.holds is None else f"{left.held}/{left.holds}"
        if left.claims is None:
            return gettext("You own %(held)s.", held=held) if left.holds is not None else ""
        words = {"count": left.claims, "held": held}
        return gettext("%(count)s more may be taken today; you own %(held)s.", **words)

    def modes(self) -> list[dict[str, Any]]:
        """The displays of this list, with the same filters; none where there is only the table."""
        found = [("", gettext("Table"), "layout-list")]
        if board_field(self.entity, self.access):
            found.append(("board", gettext("Board"), "layout-kanban"))
        if calendar_fields(self.entity, self.access):
            found.append(("calendar", gettext("Calendar"), "calendar"))
        if len(found) == 1:
            return []
        return [
            {
                "title": title,
                "icon": icon,
                "href": self.link([*self.plain, *Display(view).args()]),
                "active": view == self.display.view,
            }
            for view, title, icon in found
        ]

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
            "href": f"{self.href}/{row['id']}",
            "id": row["id"],
            "version": row.get("version", 0),
            "title": title,
            "first": (cells[0].text if cells else "") or title,
            "cells": list(zip(self.ends, cells[1:], strict=True)),
            "card": card(cells, title),
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
    def quick(self) -> list[Select]:
        """The definition's filters as selects above the list."""
        fields = {field.name: field for field in self._filterable()}
        wanted = [fields[name] for name in self.entity.list.filters if name in fields]
        return quick_filters(wanted, self.kinds, self.args, self.language)

    def chips(self) -> list[dict[str, str]]:
        """What is filtered, in words, each with the way to drop it."""
        found = [("q", f"“{self.query.text}”")] if self.query.text else []
        found += [(f"f.{one.field}.{one.op}", self.sentence(one)) for one in self.query.conditions]
        if self.query.where is not None:
            inner = [leaf for leaf in self.query.filters() if leaf not in self.query.conditions]
            words = " · ".join(self.sentence(leaf) for leaf in inner[:3])
            found.append(("where", words + (" …" if len(inner) > 3 else "")))
        found += [("shared", gettext("Shared with me"))] if self.query.shared else []
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
            if self.access.usable(field.name)
            and field.rows is None
            and self.kinds[field.name].operators
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


def card(cells: Sequence[Cell], title: str) -> dict[str, Any]:
    """The two lines of a phone: a badge beside the title, facts below, an amount at the end."""
    badge = next((cell for cell in cells if cell.kind in ("badge", "tag")), None)
    end = next((cell for cell in reversed(cells) if cell.kind == "money"), None)
    facts = [
        cell for cell in cells if cell not in (badge, end) and cell.text and cell.text not in title
    ]
    return {
        "badge": badge,
        "meta": [cell.text for cell in facts[:3]],
        "end": end.text if end else "",
    }


def with_label(columns: tuple[str, ...], entity: Entity) -> tuple[str, ...]:
    """The columns and whatever the record's name is made of."""
    return tuple(dict.fromkeys((*columns, *(n for n in entity.label_fields if n in entity.fields))))


def pool_columns(unit: Unit, entity: Entity) -> tuple[str, ...]:
    """What has to be known of a row to offer it for taking."""
    return ("owner",) if "pooled" in entity.traits and pool.may_claim(unit, entity) else ()


def named(entity: Entity) -> dict[str, str]:
    """What templates want to know of an entity."""
    return {
        "name": entity.name,
        "title": text_of(entity.title, language()),
        "plural": text_of(entity.plural, language()),
        "icon": entity.icon,
        "help": text_of(entity.help, language()),
    }


def asked() -> Args:
    """The address's arguments, what the selects above the list ask for among them."""
    return list(unfolded(request.args.items(multi=True)))
