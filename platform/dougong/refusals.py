"""The security log: what somebody asked for and was not let do.

One line each under the logger ``dougong.refused``: who, what, on which record, why. What was typed
is never in it: names, numbers and codes only, so that the log may be kept and passed on. A mistake
in a form is no refusal; asking for what is not one's own, or for what nobody may, is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from flask import g, request

from engine.records.failures import Failure, Forbidden, NotFound

log = logging.getLogger("dougong.refused")

# beside what is forbidden or not there: fields and events that nobody sends, steps not to be taken
CODES: Final = frozenset({"A002", "A003", "R202", "W102", "W105", "W113"})
_WORD: Final = re.compile(r"[A-Za-z_][\w.]{0,59}", re.ASCII)  # an identifier: nothing to forge with
_COMMANDS: Final = ("event", "decision")


@contextmanager
def watched() -> Iterator[None]:
    """Write down what is refused inside, and let it pass on."""
    try:
        yield
    except Failure as failure:
        met(failure)
        raise


def met(failure: Failure) -> None:
    """Write a failure down when it is a refusal, once however many it passes."""
    codes = {problem.code for problem in failure.problems}
    refusal = isinstance(failure, Forbidden | NotFound) or not CODES.isdisjoint(codes)
    if refusal and g.get("refusal") is not failure:
        g.refusal = failure
        note(failure.code)


def note(why: str) -> None:
    """One line about the present request."""
    actor, company = g.get("actor"), g.get("company")
    log.warning(
        "company %s: user %s, %s %s%s: %s",
        company.key if company is not None else "-",
        actor.id if actor is not None else "-",
        request.method,
        request.endpoint or "-",
        "".join(_told()),
        why,
    )


def _told() -> Iterator[str]:
    """What the address and the form name: records and commands."""
    named = dict(request.view_args or {})
    named |= {key: request.form[key] for key in _COMMANDS if key in request.form}
    for key, value in named.items():
        fine = isinstance(value, int) or _WORD.fullmatch(str(value))
        yield f" {key}={value if fine else '?'}"


__all__ = ["met", "note", "watched"]
