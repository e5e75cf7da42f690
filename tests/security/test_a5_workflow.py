"""A5 The state of a record moves by its workflow and by nothing else; who decides is who may."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
import sqlalchemy as sa
from tests.security.guards import state
from tests.security.world import CONTRACTS, World

from engine.records import people, removing, writing
from engine.records.company import Company
from engine.records.failures import Failure
from engine.tables import system

STATES: Final = ("draft", "submitted", "second", "approved", "archived")
KEYS: Final = {  # a contract in each state
    "draft": "contract-k1", "submitted": "contract-k2", "second": "contract-k3",
    "approved": "contract-k4", "archived": "contract-k5",
}  # fmt: skip
LOGINS: Final = ("alice", "bob", "erin", "carol", "dave", "zoe", "gina", "admin")
EVENTS: Final = ("submit", "archive", "task.approve", "task.reject", "done.state.second",
                 "withdraw", "record.changed", "after.t", "error.x", "task.return",
                 "task.add", "task.forward", "__class__", "Submit", "submit ",
                 "approve")  # fmt: skip
# who may do what in which of the contracts above: the definition, written down once more
ALLOWED: Final = {
    ("draft", "submit", "alice"),
    ("submitted", "task.approve", "carol"), ("submitted", "task.reject", "carol"),
    ("second", "task.approve", "dave"), ("second", "task.reject", "dave"),
    ("approved", "archive", "carol"),
}  # fmt: skip
NO: Final = (400, 403, 404, 409, 422)


def states(world: World) -> dict[int, str]:
    """Every contract's state, from the tables."""
    company = world.served.company("t1")
    table = company.current.tables.of("contract")
    with company.database.read() as connection:
        return {
            row[0]: row[1] for row in connection.execute(sa.select(table.id, table.column("state")))
        }


def version(world: World, id: int) -> int:
    """A contract's version."""
    company = world.served.company("t1")
    table = company.current.tables.of("contract")
    with company.database.read() as connection:
        return int(connection.scalar(sa.select(table.version).where(table.id == id)) or 0)


# --- A5.1 ----------------------------------------------------------------------------------------
WRITES: Final[dict[str, Any]] = {
    "PATCH": lambda p, id, to, v: p.api("PATCH", f"/contract/{id}", {"state": to, "version": v}),
    "POST": lambda p, id, to, v: p.api(
        "POST", "/contract", {"title": "x", "customer": 1, "state": to}
    ),
    "rows": lambda p, id, to, v: p.api(
        "PATCH", f"/contract/{id}", {"items": [{"what": "x", "state": to}], "version": v}
    ),
    "form": lambda p, id, to, v: p.form(
        f"/e/contract/{id}/edit", [("f_state", to), ("f_title", "x"), ("version", str(v))]
    ),
    "new form": lambda p, id, to, v: p.form(
        "/e/contract/new", [("f_state", to), ("f_title", "x"), ("f_customer", "17")]
    ),
    "quick form": lambda p, id, to, v: p.form(
        "/e/contract/quick", [("f_state", to), ("f_title", "x"), ("f_customer", "17")]
    ),
    "board": lambda p, id, to, v: p.form(
        f"/e/contract/{id}/move", [("value", to), ("field", "state"), ("version", str(v))]
    ),
    "event of the same name": lambda p, id, to, v: p.api(
        "POST", f"/contract/{id}/events/{to}", {"version": v}
    ),
    "method in a header": lambda p, id, to, v: p.send(
        "POST", f"/api/v1/contract/{id}", headers={"X-HTTP-Method-Override": "PATCH"},
        json={"state": to, "version": v},
    ),
    "value of an event": lambda p, id, to, v: p.api(
        "POST", f"/contract/{id}/events/archive", {"version": v, "state": to}
    ),
    "through the neighbour": lambda p, id, to, v: p.api(
        "PATCH", "/customer/17", {"contracts": [{"id": id, "state": to}], "version": 2}
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WRITES)
@pytest.mark.parametrize("login", ["alice", "carol", "admin"])
def test_a5_1_the_state_is_written_at_no_door(still: World, login: str, way: str) -> None:
    """Every state from every state; a record that is made begins at the beginning."""
    person, before = still.served.visitor("t1", login), states(still)
    with watched(still) as seen:
        for came, to in itertools.product(STATES, STATES):
            id = still.id(KEYS[came])
            answer = WRITES[way](person, id, to, version(still, id))
            assert answer.status_code < 500
            if answer.status_code < 400 and "new" not in way and "quick" not in way:
                assert way in ("form", "board", "value of an event"), (came, to)
    for id, moved in seen:
        if id in before:
            legal = {("draft", "submitted"), ("approved", "archived")}
            assert moved == before[id] or (before[id], moved) in legal, (id, before[id], moved)
        else:
            assert moved in ("draft", None)
    assert states(still) == before


@contextmanager
def watched(world: World) -> Iterator[list[tuple[int, Any]]]:
    """What the states would have been, were the transactions of `still` kept."""
    table, seen = world.served.company("t1").current.tables.of("contract"), list[tuple[int, Any]]()
    before = Company.unit

    @contextmanager
    def unit(company: Company, *args: Any, **more: Any) -> Iterator[Any]:
        with before(company, *args, **more) as found:
            yield found
            if more.get("write"):
                wanted = sa.select(table.id, table.column("state"))
                seen.extend((row[0], row[1]) for row in found.connection.execute(wanted))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Company, "unit", unit)
        yield seen


