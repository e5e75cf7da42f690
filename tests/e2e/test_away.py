"""Being away, leaving, and how one is told: agents, handovers, notices."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.conftest import Site, Visit
from tests.e2e.steps import card, entry, inbox, opened, pick, press, ready, state, told


@pytest.fixture(scope="module")
def trade(site: Site) -> str:
    """The house of these journeys."""
    return site.office("trade")


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_an_agent_decides_in_anothers_place(
    trade: str, site: Site, visit: Visit, phone: bool
) -> None:
    where = "手机" if phone else "桌面"
    waiting = site.contract(trade, f"早先的合同{where}", 1_000, by="lin")
    he = visit(trade, "he", phone=phone)
    he.get_by_label("何经理 的账号").click()
    he.get_by_role("link", name="外出与代理").click()
    he.wait_for_url("**/account/delegation")
    ready(he)
    pick(he, "代理人", "wang", "王经理")
    press(he, "保存")
    told(he, "已通知王经理")
    expect(he.get_by_role("region", name="我的代理人")).to_contain_text("王经理")

    title = f"代理的合同{where}"
    id = site.contract(trade, title, 1_000, by="lin")
    wang = visit(trade, "wang", phone=phone)
    mine = inbox(wang)
    expect(mine.filter(has_text=title)).to_contain_text("代何经理处理")
    expect(mine.filter(has_text=f"早先的合同{where}")).to_have_count(0)
    expect(inbox(he).filter(has_text=title)).to_have_count(0)
    press(opened(wang, title), "同意")
    told(wang, "已同意")
    lin = visit(trade, "lin", phone=phone)
    lin.goto(f"e/contract/{id}")
    state(lin, "已通过")
    expect(card(lin)).to_contain_text("王经理（代 何经理）")
    wang.goto("account/delegation")
    expect(wang.get_by_role("region", name="我代理的人")).to_contain_text("何经理")

    he.goto("account/delegation")
    he.get_by_role("region", name="我的代理人").get_by_role("button").click()
    told(he, "已结束")
    expect(he.get_by_role("region", name="我的代理人")).not_to_contain_text("王经理")
    site.decide(trade, "he", waiting, "approve")


def test_a_leaver_hands_everything_over(trade: str, site: Site, visit: Visit) -> None:
    title = "离职前的合同"
    id = site.contract(trade, title, 1_000, by="lin")
    admin = visit(trade, "admin")
    admin.goto("admin/handover")
    ready(admin)
    person = admin.get_by_role("combobox", name="人员")
    person.select_option(label="林销售 (lin)")
    press(admin, "清点名下内容")
    admin.wait_for_url("**/handover/preview?user=*")
    lin = admin.url.rpartition("=")[2]
    ready(admin)
    parts = admin.get_by_role("region", name="交接内容")
    expect(parts).to_contain_text(title)
    expect(parts).to_contain_text(f"{title}的客户")
    press(admin, "交接")
    admin.get_by_role("dialog").get_by_role("button", name="交接").click()
    expect(admin.get_by_text("请选择总接收人").first).to_be_visible()  # nothing has moved
    ready(admin)
    pick(admin, "总接收人", "lixiao", "李销售")
    entry(admin, "备注").fill("十一月离职")
    admin.get_by_role("checkbox", name="交接后停用账号").check()
    press(admin, "交接")
    sure = admin.get_by_role("dialog")
    expect(sure).to_be_visible()
    sure.get_by_role("button", name="交接").click()
    admin.wait_for_url("**/handover/done/*")
    expect(admin.get_by_role("heading", name="已移交给李销售")).to_be_visible()
    expect(admin.get_by_text("已全部移交")).to_be_visible()
    admin.goto(f"admin/handover/preview?user={lin}")
    expect(admin.get_by_text("没有需要交接的内容")).to_be_visible()

    li = visit(trade, "li")
    li.goto(f"e/contract/{id}")
    ready(li)
    expect(li.get_by_role("region", name="详情")).to_contain_text("李销售")
    expect(li.get_by_role("region", name="动态")).to_contain_text("十一月离职")
    stranger = visit(trade, "")
    stranger.goto(site.link(trade, "lin"))
    expect(stranger.get_by_role("button", name="登录")).to_have_count(0)


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_notices_by_day_are_read_one_by_one_and_all(
    trade: str, site: Site, visit: Visit, phone: bool
) -> None:
    names = [f"通知{'手机' if phone else '桌面'}{at}" for at in range(3)]
    page = visit(trade, "qian", phone=phone)
    bell = page.locator("[data-bell]")
    expect(bell.locator(".dot")).to_be_hidden()
    ids = [site.contract(trade, name, 600_000) for name in names]
    for id in ids:
        for login in ("wang", "zhao", "sun"):
            site.decide(trade, login, id, "approve")
    site.work(trade)
    page.reload()
    expect(bell.locator(".dot")).to_have_text("3")
    bell.click()
    page.wait_for_url("**/notifications")
    ready(page)
    expect(page.get_by_role("heading", name="今天")).to_be_visible()
    fresh = page.locator(".notice.fresh")
    expect(fresh).to_have_count(3)
    page.get_by_role("button", name=f"标为已读: {title_of(page, names[0])}").click()
    expect(fresh).to_have_count(2)
    expect(bell.locator(".dot")).to_have_text("2")
    fresh.filter(has_text=names[1]).get_by_role("link").click()
    page.wait_for_url("**/e/contract/*")
    page.locator("[data-bell]").click()
    page.get_by_role("navigation", name="视图").get_by_role("link", name="未读").click()
    expect(page.locator(".notice")).to_have_count(1)
    expect(page.locator(".notice")).to_contain_text(names[2])
    press(page, "全部标为已读")
    expect(page.get_by_text("已全部读完")).to_be_visible()
    expect(bell.locator(".dot")).to_be_hidden()
    for id in ids:
        site.decide(trade, "qian", id, "approve")
    site.work(trade)


def title_of(page: Page, name: str) -> str:
    """The whole title of the notice about something."""
    return page.locator(".notice").filter(has_text=name).get_by_role("link").inner_text()


def test_quiet_hours_are_kept_and_mistakes_told(trade: str, visit: Visit) -> None:
    page = visit(trade, "sun", phone=True)
    page.goto("notifications")
    page.get_by_role("link", name="设置").click()
    page.wait_for_url("**/notifications/settings")
    ready(page)
    start, end = page.get_by_label("开始时间"), page.get_by_label("结束时间")
    start.fill("22:00")
    press(page, "保存")
    expect(page.locator("[aria-invalid=true]").first).to_be_visible()
    expect(start).to_have_value("22:00")
    end.fill("07:30")
    page.get_by_role("checkbox", name="周六、周日").check()
    press(page, "保存")
    told(page, "已保存")
    page.reload()
    expect(start).to_have_value("22:00")
    expect(end).to_have_value("07:30")
    expect(page.get_by_role("checkbox", name="周六、周日")).to_be_checked()
