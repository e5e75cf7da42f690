"""Pages say why not, tell every step once, and keep what was typed."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace

import pytest
from flask import g
from tests.web import Site

from dougong.i18n import COOKIE, language, other_languages
from dougong.sheets import Posted
from dougong.views import forms
from engine.records.failures import Busy
from engine.records.reading import Record
from engine.records.unit import Unit


@pytest.fixture
def contract(site: Site) -> int:
    """A draft contract of Wang's."""
    customer = site.create(
        "customer", "wang", name="启明机械有限公司", kind="organisation", mobile="13800138000"
    )
    items = [{"name": "主轴", "quantity": "2", "unit_price": "30000"}]
    return site.create("contract", "wang", title="供货合同", customer=customer, items=items)


def titles(page: str) -> list[str]:
    """The timeline's lines, the first one first."""
    found = re.findall(r'<p class="event-head"><strong>[^<]*</strong> (.*?) <time', page)
    return [re.sub(r"\s+", " ", one) for one in found]


def test_a_record_that_its_state_locks_says_so_and_offers_no_change(
    site: Site, contract: int
) -> None:
    browser = site.browser("wang")
    assert f"/e/contract/{contract}/edit" in browser.get(f"/e/contract/{contract}").text
    browser.post(f"/e/contract/{contract}/fire", {"event": "cancel", "version": "1"})
    page = browser.get(f"/e/contract/{contract}").text
    assert f"/e/contract/{contract}/edit" not in page
    assert f"/e/contract/{contract}/delete" not in page
    assert re.search(r'class="locked" role="note">.*已作废', page)


def test_what_waits_for_a_decision_is_not_offered_for_removal(site: Site, contract: int) -> None:
    manager = site.browser("li")
    assert f"/e/contract/{contract}/delete" in manager.get(f"/e/contract/{contract}").text
    site.browser("wang").post(f"/e/contract/{contract}/fire", {"event": "submit", "version": "1"})
    assert f"/e/contract/{contract}/delete" not in manager.get(f"/e/contract/{contract}").text


def test_every_step_is_told_once_the_latest_first(site: Site, contract: int) -> None:
    browser = site.browser("wang")
    browser.post(f"/e/contract/{contract}/fire", {"event": "submit", "version": "1"})
    told = titles(browser.get(f"/e/contract/{contract}").text)
    assert len(told) == 2
    assert told[0].startswith("提交审批")
    assert told[1] == "创建了记录"


def test_a_refused_file_is_named_at_its_field(site: Site, contract: int) -> None:
    data = {"version": "1", "f_title": "", "f_files-upload": (io.BytesIO(b"MZ"), "tool.exe")}
    answer = site.browser("wang").post(
        f"/e/contract/{contract}/edit", data, content_type="multipart/form-data"
    )
    assert answer.status_code == 422
    assert 'href="#f_files"' in answer.text
    assert 'href="#f_title"' in answer.text  # whatever else is wrong is told at once
    assert "tool.exe" in answer.text


def test_rules_object_while_the_form_is_filled_in(site: Site) -> None:
    form = {"f_starts_on": "2026-12-01", "f_ends_on": "2026-11-01"}
    browser = site.browser("wang")
    told = browser.post("/e/contract/effects", form).get_json()["fields"]
    assert told["ends_on"]["problem"]
    assert told["approval_state"]["badge"] == "grey"
    good = {"f_starts_on": "2026-11-01", "f_ends_on": "2026-12-01"}
    assert (
        "problem" not in browser.post("/e/contract/effects", good).get_json()["fields"]["ends_on"]
    )


@pytest.mark.expects_fault
def test_a_busy_database_is_asked_once_more_and_then_keeps_the_form(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {"f_kind": "organisation", "f_status": "lead", "f_name": "忙时客户", "token": "busy"}
    tries: list[str] = []
    real = forms._create

    def once_busy(unit: Unit, entity: str, posted: Posted) -> Record:
        tries.append(entity)
        if len(tries) == 1:
            raise Busy
        return real(unit, entity, posted)

    monkeypatch.setattr(forms, "_create", once_busy)
    answer = site.browser("wang").post("/e/customer/new", form)
    assert answer.status_code == 303
    assert len(tries) == 2
    monkeypatch.setattr(forms, "_create", _busy)
    answer = site.browser("wang").post("/e/customer/new", {**form, "token": "again"})
    assert answer.status_code == 503
    assert "忙时客户" in answer.text


def _busy(*_: object) -> Record:
    raise Busy


def test_people_and_moments_are_quick_filters(site: Site, contract: int) -> None:
    mine, other = site.browser("wang"), site.browser("li")
    page = mine.get("/e/contract").text
    assert 'name="pick.owner"' in page
    assert 'name="pick.signed_on"' in page
    assert "供货合同" in mine.get("/e/contract?pick.owner=me&pick.signed_on=").text
    page = other.get("/e/contract?pick.owner=me").text
    assert "供货合同" not in page
    assert "f.owner.me" not in re.findall(r'class="list-search".*?</form>', page, re.S)[0]


def test_starred_records_stand_on_the_first_page(site: Site, contract: int) -> None:
    browser = site.browser("wang")
    assert 'id="starred-title"' not in browser.get("/").text
    browser.post(f"/e/contract/{contract}/star", {"on": "1"})
    assert 'id="starred-title"' in browser.get("/").text


def test_somebody_logged_in_keeps_the_menu_where_nothing_is(site: Site) -> None:
    answer = site.browser("wang").get("/e/contract/999999")
    assert answer.status_code == 404
    assert 'class="side"' in answer.text


@pytest.mark.parametrize(
    ("languages", "cookie", "shown", "others"),
    [
        (("en",), "zh-CN", "en", []),
        (("zh-CN",), "en", "zh-CN", []),
        (("en", "zh-CN"), "", "en", [("zh-CN", "中文")]),
        (("zh-CN", "en"), "", "zh-CN", [("en", "English")]),
        (("zh-CN", "en"), "en", "en", [("zh-CN", "中文")]),
    ],
)
def test_only_languages_of_the_packs_are_spoken(
    site: Site, languages: tuple[str, ...], cookie: str, shown: str, others: list[tuple[str, str]]
) -> None:
    headers = {"Cookie": f"{COOKIE}={cookie}", "Accept-Language": "fr"}
    with site.app.test_request_context("/acme/", headers=headers):
        model = SimpleNamespace(languages=languages)
        g.company = SimpleNamespace(key="stand-in", current=SimpleNamespace(model=model))
        assert language() == shown
        assert other_languages() == others
