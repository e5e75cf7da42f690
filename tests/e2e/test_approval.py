"""A contract is written, approved, countersigned, refused: mostly on a phone, as people do it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.conftest import Site, Visit
from tests.e2e.steps import entry, pick, press, ready, save


def customer(site: Site, name: str) -> int:
    """A customer of li's."""
    return site.create("hotel", "li", "customer", kind="organisation", name=name)


def submitted(site: Site, title: str, amount: int) -> int:
    """A contract of li's that waits for the manager."""
    id = site.create(
        "hotel",
        "li",
        "contract",
        title=title,
        customer=customer(site, f"{title}的客户"),
        items=[{"name": "客房", "quantity": 1, "unit_price": amount}],
    )
    site.fire("hotel", "li", "contract", id, "submit")
    return id


def decide(visit: Visit, login: str, title: str, button: str, comment: str = "") -> Page:
    """Open the inbox on a phone and decide there."""
    page = visit("hotel", login, phone=True)
    page.get_by_role("navigation", name="手机菜单").get_by_role("link", name="待办").click()
    page.wait_for_url("**/approvals")
    ready(page)
    item = page.get_by_role("listitem").filter(has_text=title)
    if comment:
        item.get_by_role("textbox").fill(comment)
    press(item, button)
    return page


def approve(visit: Visit, login: str, title: str, comment: str = "") -> None:
    """Approve from the inbox."""
    page = decide(visit, login, title, "同意", comment)
    expect(page.get_by_role("status").filter(has_text="已同意")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text=title)).to_have_count(0)


def test_from_the_phone_to_the_countersignatures(site: Site, visit: Visit) -> None:
    customer(site, "长江国际旅行社")
    li = visit("hotel", "li", phone=True)
    li.goto("e/contract")
    li.locator("main").get_by_role("link", name="新建合同").first.click()
    li.wait_for_url("**/e/contract/new")
    ready(li)
    entry(li, "合同名称").fill("长江团队客房协议")
    pick(li, "客户", "长江", "长江国际旅行社")
    for at, (name, number, price) in enumerate(
        (("标准间", "60", "480"), ("会议室", "2", "3600.5"))
    ):
        press(li, "添加一行")
        for label, value in (("名称", name), ("数量", number), ("单价", price)):
            entry(li, label).nth(at).fill(value)
    expect(entry(li, "合同金额")).to_contain_text("36,001.00")
    save(li, "contract")
    press(li, "提交审批")
    progress = li.get_by_role("region", name="进度")
    expect(
        progress.get_by_role("listitem").and_(li.locator("[aria-current=step]"))
    ).to_contain_text("销售经理审批")
    contract = li.url

    approve(visit, "wang", "长江团队客房协议")
    approve(visit, "zhao", "长江团队客房协议", "账期按月结执行")
    li.goto(contract)
    expect(li.locator("h1 + .badges")).to_contain_text("财务法务会签")
    approve(visit, "sun", "长江团队客房协议")

    desk = visit("hotel", "li")
    desk.goto(contract)
    expect(desk.locator("h1 + .badges")).to_contain_text("已通过")
    steps = desk.get_by_role("region", name="进度").get_by_role("listitem")
    expect(steps.filter(has_text="财务法务会签")).to_contain_text("已完成")
    expect(steps.filter(has_text="总经理审批")).to_have_count(0)
    approval = desk.get_by_role("region", name="合同审批")
    for name in ("王经理", "赵财务", "孙法务"):
        expect(approval).to_contain_text(name)
    expect(approval).to_contain_text("账期按月结执行")
    told = desk.get_by_role("region", name="动态")
    expect(told).to_contain_text("提交审批")
    expect(told).to_contain_text("账期按月结执行")


def test_above_the_second_limit_the_principal_decides_too(site: Site, visit: Visit) -> None:
    title = "全年包房协议"
    id = submitted(site, title, 200_000)
    for login in ("wang", "sun", "zhao", "qian"):
        approve(visit, login, title)
    page = visit("hotel", "li")
    page.goto(f"e/contract/{id}")
    expect(page.locator("h1 + .badges")).to_contain_text("已通过")
    steps = page.get_by_role("region", name="进度").get_by_role("listitem")
    expect(steps.filter(has_text="总经理审批")).to_contain_text("已完成")


