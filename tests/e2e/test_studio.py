"""What administrators do with running workflows: move cases to a new version and back, try a
workflow out, replay the past in a draft, send again what was given up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.conftest import FLOW, Site, Visit
from tests.e2e.steps import inbox, press, ready, select, state, told

from engine.definitions import canonical
from engine.records import flow_drafts, outbox
from engine.records.unit import Unit

WORKFLOW = "contract_approval"


@pytest.fixture(scope="module")
def bureau(site: Site) -> str:
    """The house of these journeys."""
    return site.office("bureau")


def admin_at(visit: Visit, company: str, path: str, *, phone: bool = False) -> Page:
    """An administrator's page."""
    page = visit(company, "admin", phone=phone)
    page.goto(f"admin/{path}")
    ready(page)
    return page


def sure(page: Page, button: str) -> None:
    """Say yes in the dialog that asks."""
    page.get_by_role("dialog").get_by_role("button", name=button, exact=True).click()


# --- another version ----------------------------------------------------------------------------
def _with_a_first_look(chart: dict[str, Any]) -> None:
    """The manager's step has another id and another title."""
    steps = chart["states"]["in_review"]["states"]
    found = json.dumps(chart, ensure_ascii=False)
    found = found.replace('"target": "manager"', '"target": "first_look"')
    found = found.replace("In('manager')", "In('first_look')")
    found = found.replace('"initial": "manager"', '"initial": "first_look"')
    found = found.replace('"approved": "manager"', '"approved": "first_look"')
    chart.update(json.loads(found))
    steps = chart["states"]["in_review"]["states"]
    chart["states"]["in_review"]["states"] = {
        ("first_look" if name == "manager" else name): body for name, body in steps.items()
    }
    first = chart["states"]["in_review"]["states"]["first_look"]
    first["title"] = {"zh-CN": "初审", "en": "First look"}
    chart["version"] += 1


def test_cases_are_moved_to_the_new_version_and_back(site: Site, visit: Visit) -> None:
    mover = site.office("mover")
    ids = [site.contract(mover, f"迁移的合同{at}", 80_000) for at in range(3)]
    site.decide(mover, "wang", ids[2], "approve")
    site.publish(mover, {FLOW: _with_a_first_look})
    admin = admin_at(visit, mover, "cases")
    running = admin.get_by_role("region", name="合同审批")
    expect(running).to_contain_text("销售经理审批 2")
    running.get_by_role("link", name="迁移到").click()
    admin.wait_for_url(f"**/cases/move/{WORKFLOW}")
    ready(admin)
    place = admin.get_by_role("combobox", name="销售经理审批")
    place.select_option(label="保留在原版本")
    press(admin, "预演")
    ahead = admin.get_by_role("region", name="预演结果")
    expect(ahead.locator(".case-move.is-refused")).to_have_count(2)
    place.select_option(label="初审")
    press(admin, "预演")
    expect(ahead.locator(".case-ways")).to_contain_text("初审")
    expect(ahead.locator(".case-move.is-refused")).to_have_count(0)
    ahead.get_by_role("textbox", name="原因").fill("新规定自今日起")
    ahead.get_by_role("button", name="迁移 3 条流程").click()
    admin.wait_for_url("**/cases/moves/*")
    result = admin.get_by_role("region", name="结果")
    expect(result).to_contain_text("3")
    expect(result).to_contain_text("新规定自今日起")
    wang = visit(mover, "wang")
    expect(inbox(wang).filter(has_text="迁移的合同0")).to_contain_text("初审")

    site.decide(mover, "wang", ids[0], "approve")  # whatever was touched since stays
    ready(admin)
    admin.get_by_role("textbox", name="原因").fill("先等一等")
    press(admin, "恢复流程")
    sure(admin, "撤销")
    told(admin, "已恢复 2 条")
    expect(admin.get_by_text("由Admin撤销").first).to_be_visible()
    expect(inbox(wang).filter(has_text="迁移的合同1")).to_contain_text("销售经理审批")
    wang.goto(f"e/contract/{ids[0]}")
    state(wang, "财务法务会签")


