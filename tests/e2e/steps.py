"""What people do on every page: small steps that journeys are made of."""

from __future__ import annotations

import re
from re import Pattern

from playwright.sync_api import Locator, Page, expect

Scope = Page | Locator


def record_of(entity: str) -> Pattern[str]:
    """The address of any record of an entity."""
    return re.compile(rf"/e/{entity}/\d+$")


def ready(page: Page) -> None:
    """Wait until the page's scripts have taken over."""
    page.locator("html[data-ready]").wait_for(state="attached")


def entry(scope: Scope, label: str) -> Locator:
    """A text input by its label."""
    return scope.get_by_role("textbox", name=label, exact=True)


def select(scope: Scope, label: str, option: str) -> None:
    """Choose from a plain select."""
    scope.get_by_role("combobox", name=label, exact=True).select_option(label=option)


def pick(scope: Scope, label: str, typed: str, found: str = "") -> None:
    """Search in a picker and choose what is found."""
    box = scope.get_by_role("combobox", name=label, exact=True)
    box.fill(typed)
    scope.get_by_role("option", name=found or typed).first.click()
    expect(box).to_have_value(re.compile(re.escape(found or typed)))


def pick_one_of_many(scope: Scope, label: str, typed: str, found: str) -> None:
    """Search in a picker of several and add what is found."""
    scope.get_by_role("combobox", name=label, exact=True).fill(typed)
    scope.get_by_role("option", name=found).first.click()
    expect(scope.locator(".picker-chip").filter(has_text=found)).to_be_visible()


def tab(page: Page, title: str) -> None:
    """Turn to a sheet of a form or record."""
    page.get_by_role("tab", name=title).click()


def press(scope: Scope, button: str) -> None:
    """Press a button by its exact name."""
    scope.get_by_role("button", name=button, exact=True).click()


def save(page: Page, entity: str) -> int:
    """Save the form; the id of the record that is then shown."""
    press(page, "保存")
    page.wait_for_url(record_of(entity))
    ready(page)
    return int(page.url.rsplit("/", 1)[1])


def more(scope: Scope) -> None:
    """Open the menu of further actions."""
    scope.locator("summary", has_text="").and_(scope.get_by_label("更多")).click()


def state(page: Page, text: str) -> None:
    """The badge beside the heading says so."""
    expect(page.locator("h1 + .badges")).to_contain_text(text)


def told(page: Page, text: str) -> None:
    """A note says that something is done."""
    expect(page.get_by_role("status").filter(has_text=text)).to_be_visible()


def card(page: Page) -> Locator:
    """The approval card of a record or a case; on a phone its sheet is turned to."""
    sheet = page.locator("[data-pane=approval]")
    if sheet.is_visible():
        sheet.click()
    return page.locator("#approval")


def inbox(page: Page, tab: str = "todo") -> Locator:
    """The entries of one of the inbox's lists."""
    page.goto(f"approvals?tab={tab}")
    ready(page)
    return page.locator(".inbox-item")


def opened(page: Page, title: str, tab: str = "todo") -> Locator:
    """Open a case from the inbox; its card."""
    inbox(page, tab).get_by_role("link", name=title).click()
    page.wait_for_url(re.compile(r"/approvals/(case/)?\d+$"))
    ready(page)
    return page.locator("#approval")


def command(page: Page, title: str) -> Locator:
    """Unfold one of the card's further commands; its form."""
    menu = card(page).locator("details.command").filter(has_text=title)
    menu.locator("summary").click()
    return menu.locator("form")
