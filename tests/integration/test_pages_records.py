"""The pages of one record: seeing, making, changing, deciding — as browsers meet them."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from tests.web import Browser, Site


@pytest.fixture
def customer(site: Site) -> int:
    """A customer of Wang's."""
    return site.create(
        "customer", "wang", name="启明机械有限公司", kind="organisation", mobile="13800138000"
    )


@pytest.fixture
def contract(site: Site, customer: int) -> int:
    """A contract with two rows."""
    items = [
        {"name": "主轴", "quantity": "2", "unit_price": "30000"},
        {"name": "安装", "quantity": "1", "unit_price": "5000.50"},
    ]
    return site.create("contract", "wang", title="供货合同", customer=customer, items=items)


def new_customer(**more: Any) -> dict[str, Any]:
    """A posted form of a new customer."""
    return {"f_kind": "organisation", "f_status": "lead", "f_name": "新客户", "token": "t1", **more}


# --- seeing ------------------------------------------------------------------------------------
def test_record_page_shows_the_record_and_what_belongs_to_it(
    site: Site, customer: int, contract: int
) -> None:
    page = site.browser("wang").get(f"/e/contract/{contract}")
    assert page.status_code == 200
    assert "供货合同" in page.text
    assert "¥65,000.50" in page.text  # the rows' total
    assert f'href="/acme/e/customer/{customer}"' in page.text
    theirs = site.browser("wang").get(f"/e/customer/{customer}").text
    assert f'data-href="/acme/e/contract/{contract}"' in theirs
    assert f"/acme/e/contract/new?customer={customer}" in theirs


def test_record_page_speaks_the_reader_s_language(site: Site, contract: int) -> None:
    assert "Contract number" in site.browser("wang", "en").get(f"/e/contract/{contract}").text


def test_what_is_masked_stays_masked_everywhere(site: Site, customer: int) -> None:
    other = site.browser("li")  # the manager reads the customer in the clear
    assert "13800138000" in other.get(f"/e/customer/{customer}").text
    colleague = site.browser("sun")  # of another department: sees nothing of it
    assert colleague.get(f"/e/customer/{customer}").status_code == 404
    assert colleague.get(f"/e/customer/{customer}/edit").status_code == 404


def test_unknown_entities_and_records_are_not_found(site: Site) -> None:
    browser = site.browser()
    for path in ("/e/nothing/1", "/e/customer/999999", "/e/nothing/new", "/e/customer/1/edit"):
        assert browser.get(path).status_code == 404


def test_strangers_are_sent_to_the_login_page(site: Site, customer: int) -> None:
    answer = site.app.test_client().get(f"/acme/e/customer/{customer}")
    assert answer.status_code == 302
    assert "/acme/login?next=" in answer.headers["Location"]


# --- new ---------------------------------------------------------------------------------------
def test_a_new_record_is_saved_and_shown(site: Site) -> None:
    browser = site.browser("wang")
    answer = browser.post("/e/customer/new", new_customer())
    assert answer.status_code == 303
    place = answer.headers["Location"].removeprefix("/acme")
    assert "新客户" in browser.get(place).text


def test_save_and_new_leads_to_the_next_form(site: Site) -> None:
    answer = site.browser("wang").post("/e/customer/new", new_customer(then="new"))
    assert answer.headers["Location"] == "/acme/e/customer/new"


def test_the_same_form_sent_twice_makes_one_record(site: Site) -> None:
    browser = site.browser("wang")
    places = {browser.post("/e/customer/new", new_customer()).headers["Location"] for _ in range(2)}
    assert len(places) == 1


def test_a_bad_form_comes_back_as_typed(site: Site) -> None:
    typed = new_customer(f_name="", f_email="not an address", f_short_name="留着我")
    answer = site.browser("wang").post("/e/customer/new", typed)
    assert answer.status_code == 422
    assert 'value="not an address"' in answer.text
    assert 'value="留着我"' in answer.text
    assert answer.text.count('aria-invalid="true"') == 2
    assert 'href="#f_name"' in answer.text  # the summary leads to the field


def test_page_and_api_object_to_the_same_things(site: Site) -> None:
    browser = site.browser("wang")
    told = browser.client.post(
        "/acme/api/v1/customer",
        json={"kind": "organisation", "status": "lead", "name": "", "email": "no"},
        headers={"X-CSRF-Token": browser.token or token_of(browser)},
    )
    assert told.status_code == 422
    page = browser.post("/e/customer/new", new_customer(f_name="", f_email="no")).text
    for problem in told.get_json()["problems"]:
        assert problem["text"] in page


