"""An administrator's day: somebody joins, gets a role, and a department finds another place."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.conftest import Site, Visit
from tests.e2e.steps import entry, press, ready, told

from engine.records.people import create_department
from engine.records.unit import SYSTEM


@pytest.fixture(scope="module")
def staff(site: Site) -> str:
    """The house of this journey, with a second department."""
    key = site.office("staff")
    with site.company(key).unit(SYSTEM, write=True) as unit:
        create_department(unit, "华东区")
    return key


def test_somebody_is_invited_and_gets_a_role(staff: str, site: Site, visit: Visit) -> None:
    admin = visit(staff, "admin")
    admin.goto("admin/users")
    ready(admin)
    admin.get_by_role("link", name="邀请").click()
    ready(admin)
    entry(admin, "账号").fill("xu.lan")
    entry(admin, "姓名").fill("徐岚")
    admin.locator("input[name=role][value=sales]").check()
    expect(admin.locator("[data-opens-words]")).to_contain_text("新增可看")
    press(admin, "邀请")
    link = admin.locator("input[readonly]").input_value()
    assert link.startswith(site.base)

    fresh = visit(staff, "")
    fresh.goto(link)
    fresh.locator("input[name=password]").fill("orange-kayak-7-lanterns")
    fresh.locator("input[name=repeated]").fill("orange-kayak-7-lanterns")
    fresh.locator("form button.btn-primary").click()
    fresh.wait_for_url(f"**/{staff}/")
    admin.goto("admin/users?q=xu.lan")
    ready(admin)
    expect(admin.locator("tbody tr")).to_contain_text("使用中")

    admin.get_by_role("link", name="徐岚").click()
    ready(admin)
    expect(admin.locator("#sessions")).to_contain_text("Linux")
    admin.locator("input[name=role][value=manager]").check()
    press(admin, "保存角色")
    told(admin, "新增")
    admin.get_by_role("link", name="安全日志").first.click()
    expect(admin.locator(".log")).to_contain_text("授予角色")


def test_a_department_is_moved_with_the_keyboard_alone(staff: str, visit: Visit) -> None:
    admin = visit(staff, "admin")
    admin.goto("admin/departments")
    ready(admin)
    menu = admin.get_by_label("业务部 的操作")
    menu.focus()
    admin.keyboard.press("Enter")
    reach(admin, "移动到…")
    admin.keyboard.press("Enter")
    admin.wait_for_url("**/move")
    ready(admin)
    admin.keyboard.press("ArrowDown")  # the list of places has the focus
    admin.keyboard.press("ArrowDown")
    reach(admin, "查看影响")
    admin.keyboard.press("Enter")
    admin.wait_for_url("**/move?to=*")
    ready(admin)
    expect(admin.locator(".move-words")).to_contain_text("华东区")
    expect(admin.locator(".move-facts")).to_contain_text("人随之移动")
    admin.keyboard.press("Enter")  # the button that moves it has the focus
    told(admin, "移动")
    expect(admin.locator(".tree ul ul")).to_contain_text("业务部")


def reach(page: Page, name: str) -> None:
    """Go on with the tabulator until something of that name has the focus."""
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.textContent.trim()") == name:
            return
    raise AssertionError(name)