# --- A5.2 ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("came", STATES)
def test_a5_2_everybody_does_what_the_definition_gives_him(
    still: World, came: str, login: str
) -> None:
    """Every event in every state by everybody, sent through the API; what is not his is refused."""
    person, id = still.served.visitor("t1", login), still.id(KEYS[came])
    for event in EVENTS:
        answer = person.api(
            "POST", f"/contract/{id}/events/{event}", {"version": version(still, id)}
        )
        mine = (came, event, login) in ALLOWED
        assert (answer.status_code == 200) == mine, (event, answer.status_code, answer.text[:200])
        assert mine or answer.status_code in NO


@pytest.mark.parametrize("login", LOGINS)
def test_a5_2_what_is_offered_is_what_is_allowed(still: World, login: str) -> None:
    """Buttons of the page and actions of the API are the same as what is carried out."""
    person = still.served.visitor("t1", login)
    for came in STATES:
        id = still.id(KEYS[came])
        answer = person.get(f"/e/contract/{id}")
        if answer.status_code == 404:
            assert not [one for one in ALLOWED if one[0] == came and one[2] == login]
            continue
        page = answer.get_data(as_text=True)
        for event in ("submit", "archive"):
            offered = f'value="{event}"' in page
            assert offered == ((came, event, login) in ALLOWED), (came, event)


# --- A5.3 ----------------------------------------------------------------------------------------
def test_a5_3_nobody_approves_his_own_even_as_the_manager(world: World) -> None:
    """Carol's own contract waits for a manager, and she is the only one."""
    carol, id = world.served.visitor("t1", "carol"), world.id("contract-k10")
    assert states(world)[id] == "submitted"
    for decision in ("task.approve", "task.reject"):
        answer = carol.api("POST", f"/contract/{id}/events/{decision}",
                           {"version": version(world, id)})  # fmt: skip
        assert answer.status_code in NO
    assert states(world)[id] == "submitted"


def test_a5_3_nor_by_becoming_the_manager(world: World) -> None:
    """Alice is made a manager while her contract waits."""
    with world.unit() as unit:
        people.set_roles(unit, world.served.actor("t1", "alice").id, ["sales", "manager"])
    alice, id = world.served.visitor("t1", "alice"), world.id("contract-k2")
    answer = alice.api("POST", f"/contract/{id}/events/task.approve",
                       {"version": version(world, id)})  # fmt: skip
    assert answer.status_code in NO
    assert states(world)[id] == "submitted"


def test_a5_3_one_person_is_not_both_approvers(world: World) -> None:
    """Carol approved first; with finance's role she still is only one person."""
    with world.unit() as unit:
        people.set_roles(unit, world.served.actor("t1", "carol").id, ["manager", "finance"])
    carol, id = world.served.visitor("t1", "carol"), world.id("contract-k3")
    answer = carol.api("POST", f"/contract/{id}/events/task.approve",
                       {"version": version(world, id)})  # fmt: skip
    assert answer.status_code in NO
    assert states(world)[id] == "second"


