"""The bell, a person's notices and settings, and the administrators' page of channels."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.integration.notice_world import Receiver, receiver
from tests.web import Browser, Site

from dougong.channels import ChannelSender
from dougong.settings import Settings
from engine.records import notices
from engine.records.notices import company_channels
from engine.records.people import actor_of, create_user
from engine.records.unit import SYSTEM

SECRET = "c4n4ry-s3cret-value"


@pytest.fixture
def web() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def admin(site: Site) -> Browser:
    """An administrator; private hosts may be called, for the tests' receivers."""
    data = site.installation.settings.data
    site.app.extensions["channels"] = ChannelSender.of(Settings(data, b"", private_hosts="1"))
    with site.company.unit(SYSTEM, write=True) as unit:
        create_user(unit, "root", "Root", roles=["admin"])
    return site.browser("root", "en")


def tell(site: Site, login: str, count: int = 1, kind: str = "system") -> None:
    record = site.create("customer", "wang", name="Acme", owner=site.person("wang"))
    with site.company.unit(SYSTEM, write=True) as unit:
        for number in range(count):
            words = {"en": f"News {number} <b>"}
            who, key = [site.person(login)], f"{kind}{number}"
            notices.tell(unit, who, kind, key, words, words, entity="customer", record=record)


def unread(site: Site, login: str) -> int:
    with site.company.database.read() as connection:
        actor = actor_of(connection, site.person(login))
    assert actor is not None
    with site.company.unit(actor) as unit:
        return notices.unread(unit)


def test_the_bell_counts_and_looking_changes_nothing(site: Site) -> None:
    tell(site, "wang", 3)
    wang = site.browser("wang", "en")
    page = wang.get("/").get_data(as_text=True)
    assert 'aria-label="Notifications (3)"' in page
    for path in ("/notifications", "/notifications/count", "/notifications?show=unread"):
        assert wang.get(path).status_code == 200
    assert wang.get("/notifications/count").json == {"unread": 3}
    assert wang.get("/notifications/read").status_code == 405
    assert unread(site, "wang") == 3
    page = wang.get("/notifications").get_data(as_text=True)
    assert "News 2 &lt;b&gt;" in page
    assert "<b>" not in page
    (link,) = set(re.findall(r'href="(/acme/e/customer/\d+)"', page))
    assert site.browser("wang").client.get(link).status_code == 200  # as from a mail
    assert unread(site, "wang") == 3


def test_marking_as_read_is_a_post_of_ones_own(site: Site) -> None:
    tell(site, "wang", 3)
    wang, sun = site.browser("wang", "en"), site.browser("sun", "en")
    page = wang.get("/notifications").get_data(as_text=True)
    ids = re.findall(r'name="id" value="(\d+)"', page)
    assert len(ids) == 3
    assert sun.post("/notifications/read", {"id": ids[0]}).status_code == 303
    assert unread(site, "wang") == 3
    assert wang.client.post("/acme/notifications/read", data={"id": ids[0]}).status_code == 400
    answer = wang.post("/notifications/read", {"id": ids[0], "next": "https://evil.example/"})
    assert answer.location == "/acme/"
    assert unread(site, "wang") == 2
    answer = wang.post("/notifications/read", {"id": ids[1]}, {"X-Requested-With": "fetch"})
    assert answer.status_code == 204
    wang.post("/notifications/read", {"all": "1"})
    assert unread(site, "wang") == 0
    assert "You have read everything" in wang.get("/notifications?show=unread").get_data(
        as_text=True
    )


def test_pages_of_notices(site: Site) -> None:
    tell(site, "wang", 35)
    wang = site.browser("wang", "en")
    first = wang.get("/notifications").get_data(as_text=True)
    assert first.count('class="notice fresh"') == 30
    (older,) = re.findall(r'href="/acme(/notifications\?before=\d+)"', first)
    assert wang.get(older).get_data(as_text=True).count('class="notice fresh"') == 5
    assert wang.get("/notifications?before=999999999999999999999").status_code == 200