def token_of(browser: Browser) -> str:
    """The token of the browser's pages."""
    browser.get("/account")
    return browser.token


def test_a_field_that_is_not_ones_own_is_refused_not_dropped(site: Site) -> None:
    answer = site.browser("wang").post("/e/customer/new", new_customer(f_code="KH-1"))
    assert answer.status_code == 422
    answer = site.browser("wang").post("/e/customer/new", new_customer(f_bogus="1"))
    assert answer.status_code == 422


def test_a_form_begins_with_what_the_address_says(site: Site, customer: int) -> None:
    page = site.browser("wang").get(f"/e/contract/new?customer={customer}&amount=5&bogus=1").text
    assert f'<option value="{customer}" selected>启明机械有限公司</option>' in page


def test_a_copy_leaves_out_what_has_to_be_its_own(site: Site, contract: int) -> None:
    page = site.browser("wang").get(f"/e/contract/new?copy={contract}").text
    assert 'value="供货合同"' in page
    assert 'value="主轴"' in page
    assert re.search(r'name="f_items-0.id" value=""', page)


def test_whoever_may_not_create_gets_no_form(site: Site) -> None:
    assert site.browser("wu").get("/e/contract/new").status_code == 403
    assert site.browser("wu").post("/e/contract/new", {"f_title": "x"}).status_code == 403


# --- change ------------------------------------------------------------------------------------
def test_a_change_is_saved_and_told_in_the_timeline(site: Site, customer: int) -> None:
    browser = site.browser("wang")
    form = {"f_short_name": "启明", "version": "1"}
    assert browser.post(f"/e/customer/{customer}/edit", form).status_code == 303
    page = browser.get(f"/e/customer/{customer}").text
    assert "<ins>启明</ins>" in page


def test_rows_keep_the_order_of_the_form(site: Site, contract: int) -> None:
    browser = site.browser("wang")
    page = browser.get(f"/e/contract/{contract}/edit").text
    ids = re.findall(r'name="f_items-\d+\.id" value="(\d+)"', page)
    form = {
        "version": "1",
        "f_items-1.id": ids[1], "f_items-1.name": "安装", "f_items-1.quantity": "1",
        "f_items-1.unit_price": "5000.50",
        "f_items-7.id": "", "f_items-7.name": "夹具", "f_items-7.quantity": "1",
        "f_items-7.unit_price": "10",
        "f_items-0.id": ids[0], "f_items-0.name": "主轴", "f_items-0.quantity": "2",
        "f_items-0.unit_price": "30000",
    }  # fmt: skip
    assert browser.post(f"/e/contract/{contract}/edit", form).status_code == 303
    page = browser.get(f"/e/contract/{contract}/edit").text
    names = re.findall(r'name="f_items-\d+\.name"[^>]* value="([^"]+)"', page)
    assert names == ["安装", "夹具", "主轴"]


def test_who_comes_too_late_sees_both_values(site: Site, customer: int) -> None:
    mine, theirs = site.browser("wang"), site.browser("li")
    path = f"/e/customer/{customer}/edit"
    first = {"version": "1", "f_short_name": "他的", "f_website": "https://new.example.com"}
    assert theirs.post(path, first).status_code == 303
    late = {"version": "1", "f_short_name": "我的", "f_website": "", "f_fax": "057112345678"}
    answer = mine.post(path, late)
    assert answer.status_code == 409
    assert "李强" in answer.text
    assert "他的" in answer.text
    assert 'value="我的"' in answer.text
    assert 'value="https://new.example.com"' in answer.text  # changed by the other alone
    assert 'name="version" value="2"' in answer.text
    again = {"version": "2", "f_short_name": "我的"}
    assert mine.post(path, again).status_code == 303


def test_htmx_is_told_where_to_go(site: Site, customer: int) -> None:
    answer = site.browser("wang").post(
        f"/e/customer/{customer}/edit",
        {"version": "1", "f_short_name": "启明"},
        headers={"HX-Request": "true"},
    )
    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"] == f"/acme/e/customer/{customer}"


# --- while filling in --------------------------------------------------------------------------
def test_the_first_drawing_knows_the_rules(site: Site) -> None:
    page = site.browser("wang").get("/e/customer/new").text
    assert re.search(r'data-field="gender"[^>]* hidden', page)
    assert not re.search(r'data-field="credit_code"[^>]* hidden', page)


