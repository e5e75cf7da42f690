"""From the engine's failures to HTTP: the only place that knows both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from engine.problems import Problem, hint, text
from engine.records import failures


class WrongType(failures.Invalid):
    """The body is of a kind that is not read here."""


class TooLarge(failures.Invalid):
    """The body is larger than is read."""


STATUS: Final[Mapping[type[failures.Failure], int]] = {
    failures.NotFound: 404,
    failures.Forbidden: 403,
    WrongType: 415,
    TooLarge: 413,
    failures.Invalid: 422,
    failures.MissingVersion: 428,
    failures.Stale: 409,
    failures.Conflict: 409,
    failures.Busy: 503,
}


def status_of(failure: failures.Failure) -> int:
    """The HTTP status of a failure, by its class or its nearest ancestor's."""
    return next((STATUS[kind] for kind in type(failure).__mro__ if kind in STATUS), 400)


def shown(problems: Iterable[Problem], language: str) -> list[dict[str, Any]]:
    """Problems as the API tells them."""
    return [
        {
            "code": problem.code,
            "severity": str(problem.severity),
            "field": problem.field,
            "pointer": problem.pointer,
            "also": list(problem.also),
            "text": text(problem, language),
            "hint": hint(problem, language),
        }
        for problem in problems
    ]


def body_of(failure: failures.Failure, language: str) -> dict[str, Any]:
    """The API's answer to a failure."""
    return {
        "error": text(failure.problems[0], language),
        "problems": shown(failure.problems, language),
    }
