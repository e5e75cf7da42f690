"""What an explanation consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.access import Level
from engine.problems import Problem, text


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that speaks for or against it. `details` are the conditions that fail, with what
    the record says to each."""

    kind: str
    allows: bool
    problem: Problem
    role: str = ""
    details: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change that would make it allowed, and was tried out. Several `steps` are needed together.
    `size` orders remedies: the smallest change first. `data` is for programs."""

    kind: str
    steps: tuple[Problem, ...]
    size: int
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether somebody may do something, why, and what would change that. `conditional`: it
    depends on the record, and none was named. `level` is what a reader gets of the field."""

    allowed: bool
    head: Problem
    reasons: tuple[Reason, ...]
    remedies: tuple[Remedy, ...] = ()
    conditional: bool = False
    level: Level = Level.HIDDEN

    def to_json(self, language: str) -> dict[str, Any]:
        """The explanation as JSON, with its sentences in one language."""
        return {
            "allowed": self.allowed,
            "conditional": self.conditional,
            "level": self.level.name.lower(),
            "text": text(self.head, language),
            "reasons": [
                {
                    "kind": one.kind,
                    "allows": one.allows,
                    "role": one.role,
                    "text": text(one.problem, language),
                    "details": [text(detail, language) for detail in one.details],
                }
                for one in self.reasons
            ],
            "remedies": [
                {
                    "kind": one.kind,
                    "text": _joined(one, language),
                    **{key: value for key, value in one.data.items() if value is not None},
                }
                for one in self.remedies
            ],
        }


SIZES: Final[Mapping[str, int]] = {
    "account": 1,
    "restore": 1,
    "scope": 1,
    "claim": 2,
    "share": 2,
    "state": 3,
    "participate": 4,
    "record": 5,
    "role": 6,
    "clearance": 7,
    "department": 8,
    "definition": 9,
}


def words(explanation: Explanation, language: str) -> list[str]:
    """The whole explanation as lines of text."""
    lines = [text(explanation.head, language)]
    for one in explanation.reasons:
        lines.append(f"{'+' if one.allows else '-'} {text(one.problem, language)}")
        lines += [f"    {text(detail, language)}" for detail in one.details]
    if explanation.remedies:
        lines.append(text(Problem("G149"), language))
        lines += [
            f"{number}. {_joined(one, language)}"
            for number, one in enumerate(explanation.remedies, 1)
        ]
    return lines


def _joined(remedy: Remedy, language: str) -> str:
    return " ".join(text(step, language) for step in remedy.steps)
