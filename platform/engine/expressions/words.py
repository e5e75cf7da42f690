"""How types are called in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.expressions.types import ListOf, RecordOf, Type

_TYPES: Final[Mapping[str, tuple[str, str]]] = {
    "text": ("文本", "text"),
    "number": ("数字", "a number"),
    "bool": ("是非值", "true or false"),
    "date": ("日期", "a date"),
    "datetime": ("时间", "a moment"),
    "null": ("空值", "null"),
    "any": ("任意值", "anything"),
    "list": ("列表", "a list"),
    "record": ("记录", "a record"),
    "@user": ("用户", "a user"),
    "@department": ("部门", "a department"),
    "@address": ("地址", "an address"),
    "@file": ("文件", "a file"),
    "@my": ("my", "my"),
}


def words(*kinds: Type) -> Mapping[str, str]:
    """The types joined by "or", as a label that a problem's parameter can be."""
    named = [_words(kind) for kind in kinds]
    return {
        "zh-CN": "或".join(chinese for chinese, _ in named),
        "en": " or ".join(english for _, english in named),
    }


def _words(kind: Type) -> tuple[str, str]:
    if isinstance(kind, ListOf) and kind.item.name != "any":
        chinese, english = _words(kind.item)
        return f"{chinese}的列表", f"a list ({english} each)"
    if isinstance(kind, RecordOf):
        plain = f"“{kind.entity}”的记录", f'a record of "{kind.entity}"'
        return _TYPES.get(kind.entity, plain)
    return _TYPES[kind.name]


def meant(name: str) -> Mapping[str, str] | str:
    """ "Did you mean …?" in both languages, "" when there is nothing near."""
    return {"zh-CN": f"是否想写“{name}”？", "en": f'Did you mean "{name}"?'} if name else ""
