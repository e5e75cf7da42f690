"""The conditions under which a case comes to a state: they are written where it comes from, and
looked for where it goes to."""

from __future__ import annotations

from collections.abc import Iterator

from flask_babel import gettext

from dougong.studio.flow_builder import Builder
from dougong.studio.flow_condition_widget import Condition
from dougong.studio.flow_conditions import ALWAYS
from dougong.studio.flow_widgets import Expression
from engine.definitions.document import pointer
from engine.definitions.flow_tree import ROOT, arrows, slots


def arrivals(builder: Builder, state: str) -> Iterator[Expression]:
    """The condition of every arrow from elsewhere that leads to a state and has one."""
    world = builder.world
    if state == ROOT:
        return
    for one in world.states.values():
        for path, value in slots(one.body):
            every = arrows(value)
            for index, arrow in enumerate(every):
                if arrow.get("target") != state or "guard" not in arrow or one.id == state:
                    continue
                many = isinstance(value, list)
                at = one.pointer + pointer(*path, *((index,) if many else ()), "guard")
                label = gettext("From “%(step)s”, when", step=world.title(one.id))
                found = builder.expression(at, label, arrow["guard"])
                if isinstance(found, Condition) and index < len(every) - 1:
                    found.blank = ALWAYS
                yield found
