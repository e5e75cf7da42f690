"""Inputs of the workflow editor that hold others: objects, lists, arrows and pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext

from dougong.studio.flow_widgets import Form, Widget, unreadable
from dougong.studio.flow_world import Choices
from engine.definitions.flow_tree import arrows, packed


@dataclass
class Group(Widget):
    """Several values of one object."""

    kind = "group"
    items: Sequence[Widget] = ()
    keys: Sequence[str] = ()
    needed: bool = False  # {} is written down, not left out
    seldom: frozenset[str] = frozenset()  # keys that are shown folded

    @property
    def common(self) -> list[Widget]:
        """What is always in sight."""
        return [item for key, item in self._pairs() if key not in self.seldom]

    @property
    def folded(self) -> list[Widget]:
        """What is wanted seldom."""
        return [item for key, item in self._pairs() if key in self.seldom]

    def _pairs(self) -> list[tuple[str, Widget]]:
        return list(zip(self.keys, self.items, strict=True))

    def read(self, form: Form, now: Any) -> Any:
        """The object with what changed; new keys stand in the schema's order."""
        old = dict(now) if isinstance(now, Mapping) else {}
        found = dict(old)
        for key, item in zip(self.keys, self.items, strict=True):
            said = item.read(form, old.get(key))
            if said is None:
                found.pop(key, None)
            elif key in found:
                found[key] = said
            else:
                found = _inserted(found, key, said, self.keys)
        if found == old:
            return now
        return found or ({} if self.needed else None)


def _inserted(found: dict[str, Any], key: str, value: Any, keys: Sequence[str]) -> dict[str, Any]:
    later = set(keys[keys.index(key) + 1 :])
    at = next((index for index, name in enumerate(found) if name in later), len(found))
    pairs = list(found.items())
    return dict([*pairs[:at], (key, value), *pairs[at:]])


@dataclass
class Rows(Widget):
    """A list; entries are added, moved and dropped by buttons."""

    kind = "rows"
    items: Sequence[Widget] = ()
    adds: Sequence[tuple[str, str, str]] = ()  # label, pointer, JSON of the new entry
    titles: Sequence[str] = ()
    least: int = 0
    sort: str = ""

    def read(self, form: Form, now: Any) -> Any:
        """Entry by entry; what may be one thing or a list stays what it was."""
        if now is None:
            return now
        many = now if isinstance(now, list) else [now]
        found = [item.read(form, old) for item, old in zip(self.items, many, strict=True)]
        kept = [one for one in found if one is not None]
        if kept == many:
            return now
        if not isinstance(now, list) and len(kept) == 1:
            return kept[0]
        return kept or None


@dataclass
class Ways(Rows):
    """The arrows of a slot: the first whose condition holds is taken."""

    kind = "ways"
    slot: str = ""
    drop: str = ""

    @property
    def slot_path(self) -> str:
        """The slot within its state: what follows the state's own id."""
        return "/".join(self.slot.rpartition("/states/")[2].split("/")[1:])

    def read(self, form: Form, now: Any) -> Any:
        """Written in the shortest way, once something has changed."""
        old = arrows(now)
        found = [item.read(form, one) for item, one in zip(self.items, old, strict=True)]
        return now if found == old else packed([one for one in found if one])


@dataclass
class Pairs(Widget):
    """Name -> expression."""

    kind = "pairs"
    options: Choices = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    numbers: bool = False

    def read(self, form: Form, now: Any) -> Any:
        """Emptied ones go; the blank line below adds one."""
        old = dict(now or {})
        found: dict[str, Any] = {}
        for key, value in old.items():
            said = form.get(f"{self.name}@{key}", self.texts[key]).strip()
            if said:
                found[key] = value if said == self.texts[key] else self._value(said)
        name, said = form.get(f"{self.name}@@name", ""), form.get(f"{self.name}@@value", "").strip()
        if name and said:
            found[name] = self._value(said)
        return now if found == old else found or None

    def _value(self, said: str) -> Any:
        if not self.numbers:
            return said
        if not said.isdecimal():
            raise unreadable(self.name, said, gettext("a whole number"))
        return int(said)
