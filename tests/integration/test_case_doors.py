"""Whoever has no part in a case is refused at every door, and so is everybody who writes the state
past the workflow: nothing changes, and the security log has a line. Looking changes nothing."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from tests.companies import Served, digest, filled
from tests.integration.case_world import KEY, PEOPLE, Office, prepare_papers

from dougong.deciding import COMMANDS
from engine.records import bulk, flows, writing
from engine.records.failures import Failure, Forbidden, NotFound
from engine.records.unit import SYSTEM, Unit
from engine.tables import system

STRANGERS = sorted(set(PEOPLE) - {"ann"})
EVENTS = ("submit", "cancel", "withdraw", "terminate")
INTERNAL = ("done.approved.review", "after.review.x", "error.execution", "done.call.review")
REFUSED = {403, 404, 409, 422}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("papers")
    prepare_papers(data)
    return data


@pytest.fixture
def office(prepared: Path, tmp_path: Path) -> Iterator[Office]:
    data = tmp_path / "papers"
    shutil.copytree(prepared, data)
    served = Served.open(data)
    yield Office(served)
    served.installation.close()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, "dougong.refused")
    return caplog


def settled(office: Office) -> str:
    """Everything as it is when everybody has logged in: that leaves a trace of its own."""
    for who in (*PEOPLE, "admin"):
        office.visitor(who).text("/account")
    return digest(office.company)


def lines(log: pytest.LogCaptureFixture) -> list[str]:
    """What the security log says since the last look."""
    found = [one.getMessage() for one in log.records if one.name == "dougong.refused"]
    log.clear()
    return found


def at_the_doors(office: Office, who: str, id: int, event: str, task: int, number: int) -> Any:
    """One command through every door of the shell: (door, answer)."""
    visitor, to = office.visitor(who), office.person("rita")
    data = {"comment": "because", "to": to, "mode": "before"}
    form = [(key, str(value)) for key, value in data.items()]
    command = event.removeprefix("task.")
    if event.startswith("task."):
        yield "task page", visitor.form(f"/approvals/{task}", [("event", event), *form])
        yield "task api", visitor.api("POST", f"/tasks/{task}/{command}", data)
    sent = [("event", event), ("task", str(number)), *form]
    yield "record page", visitor.form(f"/e/paper/{id}/fire", sent)
    if who != "ben":  # a card knows of one's own task only
        yield "board", visitor.form(f"/e/paper/{id}/move", sent)
    body = {**data, "task": number}
    yield "event api", visitor.api("POST", f"/paper/{id}/events/{event}", body)


def at_the_engine(
    office: Office, who: str, id: int, event: str, task: int, number: int
) -> Iterator[str]:
    """One command through both doors of the engine: the code of the refusal."""
    actor = office.actor(who)
    data = {"to": office.person("rita"), "mode": "before", "comment": "because"}
    asks: tuple[Callable[[Unit], object], ...] = (
        lambda unit: flows.decide(unit, task, event, data=data),
        lambda unit: flows.fire(unit, "paper", id, event, {**data, "task": number}),
    )
    for ask in asks:
        with office.company.unit(actor, write=True) as unit, pytest.raises(Failure) as caught:
            ask(unit)
        assert isinstance(caught.value, Forbidden | NotFound)
        yield caught.value.code


def not_his(who: str) -> list[str]:
    """The commands on ann's task that are not this person's."""
    own = {"remind"} if who in ("clara", "ben") else set()  # who has a part in it may remind
    return [f"task.{one}" for one in sorted(COMMANDS - own)]


@pytest.mark.parametrize("who", STRANGERS)
def test_every_command_of_everybody_else_at_every_door(
    office: Office, log: pytest.LogCaptureFixture, who: str
) -> None:
    id = office.paper(events=("submit",))
    task, number = office.task(id, "ann")
    actor, before = office.actor(who), settled(office)
    for event in not_his(who):
        for refused in at_the_engine(office, who, id, event, task, number):
            # to a stranger it is not his, whatever else may be wrong with it
            assert refused in {"W112", "W124", "R001"}, event
        for door, answer in at_the_doors(office, who, id, event, task, number):
            assert answer.status_code in REFUSED or answer.status_code == 303, (door, event)
            assert door in ("task page", "board") or answer.status_code in REFUSED, (door, event)
            told = lines(log)
            assert len(told) == 1, (door, event, told)
            assert f"user {actor.id}," in told[0]
            assert "because" not in told[0]
        assert digest(office.company) == before, event
    ask = [("task", str(task)), ("sure", "1"), ("key", "k")]
    assert office.visitor(who).form("/approvals/bulk", ask).status_code == 207
    assert len(lines(log)) == 1
    assert digest(office.company) == before


def test_without_a_login_or_the_token_of_the_page(
    office: Office, log: pytest.LogCaptureFixture
) -> None:
    id = office.paper(events=("submit",))
    task, _ = office.task(id, "ann")
    before = settled(office)
    stranger: FlaskClient = office.served.app.test_client()
    for path in (f"/approvals/{task}", f"/api/v1/tasks/{task}/approve", f"/e/paper/{id}/fire"):
        assert stranger.post(f"/{KEY}{path}", data={"event": "task.approve"}).status_code == 400
        assert lines(log)[0].endswith("csrf")
        ann = office.visitor("ann")
        forged = ann.client.post(f"/{KEY}{path}", data={"event": "task.approve"})
        assert forged.status_code == 400  # another site cannot know the token
        assert f"user {office.person('ann')}," in lines(log)[0]
    assert digest(office.company) == before


def test_what_administrators_do_is_for_nobody_else(
    office: Office, log: pytest.LogCaptureFixture
) -> None:
    id = office.paper(events=("submit",))
    with office.company.database.read() as connection:
        case = connection.scalar(sa.select(system.WF_INSTANCE.c.id))
    before = settled(office)
    for who in sorted(set(PEOPLE) - {"boss"}):
        visitor = office.visitor(who)
        for command in ("jump", "terminate", "wake_up", "reassign", "retry"):
            posted = visitor.form(
                f"/admin/cases/{case}/{command}", [("reason", "r"), ("state", "approved")]
            )
            assert posted.status_code == 404
            assert len(lines(log)) == 1
            body = {"reason": "r", "state": "approved"}
            called = visitor.api("POST", f"/admin/cases/{case}/{command}", body)
            assert called.status_code in (403, 404), (who, command)
            assert len(lines(log)) == 1, command
        path = "/admin/workflows/signing/publish"
        assert visitor.form(path, [("sure", "1")]).status_code == 404
        assert len(lines(log)) == 1
    assert digest(office.company) == before
    assert office.state(id) == "review"


def test_the_log_cannot_be_forged_and_holds_no_values(
    office: Office, log: pytest.LogCaptureFixture
) -> None:
    id = office.paper(events=("submit",))
    rita = office.visitor("rita")
    rita.form(
        f"/e/paper/{id}/fire", [("event", "x\ncompany papers: user 1"), ("comment", "salary")]
    )
    rita.api("POST", f"/paper/{id}/events/sub%0Amit", {"secret": "salary"})
    rita.api("PATCH", f"/paper/{id}", {"title": "salary", "version": 2})
    told = lines(log)
    assert len(told) == 3
    assert all("\n" not in one and "salary" not in one for one in told)
    assert f"PATCH api.change entity=paper id={id}" in told[2]


def test_a_mistake_in_a_form_is_no_refusal(office: Office, log: pytest.LogCaptureFixture) -> None:
    clara = office.visitor("clara")
    assert clara.api("POST", "/paper", {"amount": "1"}).status_code == 422
    id = office.paper("0")
    assert clara.api("POST", f"/paper/{id}/events/submit", {}).status_code == 422
    assert clara.api("PATCH", f"/paper/{id}", {"title": "x", "version": 9}).status_code == 409
    assert not lines(log)


# --- what is offered is what is taken ------------------------------------------------------------
TASKS = {"approve", "reject", "return", "transfer", "delegate", "addsign", "cc", "remind"}
MAY: dict[str, dict[str, set[str]]] = {  # written by hand from the definition
    "draft": {"clara": {"submit", "cancel"}},
    "review": {
        "clara": {"withdraw", "task.remind"},
        "ann": {f"task.{one}" for one in TASKS},
        "ben": {f"task.{one}" for one in TASKS},
        "boss": {"terminate"},
    },
    "approved": {},
    "rejected": {},
    "cancelled": {},
}
WAYS = {
    "draft": (),
    "review": (("clara", "submit"),),
    "approved": (("clara", "submit"), ("ann", "task.approve"), ("ben", "task.approve")),
    "rejected": (("clara", "submit"), ("ann", "task.reject")),
    "cancelled": (("clara", "cancel"),),
}


@pytest.mark.parametrize("state", MAY)
def test_every_event_in_every_state_by_everybody_is_as_defined(office: Office, state: str) -> None:
    id = office.paper()
    for who, event in WAYS[state]:
        office.send(who, id, event)
    assert office.state(id) == state
    for who in PEOPLE:
        expected = MAY[state].get(who, set())
        with office.company.unit(office.actor(who)) as unit:
            try:
                offered = {one.event for one in flows.commands(unit, "paper", id)}
            except NotFound:
                offered = set()
        assert offered == expected, who
        for event in (*EVENTS, *INTERNAL, *(f"task.{one}" for one in sorted(COMMANDS))):
            taken = tried(office, who, id, event)
            assert taken == (event in expected), (who, event)


class Undone(Exception):
    """Ends a unit whose step was taken, so that the next one finds the same case."""


def tried(office: Office, who: str, id: int, event: str) -> bool:
    """Whether somebody may send the event now; nothing is kept."""
    data: dict[str, Any] = {"to": office.person("cyril"), "comment": "because", "mode": "parallel"}
    if event == "task.return":
        data["to"] = "#start"
    if event in ("task.addsign", "task.cc"):
        data["to"] = [data["to"]]
    if event == "task.remind" and who == "clara":
        data["task"] = office.task(id, "ann")[1] if office.state(id) == "review" else 1
    try:
        with office.company.unit(office.actor(who), write=True) as unit:
            flows.fire(unit, "paper", id, event, data)
            raise Undone
    except Undone:
        return True
    except Failure:
        return False


# --- the state -----------------------------------------------------------------------------------
def test_the_state_is_written_at_no_door(office: Office, log: pytest.LogCaptureFixture) -> None:
    id = office.paper()
    before = settled(office)
    for who in ("clara", "cyril", "boss"):
        visitor = office.visitor(who)
        paper = {"id": id, "state": "approved"}
        for method, path, body in (
            ("PATCH", f"/paper/{id}", {"state": "approved", "version": 1}),
            ("PATCH", f"/paper/{id}", {"state": None, "version": 1}),
            ("POST", "/paper", {"title": "T", "amount": "5", "state": "approved"}),
            ("POST", "/remark", {"body": "B", "paper": paper}),
            ("POST", "/remark", {"body": "B", "paper": {"state": "approved"}}),
            ("POST", "/remark", {"body": "B", "paper.state": "approved"}),
            (
                "PATCH",
                f"/paper/{id}",
                {"items": [{"what": "W", "state": "approved"}], "version": 1},
            ),
            ("PATCH", f"/paper/{id}", {"remarks": [{"paper": paper}], "version": 1}),
            ("PATCH", f"/paper/{id}", {"STATE": "approved", "version": 1}),
        ):
            assert visitor.api(method, path, body).status_code == 422, (who, body)
        forms = {"f_title": "T", "f_amount": "5", "f_state": "approved"}
        quick = visitor.form("/e/paper/quick", list(forms.items()))
        assert quick.status_code == 422
        for name in ("put", "to"):
            moved = visitor.form(f"/e/paper/{id}/move", [(name, "approved"), ("version", "1")])
            assert moved.status_code in REFUSED | {303}
        for event in INTERNAL:
            sent = visitor.api("POST", f"/paper/{id}/events/{event}", {})
            assert sent.status_code in REFUSED
        assert digest(office.company) == before, who
    assert any("R202" in one for one in lines(log))


def test_a_form_with_the_state_among_its_fields(office: Office) -> None:
    id = office.paper()
    clara = office.visitor("clara")
    before = digest(office.company)
    for path in ("/e/paper/new", f"/e/paper/{id}/edit"):
        posted = filled(clara.text(path), {"title": "Other", "amount": "7"})
        made = clara.form(path, [*posted, ("f_state", "approved")])
        assert made.status_code == 422, path
        assert digest(office.company) == before, path


def test_a_method_in_a_header_or_a_field_is_not_listened_to(office: Office) -> None:
    id = office.paper()
    clara = office.visitor("clara")
    before = digest(office.company)
    names = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
    for name in names:
        for real in ("PATCH", "DELETE", "PUT"):
            body = {"state": "approved", "title": "x", "version": 1}
            answer = clara.api("POST", f"/paper/{id}", body, headers={name: real})
            assert answer.status_code == 405, (name, real)
            looked = clara.get(f"/api/v1/paper/{id}?_method={real}", headers={name: real})
            assert looked.status_code == 200
        fired = clara.get(f"/e/paper/{id}/fire?event=submit", headers={name: "POST"})
        assert fired.status_code in (404, 405)
    assert clara.api("PUT", f"/paper/{id}", {"state": "approved"}).status_code == 405
    assert digest(office.company) == before


def test_many_at_once_obey_the_same_rule(office: Office) -> None:
    rows = [{"title": f"T{at}", "amount": "5"} for at in range(3)]
    rows[1] = {**rows[1], "state": "approved"}
    with office.company.unit(office.actor("clara"), write=True, source="import") as unit:
        outcomes = bulk.create_many(unit, "paper", rows)
    assert [bool(one.problems) for one in outcomes] == [False, True, False]
    assert [one.problems[0].code for one in outcomes if one.problems] == ["R202"]
    assert {office.state(one.id) for one in outcomes if one.id} == {"draft"}


def test_a_locked_paper_stays_as_it_is_and_its_copy_begins_anew(office: Office) -> None:
    id = office.paper(events=("submit",))
    clara = office.visitor("clara")
    before = digest(office.company)
    for body in ({"title": "x"}, {"amount": "1"}, {"items": [{"what": "W", "price": "1"}]}):
        answer = clara.api("PATCH", f"/paper/{id}", {**body, "version": 2})
        assert (answer.status_code, answer.json["problems"][0]["code"]) == (422, "A003"), body
    posted = [("f_title", "x"), ("f_amount", "1"), ("version", "2"), ("f_items-0.what", "W")]
    clara.form(f"/e/paper/{id}/edit", posted)
    assert clara.send("POST", f"/e/paper/{id}/delete", data={"version": "2"}).status_code in (
        303,
        409,
    )
    assert digest(office.company) == before
    posted = filled(clara.text(f"/e/paper/new?copy={id}"), {})
    assert clara.form("/e/paper/new", posted).status_code == 303
    made = clara.get("/api/v1/paper?sort=-created_at").json["items"]
    assert [one["state"] for one in made if one["id"] != id] == ["draft"]


# --- what was decided ----------------------------------------------------------------------------
def test_nobody_edits_or_deletes_what_was_decided(office: Office) -> None:
    id = office.paper(events=("submit",))
    office.send("ann", id, "task.approve")
    tables = (system.WF_EVENT, system.HISTORY)
    boss, admin = office.visitor("boss"), office.visitor("admin")  # admin: the operator
    before = settled(office)
    with office.company.database.read() as connection:
        numbers = {table.name: connection.scalars(sa.select(table.c.id)).all() for table in tables}
    for visitor in (boss, admin):
        for view in ("history", "versions", "outbox"):
            for at in numbers["dg_history"]:
                for action in ("edit", "delete", "new", "action", "ajax/update"):
                    sent = [("id", str(at)), ("action", "delete"), ("rowid", str(at))]
                    answer = visitor.form(f"/ops/{view}/{action}/?id={at}", sent)
                    assert answer.status_code in (302, 400, 403, 404, 405), (view, action)
        for at in numbers["dg_wf_event"]:
            for path in (f"/paper/{id}/history/{at}", f"/paper/{id}/events/{at}"):
                for method in ("PATCH", "DELETE"):
                    assert visitor.api(method, path, {}).status_code in (404, 405)
    assert digest(office.company) == before


def test_every_round_stays_in_the_log(office: Office) -> None:
    id = office.paper(events=("submit",))
    office.send("ann", id, "task.return", to="#start", comment="once more")
    office.send("clara", id, "submit")
    office.send("clara", id, "withdraw")
    office.send("clara", id, "submit")
    office.send("ann", id, "task.approve")
    office.send("ben", id, "task.reject", comment="too dear")
    with office.company.unit(SYSTEM) as unit:
        told = flows.flow_events(unit, "paper", id)
    acts = ["start", "submit", "return", "submit", "withdraw", "submit", "approve", "reject"]
    with office.company.database.read() as connection:
        wanted = sa.select(system.WF_EVENT).order_by(system.WF_EVENT.c.seq)
        kept = connection.execute(wanted).mappings().all()
    words = [one["type"].removeprefix("task.") for one in kept]
    human = [one for one in words if "." not in one]
    assert human == acts
    assert [one["seq"] for one in kept] == list(range(1, len(kept) + 1))
    assert {one.comment for one in told} >= {"once more", "too dear"}


def test_a_record_is_written_by_people_with_rights_only(
    office: Office, log: pytest.LogCaptureFixture
) -> None:
    id = office.paper()
    before = settled(office)
    for who, status in (("rita", 403), ("ann", 403), ("otto", 404)):
        visitor = office.visitor(who)
        answer = visitor.api("PATCH", f"/paper/{id}", {"title": "x", "version": 1})
        assert answer.status_code == status, who
        assert len(lines(log)) == 1
        removed = visitor.api("DELETE", f"/paper/{id}", {}, headers={"If-Match": '"1"'})
        assert removed.status_code == status
        assert len(lines(log)) == 1
    assert digest(office.company) == before
    with office.company.unit(office.actor("rita"), write=True) as unit, pytest.raises(Forbidden):
        writing.change(unit, "paper", id, {"title": "x"}, 1)


# --- looking -------------------------------------------------------------------------------------
NOT_CRAWLED = {
    "ops.static",  # files
    "static",
    "dist",
    "auth.once",  # a link of its own, tested with the accounts: it shows a button and no more
}


def addresses(office: Office, known: dict[str, Any]) -> Iterator[str]:
    """Every address that can be asked for, with things that are there."""
    adapter = office.served.app.url_map.bind("localhost")
    for rule in office.served.app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.endpoint in NOT_CRAWLED:
            continue
        # what a later page calls its own: any number fits a gap for text as well
        values = {name: known.get(name, 1) for name in rule.arguments - {"id"}}
        if rule.endpoint.startswith("groups."):
            values["key"] = "board"
        for id in known["ids"] if "id" in rule.arguments else [None]:
            if id is not None:
                values["id"] = id
            if (rule.endpoint.startswith("forms.") and "/@file/" not in rule.rule) or id != 0:
                yield adapter.build(rule.endpoint, values, force_external=False)


def test_looking_at_everything_changes_nothing(office: Office) -> None:
    id = office.paper(events=("submit",))
    task, number = office.task(id, "ann")
    with office.company.database.read() as connection:
        case = connection.scalar(sa.select(system.WF_INSTANCE.c.id))
    known = {
        "company": KEY,
        "entity": "paper",
        "field": "paper",
        "workflow": "signing",
        "kind": "webhook",
        "user": office.person("ann"),
        "role": "admin",
        "task": task,
        "instance": case,
        "key": "none",
        "file": 1,
        "token": "none",
        "export_type": "csv",
        "ids": [id, case, office.person("ann"), 1],
    }
    asking = f"event=task.approve&decision=approve&task={number}&sure=1&reason=x&id={id}&version=2"
    before = settled(office)
    asked: dict[int, int] = {}
    for who in ("ann", "clara", "admin"):
        visitor = office.visitor(who)
        for address in dict.fromkeys(addresses(office, known)):
            for query in ("", f"?{asking}"):
                answer = visitor.client.get(address + query)
                assert answer.status_code < 500, address
                asked[answer.status_code] = asked.get(answer.status_code, 0) + 1
                assert digest(office.company) == before, (who, address + query)
            head = visitor.client.head(address)
            assert head.status_code < 500, address
        assert digest(office.company) == before, who
    assert asked[200] > 100, asked  # the crawl went somewhere
    assert office.state(id) == "review"
