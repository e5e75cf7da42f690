"""Looking through somebody's eyes: an administrator finds out why a seller cannot change a
contract, and the seller is told so himself."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect
from tests.e2e.conftest import Site, Visit
from tests.e2e.steps import ready

from engine.tables.system import SECURITY


@pytest.fixture(scope="module")
def eyes(site: Site) -> str:
    """The house of this journey."""
    return site.office("eyes")


def test_from_a_person_to_the_reason(site: Site, visit: Visit, eyes: str) -> None:
    contract = site.contract(eyes, "看不见的泵", 90_000)
    page = visit(eyes, "admin")
    page.goto("admin/view-as")
    ready(page)
    box = page.locator(".seen-ask").get_by_role("combobox")
    box.fill("李销")
    page.get_by_role("option", name="李销售").first.click()
    page.locator(".seen-ask button.btn").click()
    expect(page).to_have_url(re.compile(r"user=\d+"))
    page.locator(".seen-table").get_by_role("link", name="合同", exact=True).click()
    page.locator("#seen-records").wait_for()
    page.get_by_role("link", name="看不见的泵").click()
    # the whole record, then one cell of it
    expect(page.locator("#why-title")).to_contain_text("李销售可以查看合同")
    row = page.locator(".seen-fields > li").filter(has_text="看不见的泵").first
    row.locator(".seen-why a").last.click()
    expect(page.locator("#why-title")).to_contain_text("李销售不能修改合同")
    expect(page.locator(".why-reasons")).to_contain_text("流程")
    expect(page.locator(".why-ways > li").first).to_contain_text("使流程到达")
    with site.company(eyes).database.read() as connection:
        kinds = sa.select(sa.func.count()).where(SECURITY.c.kind == "rights.viewed")
        assert (connection.scalar(kinds) or 0) >= 4

    own = visit(eyes, "li", phone=True)
    own.goto(f"e/contract/{contract}")
    ready(own)
    own.locator(".action-bar summary.btn-icon").click()
    own.locator('.action-bar a[href$="/why"]').click()
    expect(own.locator("#why-title")).to_contain_text("您可以修改合同")  # something of it
    own.locator("#field").select_option("title")
    expect(own.locator("#why-title")).to_contain_text("您不能修改合同")
    expect(own.locator(".why-reasons")).to_contain_text("流程")
    width = own.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0
