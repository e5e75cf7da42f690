"""The search box offers what somebody may open, and nothing else."""

from __future__ import annotations

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
def firm(small: Path, tmp_path: Path) -> Any:
    """The small company, with records of alice's and of erin's."""
    import shutil

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
    return {
        group["title"]: [hit["label"] for hit in group["items"]] for group in found["groups"]
    }


def test_an_invisible_record_is_never_suggested(firm: Served) -> None:
    for login, other in (("alice", "erin"), ("erin", "alice")):
        found = titles(ask(firm.visitor("small", login), "falcon"))
        assert found["Customer"] == [f"Falcon {login}"]
        hidden = ask(firm.visitor("small", login), f"falcon {other}")
        assert "Customer" not in titles(hidden)
    assert titles(ask(firm.visitor("small", "zoe"), "falcon"))["Customer"] == [
        "Falcon alice",
        "Falcon erin",
    ]


def test_a_removed_record_is_not_suggested(firm: Served) -> None:
    with firm.company("small").unit(firm.actor("small", "root"), write=True) as unit:
        made = writing.create(unit, "note", {"body": "Osprey"})
        removing.remove(unit, "note", made["id"], made["version"])
    found = ask(firm.visitor("small", "root"), "osprey")
    assert found["groups"] == []
    assert found["empty"] == "Nothing found for “osprey”"


def test_a_kind_the_role_may_not_read_is_absent(site: Site) -> None:
    site.create("competitor_info", name="Kestrel rival") if False else None
    customer = site.create("customer", name="Kestrel Ltd", level="C")
    seen = ask(site.browser("admin", "en"), "kestrel")
    assert [hit["href"] for group in seen["groups"] for hit in group["items"]] == [
        f"/acme/e/customer/{customer}"
    ]
