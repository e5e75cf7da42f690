"""Several companies of different trades on one installation, served, with browsers to use them."""

from __future__ import annotations

import hashlib
import html
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest import mock

from flask import Flask
from flask.testing import FlaskClient
from tests.compiled import PAGES
from tests.integration import records_world
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from dougong.app import create_app
from dougong.commands import main
from dougong.installation import Installation, Listing, packs_roots
from dougong.security import SESSION_COOKIE
from dougong.settings import load_settings
from dougong.setup import create_company
from dougong.startup import start_plugins
from engine.accounts.sessions import start_session
from engine.packs import load_company
from engine.records.company import Company
from engine.records.people import actor_of, create_user, find_user
from engine.records.unit import SYSTEM, Actor

TRADES = {"hotel": "hotel", "school": "training_school", "military": "military_supplier"}
# what reading may change: numbers taken, last seen; and what refusals leave
QUIET = {"dg_id_block", "dg_session", "dg_security", "dg_access"}

Form = list[tuple[str, str]]


def prepare_trades(data: Path) -> None:
    """One installation with a company of every shipped trade."""
    start_plugins()
    installation = Installation(load_settings(data))
    for key, pack in TRADES.items():
        model, sources, problems = load_company(packs_roots(), pack)
        assert model is not None, problems
        create_company(installation, Listing(key, "", pack), sources)
    installation.close()


def write_small_pack(root: Path, changes: Mapping[str, str] = {}) -> Path:
    """The small pack as files, laid out for reading; `changes` replace texts by path."""
    for path, text in (records_world.sources() | dict(changes)).items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        pretty = text if path in changes else json.dumps(json.loads(text), indent=2)
        place.write_text(pretty, encoding="utf-8")
    return root


def prepare_small(data: Path, url: str = "", schema: str = "") -> None:
    """A company of the small pack with a few people and two customers."""
    installation = Installation(load_settings(data))
    listing = Listing("small", "", "small", url, schema)
    company = create_company(installation, listing, records_world.sources(), "root")
    with company.unit(SYSTEM, write=True) as unit:
        for login, role in (("alice", "sales"), ("erin", "sales"), ("zoe", "auditor")):
            create_user(unit, login, login.title(), roles=[role])
    installation.close()


@dataclass
class Served:
    """An installation and the application that serves it."""

    installation: Installation
    app: Flask
    _browsers: dict[tuple[str, str], Visitor] = field(default_factory=dict)

    @classmethod
    def open(cls, data: Path) -> Served:
        """Serve what lies in `data`."""
        start_plugins()
        installation = Installation(load_settings(data))
        app = create_app(installation)
        app.testing = True
        app.jinja_env.bytecode_cache = PAGES
        app.config["PROPAGATE_EXCEPTIONS"] = False  # a fault is a 500 here, as it is outside
        return cls(installation, app)

    def company(self, key: str) -> Company:
        """The open company."""
        found = self.installation.company(key)
        assert found is not None
        return found

    def actor(self, key: str, login: str = "admin") -> Actor:
        """A person of the company."""
        with self.company(key).database.read() as connection:
            person = find_user(connection, login)
            assert person is not None
            actor = actor_of(connection, person["id"])
        assert actor is not None
        return actor

    def visitor(self, key: str, login: str = "admin") -> Visitor:
        """A logged-in browser, kept for the next call."""
        if (key, login) not in self._browsers:
            with self.company(key).database.write() as connection:
                person = find_user(connection, login)
                assert person is not None
                token = start_session(connection, person["id"], datetime.now(UTC), hours=1)
            client = self.app.test_client()
            client.set_cookie(SESSION_COOKIE, token, path=f"/{key}/")
            client.set_cookie("dg_lang", "en", path=f"/{key}/")
            self._browsers[key, login] = Visitor(client, key)
        return self._browsers[key, login]


