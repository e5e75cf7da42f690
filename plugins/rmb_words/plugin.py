"""Money that is also written out in words, as a Chinese receipt demands (大写金额)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any

from engine.fields import Cell, Names
from engine.fields.numbers import MoneyType
from engine.hooks import implement

DIGITS = "零壹贰叁肆伍陆柒捌玖"
PLACES = ("仟", "佰", "拾", "")
GROUPS = ("", "万", "亿", "万亿")


class RmbType(MoneyType):
    """`x-type: rmb`. Stored, filtered and computed as money; shown with its amount in words."""

    name = "rmb"

    def cell(self, value: Any, language: str, names: Names) -> Cell:
        plain = super().cell(value, language, names)
        return plain if value is None else Cell(f"{plain.text} {in_words(value)}", plain.kind)


def in_words(amount: Decimal) -> str:
    """The amount as written on a receipt: ``1234.05`` is 壹仟贰佰叁拾肆元零伍分.

    The rules are those of 《支付结算办法》, annex 1: one 零 for any run of zeros between digits,
    整 after full yuan or full jiao.
    """
    cents = int((abs(amount) * 100).quantize(Decimal(1), ROUND_HALF_UP))
    yuan, jiao, fen = cents // 100, cents // 10 % 10, cents % 10
    words = "负" if amount < 0 and cents else ""
    if yuan:
        words += _integer(yuan) + "元"
    if jiao:
        # "零" only where a zero stands between two digits that are read
        words += ("零" if yuan and yuan % 10 == 0 else "") + DIGITS[jiao] + "角"
    if fen:
        words += ("零" if yuan and not jiao else "") + DIGITS[fen] + "分"
    if not cents:
        words = "零元"
    return words if fen else words + "整"


def _integer(number: int) -> str:
    """A whole number above zero in groups of four digits, from the left."""
    groups = []
    while number:
        number, part = divmod(number, 10_000)
        groups.append(part)
    words = ""
    pending = False  # a zero was passed over and has to be read before the next digit
    for index in range(len(groups) - 1, -1, -1):
        part = groups[index]
        if not part:
            pending = bool(words)
            continue
        if words and (pending or part < 1000):
            words += "零"
        words += _group(part) + GROUPS[index]
        pending = part % 10 == 0
    return words


def _group(part: int) -> str:
    """Four digits, without leading or trailing zeros."""
    digits = [int(digit) for digit in f"{part:04d}"]
    read = [(digit, place) for digit, place in zip(digits, PLACES, strict=True)]
    words = ""
    for (before, _), (digit, place) in pairwise([(0, ""), *read]):
        if digit:
            words += ("零" if words and not before else "") + DIGITS[digit] + place
    return words


@implement
def field_types() -> Iterable[type]:
    """The type `rmb`."""
    return (RmbType,)
