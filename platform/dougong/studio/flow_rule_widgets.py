"""Inputs of the workflow editor for its rules: who decides, how many it takes, who sees what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flask_babel import gettext

from dougong.studio.flow_widgets import Form, Widget, unreadable
from dougong.studio.flow_world import Choices

PEOPLE: Final = ("role", "user", "department", "group", "field", "starter", "supervisor",
                 "supervisors", "chosenBy")  # fmt: skip


_MORE: Final = ("ofField", "upTo", "untilRole", "fromRole", "label")


@dataclass
class Who(Widget):
    """One rule of who: its kind, and what that kind asks for."""

    kind = "who"
    options: Mapping[str, Choices] = field(default_factory=dict)  # kind -> choices
    words: str = ""

    @property
    def sort(self) -> str:
        """The kind of rule."""
        said = self.value if isinstance(self.value, Mapping) else {}
        return next((one for one in PEOPLE if one in said), "")

    def get(self, key: str) -> str:
        """A part of the rule as text."""
        said = self.value if isinstance(self.value, Mapping) else {}
        found = said.get(key, "")
        if key in ("upTo", "untilRole"):
            chain = said.get("supervisors")
            found = chain.get(key, "") if isinstance(chain, Mapping) else ""
        if key == "fromRole":
            match said.get("from"):
                case None:
                    return ""
                case [{"role": str(role)}]:
                    return role
                case _:
                    return "@"  # more than one role: to be seen, and kept
        return str(found)

    def read(self, form: Form, now: Any) -> Any:
        """The rule put together; other keys of it are kept."""
        sort = form.get(f"{self.name}@kind")
        if sort is None:
            return now
        if not sort:
            return None
        said = {key: form.get(f"{self.name}@{key}", self.get(key)).strip()
                for key in (*PEOPLE, *_MORE)}  # fmt: skip
        known = {key: self.get(key) for key in said}
        if sort == self.sort and all(said[key] == known[key] for key in _asked(sort)):
            return now
        old = now if isinstance(now, Mapping) and sort == self.sort else {}
        gone = {*_asked(sort), *(("from",) if said["fromRole"] != "@" else ())}
        rule = {key: value for key, value in old.items() if key not in gone}
        return {**_rule(self.name, sort, said, self.options.get(sort, ())), **rule}


def _asked(sort: str) -> tuple[str, ...]:
    """What a kind of rule asks for."""
    more = {"supervisor": ("ofField",), "supervisors": ("ofField", "upTo", "untilRole"),
            "chosenBy": ("fromRole",)}  # fmt: skip
    own = () if sort in ("starter", "supervisors") else (sort,)
    return (*own, *more.get(sort, ()), "label")


def _rule(name: str, sort: str, said: Mapping[str, str], offered: Iterable[str]) -> dict[str, Any]:
    of = {"ofField": said["ofField"]} if said["ofField"] else {}
    label = {"label": said["label"]} if said["label"] else {}
    match sort:
        case "starter":
            return {"starter": True, **label}
        case "supervisor":
            return {"supervisor": _level(name, said[sort] or "1"), **of, **label}
        case "supervisors":
            up = {"upTo": _level(name, said["upTo"])} if said["upTo"] else {}
            until = {"untilRole": said["untilRole"]} if said["untilRole"] else {}
            return {"supervisors": {**up, **until}, **of, **label}
        case "chosenBy":
            by = said[sort] if said[sort] == "previous" else "starter"
            among = {"from": [{"role": said["fromRole"]}]} if said["fromRole"] not in "@" else {}
            return {"chosenBy": by, **among, **label}
    return {sort: said[sort] or next(iter(offered), ""), **label}


def _level(name: str, said: str) -> int:
    if not said.isdecimal() or not 1 <= int(said) <= 20:
        raise unreadable(name, said, gettext("a number of levels from 1 to 20"))
    return int(said)


@dataclass
class Quorum(Widget):
    """How many approvals it takes."""

    kind = "quorum"
    per_group: bool = False

    @property
    def sort(self) -> str:
        """The kind of rule."""
        return next(iter(self.value)) if isinstance(self.value, Mapping) else self.value or "all"

    def number(self, sort: str) -> str:
        """The figure of a counted rule."""
        return str(self.value.get(sort, "")) if isinstance(self.value, Mapping) else ""

    def read(self, form: Form, now: Any) -> Any:
        """A word, or a kind with its figure."""
        sort = form.get(self.name)
        if sort is None or (sort == self.sort and now is None):
            return now
        if sort in ("all", "any"):
            return sort
        said = form.get(f"{self.name}@{sort}", "").strip() or {"percent": "60"}.get(sort, "1")
        if not said.isdecimal() or not 1 <= int(said) <= (100 if sort == "percent" else 1000):
            raise unreadable(self.name, said, gettext("a whole number"))
        found = {sort: int(said)}
        return now if found == now else found


@dataclass
class Rights(Widget):
    """Field × right; * for every other field."""

    kind = "rights"
    options: Choices = field(default_factory=dict)
    levels: Choices = field(default_factory=dict)

    def read(self, form: Form, now: Any) -> Any:
        """Kept in the order in which they were written; * stays last."""
        old = dict(now or {})
        found = dict(old)
        for key in self.options:
            said = form.get(f"{self.name}@{key}")
            if said is None or said == old.get(key, ""):
                continue
            if said in self.levels:
                found[key] = said
            else:
                found.pop(key, None)
        if found == old:
            return now
        if len(found) > len(old) and "*" in found:
            found["*"] = found.pop("*")
        return found or None
