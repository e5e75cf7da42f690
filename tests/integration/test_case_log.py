"""The log of a case, whatever people and the clock do: every change of state is one line, each goes
on where the last one ended, and what nobody did stands under nobody's name."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.workflow.test_approvals import PEOPLE, chain
from tests.unit.workflow.test_random_cases import ACTORS, ACTS, KEYS, move
from tests.unit.workflow.world import Story, story

from engine.workflow import Outcome

AUTOMATIC = ("after.", "done.", "returned.")
MOVES = st.tuples(
    st.integers(0, 7),  # which of the open tasks
    st.sampled_from((*ACTS, "approve", "approve", "approve", "reject")),
    st.sampled_from(ACTORS),
    st.sampled_from(["before", "after", "parallel"]),
)


def check(told: Story, steps: list[Outcome], actors: list[int | None]) -> None:
    """What the rows of all steps together say."""
    leaves: tuple[str, ...] = ()
    number = 0
    for outcome, actor in zip(steps, actors, strict=True):
        assert outcome.events, "a step without a line"
        for at, row in enumerate(outcome.events):
            number += 1
            assert row.sequence == number
            assert tuple(row.before) == leaves, row
            leaves = tuple(row.after)
            if row.type.startswith(AUTOMATIC):
                assert row.actor is None, row
            elif at == 0:
                assert row.actor == actor, row
        assert leaves == told.chart.leaves(outcome.instance.active)
    assert sorted(leaves) == sorted(told.at)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(KEYS, KEYS, st.lists(MOVES, min_size=5, max_size=40))
def test_every_change_of_state_is_one_line_by_whoever_made_it(
    first: dict[str, Any], second: dict[str, Any], moves: list[tuple[int, str, int, str]]
) -> None:
    told = story(chain(first, second), PEOPLE).begin()
    steps, actors = [told.last], list[int | None]([1])

    def note(actor: int | None) -> None:
        if told.last is not steps[-1]:
            steps.append(told.last)
            actors.append(actor)

    told.send(1, "go")
    note(1)
    for which, act, to, mode in moves:
        waiting = [one for one in told.instance.tasks if one.status == "open" and one.assignee]
        if act == "wait":
            for _ in range(3):
                told.wait(minutes=20)
                note(None)
        elif not waiting or act == "go":
            move(told, 1, "go", 0, to, mode)
            note(1)
        else:
            task = waiting[which % len(waiting)]
            assert task.assignee is not None
            move(told, task.assignee, act, task.id, to, mode)
            note(task.assignee)
    check(told, steps, actors)
