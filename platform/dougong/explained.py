"""An explanation for the templates: sentences in the reader's language, each with its sign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dougong.i18n import language
from engine.problems import text
from engine.records.explaining.answer import Explanation

ICONS: Final = {
    "account": "ban",
    "scope": "key",
    "removed": "trash",
    "gate": "shield-lock",
    "shared": "share",
    "state": "sitemap",
    "rule": "ruler",
    "system": "server",
    "pool": "users-group",
    "restore": "arrow-back-up",
    "claim": "hand-stop",
    "share": "share",
    "participate": "users",
    "record": "pencil",
    "role": "id-badge",
    "clearance": "shield-lock",
    "department": "hierarchy",
    "definition": "file-text",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A reason: `icon` says what kind of thing speaks."""

    allows: bool
    text: str
    icon: str
    details: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """A change that would allow it."""

    kind: str
    icon: str
    steps: Sequence[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """`tone`: yes, no, some (masked, or it depends)."""

    tone: str
    allowed: bool
    head: str
    reasons: Sequence[Told]
    ways: Sequence[Way]


def answer_of(told: Explanation) -> Answer:
    """The explanation as ``macros/explain.html`` draws it."""
    tongue = language()
    half = told.conditional or told.head.code == "G143"
    return Answer(
        "some" if half else "yes" if told.allowed else "no",
        told.allowed,
        text(told.head, tongue),
        [
            Told(
                one.allows,
                text(one.problem, tongue),
                ICONS.get(one.kind, "check" if one.allows else "x"),
                [text(detail, tongue) for detail in one.details],
            )
            for one in told.reasons
        ],
        [
            Way(one.kind, ICONS.get(one.kind, "point"), [text(step, tongue) for step in one.steps])
            for one in told.remedies
        ],
    )
