"""What can be done with an approval beside approving: sending back, taking back, passing on,
adding people, telling people, reminding, claiming, deciding several at once or by keys."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.e2e.conftest import FLOW, Site, Visit
from tests.e2e.steps import (
    card,
    command,
    entry,
    inbox,
    opened,
    pick,
    pick_one_of_many,
    press,
    ready,
    save,
    state,
    told,
)


def _everything(chart: dict[str, Any]) -> None:
    """The manager may do everything, and legal is sent a copy of every case."""
    manager = chart["states"]["in_review"]["states"]["manager"]
    manager["allow"] = [
        *("approve", "reject", "return", "transfer", "delegate", "addsign", "removesign", "cc"),
        "remind",
    ]
    manager["cc"] = [{"role": "legal"}]


@pytest.fixture(scope="module")
def works(site: Site) -> str:
    """The house of these journeys."""
    return site.office("works", {FLOW: _everything})


def carry_out(form: Locator, title: str, comment: str = "") -> Page:
    """Fill in the comment of a command and send it; the page."""
    if comment:
        form.get_by_role("textbox", name="意见").fill(comment)
    press(form, title)
    form.page.wait_for_url("**/approvals")
    told(form.page, "操作成功" if title != "退回" else "已退回")
    return form.page


def person(shown: Locator, name: str) -> Locator:
    """Somebody's line on the card."""
    return shown.locator(".decision").filter(has=shown.page.get_by_text(name, exact=True))


# --- back and back again ------------------------------------------------------------------------
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_sent_back_and_straight_to_whoever_sent_it(
    works: str, site: Site, visit: Visit, phone: bool
) -> None:
    title = f"要补资料的合同{'手机' if phone else '桌面'}"
    id = site.contract(works, title, 80_000)
    site.decide(works, "wang", id, "approve")
    sun = visit(works, "sun", phone=phone)
    opened(sun, title)
    form = command(sun, "退回")
    places = form.get_by_role("combobox", name="退回到").locator("option")
    expect(places).to_have_text(["草稿 · 李销售", "销售经理审批"])
    expect(form).to_contain_text("直接回到")
    press(form, "退回")
    expect(form.locator("textarea:invalid")).to_be_focused()  # it says why
    carry_out(form, "退回", "单价和报价单不一致")

    li = visit(works, "li", phone=phone)
    li.goto(f"e/contract/{id}")
    state(li, "草稿")
    expect(card(li)).to_contain_text("单价和报价单不一致")
    expect(card(li).locator(".card-head")).to_contain_text("已退回")
    li.goto(f"e/contract/{id}/edit")
    ready(li)
    lines = li.get_by_role("region", name="合同明细")
    entry(lines, "单价").fill("81000")
    save(li, "contract")
    press(li, "提交审批")
    state(li, "财务法务会签")

    opened(sun, title)
    changed = sun.get_by_role("region", name=re.compile("^自您上次处理以来的修改"))
    expect(changed.locator("del").filter(has_text="80,000")).not_to_have_count(0)
    expect(changed.locator("ins").filter(has_text="81,000")).not_to_have_count(0)
    expect(inbox(visit(works, "wang", phone=phone)).filter(has_text=title)).to_have_count(0)


def test_sent_back_to_the_step_before(works: str, site: Site, visit: Visit) -> None:
    title = "退回经理的合同"
    id = site.contract(works, title, 80_000)
    site.decide(works, "wang", id, "approve")
    sun = visit(works, "sun")
    opened(sun, title)
    form = command(sun, "退回")
    form.get_by_role("combobox", name="退回到").select_option(label="销售经理审批")
    carry_out(form, "退回", "请经理确认折扣")
    wang = visit(works, "wang")
    shown = opened(wang, title)
    expect(shown).to_contain_text("请经理确认折扣")
    press(shown, "同意")
    told(wang, "已同意")
    expect(inbox(sun).filter(has_text=title)).to_have_count(1)


def test_withdrawn_while_nobody_has_decided(works: str, site: Site, visit: Visit) -> None:
    title = "想撤回的合同"
    id = site.contract(works, title, 80_000)
    li = visit(works, "li")
    li.goto(f"e/contract/{id}")
    ready(li)
    menu = li.locator(".action-bar details").filter(has_text="撤回")
    menu.locator("summary").click()
    menu.get_by_role("textbox").fill("数量写错了")
    press(menu, "撤回")
    state(li, "草稿")
    expect(li.locator("#approval .card-head")).to_contain_text("已撤回")
    expect(inbox(visit(works, "wang")).filter(has_text=title)).to_have_count(0)

    site.fire(works, "li", "contract", id, "submit")
    site.decide(works, "wang", id, "approve")
    li.reload()
    state(li, "财务法务会签")
    expect(li.locator(".action-bar summary").filter(has_text="撤回")).to_have_count(0)
    expect(li.get_by_role("button", name="撤回")).to_be_disabled()


