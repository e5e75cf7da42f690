"""The meaning of every approval key, on the smallest workflow that shows it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.workflow.world import Story, World, story

from engine.workflow import approval_card

PEOPLE = World(
    roles={
        "three": [11, 12, 13],
        "two": [11, 12],
        "law": [21],
        "money": [31, 32],
        "own": [1, 11],
        "self": [1],
        "admin": [50],
    },
    bosses={1: 2, 2: 3, 3: 4, 4: 5},
)
EVERYTHING = [
    "approve", "reject", "return", "transfer", "delegate", "addsign", "removesign", "cc", "remind",
]  # fmt: skip


def flow(**keys: Any) -> dict[str, Any]:
    """start -> check -> yes / no."""
    node = {
        "type": "approval",
        "assignees": [{"role": "three"}],
        "allow": EVERYTHING,
        "onDone": {"approved": "yes", "rejected": "no"},
        **keys,
    }
    return {
        "initial": "check",
        "states": {"check": node, "yes": {"type": "final"}, "no": {"type": "final"}},
    }


def chain(first: dict[str, Any], second: dict[str, Any], **more: Any) -> dict[str, Any]:
    """draft -> one -> two -> yes; a rejection goes back to draft."""
    base = {"type": "approval", "allow": EVERYTHING}
    one = {**base, "onDone": {"approved": "two", "rejected": "draft"}, **first}
    two = {**base, "onDone": {"approved": "yes", "rejected": "draft"}, **second}
    draft = {"may": {"go": {"starter": True}}, "on": {"go": "one"}}
    return {
        "initial": "draft",
        "states": {"draft": draft, "one": one, "two": two, "yes": {"type": "final"}, **more},
    }


def told(world: World = PEOPLE, **keys: Any) -> Story:
    return story(flow(**keys), world).begin()


VOTES = {"+": "approve", "-": "reject"}


def play(case: Story, votes: str) -> str:
    """Votes of 11, 12, 13 in order; where it ends ("" while it is open)."""
    for person, sign in zip((11, 12, 13), votes, strict=False):
        if case.instance.done:
            return "early"
        case.does(person, VOTES[sign])
    return case.at[0] if case.instance.done else ""


@pytest.mark.parametrize(
    ("keys", "votes", "end"),
    [
        ({"quorum": "all"}, "++", ""),
        ({"quorum": "all"}, "+++", "yes"),
        ({"quorum": "all"}, "+-", "no"),
        ({"quorum": "all", "veto": False}, "-", "no"),  # all can no longer be reached
        ({"quorum": "all", "close": "everyone"}, "-+", ""),
        ({"quorum": "all", "close": "everyone"}, "-++", "no"),
        ({"quorum": "any"}, "+", "yes"),
        ({"quorum": "any"}, "-", "no"),
        ({"quorum": "any", "veto": False}, "--", ""),
        ({"quorum": "any", "veto": False}, "---", "no"),
        ({"quorum": "any", "veto": False}, "--+", "yes"),
        ({"quorum": "any", "close": "everyone"}, "+", ""),
        ({"quorum": "any", "close": "everyone", "veto": False}, "+--", "yes"),
        ({"quorum": {"percent": 66}}, "++", "yes"),
        ({"quorum": {"percent": 67}}, "++", ""),
        ({"quorum": {"percent": 67}}, "-", "no"),
        ({"quorum": {"percent": 66}}, "-", ""),
        ({"quorum": {"percent": 33}}, "+", "yes"),
        ({"quorum": {"percent": 34}}, "+", ""),
        ({"quorum": {"percent": 100}}, "+++", "yes"),
        ({"quorum": {"percent": 100}}, "-", "no"),
        ({"quorum": {"percent": 1}}, "--+", "yes"),
        ({"quorum": {"percent": 50}, "veto": True}, "-", "no"),
        ({"quorum": {"count": 2}}, "++", "yes"),
        ({"quorum": {"count": 2}}, "-+", ""),
        ({"quorum": {"count": 2}}, "--", "no"),
        ({"quorum": {"percent": 60}, "weights": {"11": 6, "12": 2, "13": 2}}, "+", "yes"),
        ({"quorum": {"percent": 61}, "weights": {"11": 6, "12": 2, "13": 2}}, "+", ""),
        ({"quorum": {"percent": 50}, "weights": {"11": 6, "12": 2, "13": 2}}, "-", "no"),
    ],
)
def test_quorum(keys: dict[str, Any], votes: str, end: str) -> None:
    assert play(told(**keys), votes) == end


def test_groups_each_need_their_approvals() -> None:
    whos = [{"role": "law", "label": "law"}, {"role": "money", "label": "money"}]
    case = told(assignees=whos, quorum={"perGroup": 1})
    case.does(31, "approve")
    assert case.at == ["check"]
    assert case.does(21, "approve").at == ["yes"]
    case = told(assignees=whos, quorum={"perGroup": 1}).does(21, "reject")
    assert case.at == ["no"]
    case = told(assignees=whos, quorum={"perGroup": 1}).does(31, "reject")
    assert case.at == ["check"]
    assert case.does(32, "reject").at == ["no"]


def test_sequential_opens_one_after_the_other() -> None:
    case = told(order="sequential")
    assert case.open == [11]
    case.refuses("W111", 12, "task.approve", task=2)
    case.does(11, "approve")
    assert case.open == [12]
    case.does(12, "approve").does(13, "approve")
    assert case.at == ["yes"]
    assert told(order="sequential", quorum="any").does(11, "approve").at == ["yes"]
    assert told(order="sequential").does(11, "reject").at == ["no"]


def test_supervisors_are_a_sequential_list() -> None:
    case = told(assignees=[{"supervisors": {"upTo": 3}}])
    assert case.open == [2]
    case.does(2, "approve").does(3, "approve")
    assert case.open == [4]
    assert case.does(4, "approve").at == ["yes"]


def test_one_person_votes_once() -> None:
    case = told(assignees=[{"role": "three"}, {"role": "two"}, {"user": "13"}])
    assert case.open == [11, 12, 13]
    case.does(11, "approve")
    case.refuses("W111", 11, "task.approve", task=1)
    case.refuses("W111", 11, "task.reject", task=1)


# -- the starter --------------------------------------------------------------------------------


def test_the_starter_approves_by_default() -> None:
    assert told(assignees=[{"role": "own"}]).open == [1, 11]


@pytest.mark.parametrize("policy", ["skip", "deny"])
def test_the_starter_is_left_out(policy: str) -> None:
    assert told(assignees=[{"role": "own"}], auto={"starter": policy}).open == [11]


def test_the_superior_instead_of_the_starter() -> None:
    assert told(assignees=[{"role": "own"}], auto={"starter": "supervisor"}).open == [2, 11]


def test_nobody_left_is_empty_again() -> None:
    keys: dict[str, Any] = {"assignees": [{"role": "self"}], "auto": {"starter": "skip"}}
    assert told(**keys, empty="admin").open == [50]
    with pytest.raises(AssertionError, match="W108"):
        told(**keys)


def test_four_eyes_hold_for_every_door() -> None:
    case = told(auto={"starter": "deny"})
    for command in ("transfer", "delegate", "addsign"):
        case.refuses("W118", 11, f"task.{command}", task=1, to=1)
    world = World(roles=PEOPLE.roles, away={11: 1})
    assert told(world, auto={"starter": "deny"}).open == [11, 12, 13]
    world = World(roles={"three": [11], "admin": [1]})
    case = told(world, auto={"starter": "deny"})
    assert case.open == [11]


# -- nobody -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("empty", "at", "open_"),
    [
        ("admin", "check", [50]),
        ({"role": "law"}, "check", [21]),
        ("approve", "yes", []),
        ("reject", "no", []),
    ],
)
def test_empty(empty: Any, at: str, open_: list[int]) -> None:
    case = told(assignees=[{"role": "nobody"}], empty=empty)
    assert case.at == [at]
    assert case.open == open_


@pytest.mark.parametrize("empty", ["error", {"role": "nobody"}])
def test_empty_never_passes_silently(empty: Any) -> None:
    with pytest.raises(AssertionError, match="W108"):
        told(assignees=[{"role": "nobody"}], empty=empty)


def test_too_few_for_the_count_is_empty_too() -> None:
    with pytest.raises(AssertionError, match="W108"):
        told(quorum={"count": 4})
    whos = [{"role": "law", "label": "a"}, {"role": "nobody", "label": "b"}]
    with pytest.raises(AssertionError, match="W108"):
        told(assignees=whos, quorum={"perGroup": 1})


def test_people_who_left_are_not_asked() -> None:
    world = World(roles=PEOPLE.roles, left={12})
    assert told(world).open == [11, 13]


# -- stand-ins ----------------------------------------------------------------------------------


def test_an_agent_stands_in_and_is_named() -> None:
    world = World(roles=PEOPLE.roles, away={11: 61, 61: 62})
    case = told(world)
    assert case.open == [62, 12, 13]
    assert case.instance.tasks[0].on_behalf_of == 11
    case.refuses("W112", 11, "task.approve", task=1)
    case.does(62, "approve")
    assert case.last.events[0].on_behalf_of == 11
    assert case.last.events[0].actor == 62


def test_a_circle_of_agents_stops() -> None:
    world = World(roles=PEOPLE.roles, away={11: 61, 61: 11})
    assert told(world).open == [11, 12, 13]


def test_an_agent_does_not_vote_twice() -> None:
    world = World(roles=PEOPLE.roles, away={11: 12})
    assert told(world).open == [11, 12, 13]


# -- automatic approval -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repeat", "open_"), [("none", [11, 12]), ("consecutive", [12]), ("any", [12])]
)
def test_repeat(repeat: str, open_: list[int]) -> None:
    document = chain(
        {"assignees": [{"role": "three"}], "quorum": "any"},
        {"assignees": [{"role": "two"}], "auto": {"repeat": repeat}},
    )
    case = story(document, PEOPLE).begin().send(1, "go").does(11, "approve")
    assert case.open == open_


@pytest.mark.parametrize(("repeat", "open_"), [("consecutive", [11]), ("any", [])])
def test_consecutive_looks_back_one_step_only(repeat: str, open_: list[int]) -> None:
    document = chain(
        {"assignees": [{"user": "11"}]},
        {
            "assignees": [{"role": "law"}],
            "onDone": {"approved": "three", "rejected": "draft"},
        },
        three={
            "type": "approval",
            "assignees": [{"user": "11"}],
            "auto": {"repeat": repeat},
            "onDone": {"approved": "yes", "rejected": "draft"},
        },
    )
    case = story(document, PEOPLE).begin().send(1, "go").does(11, "approve").does(21, "approve")
    assert case.open == open_


def test_automatic_approvals_do_not_breed() -> None:
    document = chain(
        {"assignees": [{"user": "11"}]},
        {
            "assignees": [{"user": "11"}],
            "auto": {"repeat": "consecutive"},
            "onDone": {"approved": "three", "rejected": "draft"},
        },
        three={
            "type": "approval",
            "assignees": [{"user": "11"}],
            "auto": {"repeat": "consecutive"},
            "onDone": {"approved": "yes", "rejected": "draft"},
        },
    )
    case = story(document, PEOPLE).begin().send(1, "go").does(11, "approve")
    assert case.at == ["three"]
    assert case.open == [11]


def test_nothing_before_a_return_counts() -> None:
    document = chain(
        {"assignees": [{"user": "11"}], "auto": {"repeat": "any"}},
        {"assignees": [{"user": "12"}], "return": {"to": ["#start"]}},
    )
    case = story(document, PEOPLE).begin().send(1, "go").does(11, "approve")
    case.does(12, "return").send(1, "go")
    assert case.open == [11]


# -- passing on ---------------------------------------------------------------------------------


def test_transfer_is_final() -> None:
    case = told(quorum="any").does(11, "transfer", to=40)
    assert case.open == [40, 12, 13]
    assert case.instance.tasks[0].passed_on == (11,)
    case.refuses("W112", 11, "task.approve", task=1)
    assert case.does(40, "reject").at == ["no"]


@pytest.mark.parametrize(
    ("to", "code"),
    [(11, "W117"), (12, "W117"), (5000, "W116"), (None, "W116"), ("12", "W116"), (True, "W116")],
)
@pytest.mark.parametrize("command", ["transfer", "delegate", "addsign"])
def test_not_to_everybody(command: str, to: Any, code: str) -> None:
    told().refuses(code, 11, f"task.{command}", task=1, to=to)


def test_a_leaver_hands_over() -> None:
    case = told()
    outcome = case.attempt(50, "task.transfer", task=1, source="system", to=40)
    assert not outcome.problems
    assert outcome.tasks[0].assignee == 40


@pytest.mark.parametrize("opinion", ["approve", "reject"])
def test_a_delegated_task_comes_back_whatever_was_said(opinion: str) -> None:
    case = told(quorum="any").does(11, "delegate", to=40)
    assert case.open == [12, 13, 40]
    case.refuses("W111", 11, "task.approve", task=1)
    case.refuses("W113", 40, "task.transfer", task=4, to=41)
    case.does(40, opinion, comment="as I see it")
    assert case.at == ["check"]
    assert case.open == [11, 12, 13]
    assert case.does(11, "approve").at == ["yes"]


# -- more signers -------------------------------------------------------------------------------


def test_signers_before() -> None:
    case = told(quorum="any").does(11, "addsign", mode="before", to=[40, 41])
    assert case.open == [12, 13, 40, 41]
    case.does(40, "approve")
    assert 11 not in case.open
    case.does(41, "approve")
    assert 11 in case.open
    assert case.does(11, "approve").at == ["yes"]


def test_a_signer_before_rejects_for_the_one_who_asked() -> None:
    case = told(quorum="any").does(11, "addsign", mode="before", to=[40, 41]).does(41, "reject")
    assert case.at == ["no"]


def test_signers_after() -> None:
    case = told(quorum="any", veto=False).does(11, "addsign", mode="after", to=[40])
    assert case.at == ["check"]
    assert case.open == [12, 13, 40]
    case.does(40, "approve")
    assert case.at == ["yes"]
    assert case.instance.tasks[0].status == "approved"
    assert case.instance.tasks[0].decided_by == 11


def test_a_signer_after_rejects() -> None:
    case = told(quorum="all").does(11, "addsign", mode="after", to=[40]).does(40, "reject")
    assert case.at == ["no"]


def test_parallel_signers_vote_too() -> None:
    case = told(quorum="all").does(11, "addsign", mode="parallel", to=[40])
    assert play(case, "+++") == ""
    assert case.does(40, "approve").at == ["yes"]


def test_the_added_add_nobody() -> None:
    for mode in ("before", "after", "parallel"):
        case = told().does(11, "addsign", mode=mode, to=[40])
        mine = case.task_of(40).id
        case.refuses("W125", 40, "task.addsign", task=mine, mode="before", to=[41])
        assert "task.addsign" not in case.commands(40)
    told().refuses("W128", 11, "task.addsign", task=1, mode="sideways", to=[40])


@pytest.mark.parametrize("mode", ["before", "after"])
def test_removing_the_last_signer_reopens(mode: str) -> None:
    case = told().does(11, "addsign", mode=mode, to=[40, 41])
    case.refuses("W124", 12, "task.removesign", task=4)
    case.refuses("W124", 40, "task.removesign", task=4)
    case.send(11, "task.removesign", task=4)
    assert 11 not in case.open
    case.send(11, "task.removesign", task=5)
    assert 11 in case.open
    assert case.instance.tasks[0].decided_by is None
    case.refuses("W111", 11, "task.removesign", task=5)


def test_removing_a_pending_signer_lets_the_others_stand() -> None:
    case = told(quorum="any").does(11, "addsign", mode="after", to=[40, 41]).does(40, "approve")
    assert case.send(11, "task.removesign", task=5).at == ["yes"]


def test_removing_a_parallel_signer_may_decide() -> None:
    case = told().does(11, "addsign", mode="parallel", to=[40])
    play(case, "+++")
    assert case.send(11, "task.removesign", task=4).at == ["yes"]


# -- recall, claim, remind, copies --------------------------------------------------------------


def recallable() -> Story:
    document = chain(
        {"assignees": [{"role": "two"}], "quorum": "any", "recall": "until-next-acts"},
        {"assignees": [{"role": "law"}], "recall": "until-next-acts"},
    )
    return story(document, PEOPLE).begin().send(1, "go").does(11, "approve")


def test_a_decision_is_taken_back() -> None:
    case = recallable()
    assert case.at == ["two"]
    assert "task.recall" in case.commands(11)
    case.refuses("W112", 12, "task.recall", task=1)
    case.send(11, "task.recall", task=1)
    assert case.at == ["one"]
    assert case.open == [11, 12]
    assert len(case.instance.rounds) == 2
    assert case.does(12, "approve").at == ["two"]
    assert case.open == [21]


def test_not_after_the_next_one_acted() -> None:
    case = recallable().does(21, "delegate", to=40)
    case.refuses("W120", 11, "task.recall", task=1)
    case = recallable().does(21, "approve")
    case.refuses("W101", 21, "task.recall", task=3)


def test_recall_in_an_open_round() -> None:
    case = told(recall="until-next-acts", order="sequential").does(11, "approve")
    assert case.open == [12]
    case.send(11, "task.recall", task=1)
    assert case.open == [11]
    case.does(11, "approve").does(12, "approve")
    case.refuses("W120", 11, "task.recall", task=1)
    told().does(11, "approve").refuses("W113", 11, "task.recall", task=1)


def test_claim() -> None:
    case = told(claim=True, quorum="any")
    assert case.open == [None]
    assert [one.user for one in approval_card(case.chart, case.instance).waits_for] == [11, 12, 13]
    assert list(case.commands(12)) == ["task.claim"]
    case.refuses("W122", 12, "task.approve", task=1)
    case.refuses("W112", 40, "task.claim", task=1)
    case.send(12, "task.claim", task=1)
    case.refuses("W123", 13, "task.claim", task=1)
    case.refuses("W112", 13, "task.approve", task=1)
    assert case.does(12, "approve").at == ["yes"]


def test_reminders_are_limited() -> None:
    case = told()
    assert list(case.commands(1)) == ["task.remind"]
    case.send(1, "task.remind", task=1)
    assert case.last.effects[0].to == (11, 12, 13)
    case.refuses("W121", 1, "task.remind", task=1)
    case.wait(hours=1)
    case.send(12, "task.remind", task=1)
    case.refuses("W112", 40, "task.remind", task=1)


def test_copies() -> None:
    case = told().does(11, "cc", to=[40, 41])
    assert case.last.effects[0].to == (40, 41)
    case.does(12, "cc", to=41)
    assert case.last.effects == ()
    case.refuses("W116", 11, "task.cc", task=1, to=[5000])
    case.refuses("W116", 11, "task.cc", task=1)


@pytest.mark.parametrize("command", ["transfer", "delegate", "addsign", "return", "remind", "cc"])
def test_only_what_the_state_allows(command: str) -> None:
    case = told(allow=["approve", "reject"])
    case.refuses("W113", 11, f"task.{command}", task=1, to=40)
    assert list(case.commands(11)) == ["task.approve", "task.reject"]


@pytest.mark.parametrize(
    ("rule", "approve", "reject"),
    [("optional", True, True), ("on-reject", True, False), ("required", False, False)],
)
def test_comments(rule: str, approve: bool, reject: bool) -> None:
    for command, free in (("approve", approve), ("reject", reject)):
        case = told(comment=rule)
        assert (case.commands(11)[f"task.{command}"].comment == "optional") == free
        if not free:
            case.refuses("W114", 11, f"task.{command}", task=1)
        case.does(11, command, comment="so be it")


def test_chosen_people() -> None:
    keys: dict[str, Any] = {"assignees": [{"chosenBy": "starter", "from": [{"role": "three"}]}]}
    case = story(chain(keys, {"assignees": [{"chosenBy": "previous"}]}), PEOPLE).begin()
    case.refuses("W108", 1, "go")
    case.refuses("W108", 1, "go", chosen={"one": [40]})
    case.send(1, "go", chosen={"one": [12]})
    assert case.open == [12]
    case.does(12, "approve", chosen={"two": [21, 40]})
    assert case.open == [21, 40]


def test_a_case_that_goes_in_circles_does_not_grow_with_its_ways() -> None:
    case = story(chain({"assignees": [{"user": "11"}]}, {}), PEOPLE).begin()
    for _ in range(3):
        case.send(1, "go").does(11, "reject", comment="no")
    assert case.instance.visits == ("draft", "one")


def chosen_next(by: str) -> Story:
    """11 decides first, then whoever was picked."""
    keys: dict[str, Any] = {"assignees": [{"user": "11"}]}
    return story(chain(keys, {"assignees": [{"chosenBy": by}]}), PEOPLE).begin()


def test_an_approver_does_not_pick_whom_the_starter_picks() -> None:
    case = chosen_next("starter").send(1, "go", chosen={"two": [21]})
    case.does(11, "approve", chosen={"two": [40]})
    assert case.open == [21]


def test_only_an_approval_picks_the_people_of_the_next_step() -> None:
    case = chosen_next("previous").send(1, "go")
    case.send(1, "task.remind", task=1, chosen={"two": [40]})
    case.refuses("W108", 11, "task.approve", task=1)
    case.does(11, "approve", chosen={"two": [21]})
    assert case.open == [21]


def test_people_are_picked_by_their_numbers_and_nothing_else() -> None:
    """JSON's true is 1 to Python: a case that kept it could not be read again."""
    case = chosen_next("starter").send(1, "go", chosen={"two": [True]})
    assert case.instance.chosen == {}


@pytest.mark.parametrize(
    ("mode", "open_"), [("notify", [11, 12, 13]), ("add", [11, 12, 13, 21]), ("replace", [21])]
)
def test_escalation(mode: str, open_: list[int]) -> None:
    action = {"type": "escalate", "to": {"role": "law"}, "mode": mode}
    case = told(after=[{"delay": "PT1H", "actions": [action]}])
    case.wait(hours=1)
    assert case.open == open_
    assert case.last.effects[0].to == (21,)


def test_an_escalation_to_nobody_changes_nothing() -> None:
    action = {"type": "escalate", "to": {"role": "nobody"}, "mode": "replace"}
    case = told(after=[{"delay": "PT1H", "actions": [action]}])
    case.wait(hours=1)
    assert case.open == [11, 12, 13]
