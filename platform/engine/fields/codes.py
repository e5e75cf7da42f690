"""Codes with a check digit: credit code of organisations, identity card, bank card; and the
numbers the system gives out itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import cached_property
from typing import Any, ClassVar, Final

from engine.fields.base import HOME
from engine.fields.texts import TextType
from engine.problems import Problem

USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015: no I O S V Z
_ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS: Final = "10X98765432"


def uscc_check(body: str) -> str:
    """The check character of the first 17 characters of a credit code (GB 32100-2015)."""
    total = sum(USCC_ALPHABET.index(char) * pow(3, at, 31) for at, char in enumerate(body))
    return USCC_ALPHABET[-total % 31]


def id_check(body: str) -> str:
    """The check character of the first 17 digits of an identity card (GB 11643)."""
    return _ID_CHECKS[sum(int(d) * w for d, w in zip(body, _ID_WEIGHTS, strict=True)) % 11]


def luhn(digits: str) -> bool:
    """Whether the last digit of a card number is the right one."""
    total = 0
    for at, char in enumerate(reversed(digits)):
        digit = int(char) * (1 + at % 2)
        total += digit - 9 if digit > 9 else digit
    return total % 10 == 0


class _CodeType(TextType):
    """A code without blanks, in upper case."""

    form: ClassVar[str]  # a pattern for editors and the API
    sortable = False

    def parse(self, raw: object) -> str | None:
        text = super().parse(raw)
        return re.sub(r"[\s-]+", "", text or "").upper() or None

    def schema(self) -> Mapping[str, Any]:
        return self.nullable({"type": "string", "pattern": self.form})


class UsccType(_CodeType):
    """Unified social credit code, GB 32100-2015."""

    name = "uscc"
    form = "^[0-9A-HJ-NPQRTUWXY]{18}$"

    def own_problems(self, value: str) -> Sequence[Problem]:
        if not re.fullmatch(r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}", value):
            return (self.problem("V050"),)
        return () if uscc_check(value[:17]) == value[17] else (self.problem("V051"),)


class IdCardType(_CodeType):
    """Resident identity card, GB 11643: 17 digits with a date of birth and a check character."""

    name = "idcard"
    form = "^[1-9][0-9]{16}[0-9X]$"
    mask_kind = "idcard"

    def own_problems(self, value: str) -> Sequence[Problem]:
        if not re.fullmatch(r"[1-9][0-9]{16}[0-9X]", value):
            return (self.problem("V052"),)
        try:
            born = date(int(value[6:10]), int(value[10:12]), int(value[12:14]))
        except ValueError:
            return (self.problem("V053"),)
        if born.year < 1850:
            return (self.problem("V053"),)
        return () if id_check(value[:17]) == value[17] else (self.problem("V054"),)


class BankCardType(_CodeType):
    """A bank card or account number of 12 to 19 digits with Luhn's check digit."""

    name = "bankcard"
    form = "^[0-9]{12,19}$"
    mask_kind = "bankcard"

    def own_problems(self, value: str) -> Sequence[Problem]:
        if not re.fullmatch(r"[0-9]{12,19}", value):
            return (self.problem("V055"),)
        return () if luhn(value) else (self.problem("V056"),)


@dataclass(frozen=True, slots=True)
class Numbering:
    """A pattern such as ``KH-{yyyy}{mm}{seq:5}``: years, months and days of the moment the record
    was made, and one running number with at least that many digits.

    The number starts again whenever the dated part changes, so `counter` is the counter's key.
    """

    pattern: str
    _PARTS: ClassVar = re.compile(r"\{(yyyy|yy|mm|dd|seq(?::([1-9]))?)\}")

    @property
    def valid(self) -> bool:
        """Exactly one running number and no stray brace."""
        sequences = [m for m in self._PARTS.finditer(self.pattern) if m[1].startswith("seq")]
        return len(sequences) == 1 and not re.search(r"[{}]", self._PARTS.sub("", self.pattern))

    def counter(self, now: datetime, zone: tzinfo = HOME) -> str:
        """The counter that gives the next number: the pattern with dates filled in."""
        return self._filled(now.astimezone(zone), "#")

    def text(self, now: datetime, number: int, zone: tzinfo = HOME) -> str:
        """The whole code for the running `number`."""
        return self._filled(now.astimezone(zone), number)

    def _filled(self, day: datetime, number: int | str) -> str:
        def part(match: re.Match[str]) -> str:
            match match[1]:
                case "yyyy":
                    return f"{day.year:04}"
                case "yy":
                    return f"{day.year % 100:02}"
                case "mm":
                    return f"{day.month:02}"
                case "dd":
                    return f"{day.day:02}"
                case _:
                    return f"{number:0>{match[2] or 1}}" if number != "#" else "#"

        return self._PARTS.sub(part, self.pattern)


class AutoNumberType(TextType):
    """A code the system gives out; `x-ui.pattern` says how it looks."""

    name = "autonumber"
    widget = "readonly"

    @cached_property
    def numbering(self) -> Numbering:
        """How the next code is made."""
        return Numbering(str(self.field.ui.get("pattern", "{seq:5}")))

    def lint(self) -> Sequence[Problem]:
        if not self.numbering.valid:
            return (self.problem("V202", pattern=self.numbering.pattern),)
        return super().lint()


TYPES = (UsccType, IdCardType, BankCardType, AutoNumberType)
