"""A contract of each band of amounts, from draft to approved: what the starter, every approver and
the bell are told at each stage, at a desk and on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.conftest import Site, Visit
from tests.e2e.steps import card, inbox, opened, press, ready, state, told

BANDS = {"小单": 20_000, "中单": 80_000, "大单": 600_000}


@pytest.fixture(scope="module")
def trade(site: Site) -> str:
    """The house of these journeys."""
    return site.office("trade")


def show(page: Page, contract: int) -> None:
    """The contract's page."""
    page.goto(f"e/contract/{contract}")
    ready(page)


def stage(page: Page, contract: int, step: str, waiting: str = "") -> None:
    """Badge, bar and card of a contract agree on where it stands and whom it waits for."""
    show(page, contract)
    state(page, step.removeprefix("销售"))  # the field calls it a little shorter
    bar = page.get_by_role("region", name="进度").get_by_role("listitem")
    expect(bar.and_(page.locator("[aria-current=step]"))).to_contain_text(step)
    shown = card(page)
    if waiting:
        expect(shown.locator(".why-waiting")).to_contain_text(waiting)
        expect(shown.locator(".approver[aria-current=step]")).to_contain_text(step)
    else:
        expect(shown.locator(".why-waiting")).to_have_count(0)
        expect(shown.locator(".card-head")).to_contain_text("已同意")


def approve(page: Page, title: str, comment: str) -> None:
    """Open a case from the inbox and approve it with a comment."""
    decide = opened(page, title)
    decide.get_by_role("textbox", name="意见").fill(comment)
    bar = page.locator(".decide-bar").filter(has_text="同意")
    if bar.is_visible():
        bar.click()
    else:
        press(decide, "同意")
    page.wait_for_url("**/approvals")
    told(page, "已同意")
    expect(page.locator(".inbox-item").filter(has_text=title)).to_have_count(0)


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_three_bands(trade: str, site: Site, visit: Visit, phone: bool) -> None:
    titles = {band: f"{band}{'手机' if phone else '桌面'}" for band in BANDS}
    ids = {
        band: site.contract(trade, titles[band], amount, submit=False)
        for band, amount in BANDS.items()
    }
    li = visit(trade, "li", phone=phone)
    for band, id in ids.items():
        show(li, id)
        expect(li.locator("#approval")).to_have_count(0)
        press(li, "提交审批")
        state(li, "经理审批")
        stage(li, id, "销售经理审批", "王经理")
        ahead = li.locator("#approval .is-ahead")
        expect(ahead).to_have_count({"小单": 0, "中单": 1, "大单": 2}[band])

    wang = visit(trade, "wang", phone=phone)
    expect(inbox(wang).filter(has_text="手机" if phone else "桌面")).to_have_count(3)
    for title in titles.values():
        approve(wang, title, "条款已看")
    stage(li, ids["小单"], "已通过")
    expect(li.locator("#approval")).to_contain_text("条款已看")
    for band in ("中单", "大单"):
        stage(li, ids[band], "财务法务会签", "孙法务")

    zhao = visit(trade, "zhao", phone=phone)
    expect(inbox(zhao).filter(has_text=titles["小单"])).to_have_count(0)
    sun = visit(trade, "sun", phone=phone)
    for band in ("中单", "大单"):
        approve(zhao, titles[band], "账期可行")
        stage(li, ids[band], "财务法务会签", "孙法务")
        expect(li.locator(".why-waiting")).not_to_contain_text("赵财务")
        approve(sun, titles[band], "无法律风险")
    stage(li, ids["中单"], "已通过")
    stage(li, ids["大单"], "总经理审批", "钱总")

    qian = visit(trade, "qian", phone=phone)
    expect(inbox(qian).filter(has_text=titles["中单"])).to_have_count(0)
    approve(qian, titles["大单"], "批准")
    stage(li, ids["大单"], "已通过")
    steps = li.get_by_role("region", name="进度").get_by_role("listitem")
    for step in ("销售经理审批", "财务法务会签", "总经理审批"):
        expect(steps.filter(has_text=step)).to_contain_text("已完成")

    site.work(trade)
    li.goto("")
    bell = li.locator("[data-bell]")
    expect(bell.locator(".dot")).to_be_visible()
    bell.click()
    for title in titles.values():
        expect(li.locator(".notice.fresh").filter(has_text=title)).to_contain_text("合同已批准")
    press(li, "全部标为已读")
    expect(li.locator(".notice.fresh")).to_have_count(0)
    expect(bell.locator(".dot")).to_be_hidden()


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_a_countersigner_refuses_with_a_reason(
    trade: str, site: Site, visit: Visit, phone: bool
) -> None:
    title = f"有风险的合同{'手机' if phone else '桌面'}"
    id = site.contract(trade, title, 80_000)
    site.decide(trade, "wang", id, "approve")
    sun = visit(trade, "sun", phone=phone)
    decide = opened(sun, title)
    bar = sun.locator(".decide-bar").filter(has_text="驳回")
    if phone:
        bar.click()
    press(decide, "驳回")
    expect(decide.get_by_text("请填写驳回原因")).to_be_visible()
    expect(decide.get_by_role("textbox", name="意见")).to_be_focused()
    sun.keyboard.type("违约条款对我方不利")
    press(decide, "驳回")
    told(sun, "已驳回")

    site.work(trade)
    li = visit(trade, "li", phone=phone)
    show(li, id)
    state(li, "草稿")
    shown = card(li)
    expect(shown.locator(".card-head")).to_contain_text("已驳回")
    expect(shown).to_contain_text("违约条款对我方不利")
    expect(shown.locator(".why-waiting")).to_have_count(0)
    li.locator("[data-bell]").click()
    notice = li.locator(".notice.fresh").filter(has_text=title)
    expect(notice).to_contain_text("合同被驳回")
    notice.get_by_role("link").click()
    state(li, "草稿")
    site.fire(trade, "li", "contract", id, "cancel")
    expect(inbox(visit(trade, "zhao", phone=phone)).filter(has_text=title)).to_have_count(0)
