"""The record page: reading, related records, history, conflicts, the recycle bin."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect
from tests.e2e.conftest import Site, Visit
from tests.e2e.steps import entry, more, press, ready, save, tab

PHONE = "0571-81001000"


def shown(visit: Visit, login: str, id: int, path: str = "", *, phone: bool = False) -> Page:
    """A customer of the hotel."""
    page = visit("hotel", login, phone=phone)
    page.goto(f"e/customer/{id}{path}")
    ready(page)
    return page


def customer(site: Site, name: str) -> int:
    """A customer of li's."""
    return site.create("hotel", "li", "customer", kind="organisation", name=name, phone=PHONE)


def test_sheets_and_related_records(site: Site, visit: Visit) -> None:
    page = shown(visit, "li", customer(site, "相关旅行社"))
    details = page.get_by_role("region", name="详情")
    expect(details.get_by_text(PHONE)).to_be_hidden()
    details.get_by_role("tab", name="联系方式").click()
    expect(details.get_by_text(PHONE)).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(details.get_by_text(PHONE)).to_be_hidden()

    related = page.get_by_role("region", name="相关")
    related.get_by_role("tab", name=re.compile("^合同")).click()
    related.get_by_role("tabpanel", name=re.compile("^合同")).get_by_role(
        "link", name="新建"
    ).click()
    expect(page.get_by_role("combobox", name="客户", exact=True)).to_have_value("相关旅行社")
    entry(page, "合同名称").fill("从客户新建的合同")
    ready(page)
    save(page, "contract")
    page.get_by_role("link", name="相关旅行社").first.click()
    related.get_by_role("tab", name=re.compile("^合同.*1$")).click()
    expect(related.get_by_role("row").filter(has_text="从客户新建的合同")).to_be_visible()


def test_a_change_and_a_comment_are_told(site: Site, visit: Visit) -> None:
    page = shown(visit, "li", customer(site, "改名前旅行社"))
    page.get_by_role("link", name="编辑").click()
    ready(page)
    entry(page, "客户名称").fill("改名后旅行社")
    save(page, "customer")
    told = page.get_by_role("region", name="动态")
    first = told.get_by_role("listitem").filter(has_text="修改了记录").first
    expect(first).to_contain_text(
        re.compile("李销售.*客户名称.*改名前旅行社.*→.*改名后旅行社", re.S)
    )
    told.get_by_role("textbox", name="写评论").fill("客户说十月改的名")
    press(told, "发送")
    expect(told.get_by_role("listitem").filter(has_text="客户说十月改的名")).to_contain_text(
        "李销售"
    )


def test_two_people_change_the_same_record(site: Site, visit: Visit) -> None:
    id = customer(site, "两人同改旅行社")
    li, wang = (shown(visit, login, id, "/edit") for login in ("li", "wang"))
    entry(li, "简称").fill("李的简称")
    tab(li, "联系方式")
    entry(li, "电话").fill("0571-82002000")
    save(li, "customer")
    entry(wang, "简称").fill("王的简称")
    press(wang, "保存")
    told = wang.get_by_role("alert")
    expect(told).to_contain_text("李销售")
    conflict = told.get_by_role("listitem")
    expect(conflict).to_have_count(1)
    expect(conflict).to_contain_text(re.compile("简称.*李的简称.*王的简称"))
    ready(wang)
    expect(entry(wang, "简称")).to_have_value("王的简称")
    save(wang, "customer")
    expect(wang.get_by_text("王的简称").first).to_be_visible()
    tab(wang, "联系方式")
    expect(wang.get_by_text("0571-82002000").first).to_be_visible()


def test_removed_and_restored(site: Site, visit: Visit) -> None:
    page = shown(visit, "wang", customer(site, "要删除的旅行社"))
    more(page.locator("main"))
    press(page, "删除")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("删除“要删除的旅行社”？")
    press(dialog, "删除")
    page.wait_for_url("**/e/customer")
    ready(page)
    expect(page.get_by_role("status").filter(has_text="要删除的旅行社已删除")).to_be_visible()
    more(page.get_by_role("region", name="协议客户").first)
    page.get_by_role("link", name="已删除的记录").click()
    row = page.get_by_role("listitem").filter(has_text="要删除的旅行社")
    expect(row).to_contain_text("王经理")
    press(row, "恢复")
    expect(page.get_by_role("heading", level=1, name="要删除的旅行社")).to_be_visible()
    expect(page.get_by_role("region", name="动态")).to_contain_text("恢复了记录")