def test_a_decision_is_taken_back_until_the_next_one_acts(
    works: str, site: Site, visit: Visit
) -> None:
    title = "手快了的合同"
    id = site.contract(works, title, 80_000)
    wang = visit(works, "wang")
    press(opened(wang, title), "同意")
    told(wang, "已同意")
    opened(wang, title, "done")
    carry_out(command(wang, "拿回"), "拿回")
    shown = opened(wang, title)
    expect(shown.locator(".approver[aria-current=step]")).to_contain_text("销售经理审批")
    press(shown, "同意")
    told(wang, "已同意")
    site.decide(works, "zhao", id, "approve")
    opened(wang, title, "done")
    expect(wang.locator("details.command").filter(has_text="拿回")).to_have_count(0)


# --- other people -------------------------------------------------------------------------------
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_passed_on_and_asked_for_an_opinion(
    works: str, site: Site, visit: Visit, phone: bool
) -> None:
    title = f"转办的合同{'手机' if phone else '桌面'}"
    site.contract(works, title, 10_000)
    wang = visit(works, "wang", phone=phone)
    opened(wang, title)
    form = command(wang, "转办")
    pick(form, "谁", "hejing", "何经理")
    carry_out(form, "转办", "我出差")
    expect(inbox(wang).filter(has_text=title)).to_have_count(0)

    he = visit(works, "he", phone=phone)
    expect(person(opened(he, title), "何经理")).to_contain_text("由王经理转来")
    form = command(he, "委派")
    pick(form, "谁", "fang", "方会计")
    carry_out(form, "委派", "账期能接受吗")
    fang = visit(works, "fang", phone=phone)
    asked = opened(fang, title)
    expect(fang.get_by_role("region", name="动态")).to_contain_text("账期能接受吗")
    asked.get_by_role("textbox", name="意见").fill("30 天可以")
    press(asked, "同意")
    told(fang, "已同意")

    shown = opened(he, title)
    expect(person(shown, "方会计")).to_contain_text("由何经理征求意见")
    expect(person(shown, "方会计")).to_contain_text("30 天可以")
    press(shown, "同意")
    told(he, "已同意")
    opened(he, title, "done")
    state(he, "已通过")


def test_the_people_on_offer_answer_what_is_typed(works: str, site: Site, visit: Visit) -> None:
    title = "找人的合同"
    site.contract(works, title, 10_000)
    wang = visit(works, "wang")
    opened(wang, title)
    form = command(wang, "转办")
    box = form.get_by_role("combobox", name="谁", exact=True)
    box.click()
    options = form.get_by_role("option")
    expect(options.nth(1)).to_be_visible()  # the first list is there, nothing else is under way
    wang.wait_for_load_state("networkidle")
    wang.route("**/e/people/lookup/**", lambda route: None)  # the next answer never comes
    box.press_sequentially("fang")
    expect(form.get_by_role("listbox")).to_have_attribute("aria-busy", "true")
    box.press("Enter")
    expect(box).to_have_value("fang")  # nothing of the old list is chosen
    wang.unroute("**/e/people/lookup/**")
    box.press("Backspace")
    box.press("g")
    expect(options).to_have_count(1)
    expect(options).to_contain_text("方会计")
    expect(form.get_by_role("listbox")).not_to_have_attribute("aria-busy", "true")
    box.press("Enter")
    expect(box).to_have_value("方会计")


def test_signers_are_added_before_taken_off_and_added_after(
    works: str, site: Site, visit: Visit
) -> None:
    title = "加签的合同"
    id = site.contract(works, title, 10_000)
    wang = visit(works, "wang")
    opened(wang, title)
    form = command(wang, "加签")
    for typed, name in (("zhao", "赵财务"), ("fang", "方会计")):
        pick_one_of_many(form, "谁", typed, name)
    form.get_by_role("radio", name="在我之前").check()
    carry_out(form, "加签", "请财务先看")
    wang.goto(f"e/contract/{id}")
    ready(wang)
    expect(person(card(wang), "王经理")).to_contain_text("等待加签人")
    carry_out_here(command(wang, "减签 · 方会计"), "减签 · 方会计")
    expect(person(card(wang), "方会计")).to_contain_text("已减签")

    zhao = visit(works, "zhao")
    expect(person(opened(zhao, title), "赵财务")).to_contain_text("由王经理加签")
    press(zhao.locator("#approval"), "同意")
    told(zhao, "已同意")

    opened(wang, title)
    form = command(wang, "加签")
    pick_one_of_many(form, "谁", "qian", "钱总")
    form.get_by_role("radio", name="在我之后").check()
    carry_out(form, "加签")
    wang.goto(f"e/contract/{id}")
    state(wang, "经理审批")
    expect(person(card(wang), "王经理")).to_contain_text("已同意，等待加签人")
    qian = visit(works, "qian")
    press(opened(qian, title), "同意")
    told(qian, "已同意")
    wang.reload()
    state(wang, "已通过")


