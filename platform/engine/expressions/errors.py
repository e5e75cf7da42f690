"""How this package says no: one exception, one problem."""

from __future__ import annotations

from typing import Any

from engine.problems import Problem, text


class ExpressionError(Exception):
    """An expression cannot be read, evaluated or translated; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.code, dict(problem.params))

    def __str__(self) -> str:
        return text(self.problem, "en")


def problem(code: str, at: int, /, **params: Any) -> Problem:
    """A problem of the expression at 0-based column `at`; people count columns from 1."""
    return Problem(code, {"column": at + 1, **params})


def error(code: str, at: int, /, **params: Any) -> ExpressionError:
    """The same as an exception."""
    return ExpressionError(problem(code, at, **params))
