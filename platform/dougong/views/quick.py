"""The selects above a list: the definition's filters, as far as a select can ask them.

A choice asks by value, a person or a moment by a word such as "me" or "this month"; the select of
such a field is called ``pick.<field>`` and holds an operator, which `unfolded` makes a filter of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flask_babel import lazy_gettext as _

from engine.definitions.model import Field, text_of
from engine.fields import FieldType

PICK: Final = "pick."
MOST: Final = 4
OPTIONS: Final = 15  # more of them are for the filter dialog
WORDS: Final = {
    "me": _("Me"),
    "mine": _("My department"),
    "mine_tree": _("My department and below"),
    "today": _("Today"),
    "this_week": _("This week"),
    "this_month": _("This month"),
    "last_month": _("Last month"),
    "next_month": _("Next month"),
    "this_quarter": _("This quarter"),
    "this_year": _("This year"),
    "empty": _("Empty"),
}
PEOPLE: Final = frozenset({"user", "users", "department"})

Args = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Option:
    """One line of a select."""

    value: str
    title: str
    active: bool


@dataclass(frozen=True, slots=True)
class Select:
    """A select; `drops` are the arguments that it stands for."""

    name: str
    title: str
    options: Sequence[Option]
    drops: frozenset[str]


def quick_filters(
    fields: Iterable[Field], kinds: Mapping[str, FieldType], args: Args, language: str
) -> list[Select]:
    """The selects for `fields`: choices first, but room for one of people and one of time."""
    made = [(field, _select(field, kinds[field.name], args, language)) for field in fields]
    found = [(_group(field), select) for field, select in made if select is not None]
    first = [next((one for one in found if one[0] == group), None) for group in ("people", "time")]
    kept = [one for one in first if one is not None]
    room = MOST - len(kept)
    kept += [one for one in found if one not in kept and one[0] == "choice"][:room]
    return [select for group, select in found if (group, select) in kept]


def unfolded(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """An address's arguments; a select that was left empty asks for nothing."""
    for key, value in pairs:
        if key.startswith(PICK):
            if value in WORDS:
                yield f"f.{key.removeprefix(PICK)}.{value}", "1"
        elif value or not key.endswith((".eq", ".contains")):
            yield key, value


def _group(field: Field) -> str:
    if field.type in PEOPLE:
        return "people"
    return "choice" if field.options or field.type == "boolean" else "time"


def _select(field: Field, kind: FieldType, args: Args, language: str) -> Select | None:
    title = text_of(field.title, language)
    chosen = dict(args)
    if field.options or field.type == "boolean":
        name = f"f.{field.name}.{'contains' if field.multiple else 'eq'}"
        titles = {option.value: text_of(option.title, language) for option in field.options}
        titles = titles or {"true": str(_("Yes")), "false": str(_("No"))}
        options = [Option(v, t, chosen.get(name) == v) for v, t in titles.items()]
        return Select(name, title, options, frozenset({name})) if len(titles) <= OPTIONS else None
    words = [word for word in WORDS if word in kind.operators]
    if words in ([], ["empty"]):
        return None
    names = {word: f"f.{field.name}.{word}" for word in words}
    options = [Option(word, str(WORDS[word]), names[word] in chosen) for word in words]
    return Select(PICK + field.name, title, options, frozenset(names.values()))
