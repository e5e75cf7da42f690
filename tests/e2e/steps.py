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


def pick(page: Page, label: str, typed: str, found: str = "") -> None:
    """Search in a picker and choose what is found."""
    box = page.get_by_role("combobox", name=label, exact=True)
    box.fill(typed)
    page.get_by_role("option", name=found or typed).first.click()
    expect(box).to_have_value(re.compile(re.escape(found or typed)))


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
