"""Why a use case did not happen. HTTP statuses are the shell's business; here are only reasons.

Every failure carries `problems` to show, and whoever raises it has changed nothing: the unit of
work around it rolls back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from engine.problems import Problem

ACTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "read": {"zh-CN": "查看", "en": "view it"},
    "create": {"zh-CN": "新建", "en": "create one"},
    "write": {"zh-CN": "修改", "en": "change it"},
    "delete": {"zh-CN": "删除", "en": "remove it"},
    "restore": {"zh-CN": "恢复", "en": "restore it"},
    "export": {"zh-CN": "导出", "en": "export"},
    "share": {"zh-CN": "共享", "en": "share it"},
    "claim": {"zh-CN": "领取", "en": "take it"},
    "reveal": {"zh-CN": "显示被遮盖的值", "en": "uncover this value"},
}


class Failure(Exception):
    """Base of all. `code` is that of its first problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        self.code = self.problems[0].code
        super().__init__(", ".join(f"{found.code}{found.pointer}" for found in self.problems))


class NotFound(Failure):
    """There is no such thing, or the actor may not know that there is."""

    def __init__(self) -> None:
        super().__init__([Problem("R001")])


class Forbidden(Failure):
    """The actor sees the record but may not do this with it."""

    def __init__(self, action: str, **params: Any) -> None:
        self.action = action
        super().__init__([Problem("A001", {"action": ACTIONS.get(action, action), **params})])


class BeyondToken(Forbidden):
    """The actor may, but not by this token."""

    def __init__(self, right: str) -> None:
        self.action = right
        Failure.__init__(self, [Problem("T016", {"right": right})])


class Invalid(Failure):
    """The input, or the record it would make, breaks its definition."""


class MissingVersion(Failure):
    """A change has to say which version it was made on."""

    def __init__(self) -> None:
        super().__init__([Problem("R002")])


class Stale(Failure):
    """Somebody was faster: `current` is the record of `entity` as it is now, as the actor may see
    it."""

    def __init__(
        self, current: Mapping[str, Any], by: str, at: datetime | None, entity: str = ""
    ) -> None:
        self.current, self.by, self.at, self.entity = current, by, at, entity
        super().__init__([Problem("R003", {"by": by, "at": at.isoformat() if at else ""})])


class Conflict(Failure):
    """The database's own guard or the state of things says no; the input itself is in order."""


class Busy(Failure):
    """The database was too busy to let us write; trying again is right."""

    def __init__(self) -> None:
        super().__init__([Problem("R004")])
