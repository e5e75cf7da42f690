"""Boards and calendars: the same list, drawn otherwise, and cards that move only where they may."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from tests.companies import Served, Visitor
from tests.integration.records_world import ALL, PACK, entity, money, text
from tests.web import Site

from dougong.installation import Installation, Listing
from dougong.settings import load_settings
from dougong.setup import create_company
from engine.records import reading, writing
from engine.records.people import create_user
from engine.records.unit import SYSTEM

STAGES = ("new", "open", "won", "lost")
HIDDEN = {"clerk": {"read": False}}
JOB = entity(
    "job",
    "{name}",
    {
        "name": {"type": "string", "title": "Name"},
        "stage": {
            "title": "Stage",
            "type": ["string", "null"],
            "oneOf": [
                {"const": one, "title": one.title(), "x-ui": {"color": "teal"}} for one in STAGES
            ],
            "x-access": HIDDEN,
        },
        "price": money("Price"),
        "owner": {**text("Owner"), "x-type": "user"},
        "starts": {
            "type": ["string", "null"],
            "title": "Starts",
            "format": "date-time",
            "x-access": {"clerk": {"write": False}},
        },
        "due": {"type": ["string", "null"], "title": "Due", "format": "date", "x-access": HIDDEN},
    },
    required=["name"],
    **{
        "x-rules": {"won_is_paid": {"when": "stage == 'won'", "require": ["price"]}},
        "x-access": {
            "boss": ALL,
            "clerk": {"read": True, "write": True, "create": True},
            "guard": {"read": True},
        },
        "x-list": {
            "columns": ["name", "price", "owner", "due"],
            "sort": ["name"],
            "board": "stage",
            "calendar": ["starts", "due"],
        },
    },
)
ROLES = {name: {"title": name.title()} for name in ("boss", "clerk", "guard")}


@pytest.fixture(scope="module")
def prepared_yard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("yard")
    installation = Installation(load_settings(data))
    pack = {**PACK, "name": "yard", "roles": {"admin": {"title": "Admin", "admin": True}, **ROLES}}
    sources = {
        "entity_defs/yard/pack.json": json.dumps(pack),
        "entity_defs/yard/job.json": json.dumps(JOB),
    }
    company = create_company(installation, Listing("yard", "", "yard"), sources)
    with company.unit(SYSTEM, write=True) as unit:
        for role in ROLES:
            create_user(unit, role, role.title(), roles=[role])
    installation.close()
    return data


@pytest.fixture
def yard(prepared_yard: Path, tmp_path: Path) -> Iterator[Served]:
    data = tmp_path / "yard"
    shutil.copytree(prepared_yard, data)
    found = Served.open(data)
    yield found
    found.installation.close()


def put(yard: Served, **values: Any) -> int:
    """A job; its id."""
    with yard.company("yard").unit(SYSTEM, write=True) as unit:
        return int(writing.create(unit, "job", values)["id"])


def job(yard: Served, id: int) -> dict[str, Any]:
    with yard.company("yard").unit(SYSTEM) as unit:
        return reading.read(unit, "job", id)


def column(page: str, value: str) -> str:
    """The part of a board that is one column."""
    found = re.search(
        rf'<section class="board-column"[^>]*data-column="{value}".*?</section>', page, re.S
    )
    assert found is not None, value
    return found[0]


def targets(page: str) -> list[str]:
    return re.findall(r'data-to="(\w*)"', page)


def notes(visitor: Visitor) -> str:
    found = re.findall(r"data-note>.*?<div>(.*?)</div>", visitor.text("/e/job?view=board"), re.S)
    return " ".join(found)


# --- the board ---------------------------------------------------------------------------------
def test_columns_are_the_options_in_order(yard: Served) -> None:
    put(yard, name="a", stage="new", price="10.50", owner=yard.actor("yard", "boss").id)
    put(yard, name="b", stage="new", price="4.50")
    put(yard, name="c", stage="open")
    page = yard.visitor("yard", "boss").text("/e/job?view=board")
    assert re.findall(r'data-column="(\w*)"', page) == list(STAGES)
    first = column(page, "new")
    assert re.findall(r'class="board-title"[^>]*>(\w+)<', first) == ["a", "b"]
    assert '<span class="count">2</span>' in first
    assert "15.00" in first
    assert "10.50" in first
    assert "Boss" in first
    assert "No records here" in column(page, "lost")


def test_what_has_no_option_is_not_lost(yard: Served) -> None:
    put(yard, name="a", stage="new")
    put(yard, name="b")
    page = yard.visitor("yard", "boss").text(
        "/e/job?view=board&where=[%22name%22,%22ne%22,%22x%22]"
    )
    assert re.findall(r'class="board-title"[^>]*>(\w+)<', column(page, "")) == ["b"]


def test_filters_and_search_hold_on_the_board_and_more_leads_to_the_list(yard: Served) -> None:
    for at in range(23):
        put(yard, name=f"job {at:02}", stage="new", price=at)
    put(yard, name="else", stage="new", price=1)
    visitor = yard.visitor("yard", "boss")
    page = visitor.text("/e/job?view=board&q=job&f.price.ge=1")
    first = column(page, "new")
    assert first.count('class="board-card"') == 20
    assert '<span class="count">22</span>' in first
    more = re.search(r'class="board-more" href="/yard([^"]*)"', first)
    assert more is not None
    rest = visitor.text(more[1].replace("&amp;", "&"))
    assert "22 records" in rest
    assert 'name="view" value="board"' in page  # searching and filtering stay on the board
    assert 'href="/yard/e/job?f.price.ge=1&amp;q=job"' in page  # the table, with the same filters


def test_a_card_moves_and_its_version_counts(yard: Served) -> None:
    id = put(yard, name="a", stage="new")
    visitor = yard.visitor("yard", "boss")
    menu = visitor.text(f"/e/job/{id}/moves?back=q%3Da%26view%3Dboard")
    assert targets(menu) == ["open", "won", "lost"]
    posted = [("to", "open"), ("version", "1"), ("back", "q=a&view=board")]
    answer = visitor.form(f"/e/job/{id}/move", posted)
    assert answer.status_code == 303
    assert answer.location == f"/yard/e/job?q=a&view=board#card-{id}"
    assert job(yard, id)["stage"] == "open"
    assert "a: Open" in notes(visitor)
    visitor.form(f"/e/job/{id}/move", [("to", "lost"), ("version", "1")])
    assert job(yard, id)["stage"] == "open"
    assert notes(visitor)


@pytest.mark.parametrize(("to", "version"), [("won", "1"), ("nowhere", "1"), ("open", "")])
def test_a_refused_card_stays_and_says_why(yard: Served, to: str, version: str) -> None:
    id = put(yard, name="a", stage="new")
    visitor = yard.visitor("yard", "boss")
    assert visitor.form(f"/e/job/{id}/move", [("to", to), ("version", version)]).status_code == 303
    assert job(yard, id)["stage"] == "new"
    assert notes(visitor)


def test_who_may_not_write_has_no_menu(yard: Served) -> None:
    id = put(yard, name="a", stage="new")
    visitor = yard.visitor("yard", "guard")
    assert "data-moves" not in visitor.text("/e/job?view=board")
    assert targets(visitor.text(f"/e/job/{id}/moves")) == []
    visitor.form(f"/e/job/{id}/move", [("to", "open"), ("version", "1")])
    assert job(yard, id)["stage"] == "new"


def test_a_hidden_field_makes_no_board(yard: Served) -> None:
    id = put(yard, name="a", stage="new", due="2026-11-03")
    visitor = yard.visitor("yard", "clerk")
    page = visitor.text("/e/job?view=board")
    assert "This list has no such display." in page
    assert "view=board" not in page
    assert "Won" not in page
    assert visitor.get(f"/e/job/{id}/moves").status_code == 404
    assert visitor.form(f"/e/job/{id}/move", [("to", "won"), ("version", "1")]).status_code == 404
    refused = visitor.text("/e/job?view=calendar&by=due&month=2026-11")
    assert "R101" not in refused
    assert "cal-title" not in refused
    assert re.findall(r"by=\w+", refused) == []
    assert yard.visitor("yard").get("/e/job/999/moves").status_code == 404


def test_saved_lists_keep_the_display(yard: Served) -> None:
    visitor = yard.visitor("yard", "boss")
    args = "f.price.ge=1&view=calendar&by=due&month=2026-03"
    visitor.form("/e/job/views", [("name", "Due"), ("args", args)])
    page = visitor.text("/e/job")
    assert 'href="/yard/e/job?f.price.ge=1&amp;view=calendar&amp;by=due">Due</a>' in page
    page = visitor.text("/e/job?f.price.ge=1&view=calendar&by=due&month=2026-04")
    assert re.search(r'by=due" aria-current="page">Due<', page)


def test_a_board_takes_few_statements(yard: Served) -> None:
    for at in range(120):
        put(yard, name=f"job {at:03}", stage=STAGES[at % 4], price=at)
    visitor = yard.visitor("yard", "boss")
    visitor.text("/e/job?view=board")
    begun = process_time()
    visitor.text("/e/job?view=board")
    assert process_time() - begun < 0.3  # less than 0.1 s on a quiet machine


# --- moved by a workflow -----------------------------------------------------------------------
def test_the_workflow_says_where_a_card_may_go(site: Site) -> None:
    with site.company.unit(SYSTEM, write=True) as unit:
        create_user(unit, "he", "何静", roles=["service_lead"])
    customer = site.create("customer", kind="organisation", name="晨光", status="trading")
    told = {
        "customer": customer,
        "channel": "phone",
        "kind": "service",
        "severity": "low",
        "content": "等了很久",
        "received_at": "2026-11-20T08:00:00Z",
        "promised_reply_at": "2026-11-20T16:30:00Z",
    }
    first = site.create("complaint", login="he", title="一", **told)
    told |= {"solved_on_spot": True, "solution": "换房"}
    second = site.create("complaint", login="he", title="二", **told)
    browser = site.browser("he")
    menus = [browser.get(f"/e/complaint/{id}/moves").text for id in (first, second)]
    assert [targets(menu)[0] for menu in menus] == ["open", "awaiting_customer"]
    assert 'name="event" value="accept" data-to="open"' in menus[0]
    assert re.search(rf'href="/acme/e/complaint/{first}" data-to="discarded"', menus[0])
    browser.post(f"/e/complaint/{first}/move", {"event": "accept", "version": "1"})
    browser.post(f"/e/complaint/{second}/move", {"event": "accept", "version": "7"})
    browser.post(f"/e/complaint/{second}/move", {"event": "reply", "version": "1"})
    browser.post(f"/e/complaint/{second}/move", {"to": "closed", "version": "1"})
    with site.company.unit(SYSTEM) as unit:
        states = [reading.read(unit, "complaint", id)["status"] for id in (first, second)]
    assert states == ["open", "received"]
    boss = site.browser("chen").get(f"/e/complaint/{first}/moves").text
    assert targets(boss) == []
    # half past four in the afternoon of Greenwich is the next day here
    page = browser.get("/e/complaint?view=calendar&month=2026-11").text
    assert "00:30" in day(page, "2026-11-21")
    assert "cal-entries" not in day(page, "2026-11-20")


# --- the calendar ------------------------------------------------------------------------------
def day(page: str, date: str) -> str:
    """The part of a calendar that is one day."""
    found = re.search(
        rf'<li class="cal-day[^>]*>\s*<div class="cal-date"><time datetime="{date}"'
        r'.*?(?=<li class="cal-day|</ol>)',
        page,
        re.S,
    )
    assert found is not None, date
    return found[0]


def test_days_of_the_companys_zone(yard: Served) -> None:
    put(yard, name="late", starts="2026-10-31T15:59:59Z")  # 23:59:59 in Shanghai
    put(yard, name="first", starts="2026-10-31T16:00:00Z")
    put(yard, name="last", starts="2026-11-30T15:59:00Z")
    page = yard.visitor("yard", "boss").text("/e/job?view=calendar&month=2026-11")
    assert "23:59" in day(page, "2026-10-31")
    assert "late" in day(page, "2026-10-31")
    assert "00:00" in day(page, "2026-11-01")
    assert "last" in day(page, "2026-11-30")
    assert "month=2026-10" in page
    assert "month=2026-12" in page


def test_a_full_day_leads_to_its_list(yard: Served) -> None:
    for at in range(6):
        put(yard, name=f"job {at}", due="2026-11-03")
    visitor = yard.visitor("yard", "boss")
    page = visitor.text("/e/job?view=calendar&by=due&month=2026-11&q=job")
    found = day(page, "2026-11-03")
    assert found.count("cal-title") == 4
    more = re.search(r'class="cal-more" href="/yard([^"]*)">2 more', found)
    assert more is not None
    assert "6 records" in visitor.text(more[1].replace("&amp;", "&"))


def test_full_months_are_read_day_by_day(yard: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in range(6):
        put(yard, name=f"job {at}", due="2026-11-03")
    put(yard, name="end", due="2026-11-30")
    visitor = yard.visitor("yard", "boss")
    plain = visitor.text("/e/job?view=calendar&by=due&month=2026-11")
    monkeypatch.setattr("dougong.views.calendars.AT_ONCE", 2)
    assert visitor.text("/e/job?view=calendar&by=due&month=2026-11") == plain


def test_a_day_begins_a_new_record_for_those_who_may(yard: Served) -> None:
    boss, clerk = yard.visitor("yard", "boss"), yard.visitor("yard", "clerk")
    page = boss.text("/e/job?view=calendar&by=due&month=2026-11")
    link = re.search(r'class="cal-new" href="/yard([^"]*)"', day(page, "2026-11-03"))
    assert link is not None
    assert 'value="2026-11-03"' in boss.text(link[1])
    timed = boss.text("/e/job?view=calendar&month=2026-11")
    link = re.search(r'class="cal-new" href="/yard([^"]*)"', day(timed, "2026-11-03"))
    assert link is not None
    assert 'value="2026-11-03T09:00"' in boss.text(link[1])
    assert "cal-new" not in clerk.text("/e/job?view=calendar&month=2026-11")


@pytest.mark.parametrize("month", ["2026-13", "0000-01", "9999-12", "nonsense", "２０２６-01"])
def test_what_is_no_month_is_told(yard: Served, month: str) -> None:
    page = yard.visitor("yard", "boss").text(f"/e/job?view=calendar&month={month}")
    assert "is not a month such as 2026-11" in page
    assert 'aria-current="date"' in page


def test_only_declared_displays_are_offered(site: Site) -> None:
    browser = site.browser("chen")
    page = browser.get("/e/product").text
    assert 'class="modes"' not in page
    for view in ("board", "calendar", "gallery"):
        assert "这个列表没有这种显示方式。" in browser.get(f"/e/product?view={view}").text
    assert "view=calendar" in browser.get("/e/receivable").text
    assert "view=board" not in browser.get("/e/receivable").text
