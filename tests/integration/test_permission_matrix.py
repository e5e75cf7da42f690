"""The permission matrix as administrators use it: looking, saving, two at once, publishing, taking
back, and everything that is refused."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.web import KEY, Browser, Site

from dougong.installation import Installation, Listing
from dougong.settings import load_settings
from dougong.setup import create_company
from dougong.startup import start_plugins
from engine.definitions.canonical import canonical
from engine.definitions.load import load
from engine.packs import check_sources
from engine.records import definition_drafts as drafts
from engine.records.failures import Conflict
from engine.records.people import actor_of, change_user, create_user, set_roles
from engine.records.publish import WHATEVER, publish
from engine.records.unit import SYSTEM, Actor

HOME = "/admin/permissions"
OWN = "overlay/customer.json"


PEOPLE = {"chen": ("陈国华", "general_manager"), "wang": ("王敏", "sales"),
          "wu": ("吴芳", "finance"), "zheng": ("郑伟", "legal")}  # fmt: skip


def described(name: str, chinese: str, fields: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    title = {"title": chinese, "x-i18n": {"en": name.title()}, "type": "object"}
    about = {"name": name, "label": "{name}", **more.pop("about", {})}
    return {"x-entity": about, **title, "properties": fields, **more}


def text(chinese: str, english: str, **more: Any) -> dict[str, Any]:
    return {"type": ["string", "null"], "title": chinese, "x-i18n": {"en": english}, **more}


OWNER = {
    "type": ["integer", "null"],
    "x-type": "user",
    "title": "负责人",
    "x-i18n": {"en": "Owner"},
}
STATES = {"draft": "草稿", "review": "审批", "done": "完成"}
WORLD: Mapping[str, Mapping[str, Any]] = {
    "entity_defs/mini/pack.json": {
        "name": "mini",
        "title": "小公司",
        "version": "1.0.0",
        "languages": ["zh-CN", "en"],
        "roles": {
            "admin": {"title": "系统管理员", "x-i18n": {"en": "Administrator"}, "admin": True},
            "general_manager": {"title": "总经理", "x-i18n": {"en": "General manager"}},
            "sales": {"title": "销售", "x-i18n": {"en": "Sales"}},
            "finance": {"title": "财务", "x-i18n": {"en": "Finance"}},
            "legal": {"title": "法务", "x-i18n": {"en": "Legal"}},
        },
        "menus": {
            "selling": {
                "title": "销售",
                "items": {"customer": {"entity": "customer"}, "contract": {"entity": "contract"}},
            }
        },
    },
    "entity_defs/mini/customer.json": described(
        "customer",
        "客户",
        {
            "code": {"type": "string", "readOnly": True, "x-type": "autonumber", "title": "编号",
                     "x-ui": {"pattern": "C{seq:5}"}},
            "name": text("名称", "Name"),
            "owner": OWNER,
            "call": text("拨号", "Call", **{"readOnly": True, "x-compute": {"expr": "phone"}}),
            "phone": text("电话", "Phone", **{
                "x-type": "phone", "x-access": {"sales": {"read": "owner == me", "mask": "phone"}},
            }),
        },
        about={"traits": ["owned", "pooled"]},
        **{
            "x-access": {
                "sales": {
                    "read": "owner is null or owner == me or owner.dept == my.dept",
                    "create": True,
                    "write": "own",
                },
                "finance": {"read": True, "write": True},
                "legal": {"read": True},
            }
        },
    ),
    "entity_defs/mini/contract.json": described(
        "contract",
        "合同",
        {
            "name": text("名称", "Name"),
            "owner": OWNER,
            "status": {"type": "string", "title": "状态", "default": "draft",
                       "oneOf": [{"const": key, "title": one} for key, one in STATES.items()]},
            "items": {
                "type": "array",
                "title": "明细",
                "items": {"type": "object", "properties": {"what": text("品名", "What")}},
            },
        },
        about={"traits": ["owned"]},
        **{"x-access": {one: {"read": True} for one in ("sales", "finance", "legal")}},
    ),
    "entity_defs/mini/product.json": described(
        "product", "产品", {"name": text("名称", "Name")}, **{"x-access": {"sales": {"read": True}}}
    ),
    "workflows/mini/contract_approval.json": {
        "id": "contract_approval",
        "version": 1,
        "entity": "contract",
        "stateField": "status",
        "title": {"zh-CN": "合同审批", "en": "Contract approval"},
        "trigger": {"on": "create"},
        "initial": "draft",
        "states": {
            "draft": {
                "may": {"submit": {"starter": True}},
                "on": {"submit": {"target": "review", "title": {"zh-CN": "提交", "en": "Submit"}}},
            },
            "review": {
                "type": "approval",
                "title": {"zh-CN": "审批", "en": "Review"},
                "assignees": [{"role": "legal"}, {"role": "finance"}],
                "quorum": "any",
                "empty": "admin",
                "onDone": {"approved": "done", "rejected": "draft"},
            },
            "done": {"type": "final"},
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company as small as can be: what is tested are pages, not definitions."""
    folder = tmp_path_factory.mktemp("matrix")
    start_plugins()
    installation = Installation(load_settings(folder))
    sources = {path: canonical(one) for path, one in WORLD.items()}
    company = create_company(installation, Listing(KEY, "", "mini"), sources)
    with company.unit(SYSTEM, write=True, source="command") as unit:
        for login, (name, role) in PEOPLE.items():
            create_user(unit, login, name, roles=[role])
    installation.close()
    return folder


