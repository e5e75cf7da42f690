"""The pages and commands that try a workflow out: for administrators, and nothing is written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.companies import Served, digest, dougong

from dougong.studio.simulation import read_act
from engine.definitions import canonical
from engine.records import flow_drafts, flows, writing
from engine.records.people import create_user
from engine.records.simulation.simulate import Act
from engine.records.unit import SYSTEM

PAGE = "/admin/workflows/contract_approval"
KEY = "military"


@pytest.fixture
def contract(served: Served) -> int:
    """A submitted contract of 60,000 with everybody who is to approve it."""
    company = served.company(KEY)
    with company.unit(SYSTEM, write=True) as unit:
        for login, role in (("mia", "manager"), ("fin", "finance"), ("lex", "legal")):
            create_user(unit, login, login.title(), roles=[role])
        boss = create_user(unit, "boss", "Boss", roles=["general_manager"])
        seller = create_user(unit, "sal", "Sal", roles=["sales"], manager=boss)
    with company.unit(served.actor(KEY, "sal"), write=True) as unit:
        customer = writing.create(unit, "customer", {"name": "Firm", "owner": seller})
        values = {"title": "Pumps", "customer": customer["id"], "owner": seller}
        lines = [{"name": "Pump", "quantity": "1", "unit_price": "60000"}]
        record = writing.create(unit, "contract", {**values, "items": lines})
        flows.fire(unit, "contract", record["id"], "submit")
    return int(record["id"])


def test_a_record_walks_on_the_page(served: Served, contract: int) -> None:
    admin = served.visitor(KEY)
    admin.text("/account")
    before = digest(served.company(KEY))
    page = admin.text(f"{PAGE}/simulate?record={contract}")
    assert "Nothing is written and nothing is sent." in page
    assert page.count('class="sim-step is-') == 3
    assert "superior, 1 level above" in page
    assert 'class="sim-end is-finished"' in page
    assert digest(served.company(KEY)) == before


@pytest.mark.parametrize("strategy", ["reject", "return", "nobody", "random", "script", "paths"])
def test_every_strategy_has_its_page(served: Served, contract: int, strategy: str) -> None:
    page = served.visitor(KEY).text(f"{PAGE}/simulate?record={contract}&strategy={strategy}")
    assert "sim-end" in page or "every way leads to an end" in page


def test_deciding_step_by_step(served: Served, contract: int) -> None:
    admin = served.visitor(KEY)
    page = admin.text(f"{PAGE}/simulate?record={contract}&strategy=script")
    following = links(page)
    submit = next(href for title, href in following if "Sal" in title and "Submit" in title)
    page = admin.text(submit.removeprefix(f"/{KEY}"))
    approve = next(href for title, href in links(page) if "Boss" in title and "Approve" in title)
    page = admin.text(approve.removeprefix(f"/{KEY}"))
    assert page.count('class="sim-step is-') == 3
    assert "Take the last step back" in page


def links(page: str) -> list[tuple[str, str]]:
    found = re.findall(r'<a class="btn btn-sm[^"]*" href="([^"#]*)#end">(.*?)</a>', page, re.S)
    return [(re.sub(r"<[^>]*>", "", t), href.replace("&amp;", "&")) for href, t in found]


def test_values_of_a_made_up_record(served: Served, contract: int) -> None:
    seller = served.actor(KEY, "sal").id
    page = served.visitor(KEY).text(
        f"{PAGE}/simulate?record=0&v.amount=900000&v.owner={seller}&at=2026-03-02T09:00"
    )
    assert page.count('class="sim-step is-') == 5
    page = served.visitor(KEY).text(f"{PAGE}/simulate?record=0&v.amount=many")
    assert 'aria-invalid="true"' in page


@pytest.mark.parametrize(
    "path",
    [
        "/simulate?record=999999",
        "/simulate?record=0&at=9999-99-99&pace=-4&seed=x&act=::::&act=timer&act=wait:x",
        "/simulate?strategy=unheard&v.nothing=1&viewer=99999",
        "/simulate/records?q=%00pump",
        "/replay",
    ],
)
def test_odd_addresses_are_no_fault(served: Served, contract: int, path: str) -> None:
    assert served.visitor(KEY).get(PAGE + path).status_code == 200


def test_unknown_workflows_and_jobs_are_not_there(served: Served) -> None:
    admin = served.visitor(KEY)
    assert admin.get("/admin/workflows/nothing/simulate").status_code == 404
    assert admin.get(f"{PAGE}/replay?job=77").status_code == 404


def test_everybody_else_finds_no_such_page(served: Served, contract: int) -> None:
    visitor = served.visitor(KEY, "sal")
    for path in ("/simulate", "/simulate/records", "/replay"):
        assert visitor.get(PAGE + path).status_code == 404
    assert visitor.send("POST", f"{PAGE}/replay", data={"since": "2020-01-01"}).status_code == 404


def test_the_past_in_the_published_definition(served: Served, contract: int) -> None:
    admin = served.visitor(KEY)
    done = admin.send("POST", f"{PAGE}/replay", data={"since": "2020-01-01"})
    assert done.status_code == 303
    page = admin.text(done.headers["Location"].removeprefix(f"/{KEY}"))
    assert "None of the 1 cases would have gone otherwise." in page
    assert "There is no saved draft" in page


def test_the_saved_draft_is_what_is_shown(served: Served, contract: int) -> None:
    company, admin = served.company(KEY), served.visitor(KEY)
    with company.unit(served.actor(KEY), write=True) as unit:
        draft = json.loads(
            json.dumps(unit.app.model.workflows["contract_approval"].chart, default=str)
        )
        steps = draft["states"]["in_review"]["states"]
        steps["manager"]["onDone"]["approved"] = "countersign"
        known = flow_drafts.current(unit, "contract_approval")
        flow_drafts.save(unit, "contract_approval", canonical(draft), known.version)
    page = admin.text(f"{PAGE}/simulate?record={contract}")
    assert page.count('class="sim-step is-') == 5
    published = admin.text(f"{PAGE}/simulate?record={contract}&which=published")
    assert published.count('class="sim-step is-') == 3
    assert "no saved draft" not in admin.text(f"{PAGE}/replay")


@pytest.mark.parametrize(
    ("line", "act"),
    [
        ("timer", Act("timer")),
        ("wait:24", Act("wait", hours=24)),
        ("3:submit::", Act("submit", 3)),
        ("3:task.return:2:draft", Act("task.return", 3, 2, {"comment": "…", "to": "draft"})),
        (":close", Act("close")),
        ("x:submit", None),
        ("3:submit:²", None),
        ("", None),
    ],
)
def test_lines_of_a_script(line: str, act: Act | None) -> None:
    assert read_act(line) == act


# --- commands ----------------------------------------------------------------------------------
def data_of(served: Served) -> Path:
    return served.installation.settings.data


def test_the_command_walks(served: Served, contract: int) -> None:
    common = ("simulate", KEY, "contract_approval", "--data", data_of(served))
    told = dougong(*common, "--record", contract, "--at", "2026-03-02T09:00")
    assert told.code == 0, told.err
    assert "finished:" in told.out
    assert "superior, 1 level above" in told.out
    found = json.loads(dougong(*common, "--record", contract, "--json").out)
    assert found["end"] == "finished"
    script = ("--do", "sal:submit", "--do", "wait:2", "--do", "timer")
    assert "open:" in dougong(*common, "--record", contract, *script).out
    assert dougong(*common, "--record", contract, "--paths").code == 0
    assert "M163" in dougong(*common, "--record", contract, "--starter", "nobody.here").err
    assert "M102" in dougong(*common, "--record", contract, "--do", "what").err


def test_the_command_replays(served: Served, contract: int, tmp_path: Path) -> None:
    draft = tmp_path / "draft.json"
    chart: Any = served.company(KEY).current.model.workflows["contract_approval"].chart
    draft.write_text(json.dumps(chart, default=str), encoding="utf-8")
    common = ("replay", KEY, "contract_approval", "--data", data_of(served), "--draft", draft)
    told = dougong(*common, "--since", "2020-01-01")
    assert told.code == 0, told.err
    assert "None of the 1 cases would have gone otherwise." in told.out
    assert json.loads(dougong(*common, "--since", "2020-01-01", "--json").out)["looked"] == 1
