"""The workflow editor as administrators use it: pages, drafts of two people, publishing."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from tests.web import Browser, Site

from engine.definitions.canonical import canonical
from engine.definitions.flow_tree import spots
from engine.records.people import set_roles
from engine.records.unit import SYSTEM

FLOW = "/admin/workflows/contract_approval"


def fields(page: str, form: str = 'class="flow-form"') -> list[tuple[str, str]]:
    """What a browser would send of a form, untouched."""
    start = page.index(form)
    part = page[start : page.index("</form>", start)]
    found: list[tuple[str, str]] = []
    pattern = re.compile(
        r"<input (?P<input>[^>]*)>|<textarea (?P<area>[^>]*)>(?P<text>.*?)</textarea>"
        r"|<select (?P<select>[^>]*)>(?P<options>.*?)</select>", re.DOTALL)  # fmt: skip
    for match in pattern.finditer(part):
        tag = match["input"] or match["area"] or match["select"]
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        name = html.unescape(attributes.get("name", ""))
        if not name:
            continue
        if match["select"]:
            chosen = re.search(r'<option value="([^"]*)" selected', match["options"])
            first = re.search(r'<option value="([^"]*)"', match["options"])
            value = chosen[1] if chosen else first[1] if first else ""
        elif match["area"]:
            value = match["text"]
        elif attributes.get("type") in ("checkbox", "radio") and " checked" not in tag:
            continue
        else:
            value = attributes.get("value", "")
        found.append((name, html.unescape(value)))
    return found


def body(browser: Browser, flow: str = FLOW) -> dict[str, Any]:
    """The draft's document, as the JSON view shows it."""
    page = browser.get(f"{flow}?view=json").get_data(as_text=True)
    start = page.index(">", page.index('id="flow-body"')) + 1
    found: dict[str, Any] = json.loads(
        html.unescape(page[start : page.index("</textarea>", start)])
    )
    return found


def version(browser: Browser, flow: str = FLOW) -> str:
    found = re.search(r'name="version" value="(\d+)"', browser.get(flow).get_data(as_text=True))
    assert found is not None
    return found[1]


def act(browser: Browser, op: str, flow: str = FLOW, **more: str) -> int:
    sent = {"op": op, "version": version(browser, flow), **more}
    return browser.post(f"{flow}/change", sent).status_code


def states(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one.id: one.body for one in spots(document)}


def test_only_administrators_know_that_there_is_an_editor(site: Site) -> None:
    for path in ("/admin/workflows", FLOW, f"{FLOW}/publish", f"{FLOW}/compare"):
        assert site.browser("admin").get(path).status_code == 200
        assert site.browser("wang").get(path).status_code == 404
    for path in ("change", "undo", "redo", "discard", "publish", "check"):
        assert (
            site.browser("wang").post(f"{FLOW}/{path}", {"op": "draft|delete"}).status_code == 404
        )
    assert site.browser("admin").get("/admin/workflows/no_such_flow").status_code == 404


@pytest.mark.parametrize("flow", ["contract_approval", "complaint_handling"])
def test_a_form_that_was_only_looked_at_changes_nothing(site: Site, flow: str) -> None:
    """Every property of every state is shown, posted back as it is, and the text is the same."""
    browser = site.browser()
    address = f"/admin/workflows/{flow}"
    before = canonical(site.company.current.model.workflows[flow].chart)
    for state in ["", *states(json.loads(before))]:
        page = browser.get(f"{address}?at={state}").get_data(as_text=True)
        sent = fields(page)
        assert len(sent) > 5
        answer = browser.post(f"{address}/change", _many([*sent, ("op", "set")]))
        assert answer.status_code == 303
        assert canonical(body(browser, address)) == before, state
        assert version(browser, address) == "0"


