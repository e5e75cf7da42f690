"""Worked example 2: a complaint with a promised reply time and a clock of its own."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.workflow.world import START, Story, World, example, story

from engine.workflow import field_rights, progress

CHART = example("complaint_handling")
COMPANY = World(roles={"service": [5, 6], "service-lead": [7], "admin": [50]}, bosses={5: 7, 7: 8})
PROMISE = START + timedelta(hours=10)


def received(**record: object) -> Story:
    facts = {
        "promised_reply_at": PROMISE,
        "handler": 5,
        "severity": "low",
        "escalation_level": 0,
        **record,
    }
    return story(CHART, COMPANY, **facts).begin(6)


def opened(**record: object) -> Story:
    return received(**record).send(5, "accept")


def test_the_ordinary_way() -> None:
    told = opened()
    assert told.at == ["handling", "on_time"]
    assert told.last.state == "open"  # the parallel state stands for its regions
    told.send(5, "reply")
    assert told.at == ["awaiting_customer"]
    assert "send_reply" in told.effects
    told.send(6, "confirm")
    assert told.at == ["closed"]
    assert told.effects == ["survey"]
    assert told.instance.timers == ()


def test_accepting_needs_a_promise_and_a_handler() -> None:
    received(promised_reply_at=None).refuses("W104", 5, "accept")
    received(handler=None).refuses("W104", 5, "accept")


def test_discarding_needs_a_reason() -> None:
    told = received()
    told.refuses("W104", 7, "discard")
    told.refuses("W103", 5, "discard", reason="spam")
    assert told.send(7, "discard", reason="spam").at == ["discarded"]


def test_nobody_takes_it() -> None:
    told = received()
    assert told.wait(hours=6) == ["after.received.unclaimed"]
    assert told.last.effects[0].to == (7,)
    assert told.at == ["received"]
    assert told.last.events[0].actor is None


def test_the_clock_warns_breaches_and_escalates_without_disturbing_the_work() -> None:
    told = opened()
    assert told.wait(hours=8) == ["after.on_time.warn"]
    assert told.at == ["handling", "warned"]
    assert told.last.effects[0].to == (5,)
    assert told.wait(hours=2) == ["after.warned.due"]
    assert told.at == ["handling", "overdue"]
    assert told.changes == {"sla_breached": True}
    assert told.last.effects[0].to == (7,)
    assert told.wait(hours=72) == ["after.overdue.esc2"]
    assert told.at == ["handling", "escalated"]
    assert told.changes["escalation_level"] == 1
    assert told.last.effects[0].to == (8,)
    told.send(5, "reply")
    assert told.at == ["awaiting_customer"]
    assert told.world.record["sla_breached"] is True


def test_a_severe_one_is_checked() -> None:
    told = opened(severity="high").send(5, "reply")
    assert told.at == ["reply_check", "on_time"]
    assert told.open == [7]
    told.refuses("W112", 5, "task.approve", task=1)
    told.does(7, "reject")
    assert told.at == ["handling", "on_time"]
    told.send(5, "reply").does(7, "approve")
    assert told.at == ["awaiting_customer"]


def test_the_check_passes_openly_when_there_is_no_superior() -> None:
    told = opened(severity="high", handler=8)
    told.send(8, "reply")
    assert told.at == ["awaiting_customer"]
    assert told.instance.rounds[0].outcome == "approved"
    assert told.instance.tasks == ()


def test_reassigning_changes_the_record_and_stays() -> None:
    told = opened()
    told.refuses("W103", 5, "reassign", to=6)
    told.send(7, "reassign", to=6)
    assert told.changes == {"handler": 6}
    assert told.at == ["handling", "on_time"]
    told.refuses("W103", 5, "reply")
    told.send(6, "reply")


def test_reopening_with_a_new_promise_restarts_the_clock() -> None:
    told = opened().send(5, "reply")
    told.refuses("W104", 6, "reopen")
    later = told.world.now + timedelta(days=2)
    told.send(6, "reopen", promised_reply_at=later)
    assert told.at == ["handling", "on_time"]
    assert {one.name: one.due for one in told.instance.timers}["after.on_time.due"] == later


def test_silence_closes() -> None:
    told = opened().send(5, "reply")
    assert told.wait(days=3) == ["after.awaiting_customer.silence"]
    assert told.at == ["closed"]


def test_a_promise_in_the_past_is_due_at_once() -> None:
    told = opened(promised_reply_at=START - timedelta(days=1))
    assert told.wait(seconds=1) == ["after.on_time.warn", "after.warned.due"]
    assert told.at == ["handling", "overdue"]


def test_rights_and_buttons() -> None:
    told = opened()
    assert field_rights(CHART, told.instance, 5).of("findings") == "write"
    assert field_rights(CHART, told.instance, 5).of("customer") == "read"
    assert set(told.commands(5)) == {"reply"}
    assert set(told.commands(7)) == {"reassign"}
    assert set(told.commands(6)) == set()


def test_progress_shows_the_parallel_state_as_one_step() -> None:
    told = opened()
    steps = [(one.state, one.status) for one in progress(CHART, told.instance, ())]
    assert steps == [
        ("received", "done"),
        ("open", "current"),
        ("awaiting_customer", "future"),
        ("closed", "future"),
    ]


def test_reported_states() -> None:
    assert CHART.reportable() == (
        "received",
        "open",
        "awaiting_customer",
        "closed",
        "discarded",
    )