# --- A5.4 ----------------------------------------------------------------------------------------
LOCKED: Final[dict[str, dict[str, Any]]] = {
    "a field": {"title": "other"},
    "the customer": {"customer": "C2"},
    "the owner": {"owner": "ME"},
    "a new row": {"items": [{"what": "x", "price": "1.00"}]},
    "no rows": {"items": []},
    "a total": {"amount": "1.00"},
    "a date": {"signed_on": "2020-01-01"},
    "everything at once": {"title": "other", "items": [], "signed_on": None},
}


@pytest.mark.parametrize("what", LOCKED)
@pytest.mark.parametrize("came", ["submitted", "second", "approved", "archived"])
def test_a5_4_what_the_state_locks_stays(still: World, came: str, what: str) -> None:
    id, company = still.id(KEYS[came]), still.served.company("t1")
    swap = {"C2": still.id("customer-c2"), "ME": still.served.actor("t1", "carol").id}
    values = {
        name: swap.get(value, value) if isinstance(value, str) else value
        for name, value in LOCKED[what].items()
    }
    for login in ("alice", "bob", "carol", "admin"):
        person = still.served.visitor("t1", login)
        answer = person.api("PATCH", f"/contract/{id}", {**values, "version": version(still, id)})
        assert answer.status_code in NO, (login, answer.status_code)
        with pytest.raises(Failure), company.unit(
            still.served.actor("t1", login), write=True
        ) as unit:  # fmt: skip
            writing.change(unit, "contract", id, values, version(still, id))


@pytest.mark.parametrize("came", ["submitted", "second", "approved", "archived"])
def test_a5_4_nor_is_it_removed(still: World, came: str) -> None:
    id, company = still.id(KEYS[came]), still.served.company("t1")
    before = state(company)
    for login in ("alice", "carol", "admin"):
        with pytest.raises(Failure), company.unit(
            still.served.actor("t1", login), write=True
        ) as unit:  # fmt: skip
            removing.remove(unit, "contract", id, version(still, id))
    assert state(company) == before


# --- A5.5 ----------------------------------------------------------------------------------------
def test_a5_5_a_larger_amount_needs_the_second_approval_again(world: World) -> None:
    """Rejected, made larger, sent again: it is judged by what it is now."""
    carol, alice = (world.served.visitor("t1", one) for one in ("carol", "alice"))
    id = world.id("contract-k2")

    def send(who: Any, event: str) -> None:
        answer = who.api("POST", f"/contract/{id}/events/{event}",
                         {"version": version(world, id), "comment": "so"})  # fmt: skip
        assert answer.status_code == 200, answer.text

    send(carol, "task.reject")
    body = {"items": [{"what": "x", "price": "150000.00"}], "version": version(world, id)}
    assert alice.api("PATCH", f"/contract/{id}", body).status_code == 200
    send(alice, "submit")
    send(carol, "task.approve")
    assert states(world)[id] == "second"
    events = system.WF_EVENT.c
    with world.served.company("t1").database.read() as connection:
        kinds = list(
            connection.scalars(
                sa.select(events.type)
                .join(system.WF_INSTANCE, system.WF_INSTANCE.c.id == events.instance_id)
                .where(system.WF_INSTANCE.c.record_id == id)
                .order_by(events.seq)
            )
        )
    assert [one for one in kinds if one in ("submit", "task.approve", "task.reject")] == [
        "submit", "task.reject", "submit", "task.approve",
    ], kinds  # fmt: skip


# --- A5.6 and A5.7 -------------------------------------------------------------------------------
def test_a5_7_without_an_approver_it_waits(world: World) -> None:
    """Nobody is a manager any more: what is sent waits for an administrator, and is not passed."""
    with world.unit() as unit:
        people.change_user(unit, world.served.actor("t1", "carol").id, disabled_at=unit.now)
    alice, id = world.served.visitor("t1", "alice"), world.id("contract-k1")
    answer = alice.api("POST", f"/contract/{id}/events/submit", {"version": version(world, id)})
    assert answer.status_code == 200
    assert states(world)[id] == "submitted"
    task = system.WF_TASK.c
    with world.served.company("t1").database.read() as connection:
        open_ = connection.execute(
            sa.select(task.assignee_id).where(task.record_id == id, task.status == "open")
        ).all()
    assert [row[0] for row in open_] == [world.served.actor("t1", "admin").id]


assert len(CONTRACTS) >= len(KEYS)