# --- trying out ---------------------------------------------------------------------------------
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_when_nobody_answers_it_is_escalated(
    bureau: str, site: Site, visit: Visit, phone: bool
) -> None:
    title = f"没人理的合同{'手机' if phone else '桌面'}"
    id = site.contract(bureau, title, 80_000, submit=False)
    admin = admin_at(visit, bureau, f"workflows/{WORKFLOW}/simulate?record={id}", phone=phone)
    result = admin.get_by_role("region", name="结果")
    expect(result.get_by_role("status")).to_contain_text("已通过")
    select(admin, "人员如何处理", "无人处理")
    admin.locator(".sim-form .btn-primary").click()
    admin.wait_for_url("**strategy=nobody**")
    asked = result.locator(".sim-step").filter(has_text="王经理").first
    expect(asked).to_contain_text("销售经理审批")
    expect(result.locator(".sim-step").filter(has_text="钱总").first).to_be_visible()
    expect(result.get_by_role("status")).to_contain_text("销售经理审批")
    expect(inbox(visit(bureau, "wang")).filter(has_text=title)).to_have_count(0)


def test_a_contract_is_decided_step_by_step(bureau: str, site: Site, visit: Visit) -> None:
    id = site.contract(bureau, "逐步走的合同", 10_000, submit=False)
    admin = admin_at(visit, bureau, f"workflows/{WORKFLOW}/simulate?record={id}&strategy=script")
    result = admin.get_by_role("region", name="结果")
    result.get_by_role("link", name="李销售: 提交审批").click()
    result.get_by_role("link", name="王经理: 同意").click()
    expect(result.get_by_role("status")).to_contain_text("已通过")
    page = visit(bureau, "li")
    page.goto(f"e/contract/{id}")
    state(page, "草稿")  # nothing has happened


@pytest.fixture
def lower_limit(bureau: str, site: Site) -> Iterator[None]:
    """A draft in which countersigning begins at 5,000 already."""
    actor = site.actor(bureau, "admin")

    def with_draft(unit: Unit) -> None:
        found = flow_drafts.current(unit, WORKFLOW)
        body = found.body.replace('amount >= 50000"', 'amount >= 5000"')
        assert body != found.body
        flow_drafts.save(unit, WORKFLOW, canonical(json.loads(body)), found.version, "json")

    with site.company(bureau).unit(actor, write=True) as unit:
        with_draft(unit)
    yield
    with site.company(bureau).unit(actor, write=True) as unit:
        flow_drafts.discard(unit, WORKFLOW)


def test_the_past_goes_another_way_in_the_draft(
    bureau: str, site: Site, visit: Visit, lower_limit: None
) -> None:
    for amount in (1_000, 8_000):
        id = site.contract(bureau, f"去年的合同{amount}", amount)
        site.decide(bureau, "wang", id, "approve")
    admin = admin_at(visit, bureau, f"workflows/{WORKFLOW}/replay")
    press(admin, "回放")
    result = admin.get_by_role("region", name="结果")
    expect(result).to_be_visible()
    groups = admin.locator(".sim-group")
    expect(groups.filter(has_text="去年的合同8000")).not_to_have_count(0)
    expect(groups.filter(has_text="去年的合同1000")).to_have_count(0)


# --- deliveries ---------------------------------------------------------------------------------
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_what_was_given_up_is_sent_again(
    bureau: str, site: Site, visit: Visit, phone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = f"fax_{'phone' if phone else 'desk'}"
    with site.company(bureau).unit(site.actor(bureau, "admin"), write=True) as unit:
        outbox.post(unit, f"{kind}:1", kind, {})
    site.work(bureau)
    admin = admin_at(visit, bureau, "deliveries", phone=phone)
    letter = admin.locator(".delivery").filter(has_text=kind)
    expect(letter).to_contain_text("不再重试")
    sent: list[str] = []

    def send(_: Unit, row: Mapping[str, Any]) -> None:
        sent.append(row["key"])

    monkeypatch.setitem(outbox.HANDLERS, kind, send)
    press(letter, "重新发送")
    told(admin, "1")
    site.work(bureau)
    assert sent == [f"{kind}:1"]
    admin.reload()
    expect(letter).to_have_count(0)
    expect(admin.get_by_text("全部送达")).to_be_visible()
