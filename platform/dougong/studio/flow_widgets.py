"""Inputs of the workflow editor's forms that hold one plain value.

A widget shows one value of the document and reads it back from what was posted. What nobody
touched comes back as the very same value, so that a form that was only looked at changes no byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from flask_babel import gettext
from werkzeug.datastructures import MultiDict

from dougong.studio.flow_world import Choices
from engine.definitions.flow_tree import EditRefused

Form = MultiDict[str, str]
SIMPLE: Final = re.compile(r"P(?:(\d+)([WD])|T(\d+)([HM]))")
UNITS: Final = ("M", "H", "D", "W")


@dataclass
class Widget:
    """One input, or several that make one value. `name` is the value's JSON pointer."""

    kind: ClassVar[str] = "text"
    name: str
    label: str
    value: Any = None
    help: str = ""

    @property
    def id(self) -> str:
        """For labels."""
        return "w" + self.name.replace("/", "-").replace("~", "_").replace(".", "_")

    def read(self, form: Form, now: Any) -> Any:
        """The value after the form was sent; `now` as long as nobody changed it, None for none."""
        if self.name not in form:
            return now
        said = form[self.name].replace("\r\n", "\n").strip()
        return now if said == (now or "") else said or None


@dataclass
class Text(Widget):
    """Free text on one line."""


@dataclass
class Expression(Widget):
    """An expression, checked while it is typed and said in words."""

    kind = "expression"
    wanted: str = "bool"
    words: str = ""
    problems: Sequence[str] = ()


@dataclass
class Words(Widget):
    """A text in the company's languages."""

    kind = "words"
    languages: Sequence[tuple[str, str]] = ()

    def text(self, tag: str) -> str:
        """The text in one language."""
        if isinstance(self.value, Mapping):
            return str(self.value.get(tag, ""))
        return str(self.value or "")

    def read(self, form: Form, now: Any) -> Any:
        """Languages that are emptied go; a plain text stays plain as long as it is for all."""
        said = {tag: form[f"{self.name}@{tag}"].strip() for tag, _ in self.languages
                if f"{self.name}@{tag}" in form}  # fmt: skip
        if all(text == self.text(tag) for tag, text in said.items()):
            return now
        kept = dict(now) if isinstance(now, Mapping) else {}
        if isinstance(now, str):
            kept = {tag: now for tag, _ in self.languages}
        kept |= said
        return {tag: text for tag, text in kept.items() if text} or None


@dataclass
class Choice(Widget):
    """One of several; "" is the default."""

    kind = "choice"
    options: Choices = field(default_factory=dict)
    blank: str | None = ""

    def read(self, form: Form, now: Any) -> Any:
        """An option; what is not among them is not taken over."""
        said = form.get(self.name)
        if said is None or said == str(now or ""):
            return now
        return said if said in self.options else None if said == "" else now


@dataclass
class Flag(Widget):
    """Yes or no; only what differs from the default is written down."""

    kind = "flag"
    default: bool = False

    @property
    def on(self) -> bool:
        """What holds."""
        return self.value if isinstance(self.value, bool) else self.default

    def read(self, form: Form, now: Any) -> Any:
        """A box that is not ticked is not sent: its shadow tells that it was there."""
        if f"{self.name}@here" not in form:
            return now
        said = self.name in form
        if said == self.on:
            return now
        return said if said != self.default else None


@dataclass
class Number(Widget):
    """A whole number."""

    kind = "number"
    least: int = 0
    most: int = 1000

    def read(self, form: Form, now: Any) -> Any:
        """A number, or none."""
        said = form.get(self.name, "" if now is None else str(now)).strip()
        if said == ("" if now is None else str(now)):
            return now
        if not said:
            return None
        if not said.isdecimal() or not self.least <= int(said) <= self.most:
            raise unreadable(self.name, said, gettext("a whole number"))
        return int(said)


@dataclass
class Checks(Widget):
    """Some of several."""

    kind = "checks"
    options: Choices = field(default_factory=dict)
    default: Sequence[str] = ()

    @property
    def chosen(self) -> list[str]:
        """What holds."""
        return list(self.value if isinstance(self.value, list) else self.default)

    def read(self, form: Form, now: Any) -> Any:
        """In the order of the options; unknown ones are kept."""
        if f"{self.name}@here" not in form:
            return now
        said = form.getlist(self.name)
        if set(said) == set(self.chosen) & self.options.keys():
            return now
        unknown = [one for one in self.chosen if one not in self.options]
        found = [one for one in self.options if one in said] + unknown
        return found or None


@dataclass
class Tags(Widget):
    """Words with commas between them."""

    kind = "tags"

    @property
    def shown(self) -> str:
        """The words as they are typed."""
        return ", ".join(self.value) if isinstance(self.value, list) else str(self.value or "")

    def read(self, form: Form, now: Any) -> Any:
        """A list of words; none at all goes."""
        said = form.get(self.name, self.shown)
        if said == self.shown:
            return now
        words = [one.strip() for one in re.split(r"[,,;;、]", said)]
        return list(dict.fromkeys(one for one in words if one)) or None


@dataclass
class Duration(Widget):
    """A number and its unit; what is more complicated is text."""

    kind = "duration"

    @property
    def parts(self) -> tuple[str, str] | None:
        """Number and unit, for a duration that is that simple."""
        match = SIMPLE.fullmatch(str(self.value or "PT24H"))
        if match is None:
            return None
        return (match[1], match[2]) if match[1] else (match[3], match[4])

    def read(self, form: Form, now: Any) -> Any:
        """ISO 8601."""
        if f"{self.name}@unit" not in form:
            return super().read(form, now)
        number, unit = form[self.name].strip(), form[f"{self.name}@unit"]
        if (number, unit) == self.parts and now is not None:
            return now
        if not number:
            return None
        if not number.isdecimal() or unit not in UNITS or len(number) > 6:
            raise unreadable(self.name, number, gettext("a duration"))
        return f"PT{number}{unit}" if unit in "HM" else f"P{number}{unit}"


@dataclass
class Raw(Widget):
    """JSON as it is, for what has no widget of its own."""

    kind = "raw"

    @property
    def text(self) -> str:
        """The JSON."""
        return "" if self.value is None else json.dumps(self.value, ensure_ascii=False, default=str)

    def read(self, form: Form, now: Any) -> Any:
        """The JSON read again."""
        said = form.get(self.name, self.text).strip()
        if said == self.text:
            return now
        if not said:
            return None
        try:
            return json.loads(said)
        except json.JSONDecodeError as error:
            raise unreadable(self.name, said[:60], "JSON") from error


def unreadable(name: str, value: str, wanted: str) -> EditRefused:
    """The refusal of a value that cannot be read."""
    return EditRefused("E123", name, value=value, wanted=wanted)
