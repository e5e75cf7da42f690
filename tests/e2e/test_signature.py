"""A step of a pool that takes a signature: claimed by one, signed with the mouse, with a finger, or
by writing one's name on the keyboard."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.e2e.conftest import FLOW, Site, Visit
from tests.e2e.steps import inbox, press, ready, state, told

Points = list[tuple[float, float]]
STROKES: list[Points] = [
    [(0.2, 0.3), (0.4, 0.7), (0.6, 0.3)],
    [(0.3, 0.5), (0.7, 0.5)],
]


def _signed_by_one_of_the_pool(chart: dict[str, Any]) -> None:
    chart["states"]["in_review"]["states"]["manager"] |= {
        "assignees": [{"role": "finance"}],
        "claim": True,
        "signature": True,
    }


@pytest.fixture(scope="module")
def notary(site: Site) -> str:
    """The house of these journeys."""
    return site.office("notary", {FLOW: _signed_by_one_of_the_pool})


def claimed(visit: Visit, company: str, login: str, title: str, *, phone: bool = False) -> Page:
    """Take a case from the pool; its page."""
    page = visit(company, login, phone=phone)
    item = inbox(page, "claim").filter(has_text=title)
    press(item, "认领")
    page.wait_for_url(re.compile(r"/approvals/\d+$"))
    ready(page)
    told(page, "已认领")
    return page


def pad(page: Page) -> Locator:
    """Where one signs, in sight."""
    canvas = page.locator("#decide [data-signature-pad] canvas")
    expect(canvas).to_be_visible()
    canvas.scroll_into_view_if_needed()
    return canvas


def inked(page: Page) -> int:
    """How many points of the pad are drawn on."""
    found: int = pad(page).evaluate(
        "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data"
        ".filter((_, at, all) => at % 4 === 3 && all[at] > 0).length"
    )
    return found


def draw(page: Page) -> None:
    """Sign with the mouse."""
    box = pad(page).bounding_box()
    assert box is not None
    for stroke in STROKES:
        at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*at[0])
        page.mouse.down()
        for point in at[1:]:
            page.mouse.move(*point, steps=5)
        page.mouse.up()


def draw_by_finger(page: Page) -> None:
    """Sign on the touch screen."""
    box = pad(page).bounding_box()
    assert box is not None
    finger = page.context.new_cdp_session(page)

    def send(kind: str, points: Points) -> None:
        touches = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in points
        ]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    for stroke in STROKES:
        send("touchStart", stroke[:1])
        for point in stroke[1:]:
            send("touchMove", [point])
        send("touchEnd", [])


def approved(site: Site, visit: Visit, company: str, contract: int) -> None:
    """The starter sees it approved; the picture of the signature is kept."""
    page = visit(company, "li")
    page.goto(f"e/contract/{contract}")
    state(page, "已通过")
    with site.company(company).unit(site.actor(company, "li")) as unit:
        row = unit.connection.exec_driver_sql(
            f"select f.mime, f.size from dg_wf_task t join dg_file f on f.id = t.signature_id"
            f" where t.record_id = {contract}"
        ).one()
    assert row.mime == "image/png"
    assert row.size > 500


def test_claimed_by_one_and_signed_with_the_mouse(notary: str, site: Site, visit: Visit) -> None:
    title = "鼠标签名的合同"
    id = site.contract(notary, title, 1_000)
    zhao = visit(notary, "zhao")
    expect(inbox(zhao, "claim").filter(has_text=title)).to_have_count(1)
    fang = claimed(visit, notary, "fang", title)
    expect(inbox(zhao, "claim").filter(has_text=title)).to_have_count(0)
    press(fang, "同意")
    expect(fang.locator("#decide").get_by_text("请先签名")).to_be_visible()
    draw(fang)
    drawn = inked(fang)
    assert drawn > 500
    press(fang.locator("#decide"), "清除")
    assert inked(fang) == 0
    press(fang, "同意")
    expect(fang.locator("#decide").get_by_text("请先签名")).to_be_visible()
    draw(fang)
    assert inked(fang) == drawn
    press(fang, "同意")
    told(fang, "已同意")
    approved(site, visit, notary, id)


def test_signed_with_a_finger(notary: str, site: Site, visit: Visit) -> None:
    title = "手指签名的合同"
    id = site.contract(notary, title, 1_000)
    zhao = claimed(visit, notary, "zhao", title, phone=True)
    before = zhao.evaluate("() => document.documentElement.scrollTop")
    draw_by_finger(zhao)
    assert inked(zhao) > 500
    expect(zhao.locator("#decide [data-signature-image]")).to_have_value(
        re.compile("^data:image/png;base64,")
    )
    after = zhao.evaluate("() => document.documentElement.scrollTop")
    assert after >= before
    press(zhao.locator("#decide"), "同意")
    told(zhao, "已同意")
    approved(site, visit, notary, id)


def test_signed_by_writing_ones_name(notary: str, site: Site, visit: Visit) -> None:
    title = "键盘签名的合同"
    id = site.contract(notary, title, 1_000)
    fang = claimed(visit, notary, "fang", title)
    fang.locator("#decide textarea").focus()
    name = fang.locator("#decide").get_by_role("textbox", name="或输入姓名")
    for _ in range(8):
        fang.keyboard.press("Tab")
        if name.and_(fang.locator(":focus")).count():
            break
    fang.keyboard.type("方会计")
    assert inked(fang) > 500
    for _ in range(2):
        fang.keyboard.press("Tab")
    expect(fang.get_by_role("button", name="同意").and_(fang.locator(":focus"))).to_be_visible()
    fang.keyboard.press("Enter")
    told(fang, "已同意")
    approved(site, visit, notary, id)