def _many(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def test_what_is_typed_is_written_where_it_belongs(site: Site) -> None:
    browser = site.browser()
    at = "/states/in_review/states/manager"
    page = browser.get(f"{FLOW}?at=manager").get_data(as_text=True)
    sent = dict(fields(page))
    sent |= {
        "op": "set",
        f"{at}/title@zh-CN": "经理审批",
        f"{at}/quorum": "percent",
        f"{at}/quorum@percent": "60",
        f"{at}/after/0/delay": "2",
        f"{at}/after/0/delay@unit": "D",
        f"{at}/onDone/approved/0/guard": "amount >= 80000",
        f"{at}/assignees/0@kind": "role",
        f"{at}/assignees/0@role": "manager",
    }
    assert browser.post(f"{FLOW}/change", sent).status_code == 303
    now = states(body(browser))["manager"]
    assert now["title"] == {"zh-CN": "经理审批", "en": "Sales manager"}
    assert now["quorum"] == {"percent": 60}
    assert now["after"][0]["delay"] == "P2D"
    assert now["onDone"]["approved"][0]["guard"] == "amount >= 80000"
    assert now["assignees"] == [{"role": "manager"}]


def test_steps_are_added_undone_and_done_again(site: Site) -> None:
    browser = site.browser()
    before = body(browser)
    assert act(browser, "manager|after:approval") == 303
    assert act(browser, "approval|rename", new_id="director") == 303
    assert "director" in states(body(browser))
    for _ in range(2):
        browser.post(f"{FLOW}/undo", {"version": version(browser)})
    assert canonical(body(browser)) == canonical(before)
    browser.post(f"{FLOW}/redo", {"version": version(browser)})
    assert "approval" in states(body(browser))
    assert act(browser, "approval|duplicate") == 303  # another way from here
    browser.post(f"{FLOW}/redo", {"version": version(browser)})
    assert "director" not in states(body(browser))
    browser.post(f"{FLOW}/discard")
    assert canonical(body(browser)) == canonical(before)


def test_the_second_of_two_administrators_is_told_who_was_faster(site: Site) -> None:
    with site.company.unit(SYSTEM, write=True) as unit:
        set_roles(unit, site.person("chen"), ["general_manager", "admin"])
    one, other = site.browser("admin"), site.browser("chen")
    old = version(other)
    assert act(one, "manager|after:step") == 303
    answer = other.post(f"{FLOW}/change", {"op": "draft|after:step", "version": old})
    page = other.get(FLOW).get_data(as_text=True)
    assert answer.status_code == 303
    assert "在此期间修改了这份草稿" in page
    assert len(states(body(other))) == len(states(body(one)))


def test_a_change_that_cannot_be_is_refused_with_a_reason(site: Site) -> None:
    browser = site.browser()
    act(browser, "manager|delete")
    page = browser.get(FLOW).get_data(as_text=True)
    assert "条件里用到了" in page or "几条路" in page
    act(browser, "", body="{")
    answer = browser.post(
        f"{FLOW}/change", {"op": "json", "version": "0", "view": "json", "body": '{"id": 3,'}
    )
    assert answer.status_code == 422
    assert "{&#34;id&#34;: 3," in answer.get_data(as_text=True)  # what was typed is still there
    bad = canonical({**body(browser), "initial": 7})
    answer = browser.post(
        f"{FLOW}/change", {"op": "json", "version": "0", "view": "json", "body": bad}
    )
    assert answer.status_code == 422
    assert version(browser) == "0"


MADE_UP = [
    *("x", "after", "|", "manager|after:magic", "nobody|delete", "up", "|up", "set", "a|b|c"),
    *("add:/states:7", "drop:/states/draft/may/9", "way:on/x", "manager|on:step:/nowhere"),
    *("add:/states/x/y:{", "|rename", "|delete", "|duplicate", "|wrap", "|connect:draft"),
]


def test_made_up_commands_break_nothing(site: Site) -> None:
    browser = site.browser()
    for op in MADE_UP:
        assert act(browser, op) in (303, 422), op
    assert browser.get(FLOW).status_code == 200


def test_errors_are_shown_beside_the_step_and_stop_the_publication(site: Site) -> None:
    browser = site.browser()
    page = browser.get(f"{FLOW}?at=draft").get_data(as_text=True)
    sent = dict(fields(page))
    at = next(key for key in sent if "/on/submit" in key and key.endswith("/guard"))
    sent |= {"op": "set", at: "amountt > 0"}
    browser.post(f"{FLOW}/change", sent)
    page = browser.get(f"{FLOW}?at=draft").get_data(as_text=True)
    assert "amountt" in page
    assert "is-bad" in page
    assert f'href="/acme{FLOW}/publish"' not in page
    answer = browser.post(f"{FLOW}/publish", {"version": version(browser), "note": ""})
    assert answer.status_code == 422


def test_an_expression_is_judged_while_it_is_typed(site: Site) -> None:
    browser = site.browser()
    good = browser.post(f"{FLOW}/check", {"source": "amount >= 50000", "wanted": "bool"}).json
    assert good == {"problems": [], "words": "合同金额不小于50,000"}
    for source in ("amount +", "title", "nothing_known > 3"):
        found = browser.post(f"{FLOW}/check", {"source": source, "wanted": "bool"}).json
        assert found is not None
        assert found["problems"]
        assert not found["words"]


def test_a_published_step_is_live_at_once(site: Site) -> None:
    """A new approval behind the manager: the state field gets its option, a running case ends as
    it began, a new one comes by the new step."""
    browser = site.browser()
    before = site.company.current.model.workflows["contract_approval"].version
    assert act(browser, "manager|after:approval") == 303
    assert act(browser, "approval|rename", new_id="director") == 303
    page = browser.get(f"{FLOW}/publish").get_data(as_text=True)
    assert "director" in page or "审批" in page
    answer = browser.post(f"{FLOW}/publish", {"version": version(browser), "note": "second pair"})
    assert answer.status_code == 303, answer.get_data(as_text=True)
    model = site.company.current.model
    flow = model.workflows["contract_approval"]
    assert flow.version == before + 1
    assert flow.file == "overlay/workflows/contract_approval.json"
    assert "director" in [
        one.value for one in model.entities["contract"].fields["approval_state"].options
    ]
    assert version(browser) == "0"  # no draft any more
    order = list(flow.chart["states"]["in_review"]["states"])
    assert order[order.index("manager") + 1] == "director"
    # words alone do not raise the version
    sent = dict(fields(browser.get(FLOW).get_data(as_text=True)))
    browser.post(f"{FLOW}/change", sent | {"op": "set", "/title@en": "Contracts"})
    answer = browser.post(f"{FLOW}/publish", {"version": version(browser), "note": ""})
    assert answer.status_code == 303
    assert site.company.current.model.workflows["contract_approval"].version == before + 1


def test_a_new_workflow_begins_with_the_options_of_its_field(site: Site) -> None:
    browser = site.browser()
    answer = browser.post("/admin/workflows/new", {"entity": "lead", "field": "lead.status"})
    assert answer.status_code == 303, answer.get_data(as_text=True)
    address = answer.headers["Location"].removeprefix("/acme")
    entity = site.company.current.model.entities["lead"]
    options = [one.value for one in entity.fields["status"].options]
    assert list(body(browser, address)["states"]) == options
    again = browser.post("/admin/workflows/new", {"entity": "contract", "id": "contract_approval"})
    assert again.status_code == 422


def test_a_condition_is_chosen_where_it_leads_to(site: Site) -> None:
    """A new branch asks first, is marked until it has a condition, and takes one by choosing."""
    browser = site.browser()
    before = states(body(browser))["manager"]["onDone"]["approved"]
    assert act(browser, "manager|branch:approval") == 303
    page = browser.get(f"{FLOW}?at=approval").get_data(as_text=True)
    assert "还没有设置条件" in page or "A condition is not given yet" in page
    sent = dict(fields(page))
    new = next(key for key in sent if key.endswith("@field0") and "/manager/" in key)
    browser.post(f"{FLOW}/change", sent | {"op": "set", new: "amount"})
    sent = dict(fields(browser.get(f"{FLOW}?at=approval").get_data(as_text=True)))
    value = new.replace("@field0", "@value0")
    browser.post(f"{FLOW}/change", sent | {"op": "set", value: "20万"})
    ways = states(body(browser))["manager"]["onDone"]["approved"]
    assert ways[0] == {"target": "approval", "guard": "amount >= 200000"}
    assert ways[1:] == (before if isinstance(before, list) else [{"target": before}])


def test_a_way_that_is_never_reached_is_told(site: Site) -> None:
    browser = site.browser()
    document = body(browser)
    manager = states(document)["manager"]
    manager["onDone"]["approved"] = [
        {"target": "approved", "guard": "amount >= 1000"},
        {"target": "countersign", "guard": "amount >= 50000"},
        {"target": "approved"},
    ]
    sent = {"op": "json", "version": version(browser), "body": canonical(document)}
    assert browser.post(f"{FLOW}/change", sent).status_code == 303
    page = browser.get(f"{FLOW}?at=manager").get_data(as_text=True)
    assert "永远轮不到" in page or "is never reached" in page


def test_the_packs_workflow_can_be_had_back(site: Site) -> None:
    """After a publication of one's own: a draft that says what the pack says leaves no file."""
    browser = site.browser()
    first = site.company.current.model.workflows["contract_approval"]
    assert "/origin" not in browser.get(FLOW).get_data(as_text=True)
    assert act(browser, "manager|after:approval") == 303
    browser.post(f"{FLOW}/publish", {"version": version(browser), "note": ""})
    assert site.company.current.model.workflows["contract_approval"].hash != first.hash
    answer = browser.post(f"{FLOW}/origin", {"version": version(browser)})
    assert answer.headers["Location"].endswith("/publish")
    browser.post(f"{FLOW}/publish", {"version": version(browser), "note": "back"})
    now = site.company.current.model.workflows["contract_approval"]
    assert (now.hash, now.file) == (first.hash, first.file)
    assert "overlay/workflows/contract_approval.json" not in site.company.current.sources
