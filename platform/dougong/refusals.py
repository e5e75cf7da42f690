"""The security log: what somebody asked for and was not let do.

One line each under the logger ``dougong.refused``, and one entry each in the company's chained
security log: who, what, on which record, why. What was typed is never in it: names, numbers and
codes only, so that the log may be kept and passed on. A mistake in a form is no refusal; asking for
what is not one's own, or for what nobody may, is. Somebody who is logged in and opens a page that
is not there for him leaves an entry, but no line.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from flask import g, request

from dougong.refused_log import Refusal, remember
from engine.records.failures import Failure, Forbidden, NotFound

log = logging.getLogger("dougong.refused")

# beside what is forbidden or not there: fields and events that nobody sends, steps not to be taken
CODES: Final = frozenset({"A002", "A003", "R202", "W102", "W105", "W113"})
_WORD: Final = re.compile(r"[A-Za-z_][\w.]{0,59}", re.ASCII)  # an identifier: nothing to forge with
_LINK: Final = "token"  # the part of an address that lets somebody in
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


def looked(why: str) -> None:
    """Somebody opened what is not there for him. Strangers leave no trace: they are many."""
    if g.get("actor") is not None and request.endpoint is not None:
        _remember(why)


def note(why: str) -> None:
    """One line about the present request, and one entry in the security log."""
    actor, company = g.get("actor"), g.get("company")
    _remember(why)
    log.warning(
        "company %s: user %s, %s %s%s: %s",
        company.key if company is not None else "-",
        actor.id if actor is not None else "-",
        request.method,
        request.endpoint or "-",
        "".join(_told()),
        why,
    )


def _remember(why: str) -> None:
    named = dict(_named())
    entity, record = str(named.pop("entity", "")), named.get("id")
    details: dict[str, Any] = {"method": request.method, "place": request.endpoint or "", **named}
    if (token := g.get("token")) is not None:
        details["token"] = token
    about = (entity, record if isinstance(record, int) else None)
    remember(Refusal(why, about, details))


def _told() -> Iterator[str]:
    """What the address and the form name: records and commands."""
    for key, value in _named():
        yield f" {key}={value}"


def _named() -> Iterator[tuple[str, int | str]]:
    named = dict(request.view_args or {})
    named |= {key: request.form[key] for key in _COMMANDS if key in request.form}
    for key, value in named.items():
        if isinstance(value, int):
            yield key, value
        else:
            fine = key != _LINK and _WORD.fullmatch(str(value))
            yield key, str(value) if fine else "?"


__all__ = ["looked", "met", "note", "watched"]