def test_strangers_see_no_notices(site: Site) -> None:
    client = site.app.test_client()
    assert client.get("/acme/notifications").status_code == 302
    asked = client.get(
        "/acme/notifications/count", headers={"HX-Request": "true", "Accept": "application/json"}
    )
    assert asked.status_code == 401


def test_settings_are_kept(site: Site, admin: Browser) -> None:
    admin.post("/admin/channels/new/email", {"name": "Mail"})
    wang = site.browser("wang", "en")
    page = wang.get("/notifications/settings").get_data(as_text=True)
    assert "cannot reach you" in page  # no address
    (field,) = set(re.findall(r'name="(channel\.\d+)"', page))
    given = {field: ["approval", "overdue"], "start": "22:00", "end": "07:30", "weekends": "1"}
    assert wang.post("/notifications/settings", given).status_code == 303
    page = wang.get("/notifications/settings").get_data(as_text=True)
    assert re.findall(r'name="channel\.\d+" value="(\w+)" checked', page) == ["approval", "overdue"]
    assert 'value="22:00"' in page
    assert 'value="07:30"' in page
    assert re.search(r'name="weekends" value="1" checked', page)
    assert not re.search(r'name="urgent" value="1" checked', page)
    refused = wang.post("/notifications/settings", {"start": "22:00", "end": "late"})
    assert refused.status_code == 422
    assert "is not a time of day" in refused.get_data(as_text=True)


def test_channels_are_for_administrators(site: Site) -> None:
    wang = site.browser("wang", "en")
    for path in ("", "/new/webhook", "/1"):
        assert wang.get(f"/admin/channels{path}").status_code == 404
    for path in ("/new/webhook", "/1", "/1/switch", "/1/remove", "/1/test"):
        assert wang.post(f"/admin/channels{path}", {}).status_code == 404


def test_a_channel_is_set_up_tried_and_switched_off(
    site: Site, admin: Browser, web: Receiver
) -> None:
    assert "DingTalk group robot" in admin.get("/admin/channels").get_data(as_text=True)
    given = {"name": "erp", "url": "not an address", "secret": SECRET, "role": "manager"}
    refused = admin.post("/admin/channels/new/webhook", given)
    assert refused.status_code == 422
    assert "is not an address" in refused.get_data(as_text=True)
    assert SECRET not in refused.get_data(as_text=True)
    made = admin.post("/admin/channels/new/webhook", {**given, "url": f"{web.url}/in"})
    assert made.status_code == 303
    here = made.location.removeprefix("/acme")
    page = admin.get(here).get_data(as_text=True)
    assert SECRET not in page
    assert "•••• set" in page
    admin.post(f"{here}/test")
    assert "was accepted" in admin.get(here).get_data(as_text=True)
    assert b"Root tried out the channel" in web.posts[0].body
    web.answers = [(500, b"<secret page>")]
    admin.post(f"{here}/test")
    page = admin.get(here).get_data(as_text=True)
    assert "did not arrive: The receiver answered with status 500" in page
    assert "secret page" not in page
    admin.post(here, {"name": "erp 2", "url": f"{web.url}/in", "secret": ""})
    with site.company.database.read() as connection:
        (found,) = company_channels.channels(connection)
    assert (found.name, found.config) == ("erp 2", {"url": f"{web.url}/in", "secret": SECRET})
    admin.post(f"{here}/switch", {"on": "0"})
    assert "nothing is sent by it" in admin.get(here).get_data(as_text=True)
    admin.post(f"{here}/remove")
    assert admin.get(here).status_code == 404


def test_mail_says_what_the_operator_has_to_set(admin: Browser) -> None:
    page = admin.get("/admin/channels/new/email").get_data(as_text=True)
    assert "DOUGONG_SMTP_URL is not set" in page


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_pages_are_there_in_both_languages(site: Site, admin: Browser, language: str) -> None:
    root = site.browser("root", language)
    for path in ("/notifications", "/notifications/settings", "/admin/channels"):
        assert root.get(path).status_code == 200
    for kind in ("email", "webhook", "wecom", "dingtalk"):
        assert root.get(f"/admin/channels/new/{kind}").status_code == 200
    assert root.get("/admin/channels/new/pigeon").status_code == 404
