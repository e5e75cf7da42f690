"""The second factor: set up, asked for at login, and got around with a recovery code only."""

from __future__ import annotations

import re
import time

import pyotp
from playwright.sync_api import Page, expect
from tests.e2e.conftest import Site, Visit

HOME = re.compile(r"/hotel/$")
PASSWORD = "会签之前要仔细看看清楚"


def log_in(page: Page, login: str) -> None:
    page.goto("login")
    page.locator("#login").fill(login)
    page.locator("#password").fill(PASSWORD)
    page.locator("main button.btn-primary").click()


def enter(page: Page, code: str) -> None:
    page.locator("#code").fill(code)
    page.locator("main button.btn-primary").click()


def test_a_second_factor_from_the_telephone_and_from_paper(site: Site, visit: Visit) -> None:
    page = visit("hotel", "", phone=True)
    page.goto(site.link("hotel", "zhou", "password"))
    page.locator("#password").fill(PASSWORD)
    page.locator("#repeated").fill(PASSWORD)
    page.locator("main button.btn-primary").click()
    page.wait_for_url(HOME)

    page.goto("account")
    page.locator('a[href$="/account/factor"]').click()
    page.locator("main button.btn-primary").click()
    expect(page.locator("img.account-qr")).to_be_visible()
    assert page.locator("img.account-qr").evaluate("image => image.naturalWidth") > 100
    page.locator("summary").click()
    phone = pyotp.TOTP(page.locator(".account-secret").inner_text().replace(" ", ""))
    enter(page, "000000")
    expect(page.get_by_role("alert")).to_contain_text("验证码错误")
    enter(page, phone.now())
    codes = page.locator(".account-codes code").all_inner_texts()
    assert len(codes) == 10
    page.locator("a.btn-primary").click()
    page.wait_for_url(HOME)

    other = visit("hotel", "")
    log_in(other, "zhou")
    other.wait_for_url("**/login/second?next=**")
    expect(other.locator("#code")).to_be_focused()
    enter(other, phone.at(int(time.time()) + 30))  # the first one was used for setting it up
    other.wait_for_url(HOME)
    other.goto("account")
    expect(other.locator(".account-devices li")).to_have_count(2)

    paper = visit("hotel", "")
    log_in(paper, "zhou")
    enter(paper, codes[0])
    paper.wait_for_url(HOME)
    log_in_again = visit("hotel", "")
    log_in(log_in_again, "zhou")
    enter(log_in_again, codes[0])
    expect(log_in_again.get_by_role("alert")).to_contain_text("验证码错误")
