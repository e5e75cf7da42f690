"""The workflow editor as a newcomer uses it: one more approval in the contract's way, by keyboard;
checked, tried, published, gone through; undone and redone; a mistake that keeps it from going out;
and all this with a thumb."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.e2e.conftest import Site, Visit
from tests.e2e.steps import inbox, press, ready, state

from engine.records import flow_drafts

WORKFLOW = "contract_approval"


@pytest.fixture
def drafts(site: Site) -> Iterator[str]:
    """The house of these journeys; no draft is left behind."""
    key = site.office("drafts")
    yield key
    with site.company(key).unit(site.actor(key, "admin"), write=True) as unit:
        flow_drafts.discard(unit, WORKFLOW)


def editor(visit: Visit, company: str, *, phone: bool = False, view: str = "outline") -> Page:
    """The editor, reached from the list of workflows."""
    page = visit(company, "admin", phone=phone)
    page.goto("admin/workflows")
    page.locator(f"main a[href$='/{WORKFLOW}']").click()
    page.wait_for_url(f"**/workflows/{WORKFLOW}")
    if view != "outline":
        page.goto(f"admin/workflows/{WORKFLOW}?view={view}")
    ready(page)
    return page


def node(page: Page, state: str) -> Locator:
    """A step's card."""
    return page.locator(f"#flow-outline [data-node={state}]")


def setting(page: Page, name: str) -> Locator:
    """An input of the properties by the end of its technical name."""
    return page.locator(f'#flow-side [name$="{name}"]')


def tab_to(page: Page, target: Locator, most: int = 90) -> None:
    """Go somewhere with the tab key alone."""
    for _ in range(most):
        if target.evaluate("e => e === document.activeElement"):
            return
        page.keyboard.press("Tab")
    expect(target).to_be_focused()


def choose_by_keys(page: Page, target: Locator, option: str) -> None:
    """Turn a select to an option with the arrow keys."""
    tab_to(page, target)
    texts = target.locator("option").all_text_contents()
    now = target.evaluate("e => e.selectedIndex")
    steps = texts.index(option) - now
    for _ in range(abs(steps)):
        page.keyboard.press("ArrowDown" if steps > 0 else "ArrowUp")


def kept(page: Page) -> None:
    """The draft is kept and nothing is wrong with it."""
    expect(page.locator("#flow-notes")).to_contain_text("没有问题")


def until_the_end(page: Page, button: Locator) -> None:
    """Press undo or redo as long as it can be pressed."""
    version = page.locator("#flow-op input[name=version]")
    for _ in range(30):
        if button.is_disabled():
            return
        before = version.input_value()
        button.click()
        expect(version).not_to_have_value(before)
    expect(button).to_be_disabled()


def test_one_more_approval_by_keyboard_alone(drafts: str, site: Site, visit: Visit) -> None:
    page = editor(visit, drafts)
    keys = page.keyboard
    expect(page.locator("#flow-head .btn.off")).to_contain_text("发布")
    tab_to(page, page.locator("#flow-outline .flow-top"))
    for _ in range(12):
        if node(page, "manager").evaluate("e => e === document.activeElement"):
            break
        keys.press("ArrowDown")
    keys.press("a")
    expect(node(page, "approval")).to_be_focused()
    expect(page.locator("#flow-panel-title")).to_have_text("审批")
    choose_by_keys(page, setting(page, "/assignees/0@kind"), "角色")
    role = setting(page, "/assignees/0@role")
    expect(role).to_be_visible()
    choose_by_keys(page, role, "总经理")
    expect(node(page, "approval")).to_contain_text("总经理")
    title = setting(page, "/approval/title@zh-CN")
    title.focus()
    keys.press("Control+a")
    keys.type("总监复核")
    keys.press("Tab")
    expect(node(page, "approval")).to_contain_text("总监复核")
    kept(page)

    undo, redo = page.locator("[data-flow-undo]"), page.locator("[data-flow-redo]")
    node(page, "approval").focus()
    keys.press("Control+z")
    expect(node(page, "approval")).not_to_contain_text("总监复核")
    until_the_end(page, undo)
    expect(node(page, "approval")).to_have_count(0)
    until_the_end(page, redo)
    expect(node(page, "approval")).to_contain_text("总监复核")

    page.get_by_role("navigation", name="视图").get_by_role("link", name="流程图").click()
    expect(page.locator("#flow-graph [data-flow-canvas]")).to_contain_text("总监复核")


