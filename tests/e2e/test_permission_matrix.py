"""The permission matrix without a mouse: from the first cell to the published version; and its
pages as everybody has to be able to use them."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect
from tests.e2e.conftest import Site, Visit
from tests.e2e.steps import ready

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "resultTypes": ["violations"],
}
PAGES = (
    "?role=sales",
    "?entity=customer",
    "/fields?entity=customer",
    "/fields?entity=customer&role=sales",
    "/roles",
    "/roles/sales",
    "/entities/customer",
    "/versions",
    "/publish",
)


@pytest.fixture(scope="module")
def company(site: Site) -> str:
    """A house whose rights this module may change."""
    return site.office("rights")


def cell(page: Page, name: str) -> Locator:
    return page.locator(f"[data-cell='{name}']")


def says(page: Page, name: str, value: str) -> None:
    """What a cell shows."""
    face = cell(page, name).locator("[data-face]")
    expect(face).to_have_attribute("data-value", value)


def tab_to(page: Page, target: Locator, most: int = 120) -> None:
    """Go somewhere with the tab key alone."""
    for _ in range(most):
        if target.evaluate("e => e === document.activeElement"):
            return
        page.keyboard.press("Tab")
    expect(target).to_be_focused()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_rights_are_changed_and_published_by_keyboard_alone(
    site: Site, company: str, visit: Visit
) -> None:
    page = visit(company, "admin")
    page.goto("admin/permissions?role=legal")
    ready(page)
    first = cell(page, "customer//legal/read")
    tab_to(page, first)
    press(page, "ArrowRight", "ArrowRight", "Space")
    says(page, "customer//legal/write", "own")
    press(page, "ArrowDown", "Shift+ArrowDown", "Shift+ArrowRight")
    expect(page.locator("td.is-marked")).to_have_count(4)
    press(page, "Space", "Escape")
    says(page, "lead//legal/delete", "own")
    expect(page.locator("[data-count]")).to_contain_text("5")

    press(page, "Control+Home", "Enter")
    dialog = page.locator("[data-rights-dialog]")
    expect(dialog).to_be_visible()
    press(page, "ArrowDown")  # from all to the rule
    tab_to(page, dialog.locator("textarea"), 3)
    page.keyboard.type("owner == mee")
    press(page, "Tab")
    expect(dialog.locator(".problem")).to_contain_text("mee")
    press(page, "Shift+Tab", "End", "Backspace", "Tab")
    expect(dialog.locator("#rights-said")).to_contain_text("负责人等于当前用户")
    tab_to(page, dialog.locator("button[type=submit]"), 4)
    press(page, "Enter")
    expect(dialog).to_be_hidden()
    expect(first).to_be_focused()
    says(page, "customer//legal/read", "rule")

    press(page, "Control+s")
    page.wait_for_url("**/permissions?role=legal")
    ready(page)
    expect(page.locator(".rights-draft")).to_contain_text("6")
    tab_to(page, page.locator(".page-actions a"))
    press(page, "Enter")
    page.wait_for_url("**/permissions/publish")
    ready(page)
    tab_to(page, page.locator("[name=acknowledged]"))
    press(page, "Space", "Tab")
    page.keyboard.type("法务只看自己的客户")
    press(page, "Tab", "Enter")
    page.wait_for_url("**/permissions")
    granted = site.company(company).current.model.entities["customer"].access["legal"]
    assert granted.read == "owner == me"


def test_a_rule_refused_on_saving_is_still_there_to_mend(company: str, visit: Visit) -> None:
    page = visit(company, "admin")
    page.goto("admin/permissions?role=finance")
    ready(page)
    page.evaluate(
        """() => { const cell = document.querySelector("[data-cell='customer//finance/read']");
        cell.querySelector("textarea").value = "nonsense == 1";
        cell.querySelector("select").value = "rule"; }"""
    )
    page.locator("[data-key-save]").click()
    expect(page.locator("#summary")).to_contain_text("nonsense")
    says(page, "customer//finance/read", "rule")
    expect(page.locator("[data-count]")).to_contain_text("1")
    page.locator("#summary a").click()
    cell(page, "customer//finance/read").click()
    page.locator(".rights-expression").fill("owner == me")
    page.locator("[data-rights-dialog] button[type=submit]").click()
    page.locator("[data-key-save]").click()
    expect(page.locator(".rights-draft")).to_contain_text("1")


def test_the_pages_are_accessible(company: str, visit: Visit) -> None:
    page = visit(company, "admin")
    for path in (
        "?role=sales",
        "/fields?entity=product&role=sales",
        "/roles",
        "/roles/sales",
        "/publish",
    ):
        page.goto(f"admin/permissions{path}")
        ready(page)
        found: dict[str, Any] = Axe().run(page, options=RULES).response
        told = [
            (path, one["id"], [node["target"] for node in one["nodes"]][:3])
            for one in found["violations"]
        ]
        assert not told


def test_a_phone_shows_a_list_for_each_entity(company: str, visit: Visit) -> None:
    page = visit(company, "admin", phone=True)
    page.set_viewport_size({"width": 360, "height": 800})
    for path in PAGES:
        page.goto(f"admin/permissions{path}")
        ready(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
    page.goto("admin/permissions?role=sales")
    page.locator("[data-cell='lead//sales/export']").tap()
    page.locator("[data-rights-dialog] label").nth(1).tap()
    says(page, "lead//sales/export", "own")
