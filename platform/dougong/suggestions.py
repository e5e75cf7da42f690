"""What the search box offers while somebody types: a few records, and places of the menu."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

from flask import url_for
from flask_babel import gettext

from dougong.i18n import language
from dougong.shell import Entry, shell
from engine.definitions.model import Entity, MenuItem, text_of
from engine.lists import Query
from engine.records.labels import worded
from engine.records.reading import Record, find
from engine.records.unit import Unit

MOST = 8
EACH = 3  # of one kind while others are found too
PLACES = 4
BUDGET = 0.06  # seconds, after which what has been found must do
AROUND = 6  # letters before the words in a note
ENOUGH = 2  # letters; one is enough of scripts whose signs are words
FIRST_SIGN = "⺀"


@dataclass(frozen=True, slots=True)
class Hit:
    """A line to choose."""

    label: str
    href: str
    icon: str
    note: str = ""  # where the words are when the label does not have them


@dataclass(frozen=True, slots=True)
class Hits:
    """The records of a kind, or the places."""

    title: str
    items: tuple[Hit, ...]


def suggestions(unit: Unit, words: str) -> dict[str, Any]:
    """The answer to the box: groups of lines, the full page, and a sentence when there are none."""
    groups: list[Hits] = []
    if long_enough(words):
        places = _places(unit, words)
        groups = [*_shared(_records(unit, words)), *places]
        if any(
            _folded(hit.label).startswith(_folded(words)) for one in places for hit in one.items
        ):
            groups = [*places, *groups[: -len(places)]]  # who types its name wants the place
    empty = gettext("Nothing found for “%(text)s”", text=words)
    return {
        "groups": [asdict(group) for group in groups],
        "empty": "" if groups else empty,
        "all": {
            "label": gettext("All results for “%(text)s”", text=words),
            "href": url_for("pages.search", q=words),
            "icon": "search",
        },
    }


def long_enough(words: str) -> bool:
    """Whether it is worth looking: one letter finds half of everything."""
    return len(words) >= ENOUGH or any(sign >= FIRST_SIGN for sign in words)


def hits(unit: Unit, entity: Entity, words: str, most: int) -> tuple[Hit, ...]:
    """The first records of a kind that contain the words, as far as the person may see them."""
    searched = unit.app.tables.of(entity.name).search
    if searched is None or not unit.access(entity.name).may("read"):
        return ()
    columns = dict.fromkeys(name for name in entity.label_fields if name in entity.fields)
    columns.update(dict.fromkeys(searched.fields))
    page = find(unit, Query(entity.name, columns=tuple(columns), text=words, size=most))
    at = url_for("lists.index", entity=entity.name)
    found = []
    for row in page.rows:
        label = worded(entity, row, language(), page.names)
        note = "" if _has(label, words) else _where(entity, row, searched.fields, words)
        found.append(Hit(label, f"{at}/{row['id']}", entity.icon, note))
    return tuple(sorted(found, key=lambda hit: bool(hit.note)))


def _where(entity: Entity, row: Record, fields: Iterable[str], words: str) -> str:
    """The field with the words, and what stands around them."""
    for name in fields:
        value = row.get(name)
        if isinstance(value, str) and _has(value, words):
            text = " ".join(value.split())
            start = max(0, _folded(text).find(_folded(words).split()[0]) - AROUND)
            part = text[start : start + 5 * AROUND]
            before, after = "…" if start else "", "…" if len(text) > start + len(part) else ""
            return f"{text_of(entity.fields[name].title, language())}: {before}{part}{after}"
    return ""


def _has(text: str, words: str) -> bool:
    folded = _folded(text)
    return any(word in folded for word in _folded(words).split())


def in_order(unit: Unit) -> list[Entity]:
    """Every kind of record, in the order of the menu; then those it does not name."""
    model = unit.app.model
    named = dict.fromkeys((*_named(model.menus), *model.entities))
    return [model.entities[name] for name in named]


def _named(items: tuple[MenuItem, ...]) -> Iterator[str]:
    for item in items:
        if item.entity:
            yield item.entity
        yield from _named(item.items)


def _records(unit: Unit, words: str) -> list[Hits]:
    found: list[Hits] = []
    enough, until = MOST, monotonic() + BUDGET
    for entity in in_order(unit):
        if items := hits(unit, entity, words, MOST):
            found.append(Hits(text_of(entity.plural, language()), items))
            enough -= min(EACH, len(items))
        # with nothing found yet the search goes on: "nothing" has to be true
        if enough <= 0 or (found and monotonic() > until):
            break
    return found


def _shared(found: list[Hits]) -> list[Hits]:
    """A few of every kind; the room that is left goes to the first ones."""
    room = MOST - sum(min(EACH, len(group.items)) for group in found)
    shared, left = [], MOST
    for group in found:
        more = max(0, min(room, len(group.items) - EACH))
        room -= more
        items = group.items[: min(EACH + more, left)]
        left -= len(items)
        if items:
            shared.append(Hits(group.title, items))
    return shared


def _places(unit: Unit, words: str) -> list[Hits]:
    """Lists to open and records to make whose title has the words."""
    frame = shell(unit)
    offered = [*_lists(frame.menus)]
    offered += [
        Hit(gettext("New %(entity)s", entity=one.title), one.href, "plus") for one in frame.quick
    ]
    offered.append(Hit(gettext("Approvals"), f"{frame.base}/approvals", "checklist"))
    offered.append(Hit(gettext("My account"), url_for("account.index"), "user-circle"))
    wanted = _folded(words).split()
    items = [hit for hit in offered if all(word in _folded(hit.label) for word in wanted)]
    return [Hits(gettext("Go to"), tuple(items[:PLACES]))] if items else []


def _lists(entries: list[Entry]) -> Iterator[Hit]:
    for entry in entries:
        if entry.href:
            yield Hit(entry.title, entry.href, entry.icon)
        yield from _lists(entry.items)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
