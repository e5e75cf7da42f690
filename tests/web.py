"""A small company served by the application, and browsers of its people: for tests of pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from tests.compiled import PAGES
from werkzeug.test import TestResponse

from dougong.app import create_app
from dougong.installation import Installation, Listing, packs_roots
from dougong.security import SESSION_COOKIE
from dougong.settings import load_settings
from dougong.setup import create_company
from dougong.startup import start_plugins
from engine.accounts.sessions import start_session
from engine.packs import load_company
from engine.records import writing
from engine.records.company import Company
from engine.records.people import create_department, create_user, find_user
from engine.records.unit import SYSTEM, Unit

KEY = "acme"
PEOPLE = {  # login: name, role, department
    "chen": ("陈国华", "general_manager", "office"),
    "li": ("李强", "manager", "sales"),
    "wang": ("王敏", "sales", "sales"),
    "sun": ("孙丽", "sales", "other"),
    "wu": ("吴芳", "finance", "office"),
    "zheng": ("郑伟", "legal", "office"),
}


def prepare(data: Path, pack: str = "crm") -> None:
    """A company with departments and people in the folder `data`."""
    start_plugins()
    installation = Installation(load_settings(data))
    model, sources, problems = load_company(packs_roots(), pack)
    assert model is not None, problems
    company = create_company(installation, Listing(KEY, "", pack), sources)
    with company.unit(SYSTEM, write=True, source="command") as unit:
        _staff(unit)
    installation.close()


def _staff(unit: Unit) -> None:
    office = create_department(unit, "总经理办公室")
    places = {
        "office": office,
        "sales": create_department(unit, "销售一部", parent=office),
        "other": create_department(unit, "销售二部", parent=office),
    }
    ids: dict[str, int] = {}
    for login, (name, role, place) in PEOPLE.items():
        manager = ids.get("li" if role == "sales" else "chen")
        ids[login] = create_user(
            unit, login, name, roles=[role], department=places[place], manager=manager
        )


@dataclass
class Site:
    """The served company. A browser is logged in once per login name and keeps its session."""

    installation: Installation
    app: Flask
    company: Company
    _tokens: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, data: Path) -> Site:
        """The company that `prepare` left in `data`."""
        start_plugins()
        installation = Installation(load_settings(data))
        app = create_app(installation)
        app.testing = True
        app.jinja_env.bytecode_cache = PAGES
        company = installation.company(KEY)
        assert company is not None
        return cls(installation, app, company)

    def person(self, login: str) -> int:
        """A person's id."""
        with self.company.database.read() as connection:
            found = find_user(connection, login)
        assert found is not None
        return int(found["id"])

    def session(self, login: str) -> str:
        """The token of a fresh session."""
        with self.company.database.write() as connection:
            return start_session(
                connection, self.person(login), datetime.now(UTC), hours=1, address="", agent="test"
            )

    def browser(self, login: str = "admin", language: str = "zh-CN") -> Browser:
        """A logged-in browser."""
        client = self.app.test_client()
        client.set_cookie(SESSION_COOKIE, self.session(login), path=f"/{KEY}/")
        client.set_cookie("dg_lang", language, path=f"/{KEY}/")
        return Browser(client)

    def create(self, entity: str, login: str = "admin", **values: Any) -> int:
        """A record made by somebody; its id."""
        from engine.records.people import actor_of

        with self.company.database.read() as connection:
            actor = actor_of(connection, self.person(login))
        assert actor is not None
        with self.company.unit(actor, write=True, source="api") as unit:
            return int(writing.create(unit, entity, values)["id"])


@dataclass
class Browser:
    """A test client that posts as our pages do: with the token that proves it is ours."""

    client: FlaskClient
    token: str = ""

    def get(self, path: str, **more: Any) -> TestResponse:
        """A page of the company."""
        found = self.client.get(f"/{KEY}{path}", **more)
        if match := re.search(r'name="csrf-token" content="(\w+)"', found.get_data(as_text=True)):
            self.token = match[1]
        return found

    def post(
        self,
        path: str,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> TestResponse:
        """A form sent to the company."""
        if not self.token:
            self.get("/account")
        sent = {"X-CSRF-Token": self.token, **(headers or {})}
        return self.client.post(f"/{KEY}{path}", data=data, headers=sent, **more)


__all__ = ["KEY", "PEOPLE", "Browser", "Site", "prepare"]
