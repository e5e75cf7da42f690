"""The search box offers what somebody may open, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.companies import Served, Visitor
from tests.web import Browser, Site

from dougong import suggestions
from engine.records import removing, writing


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine finds as much as a fast one."""
    monkeypatch.setattr(suggestions, "BUDGET", 60.0)


@pytest.fixture
def firm(small: Path, tmp_path: Path) -> Iterator[Served]:
    """The small company, with records of alice's and of erin's."""
    data = tmp_path / "data"
    shutil.copytree(small, data)
    found = Served.open(data)
    people = {login: found.actor("small", login).id for login in ("alice", "erin")}
    with found.company("small").unit(found.actor("small", "root"), write=True) as unit:
        for login, owner in people.items():
            values = {"name": f"Falcon {login}", "level": "A", "owner": owner, "cost": 7}
            made = writing.create(unit, "customer", values)
            writing.create(unit, "note", {"body": f"Falcon note {login}", "customer": made["id"]})
    yield found
    found.installation.close()


def ask(browser: Visitor | Browser, words: str) -> dict[str, Any]:
    """What the box is offered."""
    answer = browser.get("/search/suggest", query_string={"q": words})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


def titles(found: dict[str, Any]) -> dict[str, list[str]]:
    """The labels by group."""
    return {group["title"]: [hit["label"] for hit in group["items"]] for group in found["groups"]}


def test_an_invisible_record_is_never_suggested(firm: Served) -> None:
    for login, other in (("alice", "erin"), ("erin", "alice")):
        found = titles(ask(firm.visitor("small", login), "falcon"))
        assert found["Customer"] == [f"Falcon {login}"]
        hidden = ask(firm.visitor("small", login), f"falcon {other}")
        assert "Customer" not in titles(hidden)
    everything = titles(ask(firm.visitor("small", "zoe"), "falcon"))
    assert sorted(everything["Customer"]) == ["Falcon alice", "Falcon erin"]


def test_a_removed_record_is_not_suggested(firm: Served) -> None:
    with firm.company("small").unit(firm.actor("small", "root"), write=True) as unit:
        made = writing.create(unit, "note", {"body": "Osprey"})
        removing.remove(unit, "note", made["id"], made["version"])
    found = ask(firm.visitor("small", "root"), "osprey")
    assert found["groups"] == []
    assert found["empty"] == "Nothing found for “osprey”"


def test_a_kind_the_role_may_not_read_is_absent(site: Site) -> None:
    site.create("lead", name="Kestrel & Sons", source="web")
    customer = site.create("customer", kind="organisation", name="Kestrel Ltd", status="lead")
    manager = titles(ask(site.browser("chen", "en"), "kestrel"))
    assert manager == {"Leads": ["Kestrel & Sons"], "Customers": ["Kestrel Ltd"]}
    lawyer = ask(site.browser("zheng", "en"), "kestrel")
    assert titles(lawyer) == {"Customers": ["Kestrel Ltd"]}
    assert lawyer["groups"][0]["items"][0]["href"] == f"/acme/e/customer/{customer}"
    assert "New Lead" in str(ask(site.browser("chen", "en"), "lead"))
    assert titles(ask(site.browser("zheng", "en"), "lead")) == {}


def test_places_are_those_of_the_menu(site: Site) -> None:
    found = titles(ask(site.browser("wang"), "客户"))
    assert found["前往"][0] == "客户"
    assert "新建客户" in found["前往"]
    assert len(found["前往"]) <= 4
    assert titles(ask(site.browser("wang", "en"), "my acc")) == {"Go to": ["My account"]}


def test_what_the_label_does_not_say_is_told(firm: Served) -> None:
    with firm.company("small").unit(firm.actor("small", "root"), write=True) as unit:
        values = {"name": "Bittern", "level": "A", "phone": "13812345678"}
        writing.create(unit, "customer", {**values, "owner": firm.actor("small", "alice").id})
    for login, note in (("alice", ["Phone: 13812345678"]), ("zoe", [])):
        groups = ask(firm.visitor("small", login), "13812345678")["groups"]
        assert [hit["note"] for group in groups for hit in group["items"]] == note
    page = firm.visitor("small", "alice").text("/search?q=13812345678")
    assert "Phone: 13812345678" in page
    assert "Nothing found for “qqq”" in firm.visitor("small", "alice").text("/search?q=qqq")


def test_eight_records_at_most_shared_by_the_kinds(firm: Served) -> None:
    with firm.company("small").unit(firm.actor("small", "root"), write=True) as unit:
        for number in range(12):
            writing.create(unit, "project", {"name": f"Heron {number}"})
        writing.create(unit, "note", {"body": "Heron"})
    found = titles(ask(firm.visitor("small", "root"), "heron"))
    assert {title: len(labels) for title, labels in found.items()} == {"Note": 1, "Project": 7}


def test_one_letter_is_too_little_one_sign_is_not(site: Site) -> None:
    site.create("customer", kind="organisation", name="鹭x", status="lead")
    browser = site.browser("admin")
    assert titles(ask(browser, "x")) == {}
    found = ask(browser, "鹭")
    assert titles(found) == {"客户": ["鹭x"]}
    assert found["all"]["href"] == "/acme/search?q=%E9%B9%AD"


def test_a_stranger_is_sent_to_the_login(site: Site) -> None:
    answer = site.app.test_client().get("/acme/search/suggest?q=abc")
    assert answer.status_code == 302
