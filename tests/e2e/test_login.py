"""Getting in and out, and the language."""

from __future__ import annotations

import re

from playwright.sync_api import expect
from tests.e2e.conftest import Site, Visit
from tests.e2e.steps import entry, press

HOME = re.compile(r"/hotel/$")


def test_one_time_link_is_used_up_by_its_button_only(site: Site, visit: Visit) -> None:
    link = site.link("hotel", "li")
    mail_scanner, person = visit("hotel", ""), visit("hotel", "")
    for page in (mail_scanner, person):
        page.goto(link)
        expect(page.get_by_text("李销售，此链接只能使用一次")).to_be_visible()
    press(person, "登录")
    person.wait_for_url(HOME)
    expect(person.get_by_role("heading", level=1)).to_contain_text("李销售")
    press(mail_scanner, "登录")
    expect(mail_scanner.get_by_role("heading", name="此链接已失效")).to_be_visible()


def test_password_by_link_then_login_with_it(site: Site, visit: Visit) -> None:
    page = visit("hotel", "")
    page.goto(site.link("hotel", "sun", "password"))
    entry(page, "新密码").fill("会签之前要仔细看看清楚")
    entry(page, "再次输入密码").fill("会签之前要仔细看看清除")
    press(page, "保存并登录")
    expect(page.get_by_role("alert")).to_have_text("两次输入的密码不一致。")
    for label in ("新密码", "再次输入密码"):
        entry(page, label).fill("会签之前要仔细看看清楚")
    press(page, "保存并登录")
    page.wait_for_url(HOME)

    page.get_by_label("孙法务 的账号").click()
    press(page, "退出登录")
    page.wait_for_url("**/login")
    page.goto("e/contract")
    page.wait_for_url(re.compile(r"/login\?next="))
    entry(page, "账号").fill("sun")
    entry(page, "密码").fill("会签不用看")
    press(page, "登录")
    expect(page.get_by_role("alert")).to_have_text("账号或密码错误。")
    expect(entry(page, "账号")).to_have_value("sun")
    entry(page, "密码").fill("会签之前要仔细看看清楚")
    press(page, "登录")
    page.wait_for_url("**/e/contract")
    expect(page.get_by_role("heading", level=1, name="合同")).to_be_visible()


def test_language_is_switched_and_remembered(visit: Visit) -> None:
    page = visit("hotel", "li")
    html = page.locator("html")
    expect(html).to_have_attribute("lang", "zh-CN")
    page.goto("e/contract")
    press(page, "English")
    expect(html).to_have_attribute("lang", "en")
    expect(page.get_by_role("heading", level=1, name="Contracts")).to_be_visible()
    page.goto("e/customer")
    expect(page.get_by_role("heading", level=1, name="Agreement customers")).to_be_visible()
    press(page, "中文")
    expect(page.get_by_role("heading", level=1, name="协议客户")).to_be_visible()
