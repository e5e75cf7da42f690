"""The statechart under the approvals: order, history, parallel states, timers, loops."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from tests.unit.workflow.world import Story, World, story

import engine.workflow
from engine.workflow import field_rights, plain_expression

ANYONE = {"starter": True}


def free(states: dict[str, Any], initial: str, events: str, **record: Any) -> Story:
    """A chart whose events (space separated) the starter may all send."""
    document = {
        "initial": initial,
        "states": {
            "all": {
                "initial": initial,
                "may": dict.fromkeys(events.split(), ANYONE),
                "states": states,
            }
        },
    }
    document["initial"] = "all"
    return story(document, World(), **record).begin()


def ending(first: str, event: str, last: str) -> dict[str, Any]:
    """A region of two states."""
    return {
        "initial": first,
        "states": {first: {"on": {event: last}}, last: {"type": "final"}},
    }


def note(word: str) -> dict[str, str]:
    return {"type": "note", "word": word}


def words(told: Story) -> list[str]:
    return [one.data["word"] for one in told.last.effects if one.type == "note"]


def test_exit_transition_entry_in_order() -> None:
    told = free(
        {
            "a": {
                "initial": "a1",
                "exit": [note("exit a")],
                "states": {"a1": {"exit": [note("exit a1")]}},
                "on": {"go": {"target": "b1", "actions": [note("go")]}},
            },
            "b": {
                "initial": "b0",
                "entry": [note("enter b")],
                "states": {"b0": {}, "b1": {"entry": [note("enter b1")]}},
            },
        },
        "a",
        "go",
    )
    told.send(1, "go")
    assert words(told) == ["exit a1", "exit a", "go", "enter b", "enter b1"]


def test_the_inner_state_wins_and_the_first_true_guard() -> None:
    told = free(
        {
            "a": {
                "initial": "a1",
                "on": {"go": "c"},
                "states": {
                    "a1": {"on": {"go": [{"target": "b", "guard": "n > 5"}, {"target": "a2"}]}},
                    "a2": {},
                },
            },
            "b": {},
            "c": {},
        },
        "a",
        "go",
        n=3,
    )
    assert told.send(1, "go").at == ["a2"]
    assert told.send(1, "go").at == ["c"]


@pytest.mark.parametrize(("deep", "back"), [("shallow", "a1"), ("deep", "a2")])
def test_history(deep: str, back: str) -> None:
    told = free(
        {
            "w": {
                "initial": "x",
                "on": {"pause": "p"},
                "states": {
                    "x": {"on": {"next": "a"}},
                    "a": {"initial": "a1", "states": {"a1": {"on": {"next": "a2"}}, "a2": {}}},
                    "h": {"type": "history", "history": deep, "target": "x"},
                },
            },
            "p": {"on": {"resume": "h"}},
        },
        "w",
        "pause next resume",
    )
    told.send(1, "next").send(1, "next").send(1, "pause").send(1, "resume")
    assert told.at == [back]


def test_history_without_a_past_takes_its_default() -> None:
    told = free(
        {
            "p": {"on": {"resume": "h"}},
            "w": {
                "initial": "x",
                "states": {"x": {}, "y": {}, "h": {"type": "history", "target": "y"}},
            },
        },
        "p",
        "resume",
    )
    assert told.send(1, "resume").at == ["y"]


def test_parallel_regions_join() -> None:
    told = free(
        {
            "p": {
                "type": "parallel",
                "onDone": "end",
                "states": {
                    "l": ending("l1", "left", "l2"),
                    "r": ending("r1", "right", "r2"),
                },
            },
            "end": {"on": {"again": "p"}},
        },
        "p",
        "left right again",
    )  # fmt: skip
    assert told.at == ["l1", "r1"]
    assert told.send(1, "right").at == ["l1", "r2"]
    assert told.send(1, "left").at == ["end"]
    told.send(1, "again").send(1, "left")
    assert told.at == ["l2", "r1"]
    assert told.send(1, "right").at == ["end"]  # the join works the second time


def two_checks(**back: Any) -> Story:
    def region(name: str, person: str) -> dict[str, Any]:
        check = {
            "type": "approval",
            "assignees": [{"user": person}],
            "allow": ["approve", "reject", "return"],
            "return": {"to": ["#start", "*"]},
            "onDone": {"approved": f"{name}_ok", "rejected": "draft"},
        }
        return {"initial": name, "states": {name: check, f"{name}_ok": {"type": "final"}}}

    document = {
        "initial": "draft",
        "states": {
            "draft": {"may": {"go": ANYONE}, "on": {"go": "both"}},
            "both": {
                "type": "parallel",
                "onDone": "done",
                "states": {"one": region("law", "21"), "two": region("money", "31")},
            },
            "done": {"type": "final"},
        },
    }
    return story(document, World()).begin().send(1, "go")


def test_return_out_of_a_parallel_branch_takes_all_tasks_along() -> None:
    told = two_checks().does(21, "return", to="draft")
    assert told.at == ["draft"]
    assert told.open == []
    told.send(1, "go")
    assert sorted(filter(None, told.open)) == [21, 31]
    told.does(31, "approve").does(21, "approve")
    assert told.at == ["done"]


def test_return_into_the_sister_branch_is_refused() -> None:
    told = two_checks().does(31, "approve")
    told.refuses("W119", 21, "task.return", task=told.task_of(21).id, to="money")


def test_a_rejection_leaves_the_whole_parallel_state() -> None:
    told = two_checks().does(31, "approve").does(21, "reject")
    assert told.at == ["draft"]


def test_raised_events_and_always() -> None:
    told = free(
        {
            "a": {"on": {"go": {"target": "b", "actions": [{"raise": "ping"}]}}},
            "b": {"on": {"ping": "c"}},
            "c": {"always": [{"target": "d", "guard": "n > 0"}, {"target": "a"}]},
            "d": {},
        },
        "a",
        "go",
        n=1,
    )
    assert told.send(1, "go").at == ["d"]
    assert [row.type for row in told.last.events] == ["go", "ping", "always"]
    assert [row.actor for row in told.last.events] == [1, None, None]
    told.refuses("W102", 1, "ping")


def test_assigned_values_are_seen_at_once() -> None:
    told = free(
        {
            "a": {"on": {"go": {"target": "b", "actions": [{"assign": {"n": "n + 1", "m": 7}}]}}},
            "b": {"always": {"target": "c", "guard": "n == 2 and m == 7"}},
            "c": {},
        },
        "a",
        "go",
        n=1,
    )
    assert told.send(1, "go").at == ["c"]
    assert told.changes == {"n": 2, "m": 7}


def test_an_endless_loop_has_a_name() -> None:
    told = free(
        {
            "a": {"on": {"go": "b", "mad": "d"}},
            "b": {"always": "c"},
            "c": {"always": "b"},
            "d": {"entry": [{"raise": "mad"}], "on": {"mad": {"target": "d", "reenter": True}}},
        },
        "a",
        "go mad",
    )
    told.refuses("W106", 1, "go")
    told.refuses("W106", 1, "mad")


def test_a_guard_that_cannot_be_evaluated_undoes_everything() -> None:
    told = free(
        {
            "a": {"on": {"go": {"target": "b", "actions": [note("gone")]}}},
            "b": {"always": {"target": "a", "guard": "unknown > 1"}},
        },
        "a",
        "go",
    )
    told.refuses("W109", 1, "go")


def test_reenter() -> None:
    states = {
        "a": {
            "entry": [note("in")],
            "on": {"stay": "a", "again": {"target": "a", "reenter": True}},
            "after": [{"delay": "P1D", "actions": [note("late")]}],
        }
    }
    told = free(states, "a", "stay again")
    due = told.instance.timers[0].due
    told.wait(hours=5)
    assert words(told.send(1, "stay")) == []
    assert told.instance.timers[0].due == due
    assert words(told.send(1, "again")) == ["in"]
    assert told.instance.timers[0].due > due


@pytest.mark.parametrize("days", [1, 25, 60, 400])
def test_long_delays(days: int) -> None:
    told = free({"a": {"after": [{"delay": f"P{days}D", "target": "b"}]}, "b": {}}, "a", "")
    told.wait(days=days, seconds=-1)
    assert told.at == ["a"]
    told.wait(seconds=1)
    assert told.at == ["b"]


def test_missed_turns_of_a_repeating_timer_are_one() -> None:
    timer = {"delay": "PT1H", "every": "PT1H", "times": 3, "actions": [note("tick")]}
    told = free({"a": {"after": [timer]}}, "a", "")
    told.world.now += told.instance.timers[0].due - told.world.now
    told.world.now = told.world.now.replace(day=told.world.now.day + 3)
    assert told.wait(seconds=0) == ["after.a.0"]
    assert told.wait(hours=1) == ["after.a.0"]
    assert told.wait(hours=1) == ["after.a.0"]
    assert told.wait(days=9) == []


def test_required_fields_hold_forward_ways_only() -> None:
    told = free(
        {
            "a": {"fields": {"n": "required"}, "on": {"go": "b", "drop": "x"}},
            "b": {},
            "x": {"type": "final"},
        },
        "a",
        "go drop",
        n=None,
    )
    told.refuses("W115", 1, "go")
    assert told.send(1, "drop").at == ["x"]


def test_field_rights_inner_over_outer_and_regions_joined() -> None:
    document = {
        "initial": "p",
        "states": {
            "p": {
                "type": "parallel",
                "fields": {"*": "read", "secret": "hidden"},
                "states": {
                    "l": {"initial": "l1", "states": {"l1": {"fields": {"x": "write"}}}},
                    "r": {"initial": "r1", "states": {"r1": {"fields": {"y": "required"}}}},
                },
            }
        },
    }
    told = story(document).begin()
    rights = field_rights(told.chart, told.instance, 1)
    assert {name: rights.of(name) for name in ("x", "y", "z", "secret")} == {
        "x": "write",
        "y": "required",
        "z": "read",
        "secret": "hidden",
    }


def test_the_platform_itself_needs_no_permission() -> None:
    document = {"initial": "a", "states": {"a": {"on": {"go": "b"}}, "b": {"type": "final"}}}
    told = story(document).begin()
    told.refuses("W103", 1, "go")
    assert told.attempt(None, "go", source="system").state == "b"


def test_in() -> None:
    assert plain_expression("not In('legal') and x") == "not ('legal' in states) and x"
    assert plain_expression("In('a') or In(\"b\")") == "('a' in states) or (\"b\" in states)"
    assert plain_expression("x == 'In(1)'") == "x == 'In(1)'"
    assert plain_expression("In('a'") == "In('a'"


def test_nothing_sleeps_reads_files_or_looks_at_a_clock() -> None:
    folder = Path(engine.workflow.__file__).parent
    banned = {"sleep", "open", "now", "today", "utcnow", "urlopen", "socket", "connect"}
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                assert name not in banned, (file.name, node.lineno)


def test_a_deep_history_of_a_parallel_state_brings_every_region_back_where_it_was() -> None:
    """Not one region remembered and the next one fresh: found by SCION's history suite."""

    def made(letter: str) -> dict[str, Any]:
        first, second = f"{letter}1", f"{letter}2"
        return {"initial": first, "states": {first: {"on": {"go": second}}, second: {}}}

    told = story(
        {
            "initial": "idle",
            "states": {
                "idle": {
                    "may": {"start": {"starter": True}, "back": {"starter": True}},
                    "on": {"start": "both", "back": "last"},
                },
                "both": {
                    "type": "parallel",
                    "may": {"go": {"starter": True}, "stop": {"starter": True}},
                    "on": {"stop": "idle"},
                    "states": {
                        "last": {"type": "history", "history": "deep", "target": "b"},
                        "b": made("b"),
                        "c": made("c"),
                    },
                },
            },
        }
    ).begin()
    for event in ("start", "go", "stop", "back"):
        told.send(1, event)
    assert told.at == ["b2", "c2"]
