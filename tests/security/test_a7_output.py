"""A7 What people and packs write is shown as text, whatever it is; what they upload is never run;
what goes into a header stays there."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from email import message_from_bytes
from email.policy import SMTP, default
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from tests.companies import Visitor
from tests.security.hostile import SCRIPTS, Dressed, plain, together
from tests.security.inventory import addresses
from tests.security.scale import FULL
from tests.security.world import World
from tests.unit.fields.making import bound

from dougong.channels.email import is_address, is_sender, written
from engine.fields import BadValue, Names
from engine.hooks import GiveUp, Message
from engine.tables import system

ALONE: Final = {name: f"a/b {text}" for name, text in SCRIPTS.items()}  # found by no search either
TEXTS: Final = {**together(), **(ALONE if FULL else {})}
Way = tuple[str, str]


def ways(dressed: Dressed) -> Iterator[Way]:
    """Every address that gives a page, and requests that say back what was sent."""
    world, said = dressed.world, dressed.said
    keys, app = world.keys, world.served.app
    alice = world.served.actor("t1", "alice").id
    place = dressed.ids(system.DEPARTMENT)[0]
    fixed = {"company": "t1", "user": alice, "role": "sales", "department": place, "key": "some",
             "workflow": "contract_life", "version": dressed.ids(system.VERSION)[0],
             "kind": "webhook", "file": dressed.ids(system.FILE)[0],
             "task": dressed.ids(system.WF_TASK)[0]}  # fmt: skip
    some = [("customer", keys["customer-c1"]), ("contract", keys["contract-k2"]),
            ("note", keys["note-n1"])]  # fmt: skip
    found = {}
    for entity, id in some:
        for door, path in addresses(app, **fixed, entity=entity, id=id, instance=id):
            if door.method == "GET" and "logout" not in path and "/static/" not in path:
                found[path] = door.endpoint
    yield from ((path, path) for path in found)
    for table, path in ((system.WF_TASK, "/t1/approvals/{}"),
                        (system.WF_INSTANCE, "/t1/admin/cases/{}"),
                        (system.CHANNEL, "/t1/admin/channels/{}"),
                        (system.USER, "/t1/admin/users/{}"),
                        (system.DEPARTMENT, "/t1/admin/departments/{}")):  # fmt: skip
        for id in dressed.ids(table)[:3]:
            yield path.format(id), path.format(id)
    sent = quote(said.replace("/", ""), safe="")  # which would be another place
    for view in ("board", "calendar", "table"):
        yield f"view {view}", f"/t1/e/customer?view={view}&size=100"
        yield f"contracts {view}", f"/t1/e/contract?view={view}"
    for name in ("q", "sort", "cols", "f.name.contains", "f.level", f"f.{sent}", "where", "size",
                 "after", "view", sent):  # fmt: skip
        yield f"list {name.replace(sent, '…')}", f"/t1/e/customer?{name}={sent}"
    for path in ("/t1/search?q=", "/t1/search/suggest?q=", "/t1/e/", "/t1/", "/", "/t1/e/customer/",
                 "/t1/login?next=", "/t1/once/", "/t1/e/contract/lookup/customer?q=",
                 "/t1/admin/workflows/", "/t1/admin/users?q=", "/t1/admin/logs/security?kind=",
                 "/t1/admin/cases/list?q=", "/t1/admin/permissions?entity=",
                 "/t1/ops/users/?search=",
                 "/t1/admin/view-as?user=", "/t1/admin/permissions/roles/",
                 "/t1/approvals?tab="):  # fmt: skip
        yield f"path {path}", f"{path}{sent}"


POSTS: Final = {  # forms that are refused, and say why
    "/e/customer/new": {"f_name": "", "f_level": "SAID", "f_region": "SAID", "f_cost_price": "SAID",
                        "f_owner": "SAID", "f_next_visit": "SAID", "f_papers": "SAID"},
    "/e/customer/quick": {"f_name": "", "f_level": "SAID", "f_remark": "SAID"},
    "/e/customer/effects": {"f_name": "SAID", "f_level": "SAID"},
    "/e/customer/{c1}/edit": {"f_name": "", "f_remark": "SAID", "version": "1"},
    "/e/customer/{c1}/comment": {"comment": ""},
    "/e/contract/{k1}/fire": {"event": "SAID", "version": "1"},
    "/e/contract/new": {"f_title": "", "f_items-0.what": "SAID", "f_items-0.price": "SAID"},
    "/admin/users/new": {"login": "SAID", "name": "SAID", "email": "SAID"},
    "/admin/departments/new": {"name": "", "key": "SAID", "parent": "SAID"},
    "/admin/groups": {"key": "SAID", "name": "SAID"},
    "/admin/channels/new/webhook": {"name": "SAID", "url": "SAID"},
    "/admin/permissions/roles": {"name": "SAID", "title": "SAID"},
    "/admin/workflows/new": {"name": "SAID", "title": "SAID", "entity": "SAID"},
    "/admin/users/import": {"text": "SAID,SAID,SAID"},
    "/admin/workflows/contract_life/change": {"kind": "SAID", "id": "SAID"},
    "/e/customer/views": {"name": "CUT", "args": "q=SAID"},
    "/account/password": {"old": "SAID", "password": "SAID"},
    "/account/tokens/new": {"name": "SAID", "days": "SAID"},
    "/login": {"login": "SAID", "password": "SAID", "next": "SAID"},
    "/login/forgot": {"login": "SAID"},
}  # fmt: skip


def seen(dressed: Dressed) -> dict[str, tuple[int, Counter[str]]]:
    """The shapes of all pages, as an administrator sees them."""
    admin: Visitor = dressed.world.served.visitor("t1", "admin")
    for name, path in list(ways(dressed)):
        dressed.look(name, admin.client.get(path))
    keys = dressed.world.keys
    for path, form in POSTS.items():
        where = path.format(c1=keys["customer-c1"], k1=keys["contract-k1"])
        said = {"SAID": dressed.said, "CUT": dressed.said[:50]}
        sent = [(key, said.get(value, value.replace("SAID", dressed.said)))
                for key, value in form.items()]  # fmt: skip
        dressed.look(f"POST {path}", admin.form(where, sent))
    return dressed.pages


@pytest.fixture(scope="module")
def benign(
    still_open: World, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[int, Counter[str]]]:
    """What the pages look like when everything is called something harmless."""
    said = plain(max(TEXTS.values(), key=len))
    return seen(Dressed.make(tmp_path_factory.mktemp("benign"), said, still_open.keys))


@pytest.mark.parametrize("what", TEXTS)
def test_a7_1_a_script_is_a_text(
    still_open: World, benign: dict[str, tuple[int, Counter[str]]], tmp_path: Path, what: str
) -> None:
    """In the names of everything, in every value, in every address and in every form that is
    refused: the page has no element and no attribute that a harmless text would not have."""
    dressed = Dressed.make(tmp_path, TEXTS[what], still_open.keys)
    wrong = {}
    for name, (status, shape) in seen(dressed).items():
        assert status < 500, name
        usual, known = benign[name]
        if more := shape - known:
            wrong[name] = (usual, status, dict(more))
    dressed.world.close()
    assert not wrong
    assert dressed.echoed > 150, dressed.echoed


def test_a7_1_a_template_is_not_worked_out(still_open: World, tmp_path: Path) -> None:
    """A sum in braces stays a sum in braces."""
    dressed = Dressed.make(tmp_path, "{{1234*4321}} ${1234*4321} {1234*4321}", still_open.keys)
    admin = dressed.world.served.visitor("t1", "admin")
    for path in ("/e/customer", "/e/contract", "/", "/approvals", "/admin/workflows/contract_life",
                 f"/e/customer/{still_open.id('customer-c1')}", "/notifications"):  # fmt: skip
        page = admin.text(path)
        assert "5332114" not in page
        assert "{1234*4321}" in page, path
    dressed.world.close()


# --- A7.2 headers --------------------------------------------------------------------------------
def test_a7_2_every_page_forbids_scripts_of_others(still: World) -> None:
    clients = [still.served.visitor("t1", "admin").client, still.served.app.test_client()]
    pages = 0
    for door, path in addresses(still.served.app, company="t1", entity="customer"):
        if door.method != "GET":
            continue
        for client in clients:
            answer = client.get(path)
            rules = dict(
                part.strip().partition(" ")[::2]
                for part in answer.headers["Content-Security-Policy"].split(";")
            )
            assert rules["default-src"] == "'none'", path
            assert rules["script-src"] == rules["style-src"] == "'self'", path
            assert rules["base-uri"] == rules["frame-ancestors"] == "'none'", path
            assert rules["form-action"] == "'self'", path
            assert answer.headers["X-Content-Type-Options"] == "nosniff", path
            pages += answer.mimetype == "text/html"
    assert pages > 200


# --- A7.3 addresses ------------------------------------------------------------------------------
ADDRESSES: Final = (
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)",
    "java\nscript:alert(1)", "\x01javascript:alert(1)", "vbscript:x", "data:text/html,<script>",
    "data:image/svg+xml,<svg onload=x>", "file:///etc/passwd", "blob:https://x/1", "about:blank",
    "//example.com/", "/local", "https:example.com", "http:///x", "view-source:https://x/",
    "https://exa mple.com/", "https://example.com/\r\nx: y", "ftp://example.com/", "\\\\host\\x",
    "https://", "intent://x#Intent;end", "feed:javascript:x", "jar:https://x!/y",
)  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_a7_3_an_address_leads_to_the_web_or_nowhere(address: str) -> None:
    kind = bound("url")
    try:
        value = kind.parse(address)
    except BadValue:
        return
    cell = kind.cell(value, "en", Names({}))
    assert kind.problems(value) or re.fullmatch(r"https?://[a-z][!-~]+", str(value)), value
    assert not cell.href or re.match(r"https?://", cell.href), cell.href


# --- A7.4 uploads --------------------------------------------------------------------------------
PNG: Final = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000")
UPLOADS: Final[Mapping[str, tuple[str, bytes]]] = {
    "a page": ("x.html", b"<script>alert(1)</script>"),
    "a vector": ("x.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
    "a page called a picture": ("x.png", b"<html><script>alert(1)</script>"),
    "a vector called a picture": ("x.jpg", b"<svg onload=alert(1)>"),
    "a script": ("x.js", b"alert(1)"),
    "a page of another name": ("x.xhtml", b"<html xmlns='http://www.w3.org/1999/xhtml'/>"),
    "a program": ("x.exe", b"MZ\x90\x00"),
    "two endings": ("x.png.html", PNG),
    "an ending in capitals": ("x.HTML", b"<b>"),
    "an ending with a blank": ("x.html ", b"<b>"),
    "an ending with a dot": ("x.html.", b"<b>"),
    "an ending behind a nul": ("x.html\x00.png", b"<b>"),
    "markup": ("x.xml", b"<?xml version='1.0'?><x:script xmlns:x='http://www.w3.org/1999/xhtml'/>"),
    "text that is a page": ("x.txt", b"<html><script>alert(1)</script>"),
    "a picture": ("x.png", PNG),
    "a document": ("x.pdf", b"%PDF-1.7 /JS (app.alert(1))"),
    "a web archive": ("x.mht", b"MIME-Version: 1.0"),
    "a shortcut": ("x.lnk", b"L\x00\x00\x00"),
    "a folder": ("x.htaccess", b"AddType text/html .png"),
    "nothing": ("", b"x"),
}


@pytest.mark.parametrize("what", UPLOADS)
def test_a7_4_what_is_uploaded_is_only_ever_downloaded(kept: World, what: str) -> None:
    """Refused, or kept and handed out as a file that no browser opens in our name."""
    name, content = UPLOADS[what]
    admin, company = kept.served.visitor("t1", "admin"), kept.served.company("t1")
    form = {
        "f_name": f"upload {what}",
        "f_level": "a",
        "f_papers-upload": (io.BytesIO(content), name),
    }
    answer = admin.send("POST", "/e/customer/new", data=form, content_type="multipart/form-data")
    if what not in ("markup", "text that is a page", "a picture", "a document"):
        assert answer.status_code in (303, 422), answer.status_code
        if answer.status_code == 422:
            return
    with company.database.read() as connection:
        file = system.FILE.c
        row = connection.execute(sa.select(system.FILE).order_by(file.id.desc())).first()
    assert row is not None
    if row.record_id is None or answer.status_code != 303:
        pytest.fail("it was taken for no record")
    got = admin.get(f"/e/@file/{row.id}")
    if got.status_code == 200:
        assert got.mimetype == "application/octet-stream"
        assert got.headers["Content-Disposition"].startswith("attachment;")
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in got.headers["Content-Security-Policy"]


# --- A7.7 mail -----------------------------------------------------------------------------------
BREAKS: Final = ("a\r\nBcc: x@example.com", "a\nBcc: x@example.com", "a\rBcc: x@example.com",
                 "a\u2028Bcc: x@example.com", "a\x85Bcc: x", "a\x0bBcc: x", "a\x00b",
                 "=?utf-8?q?a=0D=0ABcc:_x@example.com?=", "==?utf-8?q?=0D=0ABcc:_x?=",
                 "=?utf-8?b?YQ0KQmNjOiB4QGV4YW1wbGUuY29tDQoNCmJvZHk=?=",
                 "a\r\n\r\n<script>")  # fmt: skip


@pytest.mark.parametrize("text", BREAKS)
def test_a7_7_a_mail_has_the_headers_we_give_it(text: str) -> None:
    usual = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version",
             "Content-Type"}  # fmt: skip
    whole = Message(
        key="k", title="t", text="x", link="https://w/a", to="a@example.com",
        name="Ann", language="en",
    )  # fmt: skip
    for part in ("title", "text", "name", "key", "link", "to"):
        changed: dict[str, Any] = {part: text}
        try:
            mail = written(replace(whole, **changed), "Work <w@example.com>", "w")
        except (GiveUp, ValueError):
            continue
        for policy in (default, SMTP):
            sent = mail.as_bytes(policy=policy).partition(policy.linesep.encode() * 2)[0]
            assert not re.search(rb"^Bcc:|^body|^<script", sent, re.MULTILINE), part
        again = message_from_bytes(mail.as_bytes(), policy=default)
        assert set(again.keys()) <= usual, (part, again.keys())
        assert not mail["Bcc"]
        assert len(again.get_all("To", [])) == len(again.get_all("Subject", [])) == 1
    assert not is_address(text)
    assert not is_sender(f"{text} <a@example.com>") or text.isprintable()
