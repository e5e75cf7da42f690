"""Texts: short, long, and those with a form of their own (colour, phone, email, url)."""

# ruff: noqa: ARG002 - an override keeps the arguments of its base

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from engine.definitions.patterns import compile_pattern
from engine.fields.base import BadValue, Cell, FieldType, Names
from engine.problems import Problem

LONGEST: Final = 1_000_000
"""Code points of any text whose definition sets no `maxLength`."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def clean(raw: object) -> str | None:
    """`raw` as normalised text (NFC, trimmed, newlines as \\n), None when nothing is left.

    Raises: BadValue for what is not text, lone surrogates and control characters.
    """
    match raw:
        case None:
            return None
        case str():
            text = raw
        case bool() | float():
            raise BadValue("V003")
        case int() | Decimal():  # a file's cell "007" or 110101 was meant as text
            text = str(raw)
        case _:
            raise BadValue("V003")
    if not text.isascii():
        if _SURROGATE.search(text):
            raise BadValue("V007")
        text = unicodedata.normalize("NFC", text)
    text = text.strip()
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _CONTROL.search(text):
        raise BadValue("V007")
    return text or None


class TextType(FieldType):
    """One line of text."""

    name = "text"
    searchable = True
    checks = frozenset({"type", "minLength", "maxLength", "pattern", "format"})
    lines: ClassVar[bool] = False  # whether newlines belong to the text
    longest: ClassVar[int] = LONGEST

    def parse(self, raw: object) -> str | None:
        text = clean(raw)
        if text is not None and not self.lines and ("\n" in text or "\t" in text):
            raise BadValue("V008")
        return text

    @cached_property
    def _limits(self) -> tuple[int, int, Any]:
        """Shortest, longest, compiled pattern."""
        pattern = self.limits.get("pattern")
        return (
            int(self.limits.get("minLength", 0)),
            int(self.limits.get("maxLength", self.longest)),
            compile_pattern(pattern) if pattern else None,
        )

    def problems(self, value: Any) -> Sequence[Problem]:
        if type(value) is not str:
            return (self.problem("V003"),)
        shortest, longest, pattern = self._limits
        size = len(value)
        if size < shortest:
            return (self.problem("V004", limit=shortest, size=size),)
        if size > longest:
            return (self.problem("V005", limit=longest, size=size),)
        if pattern is not None and pattern.search(value) is None:
            return (self._misshaped(pattern),)
        return self.own_problems(value)

    def _misshaped(self, pattern: Any) -> Problem:
        """Told in the author's own words, the field's description and an example, where there are
        any: nobody should have to read a regular expression."""
        help = {language: words.rstrip("。. ") for language, words in self.field.help.items()}
        example = self._example(pattern)
        shown = "" if help or example else self.limits["pattern"]
        return self.problem("V006", pattern=shown, help=help, example=example)

    def _example(self, pattern: Any) -> Mapping[str, str] | str:
        """A value that would do: of `examples`, else the placeholder unless that only describes."""
        for one in self.limits.get("examples", ()):
            if isinstance(one, str) and pattern.search(one):
                return one
        return {
            language: words
            for language, words in self.field.placeholder.items()
            if pattern.search(words)
        }

    def own_problems(self, value: str) -> Sequence[Problem]:
        """What the type's own form objects to."""
        return ()

    def lint(self) -> Sequence[Problem]:
        try:
            self._limits  # noqa: B018 - compiles the pattern
        except ValueError as bad:
            return (self.problem("V201", pattern=self.limits["pattern"], reason=str(bad)),)
        return super().lint()

    def schema(self) -> Mapping[str, Any]:
        kept = {
            key: self.limits[key]
            for key in ("minLength", "maxLength", "pattern", "format")
            if key in self.limits
        }
        return self.nullable({"type": "string", **kept})


class LongTextType(TextType):
    """Text of several lines."""

    name = "longtext"
    operators = ("contains", "empty", "filled")
    sortable = False
    lines = True
    widget = "textarea"

    def cell(self, value: Any, language: str, names: Names) -> Cell:
        return Cell(self.format(value, language, names), "longtext")


class ColorType(TextType):
    """A colour ``#rrggbb``, kept in lower case."""

    name = "color"
    operators = ("eq", "ne", "in", "empty", "filled")
    sortable = False
    searchable = False
    widget = "color"

    def parse(self, raw: object) -> str | None:
        text = super().parse(raw)
        return text and text.lower()

    def own_problems(self, value: str) -> Sequence[Problem]:
        return () if re.fullmatch(r"#[0-9a-f]{6}", value) else (self.problem("V036"),)

    def schema(self) -> Mapping[str, Any]:
        return self.nullable({"type": "string", "pattern": "^#[0-9a-f]{6}$"})

    def cell(self, value: Any, language: str, names: Names) -> Cell:
        return Cell(value or "", "color", color=value or "")