def carry_out_here(form: Locator, title: str) -> None:
    """Send a command from the record's page."""
    press(form, title)
    told(form.page, "操作成功")


# --- telling ------------------------------------------------------------------------------------
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_copies_are_new_until_they_are_opened(
    works: str, site: Site, visit: Visit, phone: bool
) -> None:
    title = f"抄送的合同{'手机' if phone else '桌面'}"
    site.contract(works, title, 10_000)
    wang = visit(works, "wang", phone=phone)
    opened(wang, title)
    form = command(wang, "抄送")
    pick_one_of_many(form, "谁", "zhao", "赵财务")
    carry_out(form, "抄送", "供参考")
    for login in ("sun", "zhao"):  # the step's own copy, and wang's
        page = visit(works, login, phone=phone)
        item = inbox(page, "copies").filter(has_text=title)
        expect(item).to_contain_text("未读")
        item.get_by_role("button", name=title).click()
        page.wait_for_url("**/approvals/case/*")
        expect(page.locator("#approval")).to_contain_text("抄送：孙法务和赵财务")
        expect(page.get_by_role("button", name="同意")).to_have_count(0)
        expect(inbox(page, "copies").filter(has_text=title)).not_to_contain_text("未读")


def test_a_reminder_once_in_a_while(works: str, site: Site, visit: Visit) -> None:
    title = "等急了的合同"
    id = site.contract(works, title, 10_000)
    li = visit(works, "li")
    li.goto(f"e/contract/{id}")
    ready(li)
    form = command(li, "催办")
    press(form, "催办")
    told(li, "已催办")
    form = command(li, "催办")
    expect(form).to_contain_text("后可再次催办")
    expect(form.get_by_role("button")).to_have_count(0)
    site.work(works)
    wang = visit(works, "wang")
    wang.locator("[data-bell]").click()
    expect(wang.locator(".notice.fresh").filter(has_text=title)).to_have_count(2)
    expect(wang.locator(".notice").filter(has_text="催办").filter(has_text=title)).to_be_visible()


# --- many ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_several_are_approved_after_a_confirmation(
    works: str, site: Site, visit: Visit, phone: bool
) -> None:
    name = f"批量{'手机' if phone else '桌面'}"
    for at in range(3):
        site.contract(works, f"{name}{at}", 1_000)
    wang = visit(works, "wang", phone=phone)
    items = inbox(wang).filter(has_text=name)
    for at in (0, 2):
        wang.get_by_role("checkbox", name=re.compile(f"{name}{at}”")).check()
    wang.get_by_role("button", name="同意所选… (2)").click()
    expect(wang.get_by_role("heading", name="将同意 2 条")).to_be_visible()
    expect(wang.locator(".bulk-list li").filter(has_text=name)).to_have_count(2)
    wang.get_by_role("textbox").last.fill("一并同意")
    press(wang, "同意 2 条")
    told(wang, "已同意 2 条")
    wang.get_by_role("link", name="返回列表").click()
    wang.wait_for_url("**/approvals")
    expect(items).to_have_count(1)
    expect(items).to_contain_text(f"{name}1")


def test_refused_by_keys_alone(works: str, site: Site, visit: Visit) -> None:
    id = site.contract(works, "用键盘驳回的合同", 1_000)
    site.contract(works, "留着的合同", 1_000)
    wang = visit(works, "wang")
    inbox(wang)
    keys = wang.keyboard
    for _ in range(60):
        keys.press("j")
        if "用键盘驳回" in wang.locator(".inbox-item:focus").inner_text():
            break
    keys.press("j")
    expect(wang.locator(".inbox-item:focus")).not_to_contain_text("用键盘驳回")
    keys.press("k")
    expect(wang.locator(".inbox-item:focus")).to_contain_text("用键盘驳回")
    keys.press("r")
    expect(wang.locator("textarea:focus")).to_be_visible()
    keys.type("joke ark")  # letters are letters while one writes
    keys.press("Tab")
    keys.press("Tab")
    expect(wang.get_by_role("button", name="驳回").and_(wang.locator(":focus"))).to_be_visible()
    keys.press("Enter")
    told(wang, "已驳回")
    li = visit(works, "li")
    li.goto(f"e/contract/{id}")
    state(li, "草稿")
    expect(card(li)).to_contain_text("joke ark")