@dataclass
class Visitor:
    """A browser in one company; sends the token that proves that a request is ours."""

    client: FlaskClient
    key: str
    token: str = ""

    def get(self, path: str, **more: Any) -> Any:
        """A page."""
        return self.client.get(f"/{self.key}{path}", **more)

    def text(self, path: str) -> str:
        """A page that has to be there, as text."""
        found = self.get(path)
        assert found.status_code == 200, (path, found.status_code)
        return found.get_data(as_text=True)

    def send(self, method: str, path: str, headers: Mapping[str, str] = {}, **more: Any) -> Any:
        """Any other request, with the token."""
        if not self.token:
            match = re.search(r'name="csrf-token" content="(\w+)"', self.text("/account"))
            assert match is not None
            self.token = match[1]
        headers = {"X-CSRF-Token": self.token, **headers}
        return self.client.open(f"/{self.key}{path}", method=method, headers=headers, **more)

    def api(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """A call of the API; a string goes out as it is."""
        sent = body if isinstance(body, str | bytes) else json.dumps(body)
        kind = more.pop("content_type", "application/json")
        return self.send(method, f"/api/v1{path}", data=sent, content_type=kind, **more)

    def form(self, path: str, data: Form) -> TestResponse:
        """A posted form."""
        found: TestResponse = self.send("POST", path, data=MultiDict(data))
        return found


class _Inputs(HTMLParser):
    """What a browser would post of a page's record form."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Form = []
        self._select, self._chosen, self._options = "", list[str](), list[str]()
        self._many = False
        self._area: str | None = None
        self._text = ""
        self._template = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        name = known.get("name", "")
        if tag == "template":
            self._template += 1
        if self._template or "disabled" in known:
            return
        if tag == "input" and name:
            kind = known.get("type", "text")
            if kind in ("checkbox", "radio") and "checked" not in known:
                return
            if kind not in ("file", "submit", "button"):
                self.found.append((name, known.get("value", "")))
        elif tag == "select":
            self._select, self._chosen, self._options = name, [], []
            self._many = "multiple" in known
        elif tag == "option":
            self._options.append(known.get("value", ""))
            if "selected" in known:
                self._chosen.append(known.get("value", ""))
        elif tag == "textarea" and name:
            self._area, self._text = name, ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "template":
            self._template -= 1
        elif tag == "select" and self._select:
            if not self._chosen and not self._many:  # a browser takes the first one
                self._chosen = self._options[:1]
            self.found += [(self._select, value) for value in self._chosen]
            self._select = ""
        elif tag == "textarea" and self._area:
            self.found.append((self._area, self._text.strip()))
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._text += data


def inputs(page: str) -> Form:
    """The fields of the record form in `page` with what they hold, as a browser would post them."""
    body = re.search(r'<form class="record-form".*?</form>', page, re.S)
    assert body is not None, "no form on the page"
    parser = _Inputs()
    parser.feed(body[0])
    return parser.found


def filled(page: str, values: Mapping[str, Any]) -> Form:
    """The form of `page` after somebody typed `values` (in wire form) into it."""
    names = tuple(f"f_{name}" for name in values)
    kept = [
        (key, value)
        for key, value in inputs(page)
        if key not in names and not key.startswith(tuple(f"{name}-" for name in names))
    ]
    return kept + [pair for name, value in values.items() for pair in _typed(f"f_{name}", value)]


def _typed(name: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, list):
        yield name, ""
        for at, member in enumerate(value):
            if isinstance(member, Mapping):
                for column, cell in member.items():
                    yield from _typed(f"{name}-{at}.{column}", cell)
            else:
                yield name, str(member)
    elif isinstance(value, bool):
        yield from [(name, "")] + ([(name, "1")] if value else [])
    else:
        yield name, "" if value is None else str(value)


def summary(page: str) -> set[tuple[str, str]]:
    """The problems listed on top of a form: (pointer, the sentence as shown)."""
    box = re.search(r'id="summary".*?<ul>(.*?)</ul>', page, re.S)
    assert box is not None, "the page names no problem"
    found = set()
    for entry in re.findall(r"<li>(.*?)</li>", box[1], re.S):
        link = re.search(r'href="#f_([^"]*)"', entry)
        pointer = "/" + link[1].replace("-", "/") if link else ""
        found.add((pointer, html.unescape(re.sub(r"<[^>]*>", "", entry)).strip()))
    return found


def digest(company: Company) -> str:
    """A hash over everything a company in an SQLite file keeps, tables and their shape included:
    what was refused must not change it."""
    total = hashlib.sha256()
    with company.database.read() as connection:
        shape = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master ORDER BY name, sql")
        for name, sql in shape.all():
            total.update(f"{name} {sql}".encode())
            if str(sql).startswith("CREATE TABLE") and name not in QUIET:
                rows = connection.exec_driver_sql(f'SELECT * FROM "{name}"').all()
                total.update("\n".join(sorted(map(repr, rows))).encode())
    return total.hexdigest()


@dataclass(frozen=True)
class Done:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


def dougong(*words: object) -> Done:
    """Run a command as ``dougong …`` does, in this process; English, like a terminal's."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["dougong", *map(str, words)]
    code = 0
    try:
        with (
            redirect_stdout(out),
            redirect_stderr(err),
            mock.patch.dict(os.environ, {"DOUGONG_LANG": "en"}),
        ):
            main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
    return Done(code, out.getvalue(), err.getvalue())
