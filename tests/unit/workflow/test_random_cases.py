"""Random people giving random commands: whatever is accepted keeps a case whole."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.workflow.test_approvals import EVERYTHING, PEOPLE, chain
from tests.unit.workflow.world import Story, story

from engine.workflow import Instance

ACTORS = (1, 2, 11, 12, 13, 21, 40)
ACTS = (
    *("approve", "approve", "reject", "transfer", "delegate", "addsign", "removesign"),
    *("return", "recall", "remind", "cc", "claim", "go", "wait"),
)
KEYS = st.fixed_dictionaries(
    {
        "assignees": st.sampled_from(
            [[{"role": "three"}], [{"role": "two"}], [{"supervisors": {"upTo": 2}}]]
        ),
        "quorum": st.sampled_from(["all", "any", {"percent": 50}, {"count": 2}]),
        "order": st.sampled_from(["parallel", "sequential"]),
        "close": st.sampled_from(["decided", "everyone"]),
        "veto": st.booleans(),
        "empty": st.sampled_from(["admin", "approve"]),
        "recall": st.just("until-next-acts"),
        "return": st.just({"to": ["#start", "*"], "resubmit": "direct"}),
        "auto": st.fixed_dictionaries({"repeat": st.sampled_from(["none", "any"])}),
        "after": st.just([{"delay": "PT1H", "actions": [{"type": "escalate", "mode": "add",
                                                         "to": {"role": "law"}}]}]),
    }
)  # fmt: skip
MOVES = st.tuples(
    st.sampled_from(ACTORS),
    st.sampled_from(ACTS),
    st.integers(1, 8),
    st.sampled_from(ACTORS),
    st.sampled_from(["before", "after", "parallel"]),
)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(KEYS, KEYS, st.lists(MOVES, min_size=5, max_size=40))
def test_a_case_stays_whole(
    first: dict[str, Any], second: dict[str, Any], moves: list[tuple[int, str, int, int, str]]
) -> None:
    told = story(chain(first, second), PEOPLE).begin().send(1, "go")
    for actor, act, task, to, mode in moves:
        before = told.instance
        if act == "wait":
            told.wait(minutes=30)
            continue
        move(told, actor, act, task, to, mode)
        votes_counted_once(told.instance)
        assert told.instance == before or told.instance.sequence > before.sequence


def move(told: Story, actor: int, act: str, task: int, to: int, mode: str) -> None:
    if act == "go":
        outcome = told.attempt(actor, "go")
    else:
        data: dict[str, Any] = {"mode": mode}
        if act in ("transfer", "delegate"):
            data["to"] = to
        elif act in ("addsign", "cc"):
            data["to"] = [to]
        elif act == "return":
            data["to"] = "draft"
        owner = told.instance.task(task)
        mine = owner is not None and owner.status == "open" and owner.assignee == actor
        outcome = told.attempt(actor, f"task.{act}", task=task, **data)
        if not outcome.problems and act in EVERYTHING and act not in ("removesign", "remind"):
            assert mine
    if not outcome.problems:
        told._take(outcome)


def votes_counted_once(instance: Instance) -> None:
    """Nobody holds two counting votes in one round."""
    for round_ in instance.rounds:
        seats = [
            one.assignee
            for one in instance.tasks
            if (one.state, one.round) == (round_.state, round_.number)
            and one.kind == "vote"
            and one.status not in ("cancelled", "returned")
        ]
        assert len(seats) == len(set(seats))
