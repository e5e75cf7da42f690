"""The cases that a case began, on its card: what they are about, how far they are, what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import url_for
from flask_babel import gettext

from dougong.present import Reader
from engine.definitions.model import text_of
from engine.records.flows.called import Called, Child


@dataclass(frozen=True, slots=True)
class Begun:
    """A case that was begun. `href` is empty for who may not see its record."""

    label: str
    kind: str
    href: str
    state: str
    color: str


@dataclass(frozen=True, slots=True)
class Step:
    """A step that began other cases; `failed` says why it cannot go on as it should."""

    title: str
    said: str
    open: bool
    failed: str
    cases: Sequence[Begun]
    more: int


def steps_begun(reader: Reader, found: Sequence[Called]) -> list[Step]:
    """The steps that began other cases, in words."""
    return [
        Step(
            title=text_of(one.title, reader.language),
            said=_said(one),
            open=one.open,
            failed=text_of(one.reason, reader.language) if one.reason else "",
            cases=[_begun(reader, child) for child in one.children],
            more=one.total - len(one.children),
        )
        for one in found
    ]


def _said(one: Called) -> str:
    """How far the cases are; nothing of those that could not begin."""
    if one.total:
        return gettext("%(done)s of %(total)s done", done=one.done, total=one.total)
    return "" if one.reason else gettext("about to begin")


def _begun(reader: Reader, child: Child) -> Begun:
    kind = text_of(child.title, reader.language)
    href = url_for("records.show", entity=child.entity, id=child.record) if child.label else ""
    color = "red" if child.stopped else "green" if child.done else "blue"
    state = gettext("terminated") if child.stopped else text_of(child.state, reader.language)
    return Begun(child.label or kind, kind if child.label else "", href, state, color)
