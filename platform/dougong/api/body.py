"""Reading JSON bodies: exact numbers, no duplicate keys, no NaN, bounded depth and size."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec
from flask import Response, request

from dougong.failures import TooLarge, WrongType
from engine.problems import Problem
from engine.records.failures import Invalid
from engine.records.views import Masked

DEPTH: Final = 32
BYTES: Final = 2**20

_MARKS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)  # a whole string, or one bracket


def _told(value: object) -> dict[str, str]:
    """What the encoder does not know: a masked value, wherever it stands, is told as such."""
    if isinstance(value, Masked):
        return {"masked": str(value)}
    raise NotImplementedError(type(value))


_encoder = msgspec.json.Encoder(enc_hook=_told)


def json_body() -> dict[str, Any]:
    """The request's body: one object.

    Raises: Invalid with R90x for a wrong type, size, nesting, number, duplicate key or syntax.
    """
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or charset not in ("utf-8", "utf8"):
        raise WrongType([Problem("R901", {"type": request.mimetype or "–"})])
    request.max_content_length = BYTES  # read no more of it than that
    if (request.content_length or 0) > BYTES:
        raise TooLarge([Problem("R902", {"bytes": BYTES})])
    raw = request.get_data()  # kept: a busy database makes the view run again
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid([Problem("R903", {"reason": "UTF-8"})]) from error
    if too_deep(text):
        raise Invalid([Problem("R904", {"depth": DEPTH})])
    try:
        found = json.loads(
            text, parse_float=_decimal, parse_constant=_refuse, object_pairs_hook=_unique
        )
    except (ValueError, RecursionError) as error:
        raise Invalid([Problem("R903", {"reason": str(error)[:200]})]) from error
    if not isinstance(found, dict):
        raise Invalid([Problem("R903", {"reason": "{…}"})])
    return found


def too_deep(text: str) -> bool:
    """Whether brackets nest deeper than DEPTH; those inside strings do not count."""
    depth = 0
    for mark in _MARKS.finditer(text):
        char = mark[0]
        if char in "[{":
            depth += 1
            if depth > DEPTH:
                return True
        elif char in "]}":
            depth -= 1
    return False


def answer(body: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON response."""
    return Response(_encoder.encode(body), status, content_type="application/json")


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(text) from error


def _refuse(text: str) -> None:
    raise ValueError(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            msg = f"duplicate key {key!r}"
            raise ValueError(msg)
        found[key] = value
    return found
