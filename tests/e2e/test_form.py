"""Forms: what the server says while one types, problems, rows, pickers, drafts, the keyboard."""

from __future__ import annotations

import re
from datetime import timedelta

from playwright.sync_api import Dialog, Page, expect
from tests.e2e.conftest import Site, Visit
from tests.e2e.steps import entry, pick, press, ready, save, select, tab


def opened(visit: Visit, path: str, login: str = "li") -> Page:
    """A form of the hotel."""
    page = visit("hotel", login)
    page.goto(path)
    ready(page)
    return page


def test_fields_follow_what_the_server_decides(visit: Visit) -> None:
    page = opened(visit, "e/customer/new")
    expect(entry(page, "统一社会信用代码")).to_be_visible()
    select(page, "客户性质", "个人客户")
    expect(entry(page, "统一社会信用代码")).to_be_hidden()
    expect(page.get_by_role("tab", name="组织架构")).to_be_hidden()
    entry(page, "出生日期").fill("1990-05-01")
    expect(page.get_by_role("heading", name="企业信息")).to_be_hidden()
    expect(entry(page, "年龄")).to_contain_text(re.compile(r"^\d\d$"))
    select(page, "客户状态", "流失")
    expect(entry(page, "流失原因")).to_have_attribute("aria-required", "true")
    select(page, "客户性质", "企业客户")
    expect(entry(page, "统一社会信用代码")).to_be_visible()
    expect(entry(page, "出生日期")).to_be_hidden()


def test_problems_are_listed_in_chinese_and_lead_to_their_fields(visit: Visit) -> None:
    page = opened(visit, "e/customer/new")
    summary = page.get_by_role("alert")
    select(page, "客户状态", "流失")
    press(page, "保存")
    expect(summary).to_contain_text("有 2 处需要修改")
    expect(summary).to_be_focused()
    assert not re.search("[A-Za-z]{3}", summary.inner_text())
    for label, mended in (("客户名称", "问题客户"), ("流失原因", "价格太高")):
        summary.get_by_role("link", name=re.compile(label)).click()
        expect(entry(page, label)).to_be_focused()
        expect(entry(page, label)).to_have_attribute("aria-invalid", "true")
        page.keyboard.insert_text(mended)
    tab(page, "联系方式")
    entry(page, "电子邮箱").fill("不是邮箱")
    tab(page, "基本信息")
    press(page, "保存")
    expect(summary).to_contain_text("有 1 处需要修改")
    ready(page)
    tab(page, "基本信息")
    summary.get_by_role("link", name=re.compile("电子邮箱")).click()
    expect(entry(page, "电子邮箱")).to_be_focused()
    entry(page, "电子邮箱").fill("li@example.com")
    save(page, "customer")
    expect(page.get_by_role("heading", level=1, name="问题客户")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="问题客户已保存")).to_be_visible()


def test_rows_of_a_contract_add_up_while_one_types(site: Site, visit: Visit) -> None:
    site.create("hotel", "li", "customer", name="合计旅行社", kind="organisation")
    page = opened(visit, "e/contract/new")
    entry(page, "合同名称").fill("合计协议")
    pick(page, "客户", "合计", "合计旅行社")
    for at, (name, number, price) in enumerate((("标间", "10", "388.50"), ("套房", "2", "1200"))):
        press(page, "添加一行")
        row = page.locator("tbody[data-rows]").first.get_by_role("row").nth(at)
        entry(row, "名称").fill(name)
        entry(row, "数量").fill(number)
        entry(row, "单价").fill(price)
    rows = page.get_by_role("region", name="合同明细").get_by_role("row")
    expect(rows.nth(1)).to_contain_text("3,885.00")
    expect(rows.last).to_contain_text("6,285.00")
    expect(entry(page, "合同金额")).to_contain_text("6,285.00")
    entry(rows.nth(2), "折扣率").fill("50")
    expect(entry(page, "合同金额")).to_contain_text("5,085.00")
    expect(entry(page, "优惠说明")).to_have_attribute("aria-required", "true")
    press(rows.nth(2), "删除")
    expect(entry(page, "合同金额")).to_contain_text("3,885.00")
    press(rows.nth(1), "复制此行")
    expect(entry(page, "合同金额")).to_contain_text("7,770.00")
    save(page, "contract")
    expect(page.get_by_role("region", name="合同明细").get_by_role("row")).to_have_count(1 + 2 + 1)