def test_effects_follow_what_is_typed(site: Site) -> None:
    browser = site.browser("wang")
    told = browser.post("/e/customer/effects", {"f_kind": "person", "f_status": "lost"}).get_json()
    assert told["fields"]["gender"]["visible"]
    assert not told["fields"]["credit_code"]["visible"]
    assert told["fields"]["lost_reason"] == {
        "visible": True, "message": "", "readonly": False, "required": True,
    }  # fmt: skip
    assert told["parts"]["t2"] is False  # the organisation chart of a person


def test_effects_compute_rows_and_totals(site: Site) -> None:
    form = {
        "f_items": "", "f_items-0.id": "", "f_items-0.name": "主轴",
        "f_items-0.quantity": "3", "f_items-0.unit_price": "100", "f_items-0.discount": "10",
    }  # fmt: skip
    told = site.browser("wang").post("/e/contract/effects", form).get_json()["fields"]
    assert told["items"]["rows"] == [{"amount": "¥270.00"}]
    assert told["amount"]["text"] == "¥270.00"


def test_effects_tell_of_a_record_that_is_there_already(site: Site, customer: int) -> None:
    told = site.browser("wang").post("/e/customer/effects", {"f_name": "启明机械有限公司"})
    assert "启明机械有限公司" in told.get_json()["fields"]["name"]["message"]


def test_lookup_finds_records_people_and_places(site: Site, customer: int) -> None:
    browser = site.browser("wang")
    found = browser.get("/e/contract/lookup/customer?q=启明").get_json()["items"]
    assert [item["value"] for item in found] == [customer]
    people = browser.get("/e/contract/lookup/owner?q=李").get_json()["items"]
    assert [item["label"] for item in people] == ["李强"]
    places = browser.get("/e/customer/lookup/region?parent=330000").get_json()["items"]
    assert "杭州市" in [item["label"] for item in places]
    assert site.browser("sun").get("/e/contract/lookup/customer?q=启明").get_json()["items"] == []


def test_lookup_heeds_the_fields_it_hangs_on(site: Site, customer: int) -> None:
    site.create("contact", "wang", name="周立", mobile="13800138001", customer=customer)
    browser = site.browser("wang")
    page = browser.get("/e/contract/new").text
    assert "/lookup/contact?needs=customer" in page
    path = "/e/contract/lookup/contact?needs=customer&f_customer="
    assert len(browser.get(f"{path}{customer}").get_json()["items"]) == 1
    assert browser.get(f"{path}1").get_json()["items"] == []


def test_quick_create_tells_the_script_what_to_choose(site: Site) -> None:
    browser = site.browser("wang")
    assert 'id="quick-form"' in browser.get("/e/customer/quick").text
    asked = {"Accept": "application/json"}
    bad = browser.post("/e/customer/quick", new_customer(f_name=""), headers=asked)
    assert bad.status_code == 422
    assert 'id="quick-form"' in bad.text
    good = browser.post("/e/customer/quick", new_customer(), headers=asked)
    assert good.get_json()["label"] == "新客户"


def test_a_draft_is_kept_until_it_is_saved(site: Site) -> None:
    browser = site.browser("wang")
    assert browser.post("/e/customer/draft", {"f_name": "写了一半", "version": ""}).get_json()["ok"]
    assert "?draft=1" in browser.get("/e/customer/new").text
    assert 'value="写了一半"' in browser.get("/e/customer/new?draft=1").text
    assert "写了一半" not in site.browser("li").get("/e/customer/new?draft=1").text
    browser.post("/e/customer/new", new_customer())
    assert "?draft=1" not in browser.get("/e/customer/new").text


# --- what else may be done ---------------------------------------------------------------------
def test_comments_show_in_the_timeline(site: Site, customer: int) -> None:
    browser = site.browser("wang")
    answer = browser.post(f"/e/customer/{customer}/comment", {"comment": "下周<b>回访</b>"})
    assert answer.status_code == 303
    page = browser.get(f"/e/customer/{customer}").text
    assert "下周&lt;b&gt;回访&lt;/b&gt;" in page
    assert site.browser("sun").post(
        f"/e/customer/{customer}/comment", {"comment": "?"}
    ).status_code == 404  # fmt: skip


def test_removing_and_bringing_back(site: Site, customer: int) -> None:
    browser = site.browser("chen")
    assert browser.post(f"/e/customer/{customer}/delete", {"version": "1"}).status_code == 303
    page = browser.get(f"/e/customer/{customer}")
    assert page.status_code == 200
    assert "/restore" in page.text
    assert "/edit" not in page.text
    assert browser.post(f"/e/customer/{customer}/restore").status_code == 303
    assert "/edit" in browser.get(f"/e/customer/{customer}").text


