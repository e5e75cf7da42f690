"""A guest complains: registered with a promise, handled, answered, confirmed; or answered late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from playwright.sync_api import Page, expect
from tests.e2e.conftest import Site, Visit
from tests.e2e.steps import entry, pick, press, ready, save, select, tab

from engine.records.flows.timers import run_due

ZONE = ZoneInfo("Asia/Shanghai")


def in_half_an_hour() -> datetime:
    """The time that is promised."""
    return datetime.now(ZONE) + timedelta(minutes=30)


def register(page: Page, title: str, promised: datetime) -> int:
    """Fill in the form; the first try forgets the promise."""
    page.goto("e/complaint/new")
    ready(page)
    entry(page, "投诉主题").fill(title)
    pick(page, "协议单位", "太湖", "太湖疗养院")
    entry(page, "房号").fill("1208")
    select(page, "严重程度", "中")
    entry(page, "投诉内容").fill("空调整夜响,两次报修没有人来。")
    press(page, "保存")
    expect(page.get_by_role("alert")).to_contain_text("承诺答复时间")
    page.get_by_role("alert").get_by_role("link").click()
    expect(entry(page, "承诺答复时间")).to_be_focused()
    entry(page, "承诺答复时间").fill(f"{promised:%Y-%m-%dT%H:%M}")
    page.get_by_role("checkbox", name="已告知客户").check()
    ready(page)
    return save(page, "complaint")


def state(page: Page, text: str) -> None:
    """The record's badge says so."""
    expect(page.locator("h1 + .badges")).to_contain_text(text)


def test_promised_handled_answered_confirmed(site: Site, visit: Visit) -> None:
    site.create("hotel", "li", "customer", kind="organisation", name="太湖疗养院")
    page, promised = visit("hotel", "zhou"), in_half_an_hour()
    register(page, "空调噪声", promised)
    state(page, "已登记")
    expect(page.get_by_role("region", name="详情")).to_contain_text(f"{promised:%Y-%m-%d %H:%M}")
    press(page, "受理")
    state(page, "处理中")
    expect(page.get_by_role("region", name="详情")).to_contain_text("周客服")
    expect(page.get_by_role("button", name="答复客户")).to_be_disabled()

    page.get_by_role("link", name="编辑").click()
    page.wait_for_url("**/edit")
    ready(page)
    tab(page, "处理")
    entry(page, "处理方案").fill("更换风机,免一晚房费")
    entry(page, "答复内容").fill("已为您换房并免一晚房费,非常抱歉。")
    save(page, "complaint")
    press(page, "答复客户")
    state(page, "待客户确认")
    press(page, "客户已确认")
    state(page, "已结案")
    steps = page.get_by_role("region", name="进度").get_by_role("listitem")
    expect(steps.filter(has_text="已结案").first).to_be_visible()
    expect(page.get_by_role("region", name="动态")).to_contain_text("客户已确认")


def test_a_broken_promise_is_seen_by_everybody(site: Site, visit: Visit) -> None:
    customer = site.create("hotel", "li", "customer", kind="organisation", name="太湖会议公司")
    id = site.create(
        "hotel",
        "zhou",
        "complaint",
        title="发票开错",
        customer=customer,
        content="抬头写错了",
        kind="billing",
        promised_reply_at=f"{in_half_an_hour().astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        promise_told=True,
    )
    site.fire("hotel", "zhou", "complaint", id, "accept")
    run_due(site.company("hotel"), datetime.now(UTC) + timedelta(minutes=31))
    page = visit("hotel", "qian")
    page.goto("e/complaint?f.sla_breached.eq=true")
    expect(page.get_by_role("row").filter(has_text="发票开错")).to_be_visible()
    page.goto(f"e/complaint/{id}")
    ready(page)
    tab(page, "处理")
    details = page.get_by_role("region", name="详情")
    expect(details.locator(".fact", has_text="承诺逾期")).to_contain_text("是")
    expect(details.locator(".fact", has_text="升级级别")).to_contain_text("1")
