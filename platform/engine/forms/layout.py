"""Where the fields of a form and of a record page stand: tabs, sections, rows on twelve columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from engine.definitions.model import Entity, Field, FormPart, Label

GRID: Final = 12
WIDE_TYPES: Final = frozenset({"longtext", "lines", "address"})
WIDTHS: Final = {"full": 12, "half": 6, "third": 4, "quarter": 3, "two-thirds": 8}
OTHERS: Final[Label] = {"zh-CN": "其他", "en": "Other"}


@dataclass(frozen=True, slots=True)
class Placed:
    """A field and how many of the twelve columns it takes."""

    name: str
    span: int


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under a heading; shown while `when` (an expression, "" for always) holds."""

    key: str
    title: Label
    rows: tuple[tuple[Placed, ...], ...]
    when: str = ""


@dataclass(frozen=True, slots=True)
class Tab:
    """Sections on one sheet; the only tab of a form may have no title."""

    key: str
    title: Label
    sections: tuple[Section, ...]
    when: str = ""


def form_layout(
    entity: Entity, visible: Callable[[str], bool], *, leftovers: bool = True
) -> tuple[Tab, ...]:
    """The sheets of an entity's form, less what is not `visible` and what has become empty by it.

    Fields that no part of the definition places (a company's own ones, often) follow at the end of
    the first sheet, so that nothing that can be filled in is lost; `leftovers` switches that off.
    """
    sheets = _sheets(entity.form)
    drawn = [_tab(entity, at, sheet, visible) for at, sheet in enumerate(sheets)]
    if leftovers and (rest := _unplaced(entity, visible)):
        title = OTHERS if sheets else {}
        more = Section("rest", title, tuple(_rows(entity, _pairs(entity, rest), visible)))
        first = drawn[0] if drawn else Tab("t0", {}, ())
        drawn[:1] = [Tab(first.key, first.title, (*first.sections, more), first.when)]
    return tuple(tab for tab in drawn if tab.sections)


def placed_names(layout: Iterable[Tab]) -> tuple[str, ...]:
    """The fields of a layout in reading order."""
    return tuple(
        place.name
        for tab in layout
        for section in tab.sections
        for row in section.rows
        for place in row
    )


def _sheets(parts: Sequence[FormPart]) -> list[list[FormPart]]:
    """The parts grouped by tab: a section belongs to the tab before it."""
    sheets: list[list[FormPart]] = []
    for part in parts:
        if part.kind == "tab" or not sheets:
            sheets.append([])
        sheets[-1].append(part)
    return sheets


def _tab(entity: Entity, at: int, parts: list[FormPart], visible: Callable[[str], bool]) -> Tab:
    head = parts[0] if parts[0].kind == "tab" else None
    sections = []
    for number, part in enumerate(parts):
        rows = tuple(_rows(entity, part.rows, visible))
        if rows:
            own = part is not head
            title = part.title if own else {}
            when = part.when if own else ""
            sections.append(Section(f"t{at}s{number}", title, rows, when))
    return Tab(f"t{at}", head.title if head else {}, tuple(sections), head.when if head else "")


def _rows(
    entity: Entity, rows: Iterable[Sequence[str]], visible: Callable[[str], bool]
) -> Iterable[tuple[Placed, ...]]:
    for row in rows:
        names = [name for name in row if name in entity.fields and visible(name)]
        if names:
            yield tuple(Placed(name, _span(entity.fields[name], len(names))) for name in names)


def _span(field: Field, companions: int) -> int:
    """Columns of a field: its own wish, all for wide ones, else an even share of the row.

    A short field alone in its row takes half: an input as wide as the page is hard to read.
    """
    wish = field.ui.get("width")
    if isinstance(wish, int) and 1 <= wish <= GRID:
        return wish
    if isinstance(wish, str) and wish in WIDTHS:
        return WIDTHS[wish]
    if companions == 1:
        return GRID if field.type in WIDE_TYPES else GRID // 2
    return GRID // min(companions, 4)


def _unplaced(entity: Entity, visible: Callable[[str], bool]) -> list[str]:
    named = {name for part in entity.form for row in part.rows for name in row}
    return [
        field.name
        for field in entity.fields.values()
        if field.name not in named
        and not field.system
        and not field.ui.get("hidden")
        and not (entity.form and (field.read_only or field.compute))
        and visible(field.name)
    ]


def _pairs(entity: Entity, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Names two to a row, wide ones alone."""
    rows: list[tuple[str, ...]] = []
    waiting: list[str] = []
    for name in names:
        if entity.fields[name].type in WIDE_TYPES:
            rows += [tuple(waiting), (name,)] if waiting else [(name,)]
            waiting = []
        else:
            waiting.append(name)
            if len(waiting) == 2:
                rows.append(tuple(waiting))
                waiting = []
    return [*rows, tuple(waiting)] if waiting else rows
