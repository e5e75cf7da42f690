"""Patterns of strangers, run by RE2 only: linear time whatever they say."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import re2

from engine.definitions.limits import PATTERN_LENGTH

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


class BadPattern(ValueError):
    """A pattern that RE2 refuses, with RE2's reason."""


@lru_cache(maxsize=2_000)
def compile_pattern(pattern: str) -> Any:
    """The compiled pattern; use `.search(text)`, as JSON Schema does.

    Raises: BadPattern when it is too long or RE2 refuses it (look-around, back-references).
    """
    if len(pattern) > PATTERN_LENGTH:
        raise BadPattern("too long")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(for_re2(pattern), options=options)
    except (re2.error, UnicodeError) as error:
        reason = error.args[0] if error.args else error
        raise BadPattern(reason.decode() if isinstance(reason, bytes) else str(reason)) from None


def for_re2(pattern: str) -> str:
    r"""ECMA's ``\uXXXX`` as RE2 writes it; every other escape is the same in both."""
    return _ESCAPE.sub(lambda found: rf"\x{{{found[1]}}}" if found[1] else found[0], pattern)
