"""What the doctor found: one thing, how bad it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from engine.problems import Problem, Severity, hint, text

Level = Literal["unsafe", "advice"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`stops`: no server starts with it, outside of development."""

    level: Level
    problem: Problem
    company: str = ""
    stops: bool = False

    @property
    def code(self) -> str:
        """Its number."""
        return self.problem.code

    def words(self, language: str) -> str:
        """It in one sentence."""
        return text(self.problem, language)

    def remedy(self, language: str) -> str:
        """How to mend it."""
        return hint(self.problem, language)


def unsafe(code: str, /, *, company: str = "", stops: bool = True, **params: Any) -> Finding:
    """Something that endangers what people trusted us with."""
    return Finding("unsafe", Problem(code, params), company, stops)


def advice(code: str, /, *, company: str = "", **params: Any) -> Finding:
    """Something that could be better."""
    return Finding("advice", Problem(code, params, severity=Severity.WARNING), company)