@pytest.fixture
def site(data: Path, tmp_path: Path) -> Iterator[Site]:
    shutil.copytree(data, tmp_path / "data")
    found = Site.open(tmp_path / "data")
    yield found
    found.installation.close()


def second(site: Site) -> Browser:
    """Another administrator."""
    with site.company.unit(SYSTEM, write=True, source="command") as unit:
        set_roles(unit, site.person("chen"), ["general_manager", "admin"])
    return site.browser("chen", "en")


def shown(browser: Browser, path: str = "") -> str:
    answer = browser.get(HOME + path)
    assert answer.status_code == 200, (path, answer.status_code)
    return str(answer.get_data(as_text=True))


def hidden(page: str, form: str = "data-rights") -> dict[str, str]:
    """The hidden inputs of a form: where we are, and the versions that were seen."""
    start = page.index(form)
    part = page[start : page.index("</form>", start)]
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', part)
    return {html.unescape(name): html.unescape(value) for name, value in found}


def cells(page: str) -> dict[str, str]:
    """The choices of a page: name of the cell -> what is chosen."""
    pattern = r'<select[^>]*name="c/([^"]*)"[^>]*>(.*?)</select>'
    found = {}
    for name, options in re.findall(pattern, page, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        assert chosen is not None, name
        found[name] = chosen[1]
    return found


def save(browser: Browser, path: str, changes: Mapping[str, str], page: str | None = None) -> Any:
    """The form of a page sent with some cells as they should be; like the script, nothing else.
    `page`: as it was when it was opened."""
    sent = hidden(page or shown(browser, path))
    rules = {key: value for key, value in changes.items() if key.startswith("r/")}
    chosen = {f"c/{key}": value for key, value in changes.items() if key not in rules}
    return browser.post(HOME, {**sent, **chosen, **rules})


def drafted(site: Site, path: str = OWN) -> Any:
    with site.company.unit(SYSTEM) as unit:
        text = drafts.drafted(unit).get(path)
    return load(path, text)[0].data if text else None


def publish_form(browser: Browser, note: str = "Because", path: str = "/publish") -> dict[str, str]:
    page = shown(browser, path)
    address = f'action="/acme{HOME}{path}"'
    sent = hidden(page, address)
    tick = re.search(r'name="acknowledged" value="(\w+)"', page)
    return {**sent, "note": note, **({"acknowledged": tick[1]} if tick else {})}


def answer(browser: Browser, path: str = "/publish", **changes: str) -> Any:
    return browser.post(HOME + path, {**publish_form(browser, path=path), **changes})


def access(site: Site, role: str, entity: str = "customer") -> Any:
    return site.company.current.model.entities[entity].access.get(role)


# --- looking -------------------------------------------------------------------------------------


def test_one_role_at_every_entity_and_every_role_at_one(site: Site) -> None:
    browser = site.browser(language="en")
    page = shown(browser, "?role=sales")
    found = cells(page)
    assert found["customer//sales/read"] == "rule"
    assert found["customer//sales/write"] == "own"
    assert found["contract//sales/read"] == "all"
    assert 'scope="row"' in page
    assert 'scope="col"' in page
    assert 'scope="rowgroup"' in page

    page = shown(browser, "?entity=customer")
    roles = {name.split("/")[2] for name in cells(page)}
    assert {"sales", "general_manager", "legal", "finance"} == roles
    assert "admin" not in roles, "what may do everything has nothing to set"
    assert cells(page)["customer//sales/read"] == "rule", "both views say the same"


def test_a_rule_is_told_in_words(site: Site) -> None:
    page = shown(site.browser(language="en"), "?role=sales")
    assert "Owner" in re.findall(r"data-words>([^<]*)<", page)[0]


def test_scopes_that_cannot_work_are_not_offered_and_the_cell_says_why(site: Site) -> None:
    page = shown(site.browser(language="en"), "?role=finance")
    cell = page[page.index('id="c-product--finance-read"') :]
    cell = cell[: cell.index("</td>")]
    assert 'value="own"' not in cell
    assert 'value="participant"' not in cell
    assert 'value="rule"' in cell
    assert "no field “owner”" in html.unescape(cell)


def test_fields_for_all_roles_and_all_keys_of_one(site: Site) -> None:
    browser = site.browser(language="en")
    found = cells(shown(browser, "/fields?entity=customer"))
    assert found["customer/phone/sales/mode"] == "condition"
    assert found["customer/name/sales/mode"] == "writable"
    assert found["customer/code/sales/mode"] == "readonly", "numbered by the system"
    keys = cells(shown(browser, "/fields?entity=customer&role=sales"))
    assert keys["customer/phone/sales/read"] == "own"
    assert keys["customer/phone/sales/mask"] == "phone"
    assert keys["customer/phone/sales/write"] == ""
    rows = cells(shown(browser, "/fields?entity=contract"))
    assert any("items." in name for name in rows), "columns of rows have rights of their own"


NOWHERE: list[Any] = [
    "?role=nobody",
    "?entity=nothing",
    "?against=7",
    "?against=x",
    "/fields?entity=nothing",
    "/fields?role=nobody&entity=customer",
    "/roles/nobody",
    "/entities/nothing",
    "/versions/1",
]


def test_what_does_not_exist_is_not_found(site: Site) -> None:
    for path in NOWHERE:
        assert site.browser().get(HOME + path).status_code == 404


PAGES = ["", "/fields", "/roles", "/roles/new", "/roles/sales", "/entities/customer", "/publish",
         "/versions"]  # fmt: skip


def test_for_everybody_else_none_of_it_exists(site: Site) -> None:
    wang = site.browser("wang")
    assert {wang.get(HOME + path).status_code for path in PAGES} == {404}
    posts = ["", "/check", "/roles", "/roles/sales", "/roles/sales/remove", "/grades",
             "/entities/customer", "/publish", "/versions/1", "/discard"]  # fmt: skip
    assert {wang.post(HOME + path, {}).status_code for path in posts} == {404}
    assert drafted(site) is None
    assert site.app.test_client().get(f"/acme{HOME}").status_code == 302


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_page_is_there_in_both_languages(site: Site, language: str) -> None:
    browser = site.browser(language=language)
    for path in PAGES:
        shown(browser, path)


# --- saving --------------------------------------------------------------------------------------


def test_a_cell_goes_into_the_draft_and_back_out_of_it(site: Site) -> None:
    browser = site.browser()
    assert save(browser, "?role=legal", {"customer//legal/write": "department"}).status_code == 303
    assert drafted(site) == {"x-access": {"legal": {"write": "department"}}}
    assert access(site, "legal").write is not True, "nothing is in force"
    page = shown(browser, "?role=legal&only=1")
    assert list(cells(page)) == [
        f"customer//legal/{key}"
        for key in ("read", "create", "write", "delete", "export", "share")
        if f"customer//legal/{key}" in cells(page)
    ], "only the entity that differs is left"
    assert save(browser, "?role=legal", {"customer//legal/write": "none"}).status_code == 303
    assert drafted(site) is None


def test_the_plain_form_without_scripts_changes_only_what_was_chosen(site: Site) -> None:
    browser = site.browser()
    page = shown(browser, "?role=sales")
    everything = {f"c/{name}": value for name, value in cells(page).items()}
    rules = re.findall(r'<textarea[^>]*name="(r/[^"]*)"[^>]*>([^<]*)</textarea>', page)
    texts = {html.unescape(name): html.unescape(text) for name, text in rules}
    sent = {**hidden(page), **everything, **texts}
    assert browser.post(HOME, sent).status_code == 303
    assert drafted(site) is None
    sent |= {"c/customer//sales/delete": "rule", "r/customer//sales/delete": "owners is null"}
    refused = browser.post(HOME, sent)
    assert refused.status_code == 422
    sent["r/customer//sales/delete"] = " name == 'Test' "
    assert browser.post(HOME, sent).status_code == 303
    assert drafted(site) == {"x-access": {"sales": {"delete": "name == 'Test'"}}}


def test_fields_by_mode_and_key_by_key(site: Site) -> None:
    browser = site.browser()
    changes = {"customer/name/sales/mode": "readonly", "customer/phone/legal/mode": "masked"}
    assert save(browser, "/fields?entity=customer", changes).status_code == 303
    fields = drafted(site)["properties"]
    assert fields["name"] == {"x-access": {"sales": {"write": False}}}
    assert fields["phone"]["x-access"] == {"legal": {"read": False, "mask": "phone"}}
    keys = {"customer/phone/legal/reveal": "all", "customer/phone/legal/search": "yes"}
    assert save(browser, "/fields?entity=customer&role=legal", keys).status_code == 303
    legal = drafted(site)["properties"]["phone"]["x-access"]["legal"]
    assert legal == {"read": False, "mask": "phone", "reveal": True, "search": True}
    changes = {"customer/name/sales/mode": "writable", "customer/phone/legal/mode": "writable"}
    assert save(browser, "/fields?entity=customer", changes).status_code == 303
    assert drafted(site) is None


def test_a_formula_says_what_it_takes_over(site: Site) -> None:
    browser = site.browser(language="en")
    told = "Worked out from Phone, and as hidden as they are."
    page = shown(browser, "/fields?entity=customer")
    assert page.count(told) == 1, "for the role that does not see every phone"
    assert "worked out by a formula" in page
    assert told in shown(browser, "/fields?entity=customer&role=sales")


def test_a_rule_is_checked_while_it_is_written_and_when_it_is_saved(site: Site) -> None:
    browser = site.browser(language="en")

    def judged(source: str, cell: str = "customer//legal/read") -> Any:
        sent = {"cell": cell, "source": source}
        return browser.post(f"{HOME}/check", sent).get_json()

    assert judged("owner == me")["problems"] == []
    assert "Owner" in judged("owner == me")["words"]
    assert judged("owner == 5 5")["problems"]
    assert judged("name")["problems"], "a text is no condition"
    assert judged("nothing == 1")["problems"]
    assert judged("")["problems"] == []
    assert browser.post(f"{HOME}/check", {"cell": "x", "source": "true"}).status_code == 404

    answer = save(
        browser,
        "?role=legal",
        {"customer//legal/read": "rule", "r/customer//legal/read": "naem == 1"},
    )
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert cells(page)["customer//legal/read"] == "rule", "what was typed is still there"
    assert "naem == 1" in page
    empty = save(
        browser, "?role=legal", {"customer//legal/read": "rule", "r/customer//legal/read": " "}
    )
    assert empty.status_code == 422
    assert drafted(site) is None


NOT_OFFERED: list[Any] = [
    ("customer//sales/read", "everything"),
    ("customer//sales/read", ""),
    ("customer//admin/../read", "all"),
    ("customer//nobody/read", "all"),
    ("nothing//sales/read", "all"),
    ("customer//sales/fly", "all"),
    ("customer/nothing/sales/mode", "hidden"),
    ("customer/name/sales/mask", "rot13"),
    ("customer/name/sales/mode", "condition"),
    ("customer//sales/share", "all"),
    ("product//sales/read", "own"),
    ("pack//sales/read", "all"),
    ("../../secret", "all"),
    ("<script>", "all"),
    ("", ""),
]


def test_a_choice_that_no_page_offers_is_refused(site: Site) -> None:
    for name, value in NOT_OFFERED:
        browser = site.browser()
        answer = save(browser, "?role=sales", {name: value})
        assert answer.status_code == 422, name
        assert "<script>alert" not in answer.get_data(as_text=True)
        with site.company.unit(SYSTEM) as unit:
            assert drafts.drafts(unit) == {}


HOSTILE: list[Any] = [
    "<script>alert(1)</script>",
    "'; drop table --",
    "x" * 5000,
    "((" * 900,
    "\x00",
]


def test_a_hostile_rule_stays_text(site: Site) -> None:
    for rule in HOSTILE:
        sent = {"customer//legal/read": "rule", "r/customer//legal/read": rule}
        answer = save(site.browser(), "?role=legal", sent)
        assert answer.status_code == 422
        assert "<script>alert" not in answer.get_data(as_text=True)


# --- two at once ---------------------------------------------------------------------------------


def test_a_stale_page_saves_nothing_and_says_who_was_faster(site: Site) -> None:
    anna, chen = site.browser(language="en"), second(site)
    stale = shown(anna, "?entity=customer")
    assert save(chen, "?role=legal", {"customer//legal/delete": "all"}).status_code == 303
    refused = save(anna, "", {"customer//finance/export": "all"}, stale)
    page = refused.get_data(as_text=True)
    assert refused.status_code == 409
    assert "陈国华" in page
    assert "Export: All" in html.unescape(page), "what was lost is told"
    assert drafted(site) == {"x-access": {"legal": {"delete": True}}}
    assert cells(page)["customer//legal/delete"] == "all", "and what the other one did is shown"
    assert save(anna, "", {"customer//finance/export": "all"}, page).status_code == 303


def test_other_files_do_not_stand_in_the_way(site: Site) -> None:
    anna, chen = site.browser(), second(site)
    stale = shown(anna, "?role=legal")
    assert save(chen, "?role=legal", {"contract//legal/delete": "all"}).status_code == 303
    assert save(anna, "", {"customer//legal/delete": "all"}, stale).status_code == 303
    assert "陈国华" in shown(anna, "")


def test_what_is_published_meanwhile_by_another_way_is_kept(site: Site) -> None:
    browser = site.browser()
    save(browser, "?role=legal", {"customer//legal/delete": "all"})
    sources = {**site.company.current.sources, OWN: canonical({"description": "Who buys"})}
    publish(site.company, sources, "mini", note="elsewhere")
    assert drafted(site) == {"description": "Who buys", "x-access": {"legal": {"delete": True}}}
    assert answer(browser).status_code == 303
    assert site.company.current.model.entities["customer"].help
    assert access(site, "legal").delete is True


# --- publishing ----------------------------------------------------------------------------------


def test_publishing_needs_a_look_a_note_and_a_tick(site: Site) -> None:
    browser = site.browser(language="en")
    save(browser, "?role=legal", {"customer//legal/read": "none"})
    page = html.unescape(shown(browser, "/publish"))
    assert "Legal · View" in page
    assert "<del>All</del>" in page
    assert "<ins>None</ins>" in page
    assert "郑伟" in page, "who loses what"
    assert answer(browser, note=" ").status_code == 422
    unticked = publish_form(browser)
    del unticked["acknowledged"]
    assert browser.post(f"{HOME}/publish", unticked).status_code == 422
    assert answer(browser, acknowledged="0" * 16).status_code == 422
    assert access(site, "legal").read is True
    done = answer(browser, note="Legal sees customers no more")
    assert done.status_code == 303, done.get_data(as_text=True)
    assert access(site, "legal").read is False
    assert drafted(site) == {"x-access": {"legal": {"read": False}}}
    with site.company.unit(SYSTEM) as unit:
        assert drafts.drafts(unit) == {}
    assert site.browser("zheng").get("/e/customer").status_code in (403, 404)


def test_a_change_after_the_look_is_not_published(site: Site) -> None:
    anna, chen = site.browser(), second(site)
    save(anna, "?role=legal", {"customer//legal/read": "none"})
    sent = publish_form(anna)
    save(chen, "?role=legal", {"contract//legal/read": "none"})
    assert anna.post(f"{HOME}/publish", sent).status_code == 422
    assert access(site, "legal").read is True


def test_a_role_that_acts_but_sees_nothing_is_pointed_out(site: Site) -> None:
    browser = site.browser(language="en")
    save(browser, "?role=legal", {"contract//legal/read": "none"})
    assert "but may not see the records" in shown(browser, "/publish")


def test_taking_back_is_publishing_what_was(site: Site) -> None:
    browser = site.browser(language="en")
    first = site.company.current.version
    before = site.company.current.sources
    save(browser, "?role=legal", {"customer//legal/read": "none"})
    assert answer(browser, note="Off").status_code == 303
    assert "Off" in shown(browser, "/versions")
    marked = shown(browser, f"?role=legal&only=1&against={first}")
    assert "before: All" in html.unescape(marked), "compared with what was"
    back = f"/versions/{first}"
    assert "<ins>All</ins>" in shown(browser, back)
    assert answer(browser, back, note="On again").status_code == 303
    assert site.company.current.sources == before
    assert access(site, "legal").read is True


def test_a_draft_can_be_given_up(site: Site) -> None:
    browser = site.browser()
    save(browser, "?role=legal", {"customer//legal/read": "none"})
    form = hidden(shown(browser, "/publish"), f'action="/acme{HOME}/discard"')
    stale = dict(form)
    save(browser, "?role=legal", {"customer//legal/delete": "all"})
    browser.post(f"{HOME}/discard", stale)
    assert drafted(site) is not None, "somebody changed it after the look"
    form = hidden(shown(browser, "/publish"), f'action="/acme{HOME}/discard"')
    assert browser.post(f"{HOME}/discard", form).status_code == 303
    assert drafted(site) is None


def test_whoever_was_away_from_his_desk_is_asked_who_he_is(site: Site) -> None:
    from engine.tables import system

    browser = site.browser()
    save(browser, "?role=legal", {"customer//legal/read": "none"})
    sent = publish_form(browser)
    with site.company.database.write() as connection:
        connection.execute(system.SESSION.update().values(proved_at=None))
    assert browser.get(f"{HOME}/publish").status_code in (302, 303)
    assert browser.post(f"{HOME}/publish", sent).status_code in (302, 303)
    assert access(site, "legal").read is True


# --- roles ---------------------------------------------------------------------------------------


def role_form(browser: Browser, path: str, **values: str) -> Any:
    page = shown(browser, path)
    sent = hidden(page, f'action="/acme{HOME}{path.removesuffix("/new")}"')
    return browser.post(HOME + path.removesuffix("/new"), {**sent, **values})


def test_a_role_is_made_like_another_renamed_and_removed(site: Site) -> None:
    browser = site.browser()
    titles = {"title.zh-CN": "法务助理", "title.en": "Legal assistant"}
    made = role_form(browser, "/roles/new", name="legal_aid", like="legal", **titles)
    assert made.status_code == 303
    like, aid = (cells(shown(browser, f"?role={role}")) for role in ("legal", "legal_aid"))
    assert list(like.values()) == list(aid.values())
    assert answer(browser, note="A helper").status_code == 303
    assert site.company.current.model.roles["legal_aid"].title["en"] == "Legal assistant"
    assert (
        role_form(browser, "/roles/legal_aid", **{**titles, "title.en": "Aid"}).status_code == 303
    )
    assert "Aid" in shown(site.browser(language="en"), "/roles")
    page = shown(browser, "/roles/legal_aid")
    sent = hidden(page, f'action="/acme{HOME}/roles/legal_aid/remove"')
    assert browser.post(f"{HOME}/roles/legal_aid/remove", sent).status_code == 303
    assert answer(browser, note="Not needed").status_code == 303
    assert "legal_aid" not in site.company.current.model.roles
    assert not any(path.startswith("overlay/") for path in site.company.current.sources)


def test_a_role_that_is_needed_cannot_be_removed(site: Site) -> None:
    browser = site.browser(language="en")
    page = html.unescape(shown(browser, "/roles/finance"))
    assert "吴芳" in page, "who holds it"
    assert "Workflows" in page[page.index("r-uses") :], "what asks it"
    assert "roles/finance/remove" not in page
    sent = hidden(shown(browser, "/roles/finance"), "data-once")
    assert browser.post(f"{HOME}/roles/finance/remove", sent).status_code == 409
    assert drafted(site, "overlay/pack.json") is None


BAD_ROLES: list[Any] = [
    {"name": "Big Boss", "title.zh-CN": "x"},
    {"name": "", "title.zh-CN": "x"},
    {"name": "x" * 41, "title.zh-CN": "x"},
    {"name": "sales", "title.zh-CN": "x"},
    {"name": "fresh", "title.zh-CN": " "},
    {"name": "fresh", "title.zh-CN": "x" * 201},
    {"name": "fresh", "title.zh-CN": "x", "clearance": "top"},
    {"name": "fresh", "title.zh-CN": "x", "like": "nobody"},
    {"name": "fresh", "title.zh-CN": "x", "description": "x" * 2001},
    {"name": "__proto__", "title.zh-CN": "x"},
]


def test_a_bad_role_is_refused(site: Site) -> None:
    for values in BAD_ROLES:
        assert role_form(site.browser(), "/roles/new", **values).status_code == 422
        assert drafted(site, "overlay/pack.json") is None


def test_nobody_locks_everybody_out(site: Site) -> None:
    browser = site.browser(language="en")
    sent = {"title.zh-CN": "系统管理员", "title.en": "Administrator"}
    assert role_form(browser, "/roles/admin", **sent).status_code == 303
    page = shown(browser, "/publish")
    assert "Nobody with an open account would be an administrator" in page
    form = publish_form(browser)
    assert browser.post(f"{HOME}/publish", form).status_code == 422
    assert site.company.current.model.roles["admin"].admin
    manager = {"title.zh-CN": "总经理", "title.en": "General manager", "admin": "1"}
    assert role_form(browser, "/roles/general_manager", **manager).status_code == 303
    assert "Nobody with an open account" not in shown(browser, "/publish")
    with site.company.unit(SYSTEM, write=True, source="command") as unit:
        change_user(unit, site.person("chen"), disabled_at=unit.now)
    assert "Nobody with an open account" in shown(browser, "/publish"), "a closed account is nobody"


# --- grades and pool -----------------------------------------------------------------------------


def grades_form(browser: Browser, **values: str) -> Any:
    page = shown(browser, "/roles")
    return browser.post(f"{HOME}/grades", {**hidden(page, f"{HOME}/grades"), **values})


def test_grades_are_made_ordered_and_given_to_roles(site: Site) -> None:
    browser = site.browser()
    new = {"new.name": "open", "new.title.zh-CN": "公开", "new.order": "1", "everyone": "open"}
    assert grades_form(browser, **new).status_code == 303
    keep = {"grade.open.title.zh-CN": "公开", "grade.open.order": "1", "everyone": "open"}
    more = {"new.name": "secret", "new.title.zh-CN": "秘密", "new.order": "5"}
    assert grades_form(browser, **keep, **more).status_code == 303
    twice = {
        **keep,
        **more,
        "new.name": "top",
        "grade.secret.title.zh-CN": "秘密",
        "grade.secret.order": "5",
    }
    assert grades_form(browser, **twice).status_code == 422, "two grades of one order"
    legal = {"title.zh-CN": "法务", "title.en": "Legal", "clearance": "secret"}
    assert role_form(browser, "/roles/legal", **legal).status_code == 303
    assert answer(browser, note="Secrets").status_code == 303
    model = site.company.current.model
    assert [one.name for one in model.grades] == ["open", "secret"]
    assert (model.everyone, model.roles["legal"].clearance) == ("open", "secret")
    gone = {**keep, "grade.secret.remove": "1", "grade.secret.order": "5"}
    assert grades_form(browser, **gone).status_code == 422, "a role is cleared for it"


BAD_GRADES: list[Any] = [
    {"new.name": "Top secret", "new.title.zh-CN": "x", "new.order": "1"},
    {"new.name": "top", "new.title.zh-CN": "", "new.order": "1"},
    {"new.name": "top", "new.title.zh-CN": "x", "new.order": "first"},
    {"new.name": "top", "new.title.zh-CN": "x", "new.order": "1", "everyone": "other"},
]


def test_a_bad_grade_is_refused(site: Site) -> None:
    for values in BAD_GRADES:
        assert grades_form(site.browser(), **values).status_code == 422
        assert drafted(site, "overlay/pack.json") is None


def test_limits_of_the_pool(site: Site) -> None:
    browser = site.browser()
    page = shown(browser, "/entities/customer")
    sent = hidden(page, f'action="/acme{HOME}/entities/customer"')
    limits = {"pool.legal": "1", "pool.legal.views": "20", "pool.legal.only": "1",
              "pool.legal.shows": "name"}  # fmt: skip
    kept = dict.fromkeys(re.findall(r'name="(pool\.\w+)" value="1" checked', page), "1")
    done = browser.post(f"{HOME}/entities/customer", {**sent, **kept, **limits})
    assert done.status_code == 303
    assert drafted(site)["x-entity"]["pool"]["legal"] == {"shows": ["name"], "views": 20}
    page = shown(browser, "/entities/customer")
    sent = hidden(page, f'action="/acme{HOME}/entities/customer"')
    for bad in ({"pool.legal.views": "-1"}, {"pool.legal.claims": "9" * 30},
                {"pool.legal.holds": "ten"}, {"pool.legal.shows": "nothing"},
                {"grade": "nothing"}):  # fmt: skip
        refused = browser.post(f"{HOME}/entities/customer", {**sent, **limits, **bad})
        assert refused.status_code == 422, bad


# --- underneath the pages ------------------------------------------------------------------------


def actor(site: Site, login: str) -> Actor:
    with site.company.database.read() as connection:
        found = actor_of(connection, site.person(login))
    assert found is not None
    return found


def test_two_who_publish_the_same_drafts_publish_once(site: Site) -> None:
    browser = site.browser()
    save(browser, "?role=legal", {"customer//legal/delete": "all"})
    with site.company.unit(actor(site, "admin")) as unit:
        release = drafts.Release(
            drafts.drafted(unit), "mini", drafts.stand(unit), "Twice", WHATEVER
        )
    drafts.publish(site.company, release, actor(site, "admin"), check_sources)
    with pytest.raises(Conflict) as refused:
        drafts.publish(site.company, release, actor(site, "admin"), check_sources)
    assert refused.value.code == "K002"
