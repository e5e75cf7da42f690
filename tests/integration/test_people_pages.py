"""The pages about agents, groups and handovers, and the commands beside them, as used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from tests.web import KEY, Browser, Site

from dougong.commands import cli
from engine.tables import system


def said(browser: Browser, path: str) -> str:
    found = browser.get(path)
    assert found.status_code == 200, found.status
    return found.get_data(as_text=True)


def rows(site: Site, table: sa.Table) -> list[dict[str, object]]:
    with site.company.database.read() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def test_somebody_goes_on_holiday_and_comes_back_early(site: Site) -> None:
    li = site.browser("li", "en")
    page = said(li, "/account/delegation")
    assert "/account/delegation" in said(li, "/account")
    assert "王敏" in page
    chen = str(site.person("chen"))
    sent = {"agent": chen, "since": "2030-01-01T09:00", "until": "2030-01-08T09:00", "scope": "all"}
    assert li.post("/account/delegation", sent).status_code == 303
    page = said(li, "/account/delegation")
    assert "陈国华" in page
    assert "2030-01-01 09:00" in page
    again = li.post("/account/delegation", sent)
    assert again.status_code == 422
    assert "already" in again.get_data(as_text=True)
    [row] = rows(site, system.WF_DELEGATION)
    assert site.browser("wang").post(f"/account/delegation/{row['id']}/end").status_code == 404
    assert li.post(f"/account/delegation/{row['id']}/end").status_code == 303
    assert "Earlier" in said(li, "/account/delegation")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"agent": ""}, "somebody else"),
        ({"until": "2020-01-01T00:00"}, "over already"),
        ({"since": "tomorrow"}, "no date"),
        ({"scope": "some"}, "Choose the workflows"),
    ],
)
def test_mistakes_are_told_where_they_are_and_nothing_is_kept(
    site: Site, more: dict[str, str], words: str
) -> None:
    li = site.browser("li", "en")
    sent = {"agent": str(site.person("chen")), "scope": "all", **more}
    found = li.post("/account/delegation", sent)
    assert found.status_code == 422
    assert words in found.get_data(as_text=True)
    assert rows(site, system.WF_DELEGATION) == []


def test_an_administrator_names_an_agent_for_somebody(site: Site) -> None:
    admin, li = site.browser("admin", "en"), site.person("li")
    assert "李强" in said(admin, f"/account/delegation?user={li}")
    sent = {"user": str(li), "agent": str(site.person("chen")), "scope": "all"}
    assert admin.post("/account/delegation", sent).status_code == 303
    assert rows(site, system.WF_DELEGATION)[0]["user_id"] == li
    wang = site.browser("wang")
    assert wang.get(f"/account/delegation?user={li}").status_code == 404
    assert wang.post("/account/delegation", sent).status_code == 404


def test_groups_are_kept_by_administrators(site: Site) -> None:
    admin = site.browser("admin", "en")
    assert "No groups yet" in said(admin, "/admin/groups")
    people = [str(site.person(login)) for login in ("li", "wu")]
    sent = {"key": "tender", "name": "Tender committee", "members": people}
    assert admin.post("/admin/groups", sent).status_code == 303
    page = said(admin, "/admin/groups")
    assert "Tender committee" in page
    assert "李强" in page
    bad = admin.post("/admin/groups", {**sent, "key": "Bad key"})
    assert bad.status_code == 422
    assert "Tender committee" in bad.get_data(as_text=True), "what was typed is kept"
    assert admin.post("/admin/groups/tender", {"name": "Tenders", "members": []}).status_code == 303
    assert rows(site, system.GROUP_MEMBER) == []
    assert "Tenders" in said(admin, "/admin/groups/tender")
    assert admin.post("/admin/groups/tender/remove").status_code == 303
    assert "No groups yet" in said(admin, "/admin/groups")


def test_a_handover_from_the_list_to_the_report(site: Site) -> None:
    admin = site.browser("admin", "en")
    wang, sun = site.person("wang"), site.person("sun")
    customer = site.create("customer", "wang", name="恒泰制造", owner=wang)
    assert "王敏" in said(admin, "/admin/handover")
    page = said(admin, f"/admin/handover/preview?user={wang}")
    assert "恒泰制造" in page
    keys = re.findall(r'name="sections" value="([\w.]+)" checked', page)
    assert "customer.owner" in keys
    without = admin.post(f"/admin/handover/{wang}", {"sections": keys})
    assert without.status_code == 422
    assert "Choose a successor" in without.get_data(as_text=True)
    sent = {"sections": keys, "to": str(sun), "note": "Leaves", "close": "1"}
    done = admin.post(f"/admin/handover/{wang}", sent)
    assert done.status_code == 303
    page = said(admin, done.location.removeprefix(f"/{KEY}"))
    assert "孙丽" in page
    assert "Leaves" in page
    table = site.company.current.tables.of("customer")
    with site.company.database.read() as connection:
        owner = sa.select(table.column("owner")).where(table.id == customer)
        assert connection.scalar(owner) == sun
        closed = sa.select(system.USER.c.disabled_at).where(system.USER.c.id == wang)
        assert connection.scalar(closed) is not None
    assert "王敏" in said(admin, "/admin/handover"), "a closed account can be chosen"
    assert "handed this record over" in said(site.browser("sun", "en"), f"/e/customer/{customer}")


@pytest.mark.parametrize(
    "path",
    [
        *("/admin/groups", "/admin/groups/new", "/admin/handover", "/admin/handover/done/1"),
        *("/admin/handover/preview?user=2", "/admin/calendar"),
    ],
)
def test_the_administrators_pages_are_not_there_for_others(site: Site, path: str) -> None:
    assert site.browser("chen").get(path).status_code == 404


def test_days_off_are_marked_and_taken_back(site: Site) -> None:
    admin = site.browser("admin", "en")
    page = said(admin, "/admin/calendar?year=2026")
    assert "2026" in page
    sent = {"day": "2026-10-09", "until": "2026-10-11", "mark": "off", "year": "2026"}
    assert admin.post("/admin/calendar", sent).status_code == 303
    [row] = [one for one in rows(site, system.SETTING) if one["key"] == "calendar.days"]
    assert row["value"] == {f"2026-10-{day:02}": "off" for day in (9, 10, 11)}
    assert admin.post("/admin/calendar", {**sent, "mark": ""}).status_code == 303
    [row] = [one for one in rows(site, system.SETTING) if one["key"] == "calendar.days"]
    assert row["value"] == {}
    assert admin.post("/admin/calendar", {**sent, "day": "soon"}).status_code == 422


def test_closing_an_account_in_the_back_office_ends_sessions_and_moves_tasks(site: Site) -> None:
    admin, li = site.browser("admin", "en"), site.browser("li")
    assert li.get("/").status_code == 200
    admin.get("/ops/users/")
    sent = {"id": str(site.person("li")), "closed": "1"}
    assert admin.post("/ops/users/close", sent).status_code == 302
    assert li.get("/").status_code == 302
    assert [row["entity"] for row in rows(site, system.HISTORY)][-1] == "@user"


def test_the_command_counts_first_and_hands_over_then(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOUGONG_LANG", "en")
    site.create("customer", "wang", name="恒泰制造", owner=site.person("wang"))
    data = str(Path(site.installation.settings.data))
    base = ["people", "handover", KEY, "--data", data, "--from", "wang", "--to", "sun"]
    run = CliRunner().invoke(cli, [*base, "--dry-run"], catch_exceptions=False)
    assert run.exit_code == 0
    assert "customer.owner" in run.output
    assert rows(site, system.HANDOVER) == []
    run = CliRunner().invoke(cli, [*base, "--note", "gone"], catch_exceptions=False)
    assert "wang → sun: 1" in run.output
    assert len(rows(site, system.HANDOVER)) == 1
