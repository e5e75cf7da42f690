"""The list: searching, filtering, ordering, paging, keeping a view."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.conftest import Site, Visit
from tests.e2e.steps import press, ready

COMPANY = "school"  # no other journey makes families here
TOWNS = ("苏州", "杭州", "绍兴")


@pytest.fixture(scope="session")
def families(site: Site) -> int:
    """Sixty records: twenty of each town, every fourth of them trading."""
    for at in range(60):
        site.create(
            COMPANY,
            "li",
            "customer",
            kind="person",
            name=f"{TOWNS[at % 3]}家庭{at:02d}",
            status="trading" if at % 4 == 0 else "lead",
        )
    return 60


@pytest.fixture
def page(visit: Visit, families: int) -> Page:
    """The list of families."""
    page = visit(COMPANY, "li")
    page.goto("e/customer")
    ready(page)
    return page


def total(page: Page, number: int) -> None:
    """The list has so many records."""
    expect(page.get_by_text(f"共 {number} 条", exact=True)).to_be_visible()


def first_row(page: Page) -> str:
    """The text of the first row."""
    return page.get_by_role("row").nth(1).inner_text()


def test_two_characters_find_and_the_address_keeps_it(page: Page) -> None:
    total(page, 60)
    page.get_by_role("searchbox", name="在列表中搜索").fill("苏州")
    total(page, 20)
    assert "q=苏州" in unquote(page.url)
    page.get_by_role("combobox", name="客户状态").select_option(label="合作中")
    total(page, 5)
    page.reload()
    total(page, 5)
    chips = page.get_by_role("group", name="当前筛选条件")
    expect(chips).to_contain_text("合作中")
    chips.get_by_role("link", name=re.compile("移除筛选：.*苏州")).click()
    total(page, 15)
    page.get_by_role("searchbox", name="在列表中搜索").fill("广州")
    expect(page.get_by_text("没有符合条件的记录")).to_be_visible()
    page.locator(".empty-state").get_by_role("link", name="清空条件").click()
    total(page, 60)


def test_filter_builder_joins_groups_by_and_and_or(page: Page) -> None:
    opener = page.get_by_role("button", name=re.compile("^筛选"))  # the number of filters follows
    opener.click()
    dialog = page.get_by_role("dialog", name="筛选")
    dialog.get_by_role("combobox", name="字段").select_option(label="客户状态")
    dialog.get_by_role("combobox", name="客户状态 · 值").select_option(label="合作中")
    press(dialog, "添加条件组")
    group = dialog.get_by_role("group").nth(1)
    group.get_by_role("combobox", name="满足条件").select_option(label="满足任一条件")
    press(group, "添加条件")
    for at, town in enumerate(("苏州", "绍兴")):
        group.get_by_role("combobox", name="字段").nth(at).select_option(label="客户名称")
        group.get_by_role("combobox", name="比较方式").nth(at).select_option(label="包含")
        group.get_by_role("textbox", name="客户名称 · 值").nth(at).fill(town)
    press(dialog, "应用")
    total(page, 10)
    page.reload()
    total(page, 10)
    opener.click()
    expect(dialog.get_by_role("textbox", name="客户名称 · 值").nth(1)).to_have_value("绍兴")
    dialog.get_by_role("link", name="清空条件").click()
    total(page, 60)


def test_order_and_columns(page: Page) -> None:
    name = page.get_by_role("columnheader", name="客户名称")
    name.get_by_role("link").click()
    expect(name).to_have_attribute("aria-sort", "ascending")
    up = first_row(page)
    name.get_by_role("link").click()
    expect(name).to_have_attribute("aria-sort", "descending")
    assert first_row(page) != up
    press(page, "列设置")
    dialog = page.get_by_role("dialog", name="列设置")
    dialog.get_by_role("checkbox", name="微信").check()
    dialog.get_by_role("checkbox", name="客户状态").uncheck()
    press(dialog, "下移: 客户编号")
    press(dialog, "应用")
    heads = page.get_by_role("columnheader")
    expect(heads.first).to_have_text("客户名称")
    expect(heads.last).to_have_text("微信")
    expect(page.get_by_role("columnheader", name="客户状态")).to_have_count(0)
    expect(name).to_have_attribute("aria-sort", "descending")
    page.reload()
    expect(heads.last).to_have_text("微信")


def turn(page: Page, link: str) -> str:
    """Go to the next or previous page; its first row."""
    before = page.url
    page.get_by_role("navigation", name="分页").get_by_role("link", name=link).click()
    expect(page).not_to_have_url(before)
    page.wait_for_load_state()
    return first_row(page)


def test_paging_goes_forward_and_back(page: Page) -> None:
    page.goto("e/customer?sort=name&size=25")
    seen = [first_row(page), turn(page, "下一页"), turn(page, "下一页")]
    assert len(set(seen)) == 3
    expect(page.get_by_role("row")).to_have_count(1 + 10)
    expect(page.get_by_role("link", name="下一页")).to_have_count(0)
    assert [turn(page, "上一页"), turn(page, "上一页")] == seen[1::-1]
    expect(page.get_by_role("link", name="上一页")).to_have_count(0)


def test_a_view_is_kept_and_found_again(page: Page) -> None:
    page.get_by_role("combobox", name="客户状态").select_option(label="合作中")
    total(page, 15)
    page.get_by_text("保存视图").click()
    page.get_by_role("textbox", name="视图名称").fill("正在合作")
    press(page, "保存")
    views = page.get_by_role("navigation", name="视图")
    kept = views.get_by_role("link", name="正在合作")
    expect(kept).to_have_attribute("aria-current", "page")
    views.get_by_role("link", name="全部").click()
    total(page, 60)
    kept.click()
    total(page, 15)
    expect(page.get_by_role("combobox", name="客户状态")).to_have_value("trading")


def test_an_empty_list_says_what_it_is_for(visit: Visit) -> None:
    page = visit(COMPANY, "li")
    page.goto("e/opportunity")
    expect(page.get_by_text("还没有商机")).to_be_visible()
    page.locator(".empty-state").get_by_role("link", name="新建商机").click()
    expect(page.get_by_role("heading", level=1, name="新建商机")).to_be_visible()
