"""A customer is shown to a colleague of another department and taken back; on the way to somebody
else a record of the pool is taken with the telephone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from tests.e2e.conftest import Site, Visit
from tests.e2e.steps import pick, ready

from engine.records.people import change_user, create_department, find_user
from engine.records.unit import SYSTEM


@pytest.fixture(scope="module")
def house(site: Site) -> str:
    """The house of this journey: Lin sells in another department than Li."""
    key = site.office("sharing")
    with site.company(key).unit(SYSTEM, write=True) as unit:
        lin = find_user(unit.connection, "lin")
        assert lin is not None
        place = create_department(unit, "华东区")
        change_user(unit, lin["id"], department_id=place)
    return key


def test_a_record_is_shared_seen_and_taken_back(house: str, site: Site, visit: Visit) -> None:
    id = site.create(house, "li", "customer", name="星河精密仪器", kind="organisation")
    lin = visit(house, "lin")
    lin.goto("e/customer")
    ready(lin)
    expect(lin.locator("#list")).not_to_contain_text("星河精密仪器")

    li = visit(house, "li")
    li.goto(f"e/customer/{id}")
    ready(li)
    li.locator(".action-bar summary.btn-icon").click()
    li.locator("a[data-dialog]").click()
    dialog = li.locator("dialog.dialog-part")
    expect(dialog).to_be_visible()
    pick(dialog, "人员", "林销售")
    dialog.locator("input[name=term][value='7']").check()
    dialog.locator("button.btn-primary").click()
    expect(dialog.locator(".share-rows")).to_contain_text("林销售")

    lin.goto("e/customer?shared=me")
    ready(lin)
    expect(lin.locator("#list")).to_contain_text("星河精密仪器")
    lin.goto(f"e/customer/{id}")
    expect(lin.locator(".record-hint")).to_contain_text("李销售")

    dialog.locator(".share-rows button").click()
    expect(dialog.locator(".share-rows")).to_have_count(0)
    lin.goto("e/customer?shared=me")
    ready(lin)
    expect(lin.locator("#list")).not_to_contain_text("星河精密仪器")


def test_a_record_of_the_pool_is_taken_on_the_telephone(
    house: str, site: Site, visit: Visit
) -> None:
    site.create(house, "wang", "customer", name="无主重工", kind="organisation", owner=None)
    page = visit(house, "li", phone=True)
    page.goto("e/customer?f.owner.empty=1")
    ready(page)
    expect(page.locator(".pool-left")).to_contain_text("/50")
    card = page.locator(".cards-list li").filter(has_text="无主重工")
    card.get_by_role("button").click()
    page.wait_for_url(re.compile(r"/e/customer/\d+$"))
    expect(page.locator("h1")).to_contain_text("无主重工")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.locator(".action-bar details:has(#release-reason) > summary").click()
    page.locator("#release-reason").fill("重复")
    page.locator("form[action$='/release'] button").click()
    expect(page.locator("form[action$='/claim']")).to_be_visible()