def test_below_the_first_limit_the_manager_alone_decides(site: Site, visit: Visit) -> None:
    id = submitted(site, "小会议协议", 19_999)
    approve(visit, "wang", "小会议协议")
    page = visit("hotel", "li", language="en")
    page.goto(f"e/contract/{id}")
    expect(page.locator("h1 + .badges")).to_contain_text("Approved")


def test_a_refusal_goes_back_with_its_reason(site: Site, visit: Visit) -> None:
    title = "要退回的协议"
    id = submitted(site, title, 30_000)
    wang = decide(visit, "wang", title, "驳回")
    item = wang.get_by_role("listitem").filter(has_text=title)
    expect(item).to_contain_text("请填写驳回原因")
    expect(item.get_by_role("textbox")).to_be_focused()
    item.get_by_role("textbox").fill("价格低于底价")
    press(item, "驳回")
    expect(wang.get_by_role("status").filter(has_text="已驳回")).to_be_visible()

    li = visit("hotel", "li")
    li.goto(f"e/contract/{id}")
    ready(li)
    expect(li.locator("h1 + .badges")).to_contain_text("草稿")
    expect(li.get_by_role("region", name="动态")).to_contain_text("价格低于底价")
    li.get_by_role("link", name="编辑").click()
    li.wait_for_url("**/edit")
    ready(li)
    entry(li.get_by_role("region", name="合同明细"), "单价").fill("31000")
    expect(entry(li, "合同金额")).to_contain_text("31,000.00")
    save(li, "contract")
    press(li, "提交审批")
    expect(li.locator("h1 + .badges")).to_contain_text("经理审批")


def test_what_is_in_approval_can_only_be_remarked_on(site: Site, visit: Visit) -> None:
    id = submitted(site, "锁定的协议", 30_000)
    page = visit("hotel", "li")
    page.goto(f"e/contract/{id}/edit")
    ready(page)
    expect(entry(page, "合同名称")).to_have_attribute("aria-readonly", "true")
    expect(entry(page, "合同名称")).to_have_text("锁定的协议")
    expect(page.get_by_role("button", name="添加一行")).to_have_count(0)
    page.get_by_role("tab", name="条款与附件").click()
    entry(page, "备注").fill("客户催得急")
    save(page, "contract")
    expect(page.get_by_role("region", name="动态")).to_contain_text("客户催得急")
    expect(page.locator("h1 + .badges")).to_contain_text("经理审批")


def test_the_inbox_obeys_keys(site: Site, visit: Visit) -> None:
    for at in (1, 2):
        submitted(site, f"键盘审批{at}", 1000)
    page = visit("hotel", "wang")
    page.goto("approvals")
    ready(page)
    items = page.get_by_role("listitem").filter(has_text="键盘审批")
    page.keyboard.press("j")
    first = page.locator(".inbox-item:focus")
    title = first.get_by_role("link").inner_text()
    page.keyboard.press("j")
    expect(page.locator(".inbox-item:focus")).not_to_contain_text(title)
    page.keyboard.press("k")
    page.keyboard.press("r")
    expect(first.get_by_role("textbox").or_(page.locator("textarea:focus"))).to_be_focused()
    page.keyboard.press("Escape")
    press(items.first, "同意")
    expect(page.get_by_role("status").filter(has_text="已同意")).to_be_visible()


@pytest.mark.parametrize("login", ["li", "zhou"])
def test_nobody_else_may_decide(site: Site, visit: Visit, login: str) -> None:
    id = submitted(site, f"不归{login}的协议", 1000)
    page = visit("hotel", login)
    page.goto(f"e/contract/{id}")
    expect(page.get_by_role("heading", level=1, name=re.compile("协议"))).to_be_visible()
    expect(page.get_by_role("button", name="同意")).to_have_count(0)
    page.goto("approvals")
    expect(page.get_by_text("没有等待您处理的审批。")).to_be_visible()