def test_a_picker_searches_and_creates_beside_the_form(visit: Visit) -> None:
    page = opened(visit, "e/contract/new")
    entry(page, "合同名称").fill("新客户的协议")
    box = page.get_by_role("combobox", name="客户", exact=True)
    box.fill("抽屉里新建")
    page.get_by_role("option", name="新建“抽屉里新建”").click()
    drawer = page.get_by_role("dialog", name="新建")
    expect(entry(drawer, "客户名称")).to_have_value("抽屉里新建")
    entry(drawer, "客户名称").fill("抽")
    press(drawer, "保存")
    expect(drawer.locator(".problem").first).to_be_visible()
    entry(drawer, "客户名称").fill("抽屉里新建的客户")
    press(drawer, "保存")
    expect(drawer).to_be_hidden()
    expect(box).to_have_value("抽屉里新建的客户")
    expect(box).to_be_focused()
    save(page, "contract")
    expect(page.get_by_role("link", name="抽屉里新建的客户").first).to_be_visible()


def test_a_region_is_chosen_step_by_step(visit: Visit) -> None:
    page = opened(visit, "e/customer/new")
    entry(page, "客户名称").fill("西湖边的客户")
    tab(page, "联系方式")
    region = page.get_by_role("group", name="所在地区")
    for level, place in (("省", "浙江省"), ("市", "杭州市"), ("区县", "西湖区")):
        region.get_by_role("combobox", name=f"所在地区 · {level}").select_option(label=place)
    save(page, "customer")
    tab(page, "联系方式")
    expect(page.get_by_text(re.compile("浙江省.*杭州市.*西湖区"))).to_be_visible()


def test_a_draft_outlives_the_page_and_leaving_is_asked_about(visit: Visit) -> None:
    page = visit("hotel", "qian")
    page.clock.install()
    page.goto("e/customer/new")
    ready(page)
    entry(page, "客户名称").fill("写了一半的客户")
    page.clock.fast_forward(timedelta(seconds=11).seconds * 1000)
    expect(page.get_by_text("草稿已保存")).to_be_visible()

    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss() if dialog.type == "confirm" else dialog.accept()

    page.on("dialog", stay)
    page.get_by_role("link", name="取消").click()
    expect(entry(page, "客户名称")).to_have_value("写了一半的客户")
    page.reload()
    assert asked == ["confirm", "beforeunload"]
    expect(entry(page, "客户名称")).to_have_value("")
    page.get_by_role("link", name="继续编辑草稿").click()
    expect(entry(page, "客户名称")).to_have_value("写了一半的客户")
    ready(page)
    save(page, "customer")
    page.goto("e/customer/new")
    expect(page.get_by_role("link", name="继续编辑草稿")).to_have_count(0)


def test_a_record_is_made_with_the_keyboard_alone(visit: Visit) -> None:
    page = opened(visit, "e/customer")
    page.keyboard.press("n")
    page.wait_for_url("**/e/customer/new")
    ready(page)
    owner = page.get_by_role("combobox", name="负责人")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
    page.keyboard.press("Enter")
    reach(page, "客户名称", 8)
    page.keyboard.type("键盘客户")
    reach(page, "负责人", 12)
    page.keyboard.type("王经理")
    expect(page.get_by_role("option", name="王经理")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(owner).to_have_value("王经理")
    page.keyboard.press("Control+s")
    page.wait_for_url(re.compile(r"/e/customer/\d+$"))
    expect(page.get_by_role("heading", level=1, name="键盘客户")).to_be_visible()


def reach(page: Page, label: str, steps: int) -> None:
    """Press the tab key until the input of that name has the focus."""
    box = page.get_by_role("textbox", name=label, exact=True)
    wanted = box.or_(page.get_by_role("combobox", name=label, exact=True)).get_attribute("id")
    for _ in range(steps):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.id") == wanted:
            return
    raise AssertionError(f"{label} is not within {steps} steps")