class PhoneType(TextType):
    """A mobile (11 digits from 1[3-9]), a landline with extension, or an international number."""

    name = "phone"
    widget = "tel"
    mask_kind = "phone"
    _FORM: ClassVar = re.compile(
        r"1[3-9][0-9]{9}"  # mobile
        r"|(?:0[0-9]{2,3}-?)?[1-9][0-9]{2,3}-?[0-9]{4}(?:-[0-9]{1,6})?"  # landline, extension
        r"|[48]00-?[0-9]{3,4}-?[0-9]{3,4}|1[0-9]{2,4}|9[56][0-9]{3,4}"  # service numbers
        r"|\+[1-9][0-9]{0,2}[0-9-]{5,16}[0-9]"  # international
    )
    _COUNTRY: ClassVar = re.compile(r"\+86-?(?=1[3-9][0-9]{9}$)")

    def parse(self, raw: object) -> str | None:
        """Blanks and brackets go, and so does +86 before a mobile: one person, one number."""
        text = super().parse(raw)
        if text is None:
            return None
        text = re.sub(r"[\s.]+", "", text.replace("(", "").replace(")", "-").replace("－", "-"))
        return self._COUNTRY.sub("", text.strip("-")) or None

    def own_problems(self, value: str) -> Sequence[Problem]:
        return () if self._FORM.fullmatch(value) else (self.problem("V040"),)

    def cell(self, value: Any, language: str, names: Names) -> Cell:
        return Cell(value or "", "phone", href=f"tel:{value}" if value else "")


class EmailType(TextType):
    """An address for mail. The domain is kept in lower case, the local part as written."""

    name = "email"
    widget = "email"
    mask_kind = "email"
    longest = 254
    _LOCAL: ClassVar = re.compile(r"(?!.*\.\.)(?!\.)[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+(?<!\.)")
    _LABEL: ClassVar = re.compile(r"(?!-)[^\W_](?:[^\W_]|-){0,62}(?<!-)")

    def parse(self, raw: object) -> str | None:
        text = super().parse(raw)
        if text is None or "@" not in text:
            return text
        local, _, domain = text.rpartition("@")
        return f"{local}@{domain.lower()}"

    def own_problems(self, value: str) -> Sequence[Problem]:
        local, _, domain = value.rpartition("@")
        labels = domain.split(".")
        good = (
            0 < len(local) <= 64
            and len(labels) > 1
            and self._LOCAL.fullmatch(local)
            and all(self._LABEL.fullmatch(label) for label in labels)
        )
        return () if good else (self.problem("V041"),)

    def schema(self) -> Mapping[str, Any]:
        return {**super().schema(), "format": "email"}

    def cell(self, value: Any, language: str, names: Names) -> Cell:
        return Cell(value or "", "email", href=f"mailto:{value}" if value else "")


class UrlType(TextType):
    """A web address; http and https only."""

    name = "url"
    operators = ("eq", "ne", "contains", "starts", "empty", "filled")
    widget = "url"
    longest = 2048
    schemes: ClassVar = ("http", "https")

    def parse(self, raw: object) -> str | None:
        """``www.example.com`` is read as https."""
        text = super().parse(raw)
        return f"https://{text}" if text and text.lower().startswith("www.") else text

    def own_problems(self, value: str) -> Sequence[Problem]:
        try:
            parts = urlsplit(value)
            host, _ = parts.hostname, parts.port  # .port raises for what is no number
        except ValueError:
            return (self.problem("V042"),)
        if parts.scheme not in self.schemes:
            return (self.problem("V043", allowed=self.schemes),)
        bad = not host or parts.username is not None or re.search(r"[\s\\<>\"'`]", value)
        return (self.problem("V042"),) if bad else ()

    def schema(self) -> Mapping[str, Any]:
        return {**super().schema(), "format": "uri"}

    def cell(self, value: Any, language: str, names: Names) -> Cell:
        # the column may hold older or imported values: only what passes now becomes a link
        safe = value and not self.own_problems(value)
        return Cell(value or "", "link" if safe else "text", href=value if safe else "")


TYPES = (TextType, LongTextType, ColorType, PhoneType, EmailType, UrlType)
