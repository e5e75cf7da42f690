"""Running cases on pages and on the command line: what administrators see, and nobody else."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
import sqlalchemy as sa
from tests.companies import dougong
from tests.web import Browser, Site

from engine.records import flows
from engine.records.people import actor_of
from engine.records.publish import publish
from engine.tables import system

MOVE = "/admin/cases/move/contract_approval"
CHART = "workflows/crm/contract_approval.json"


def contract(site: Site) -> int:
    customer = site.create("customer", "wang", name="宏达", owner=site.person("wang"))
    values = {
        "title": "泵",
        "customer": customer,
        "owner": site.person("wang"),
        "items": [{"name": "泵", "quantity": "1", "unit_price": "20000"}],
    }
    record = site.create("contract", "wang", **values)
    with site.company.database.read() as connection:
        actor = actor_of(connection, site.person("wang"))
    assert actor is not None
    with site.company.unit(actor, write=True) as unit:
        flows.fire(unit, "contract", record, "submit")
    return record


def case_of(site: Site, record: int) -> dict[str, Any]:
    table = system.WF_INSTANCE
    with site.company.database.read() as connection:
        wanted = sa.select(table).where(table.c.record_id == record)
        return dict(connection.execute(wanted).mappings().one())


def renamed(site: Site) -> None:
    """A version whose first approval has another id."""
    sources = dict(site.company.current.sources)
    body = other(json.loads(sources[CHART]))
    body["version"] += 1
    sources[CHART] = json.dumps(body)
    publish(site.company, sources, "crm")


def other(value: Any, key: str = "") -> Any:
    """The document with the state under its new id."""
    if isinstance(value, dict):
        return {
            ("first_look" if name == "manager" else name): other(inner, name)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [other(inner, key) for inner in value]
    return "first_look" if value == "manager" and key != "role" else value


def page(browser: Browser, path: str) -> str:
    found = browser.get(path)
    assert found.status_code == 200, found.get_data(as_text=True)[:500]
    return html.unescape(found.get_data(as_text=True))


def done(browser: Browser, path: str, **data: Any) -> str:
    """What the page says after a post."""
    found = browser.post(path, data)
    assert found.status_code == 303, found.get_data(as_text=True)[:500]
    where = found.headers["Location"].removeprefix("/acme")
    return page(browser, where)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_pages_show_versions_states_and_people(site: Site, language: str) -> None:
    record = contract(site)
    case = case_of(site, record)
    renamed(site)
    browser = site.browser(language=language)
    shown = page(browser, "/admin/cases")
    assert MOVE in shown
    assert ("销售经理审批 1" if language == "zh-CN" else "Sales manager 1") in shown
    listed = page(browser, "/admin/cases/list?workflow=contract_approval&days=0&person=x&state=")
    assert f"/admin/cases/{case['id']}" in listed
    for nothing in ("late=1", "stuck=1", "over=1", "days=30", "state=nowhere", "version=999"):
        assert f'/admin/cases/{case["id"]}"' not in page(browser, f"/admin/cases/list?{nothing}")
    person = site.person("li")
    assert f"/admin/cases/{case['id']}" in page(browser, f"/admin/cases/list?person={person}")
    one = page(browser, f"/admin/cases/{case['id']}")
    assert "李强" in one
    assert ("移除状态" if language == "zh-CN" else "is gone") in one


def test_a_migration_from_the_table_of_states_to_undo(site: Site) -> None:
    records = [contract(site) for _ in range(3)]
    renamed(site)
    browser = site.browser(language="en")
    table = page(browser, MOVE)
    assert 'name="to.manager"' in table
    ahead = page(browser, f"{MOVE}?look=1&to.manager=first_look")
    assert "3 move" in ahead
    left = page(browser, f"{MOVE}?look=1&to.manager=")
    assert "3 stay" in left
    assert "is not a state of the new version" in page(browser, f"{MOVE}?look=1&to.manager=nowhere")
    begun = browser.post(MOVE, {"to.manager": "first_look", "reason": ""})
    assert "A reason is missing" in page(browser, begun.headers["Location"][len("/acme") :])
    begun = browser.post(MOVE, {"to.manager": "first_look", "reason": "New rules"})
    where = begun.headers["Location"][len("/acme") :]
    assert "hx-trigger" in page(browser, where)
    book = re.search(r"moves/(\d+)", where)
    assert book
    result = done(browser, f"/admin/cases/moves/{book[1]}", after="0")
    assert "3 moved" in result
    states = {json.dumps(case_of(site, one)["body"]["active"]) for one in records}
    assert states == {'["in_review", "first_look"]'}
    assert "3 cases put back" in done(
        browser, f"/admin/cases/moves/{book[1]}/undo", reason="A mistake"
    )
    assert {case_of(site, one)["state"] for one in records} == {"manager"}
    assert "undone" in page(browser, "/admin/cases")


def test_the_commands_of_the_page(site: Site) -> None:
    record = contract(site)
    case = case_of(site, record)["id"]
    browser, here = site.browser(language="en"), f"/admin/cases/{case_of(site, record)['id']}"
    assert "A reason is missing" in done(browser, f"{here}/terminate", reason=" ")
    assert "is not a state" in done(browser, f"{here}/jump", state="x", reason="Why")
    assert "put the case elsewhere" in done(browser, f"{here}/jump", state="draft", reason="Why")
    assert case_of(site, record)["state"] == "draft"
    assert "Nothing of this case has failed" in done(browser, f"{here}/retry", reason="Why")
    assert "terminated the case" in done(browser, f"{here}/terminate", reason="Why")
    assert "woke the case up" in done(browser, f"{here}/wake_up", state="manager", reason="Why")
    with site.company.database.read() as connection:
        table = system.WF_TASK
        wanted = sa.select(table.c.id).where(table.c.instance_id == case, table.c.status == "open")
        task = connection.scalars(wanted).one()
    given = {"task": str(task), "person": str(site.person("chen")), "reason": "Away"}
    assert "陈国华" in done(browser, f"{here}/reassign", **given)


def test_for_everybody_else_the_pages_do_not_exist(site: Site) -> None:
    record = contract(site)
    case = case_of(site, record)
    renamed(site)
    for who in ("chen", "li", "wang"):
        browser = site.browser(who)
        for path in ("", "/list", f"/{case['id']}", "/move/contract_approval", "/moves/1"):
            assert browser.get(f"/admin/cases{path}").status_code == 404
        for path in (
            *(f"/{case['id']}/{one}" for one in ("jump", "terminate", "wake_up", "retry")),
            *(f"/{case['id']}/reassign", "/move/contract_approval", "/moves/1", "/moves/1/undo"),
        ):
            sent = browser.post(f"/admin/cases{path}", {"reason": "Why", "state": "draft"})
            assert sent.status_code == 404
    assert case_of(site, record) == case


def test_addresses_that_make_no_sense(site: Site) -> None:
    browser = site.browser()
    contract(site)
    for path in (
        *("/999", f"/{2**70}", "/move/none", "/moves/5", f"/moves/{2**70}"),
        "/list?before=x",
    ):
        assert browser.get(f"/admin/cases{path}").status_code in (200, 404)
    for path in ("/999/jump", "/1/unknown", "/moves/5", "/moves/5/undo", "/move/none"):
        assert browser.post(f"/admin/cases{path}", {"reason": "x"}).status_code in (303, 404)


def test_the_api_does_the_same_for_the_same_people(site: Site) -> None:
    record = contract(site)
    case = case_of(site, record)
    before = case_of(site, record)
    here = f"/api/v1/admin/cases/{case['id']}"
    for who in ("chen", "li", "wang"):
        browser = site.browser(who)
        assert browser.get("/api/v1/admin/cases").status_code == 403
        for command in ("jump", "terminate", "wake_up", "reassign", "retry"):
            sent = browser.post(f"{here}/{command}", json={"reason": "Why", "state": "draft"})
            assert sent.status_code == 403
            assert sent.get_json()["problems"][0]["code"] == "C140"
    assert case_of(site, record) == before
    browser = site.browser()
    found = browser.get("/api/v1/admin/cases").get_json()["items"]
    (flow,) = [one for one in found if one["workflow"] == "contract_approval"]
    assert flow["versions"][0]["states"] == {"manager": 1}
    for body in ({}, {"reason": ""}, {"reason": 5}, {"reason": "x", "state": ["draft"]}):
        assert browser.post(f"{here}/jump", json=body).status_code == 422
    assert browser.post(f"{here}/explode", json={"reason": "x"}).status_code == 404
    assert browser.post(f"{here}/jump", json={"reason": "x", "state": "draft"}).status_code == 200
    assert case_of(site, record)["state"] == "draft"


# --- the command line --------------------------------------------------------------------------
def run(site: Site, *words: str) -> Any:
    return dougong("cases", *words, "--data", site.installation.settings.data)


def test_the_command_line_counts_moves_and_undoes(site: Site) -> None:
    record = contract(site)
    renamed(site)
    told = run(site, "acme")
    assert told.code == 0
    assert re.search(r"version \d+\tolder\t1\tSales manager 1", told.out)
    where = ("acme", "contract_approval")
    dry = run(site, "migrate", *where, "--map", "manager=first_look", "--dry-run")
    assert "Sales manager → Sales manager" in dry.out
    assert case_of(site, record)["state"] == "manager"
    assert "C141" in run(site, "migrate", *where, "--map", "manager=first_look").err
    assert "C158" in run(site, "migrate", *where, "--map", "manager").err
    moved = run(site, "migrate", *where, "--map", "manager=first_look", "--reason", "New rules")
    assert moved.code == 0
    number = re.search(r"Migration (\d+): 1 moved", moved.out)
    assert number
    assert case_of(site, record)["state"] == "first_look"
    assert "C140" in run(site, "undo", "acme", number[1], "--reason", "x", "--by", "li").err
    assert "1 put back" in run(site, "undo", "acme", number[1], "--reason", "Sorry").out


def test_the_command_line_helps_single_cases_on(site: Site) -> None:
    record = contract(site)
    case = str(case_of(site, record)["id"])
    why = ("--reason", "By phone")
    assert "C140" in run(site, "terminate", "acme", case, *why, "--by", "wang").err
    assert case_of(site, record)["done_at"] is None
    assert run(site, "jump", "acme", case, "draft", *why, "--by", "admin").code == 0
    assert case_of(site, record)["state"] == "draft"
    assert "C142" in run(site, "jump", "acme", case, "nowhere", *why).err
    assert run(site, "terminate", "acme", case, *why).code == 0
    assert run(site, "wake-up", "acme", case, "draft", *why).code == 0
    assert case_of(site, record)["done_at"] is None
    assert "C148" in run(site, "retry", "acme", case, *why).err
    assert run(site, "terminate", "acme", case).code == 2
