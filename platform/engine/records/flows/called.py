"""The cases that a case began, for its card: what they are about, how far they are, what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from engine.definitions.model import Label
from engine.records.flows import store
from engine.records.flows.cases import Situation
from engine.records.flows.store import Stored
from engine.records.flows.words import state_title
from engine.records.labels import names_of
from engine.records.unit import Unit
from engine.tables import system

MOST: Final = 20  # listed of one step; the rest are counted
_INSTANCE = system.WF_INSTANCE
Visit = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Child:
    """A case that was begun. `label` is empty for who may not read its record."""

    title: Label
    entity: str
    record: int
    label: str
    state: Label
    done: bool
    stopped: bool  # ended by an administrator, not by its own way


@dataclass(frozen=True, slots=True)
class Called:
    """A step that began other cases. `open`: it still waits for them; `reason`: why it cannot go
    on as it should, per language."""

    title: Label
    open: bool
    reason: Mapping[str, str] = field(default_factory=dict)
    children: Sequence[Child] = ()
    done: int = 0
    total: int = 0


def called_cases(unit: Unit, found: Situation) -> list[Called]:
    """The last visit of every step that calls, in the order of the chart."""
    case, chart = found.case, found.case.chart
    asking = [key for key, state in chart.states.items() if state.type == "call"]
    if not asking:
        return []
    visits = _visits(unit, case)
    waits = {one.state: one for one in case.instance.calls}
    told = []
    for state in asking:
        numbers = [number for key, number in visits if key == state]
        wait = waits.get(state)
        if wait is None and not numbers:
            continue
        number = wait.number if wait else max(numbers)
        children = visits.get((state, number), [])
        told.append(
            Called(
                title=state_title(chart, state),
                open=wait is not None,
                reason=wait.reason if wait else {},
                children=_children(unit, children[:MOST]),
                done=sum(1 for one in children if one.instance.done),
                total=len(children),
            )
        )
    return told


def _visits(unit: Unit, case: Stored) -> dict[Visit, list[Stored]]:
    """The children, by the visit of the step that began them."""
    rows = unit.connection.execute(
        sa.select(_INSTANCE).where(_INSTANCE.c.parent_id == case.id).order_by(_INSTANCE.c.id)
    ).mappings()
    found: dict[Visit, list[Stored]] = {}
    for row in rows:
        state = row["parent_state"]
        number = row["parent_key"].removeprefix(f"{case.id}:{state}:").partition(":")[0]
        found.setdefault((state, int(number)), []).append(store.stored(unit, dict(row)))
    return found


def _children(unit: Unit, cases: Sequence[Stored]) -> list[Child]:
    wanted: dict[str, set[int]] = {}
    for one in cases:
        wanted.setdefault(one.entity, set()).add(one.record)
    labels = names_of(unit, wanted).labels
    return [
        Child(
            title=one.chart.title,
            entity=one.entity,
            record=one.record,
            label=labels.get((one.entity, one.record), ""),
            state=state_title(one.chart, one.chart.reported(one.instance.active)),
            done=one.instance.done,
            stopped=one.instance.terminated,
        )
        for one in cases
    ]
