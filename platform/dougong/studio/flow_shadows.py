"""Conditions that can never have their turn, because one before them always holds as well."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from flask_babel import gettext

from dougong.studio.flow_conditions import ALWAYS, Row, rows_of
from dougong.studio.flow_outline import Remark
from dougong.studio.flow_world import World
from engine.definitions.document import pointer
from engine.definitions.flow_tree import arrows, slots


def shadows(world: World) -> Iterator[Remark]:
    """One warning for every way that is never taken, and for conditions not given yet."""
    for one in world.states.values():
        for path, value in slots(one.body):
            every = [str(arrow.get("guard", "")) for arrow in arrows(value)]
            for index, guard in enumerate(every):
                at = one.pointer + pointer(*path, *((index,) if isinstance(value, list) else ()))
                said = _said(world, every[:index], guard)
                if said:
                    yield Remark(*said, "warning", one.id, world.title(one.id), f"{at}/guard")


def _said(world: World, before: list[str], guard: str) -> tuple[str, str] | None:
    if guard.strip() == ALWAYS:
        return gettext("A condition is not given yet: this way is always taken."), gettext(
            "Choose a field for it."
        )
    cover = next((one for one in before if covers(world, one, guard)), None)
    if cover is None:
        return None
    words = {"never": world.guard(guard), "first": world.guard(cover)}
    return (
        gettext("“%(never)s” is never reached: “%(first)s” is asked before it.", **words),
        gettext("Move it up, in the step from which the ways go out."),
    )


def covers(world: World, first: str, later: str) -> bool:
    """Whether a condition always holds when another one does, as far as that is plain to see."""
    if not first.strip() or not later.strip():
        return False
    if first.strip() == later.strip():
        return True
    one, other = _single(world, first), _single(world, later)
    if one is None or other is None or one.field != other.field:
        return False
    a, b = _figure(one.value), _figure(other.value)
    if a is None or b is None:
        return False
    up, down = (">", ">="), ("<", "<=")
    if one.op in up and other.op in (*up, "=="):
        return b > a or (b == a and (one.op == ">=" or other.op == ">"))
    if one.op in down and other.op in (*down, "=="):
        return b < a or (b == a and (one.op == "<=" or other.op == "<"))
    return False


def _single(world: World, source: str) -> Row | None:
    found = rows_of(source, world.entity)
    return found[1][0] if found and len(found[1]) == 1 else None


def _figure(text: str) -> Decimal | None:
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None
