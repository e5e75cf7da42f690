"""Browsers at the login of a small company: alice sells, zoe reads, root administers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from shutil import copytree
from typing import Any

import pyotp
import sqlalchemy as sa
from flask.testing import FlaskClient
from tests.companies import Served
from werkzeug.test import TestResponse

from dougong.security import SESSION_COOKIE
from dougong.setup import make_login_link
from engine.accounts import factors, passwords
from engine.accounts.links import Purpose
from engine.tables import system

PASSWORD = "correct horse battery"
BASE = "http://127.0.0.1:8000"


def small_company(small: Path, tmp_path: Path) -> Iterator[Served]:
    """A company of one's own, served: the body of a fixture."""
    copytree(small, tmp_path / "data")
    found = Served.open(tmp_path / "data")
    yield found
    found.installation.close()


@cache
def _hashed(password: str) -> str:
    """One slow hash for all tests."""
    return passwords.hash_password(password)


def with_password(served: Served, login: str) -> int:
    """The id of somebody who has a password now."""
    me = served.actor("small", login).id
    change(served, me, password_hash=_hashed(PASSWORD))
    return me


def change(served: Served, user: int, **values: Any) -> None:
    """Set columns of an account, as an administrator's page would."""
    with served.company("small").database.write() as connection:
        connection.execute(system.USER.update().where(system.USER.c.id == user).values(values))


def with_factor(served: Served, user: int) -> tuple[pyotp.TOTP, list[str]]:
    """Somebody has a second factor: its telephone, and the recovery codes. Its first code was
    that of a long time ago."""
    secret = served.installation.settings.secret
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with served.company("small").database.write() as connection:
        factors.begin(connection, user, secret, now)
        shared = factors.unfinished(connection, user, secret, now)
        assert shared is not None
        phone = pyotp.TOTP(shared)
        codes = factors.confirm(connection, user, secret, phone.at(now), now)
        assert codes is not None
    return phone, codes


def rules(served: Served, **values: Any) -> None:
    """The company's rules for signing in, set as the page sets them."""
    with served.company("small").database.write() as connection:
        connection.execute(system.SETTING.delete().where(system.SETTING.c.key == "accounts"))
        connection.execute(system.SETTING.insert().values(key="accounts", value=values))


def events(served: Served, *kinds: str) -> list[tuple[str, int | None, dict[str, Any]]]:
    """What the security log holds of some kinds: (kind, user, details), oldest first."""
    table = system.SECURITY
    with served.company("small").database.read() as connection:
        rows = connection.execute(
            sa.select(table).where(table.c.kind.in_(kinds)).order_by(table.c.id)
        )
        return [(row.kind, row.user_id, row.details) for row in rows]


def token_of(page: TestResponse) -> str:
    """The token that proves a form of this page is ours."""
    found = re.search(r'name="csrf_token" value="(\w+)"', page.get_data(as_text=True))
    assert found is not None
    return found[1]


def log_in(client: FlaskClient, login: str, password: str = PASSWORD, **more: Any) -> TestResponse:
    """Open the login page, fill it in, send it."""
    token = token_of(client.get("/small/login"))
    fields = {"login": login, "password": password, "csrf_token": token, **more}
    return client.post("/small/login", data=fields)


def fill(client: FlaskClient, page: str, path: str = "", **fields: Any) -> TestResponse:
    """Open a page and send its form, or that of `path`."""
    token = token_of(client.get(f"/small{page}"))
    return client.post(f"/small{path or page}", data={"csrf_token": token, **fields})


def session_cookie(client: FlaskClient) -> str:
    """The token of this browser's session, "" without one."""
    cookie = client.get_cookie(SESSION_COOKIE, path="/small/")
    return cookie.value if cookie else ""


def inside(client: FlaskClient) -> bool:
    """Whether this browser is let in."""
    return client.get("/small/account").status_code == 200


def link_for(served: Served, login: str, purpose: Purpose) -> str:
    """The path of a fresh link that an operator made."""
    address = make_login_link(served.installation, served.company("small"), login, purpose)
    return address.removeprefix(BASE)


def told(page: TestResponse) -> str:
    """A page without what differs from one request to the next."""
    return re.sub(r"\w{64}", "TOKEN", page.get_data(as_text=True))


def kept(value: object) -> str:
    """Anything as text, to look for something in it."""
    return json.dumps(value, ensure_ascii=False, default=str)