def test_checked_tried_published_and_gone_through(drafts: str, site: Site, visit: Visit) -> None:
    before = site.contract(drafts, "发布前提交的合同", 1_000)
    page = editor(visit, drafts)
    node(page, "manager").focus()
    page.keyboard.press("a")
    expect(node(page, "approval")).to_be_focused()
    setting(page, "/assignees/0@kind").select_option(label="角色")
    setting(page, "/assignees/0@role").select_option(label="法务")
    expect(node(page, "approval")).to_contain_text("法务")
    kept(page)

    page.locator("#flow-head a[href$='/simulate']").click()
    page.wait_for_url("**/simulate")
    ready(page)
    steps = page.locator(".sim-steps")
    expect(steps.locator(".sim-step").filter(has_text="孙法务").first).to_be_visible()
    page.go_back()
    ready(page)
    page.locator("#flow-head").get_by_role("link", name="发布").click()
    page.wait_for_url("**/publish")
    ready(page)
    expect(page.locator("#p-changes ~ *").first).to_be_visible()
    expect(page.get_by_role("region", name="发布会做什么")).to_contain_text("1")
    page.get_by_role("textbox").last.fill("法务先看一眼")
    press(page, "立即发布")
    page.wait_for_url(re.compile(rf"/workflows/{WORKFLOW}(\?|$)"))
    expect(page.get_by_role("status").first).to_be_visible()
    expect(page.locator("#flow-head .btn.off")).to_contain_text("发布")

    after = site.contract(drafts, "发布后提交的合同", 1_000)
    for id in (before, after):
        site.decide(drafts, "wang", id, "approve")
    li = visit(drafts, "li")
    li.goto(f"e/contract/{before}")
    state(li, "已通过")  # it ends on the version it began with
    sun = visit(drafts, "sun")
    expect(inbox(sun).filter(has_text="发布前提交的合同")).to_have_count(0)
    item = inbox(sun).filter(has_text="发布后提交的合同")
    press(item, "同意")
    expect(item).to_have_count(0)
    li.goto(f"e/contract/{after}")
    state(li, "已通过")


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_a_mistake_is_named_and_nothing_goes_out(drafts: str, visit: Visit, phone: bool) -> None:
    page = editor(visit, drafts, phone=phone)
    node(page, "countersign").click()
    expect(page.locator("#flow-panel-title")).to_have_text("财务法务会签")
    guard = setting(page, "/countersign/onDone/approved/0/guard").and_(page.locator("textarea"))
    inner = page.locator('textarea[name$="/countersign/onDone/approved/0/guard"]')
    page.locator("#flow-side details").filter(has=inner).last.locator("summary").click()
    guard.fill("amounts >= 50000")
    guard.press("Enter")
    notes = page.locator("#flow-notes .flow-check.is-bad")
    expect(notes).to_contain_text("改正后才能发布")
    expect(page.locator("#flow-head .btn.off")).to_contain_text("发布")
    if phone:
        page.locator("[data-flow-back]").click()
    else:
        node(page, "draft").click()
        expect(page.locator("#flow-panel-title")).to_have_text("草稿")
    link = notes.get_by_role("link", name="财务法务会签").first
    expect(link).to_be_visible()
    link.click()
    expect(page.locator("#flow-panel-title")).to_have_text("财务法务会签")
    page.locator("[data-flow-undo]").click()
    expect(notes).to_have_count(0)


def test_with_a_thumb(drafts: str, visit: Visit) -> None:
    page = editor(visit, drafts, phone=True)
    gap = page.locator(".flow-gap").get_by_label("在“总经理审批”后添加步骤")
    gap.tap()
    page.locator(".flow-menu:visible").get_by_role("button", name=re.compile("^审批")).tap()
    page.locator("#flow-outline [data-node][aria-current]").filter(has_text="审批").tap()
    expect(page.locator("#flow-panel-title")).to_be_visible()
    setting(page, "/assignees/0@kind").select_option(label="角色")
    setting(page, "/assignees/0@role").select_option(label="财务")
    kept(page)
    page.locator("[data-flow-back]").tap()
    expect(
        page.locator("#flow-outline .flow-link").filter(has_text="角色：财务").last
    ).to_be_visible()
    page.get_by_role("navigation", name="视图").get_by_role("link", name="流程图").tap()
    expect(page.locator("#flow-graph [data-flow-canvas]")).to_contain_text("审批")
    wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