def test_what_others_refer_to_stays_and_says_why(site: Site, customer: int, contract: int) -> None:
    browser = site.browser("chen")
    version = {"version": re.findall(
        r'name="version" value="(\d+)"', browser.get(f"/e/customer/{customer}").text
    )[0]}  # fmt: skip
    answer = browser.post(f"/e/customer/{customer}/delete", version)
    assert answer.status_code == 303
    assert "note-error" in browser.get(f"/e/customer/{customer}").text


def test_a_contract_goes_through_its_approval(site: Site, contract: int) -> None:
    author, manager = site.browser("wang"), site.browser("li")
    page = author.get(f"/e/contract/{contract}").text
    assert 'value="submit"' in page
    sent = author.post(f"/e/contract/{contract}/fire", {"event": "submit", "version": "1"})
    assert sent.status_code == 303
    assert "刚刚到达" in manager.get("/approvals").text
    page = manager.get(f"/e/contract/{contract}").text
    assert re.search(r'action="/acme/approvals/\d+"', page)
    assert "销售经理审批" in page
    assert 'value="withdraw"' not in page  # that is the author's
    locked = author.get(f"/e/contract/{contract}/edit").text
    assert 'name="f_title"' not in locked
    assert 'name="f_remark"' in locked


def test_a_task_can_be_passed_on(site: Site, contract: int) -> None:
    site.browser("wang").post(f"/e/contract/{contract}/fire", {"event": "submit", "version": "1"})
    manager = site.browser("li")
    page = manager.get(f"/e/contract/{contract}").text
    task = re.findall(r'value="task.transfer"><input type="hidden" name="task" value="(\d+)"', page)
    people = manager.get("/e/contract/lookup/@user?q=陈").get_json()["items"]
    form = {"event": "task.transfer", "task": task[0], "to": str(people[0]["value"])}
    form |= {"version": "2", "comment": "出差,请代办"}
    assert manager.post(f"/e/contract/{contract}/fire", form).status_code == 303
    assert re.search(
        r'action="/acme/approvals/\d+"', site.browser("chen").get(f"/e/contract/{contract}").text
    )


def test_stars_come_and_go(site: Site, customer: int) -> None:
    browser = site.browser("wang")
    for on in ("1", "0"):
        browser.post(f"/e/customer/{customer}/star", {"on": on})
        shown = "true" if on == "1" else "false"
        assert f'aria-pressed="{shown}"' in browser.get(f"/e/customer/{customer}").text


def test_a_stale_event_changes_nothing(site: Site, contract: int) -> None:
    browser = site.browser("wang")
    answer = browser.post(f"/e/contract/{contract}/fire", {"event": "submit", "version": "7"})
    assert answer.status_code == 409
    page = answer.text
    assert "note-error" in page
    assert 'value="submit"' in page


# --- files -------------------------------------------------------------------------------------
def upload(browser: Browser, contract: int, version: int, name: str) -> Any:
    """Attach a file to the contract."""
    data = {
        "version": str(version),
        "f_files-upload": (io.BytesIO(b"%PDF-1.7 content"), name),
    }
    return browser.post(f"/e/contract/{contract}/edit", data, content_type="multipart/form-data")


def test_files_are_attached_and_only_ever_downloaded(site: Site, contract: int) -> None:
    browser = site.browser("wang")
    assert upload(browser, contract, 1, "合同 扫描件.pdf").status_code == 303
    page = browser.get(f"/e/contract/{contract}").text
    place = re.findall(r'href="/acme(/e/@file/\d+)"', page)[0]
    got = browser.get(place)
    assert got.data == b"%PDF-1.7 content"
    assert got.headers["Content-Disposition"].startswith("attachment;")
    assert "filename*=UTF-8''%E5%90%88" in got.headers["Content-Disposition"]
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert site.browser("sun").get(place).status_code == 404


def test_a_file_survives_a_form_with_problems(site: Site, contract: int) -> None:
    browser = site.browser("wang")
    data = {
        "version": "1",
        "f_title": "",
        "f_files-upload": (io.BytesIO(b"%PDF-1.7 x"), "a.pdf"),
    }
    answer = browser.post(f"/e/contract/{contract}/edit", data, content_type="multipart/form-data")
    assert answer.status_code == 422
    assert re.search(r'name="f_files" value="\d+" checked><span>a.pdf', answer.text)
