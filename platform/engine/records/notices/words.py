"""Kinds of notices, and what is said where no pack says it better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.definitions.model import Label

KINDS: Final = (
    "approval",
    "remind",
    "overdue",
    "escalation",
    "message",
    "copy",
    "mention",
    "system",
)
URGENT: Final = frozenset({"overdue", "escalation"})
QUIET_BY_DEFAULT: Final = frozenset({"copy", "system"})  # inside the product only

# Effects of workflows -> kinds.
KIND_OF: Final[Mapping[str, str]] = {
    "task": "approval",
    "remind": "remind",
    "escalate": "escalation",
    "notify": "message",
    "cc": "copy",
}


@dataclass(frozen=True, slots=True)
class Default:
    """The words of a kind: with the record's label, and without for who may not know it."""

    title: Label
    bare: Label


_AT: Final[Label] = {
    "zh-CN": "{case.title} · {case.state} · {case.actor}",
    "en": "{case.title} · {case.state} · {case.actor}",
}
BODY: Final = _AT


def _words(chinese: str, english: str) -> Default:
    def both(name: str) -> Label:
        return {"zh-CN": f"{chinese}：{name}", "en": f"{english}: {name}"}

    return Default(both("{record.label}"), both("{case.title}"))


DEFAULTS: Final[Mapping[str, Default]] = {
    "approval": _words("等您处理", "Waiting for you"),
    "remind": _words("催办", "Reminder"),
    "overdue": _words("已超时", "Overdue"),
    "escalation": _words("升级到您", "Escalated to you"),
    "message": _words("流程通知", "Workflow notice"),
    "copy": _words("抄送给您", "Copied to you"),
    "mention": _words("提到了您", "You were mentioned"),
    "system": _words("系统通知", "System notice"),
}
PLATFORM: Final[Label] = {"zh-CN": "系统", "en": "The system"}
HIDDEN: Final = "…"  # there is something, and the reader may not see it
EMPTY: Final = "—"
