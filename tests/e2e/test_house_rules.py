"""What holds on every page: accessible, no sideways scrolling, one language, no refused script.

(The fixture `visit` fails a test whose pages log an error; a breach of the content security policy
is one.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from tests.e2e.conftest import Site, Visit
from tests.e2e.steps import ready

from engine.records.flows import flow_of

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "resultTypes": ["violations"],
}
NARROW = (390, 360)
NO_TRANSLATION = re.compile(
    r"\b(Dougong|English|QQ|ABC|VIP|V\d|A|B|C|D|J|K|R|X|cm|kg|km|MB|ID|id|JSON|KH|HT|TS|API|n|o|"
    r"Admin|Enter|Alt|Del|Webhook|webhook|DOUGONG_SMTP_URL|Asia/Shanghai|zhou|sun|zhao|qian|"
    r"record\.label|decisions|key|nudge|up|submit|cancel|next|"  # what a workflow names
    r"Microsoft|Google|Authenticator|FreeOTP|Chromium|Chrome|Linux|Safari|Mozilla|WebKit|HeadlessChrome|admin|wang|li|inn|hotel|sqlite)\b"
)
PROSE = re.compile(r"[A-Za-z]{2,}")
KEPT = re.compile(  # the data's own words; and units and placeholders, which have no translation
    "中文|王经理|李销售|孙法务|赵财务|钱总|周客服|加签|经理|销售|客服|法务|财务|业务部|斗|浙江省|杭州市|西湖区|规模:中型|维度:值|间夜|元|天|分钟"
)
HASH = re.compile(r"\b([0-9a-f]{12}|[0-9a-f]{8})\b")
FOREIGN_MARKUP = {  # drawn by flask-admin's own templates, of which only the frame is ours
    ("color-contrast", "a[title="),  # the heads of columns that sort
    ("target-size", ".list-buttons-column > .icon["),  # the icon that leads to a row's details
}
HAN = re.compile(r"[\u4e00-\u9fff]")

WAY = "admin/workflows/contract_approval"
LATIN = {f"{WAY}?view=json", "admin/users/import"}  # definitions; lines with logins and addresses
KEYS = ("admin/permissions", "admin/view-as?")  # names of definitions stand beside their titles

Furnished = dict[str, int]


@pytest.fixture(scope="session")
def furnished(site: Site) -> Furnished:
    """A record with something in every part of its page, and one that waits for approval."""
    customer = site.create(
        "inn",
        "wang",
        "customer",
        kind="organisation",
        name="Acme 2000",  # a name that is not a word of either language
        region="330106",
        tags=["A:B"],
        departments=[{"name": "C", "function": "using"}],
    )
    contract = site.create(
        "inn",
        "li",
        "contract",
        title="Acme 2001",
        customer=customer,
        items=[{"name": "C", "quantity": 1, "unit_price": 1000}],
    )
    site.fire("inn", "li", "contract", contract, "submit")
    site.work("inn")
    with site.company("inn").unit(site.actor("inn", "admin")) as unit:
        case = flow_of(unit, "contract", contract)
    assert case is not None
    return {
        "customer": customer,
        "contract": contract,
        "case": case.instance,
        "task": site.task("inn", contract, "wang"),
        "li": site.actor("inn", "li").id or 0,
        "place": site.actor("inn", "li").department or 0,
    }


def dialog(button: str) -> Callable[[Page], None]:
    """Open a dialog of the list."""

    def run(page: Page) -> None:
        found = page.locator(f"[data-open={button}]")
        if found.is_visible():
            found.click()
            page.locator(f"dialog#{button}").wait_for()

    return run


def unfold(page: Page) -> None:
    """Show all sheets at once."""
    page.evaluate(
        "() => document.querySelectorAll('[data-tabpanel], [data-pane-body]').forEach("
        "each => { each.hidden = false; each.classList.add('is-shown'); })"
    )


def refused(page: Page) -> None:
    """Send an empty form: the page with its problems."""
    page.locator("[data-key-save]").click()
    page.locator("#summary").wait_for()
    ready(page)
    unfold(page)


def unfolded(page: Page) -> None:
    """Open everything that folds inside the page."""
    page.evaluate(
        "() => document.querySelectorAll('main details:not([data-menu])')"
        ".forEach(each => { each.open = true; })"
    )


def keys_help(page: Page) -> None:
    """The help about keys, where there are keys."""
    page.keyboard.press("?")


def chosen(page: Page) -> None:
    """Choose the first task and look at what would be approved together."""
    page.locator("input[name=task]").first.check()
    page.locator("#bulk button").click()
    page.wait_for_url("**/approvals/bulk")
    ready(page)


def stay(_: Page) -> None:
    """Nothing to do."""


Step = Callable[[Page], None]


def pages(made: Furnished) -> list[tuple[str, Step]]:
    """What the manager opens."""
    return [
        ("", stay),
        ("e/customer", stay),
        ("e/customer", dialog("filters")),
        ("e/customer", dialog("columns")),
        ("e/contract?f.approval_state.eq=cancelled", stay),
        (f"e/customer/{made['customer']}", unfold),
        (f"e/contract/{made['contract']}", unfold),
        (f"e/customer/{made['customer']}/shares", stay),
        (f"e/customer/{made['customer']}/edit", unfold),
        ("e/contract/new", refused),
        ("e/customer/removed", stay),
        ("approvals", stay),
        ("approvals", keys_help),
        *((f"approvals?tab={tab}", stay) for tab in ("claim", "done", "mine", "copies")),
        (f"approvals/{made['task']}", unfolded),
        ("approvals", chosen),
        ("account", stay),
        ("account/delegation", stay),
        ("account/factor", stay),
        ("prove", stay),
        ("notifications", stay),
        ("notifications?show=unread", stay),
        ("notifications/settings", stay),
        ("search?q=Acme", stay),
        ("e/customer/999999", stay),
        ("not/here", stay),
    ]


def studio(made: Furnished) -> list[tuple[str, Step]]:
    """What administrators of a company open."""
    return [
        ("admin/workflows", stay),
        ("admin/workflows", dialog("new-flow")),
        (WAY, stay),
        (f"{WAY}?at=countersign", unfolded),
        (f"{WAY}?at=draft&view=graph", stay),
        (f"{WAY}?view=json", stay),
        (f"{WAY}/compare", stay),
        (f"{WAY}/publish", stay),
        (f"{WAY}/simulate?record={made['contract']}&strategy=nobody", unfolded),
        (f"{WAY}/simulate?record={made['contract']}&strategy=paths", stay),
        (f"{WAY}/replay", stay),
        ("admin/cases", stay),
        ("admin/cases/list", stay),
        (f"admin/cases/{made['case']}", unfolded),
        ("admin/cases/move/contract_approval", stay),
        ("admin/deliveries", stay),
        ("admin/deliveries?state=waiting", stay),
        ("admin/channels", stay),
        ("admin/handover", stay),
        (f"admin/handover/preview?user={made['li']}", stay),
        ("admin/groups", stay),
        ("admin/groups/new", stay),
        ("admin/calendar", stay),
        ("admin/sign-in", stay),
        ("admin/users", stay),
        ("admin/users/new", stay),
        ("admin/users/import", unfolded),
        (f"admin/users/{made['li']}", stay),
        (f"admin/users/{made['li']}/close", stay),
        ("admin/departments", stay),
        (f"admin/departments/{made['place']}", stay),
        (f"admin/departments/{made['place']}/move?to=top", stay),
        (f"admin/departments/{made['place']}/remove", stay),
        ("admin/logs/security", stay),
        ("admin/logs/access", stay),
        ("admin/permissions", stay),
        ("admin/permissions?entity=customer", stay),
        ("admin/permissions/fields?entity=contact", stay),
        ("admin/permissions/roles", stay),
        ("admin/permissions/roles/new", stay),
        ("admin/permissions/entities/customer", stay),
        ("admin/permissions/publish", stay),
        ("admin/permissions/versions", stay),
        ("admin/view-as", stay),
        (f"admin/view-as?user={made['li']}", stay),
        (f"admin/view-as?user={made['li']}&entity=customer&record={made['customer']}", stay),
        ("admin/privacy", stay),
        ("account/tokens", stay),
        (f"e/customer/{made['customer']}/why", stay),
        (f"e/customer/{made['customer']}/shares", stay),
    ]


def complaints(page: Page, language: str, *, phone: bool, strict: bool = True) -> Iterator[str]:
    """Everything that is wrong with the page as it stands."""
    where = page.url.split("/", 3)[3]
    # what axe sees is the same in every language, and takes the longest
    axe = language == "zh-CN"
    result: dict[str, Any] = Axe().run(page, options=RULES).response if axe else {"violations": ()}
    for found in result["violations"]:
        for node in found["nodes"]:
            if any(
                found["id"] == rule and part in str(node["target"]) for rule, part in FOREIGN_MARKUP
            ):
                continue
            yield f"{where}: axe {found['id']} at {node['target']}: {node['failureSummary'][:200]}"
    for width in NARROW if phone else ():
        page.set_viewport_size({"width": width, "height": 780})
        wide = page.evaluate("() => document.documentElement.scrollWidth")
        if wide > width:
            yield f"{where}: {wide} pixels wide on a screen of {width}"
    if strict:
        yield from (f"{where}: in the wrong language: {text}" for text in foreign(page, language))


def foreign(page: Page, language: str) -> list[str]:
    """Lines and names of controls that are not in the reader's language."""
    # places have one name only, and their lists may still be on the way
    page.evaluate("() => document.querySelectorAll('[data-region]').forEach(e => e.remove())")
    shown: list[str] = page.locator("body").inner_text().split("\n")
    for name in ("aria-label", "title", "placeholder", "alt"):
        shown += page.evaluate(
            "name => [...document.querySelectorAll(`[${name}]`)].map(e => e.getAttribute(name))",
            name,
        )
    told = page.evaluate("() => document.title")
    lines = {HASH.sub("", line.replace("Acme", "")) for line in [*shown, told]}
    if language == "zh-CN":
        return sorted(line for line in lines if PROSE.search(NO_TRANSLATION.sub("", line)))
    cleaned = {line: KEPT.sub("", line) for line in lines}
    return sorted(line for line, rest in cleaned.items() if HAN.search(rest))


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_every_page(furnished: Furnished, visit: Visit, phone: bool, language: str) -> None:
    page = visit("inn", "wang", phone=phone, language=language)
    found: list[str] = []
    for path, step in pages(furnished):
        page.goto(path)
        ready(page)
        step(page)
        # notices are written in the language of whoever gets them
        strict = language == "zh-CN" or not path.startswith("notifications")
        found += complaints(page, language, phone=phone, strict=strict)
    stranger = visit("inn", "", phone=phone, language=language)
    for path in ("login", "login/forgot"):
        stranger.goto(path)
        found += complaints(stranger, language, phone=phone)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_the_administration(visit: Visit, phone: bool, language: str) -> None:
    page = visit("inn", "admin", phone=phone, language=language)
    page.goto("ops/")
    found = list(complaints(page, language, phone=phone))
    offices = page.get_by_role("navigation").first.get_by_role("link").all()
    for address in [office.get_attribute("href") or "" for office in offices]:
        page.goto(address)  # the tables show columns by their technical names
        found += complaints(page, language, phone=phone, strict=False)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_every_page_of_the_studio(
    furnished: Furnished, visit: Visit, phone: bool, language: str
) -> None:
    page = visit("inn", "admin", phone=phone, language=language)
    found: list[str] = []
    for path, step in studio(furnished):
        page.goto(path)
        ready(page)
        step(page)
        strict = path not in LATIN and not path.startswith(KEYS)
        found += complaints(page, language, phone=phone, strict=strict)
    assert not found, "\n".join(found)
