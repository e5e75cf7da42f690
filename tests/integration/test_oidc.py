"""Logging in by an identity provider: the round trip with a real one, and what attackers try.

The provider is `oidc-provider`, certified by the OpenID Foundation, on loopback (`tests/oidc`). It
signs with a key of ours, so that the tests can sign what it never would.
"""

from __future__ import annotations

import fcntl
import hmac
import html
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import hatch_build
import pytest
import requests
import sqlalchemy as sa
from authlib.integrations.requests_client import OAuth2Session
from flask import Flask
from joserfc import jwt
from joserfc.jwk import RSAKey
from tests.companies import Served, dougong
from tests.listening import listening

from dougong.app import create_app
from dougong.installation import Installation
from dougong.oidc import Client, Refused, Ticket
from dougong.settings import Provider, Settings, load_settings
from engine.records.people import actor_of, create_user, find_user
from engine.records.unit import SYSTEM
from engine.storage import StorageError
from engine.tables.system import FACTOR, IDENTITY, SECURITY, SESSION, USER

PLACE = Path(__file__).parent.parent / "oidc"
SECRET = "a secret of the tests"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def installed() -> str:
    """The command `node`, with the provider's packages installed as its lock file says."""
    npm = hatch_build.system_node() or hatch_build.wheel_node()
    assert npm is not None, "the provider needs Node.js"
    lock, done = PLACE / "package-lock.json", PLACE / "node_modules" / ".package-lock.json"
    with (PLACE / "package.json").open() as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # of several processes one installs
        if not done.is_file() or done.stat().st_mtime < lock.stat().st_mtime:
            flags = ["--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run([*npm, "ci", *flags], cwd=PLACE, check=True, stdout=2)
    node = shutil.which("node")
    assert node is not None
    return node


@dataclass
class Stage:
    """An installation that listens, and the provider it trusts."""

    installation: Installation
    base: str
    issuer: str
    key: RSAKey
    provider: Provider
    app: Flask

    @property
    def callback(self) -> str:
        return f"{self.base}/small/login/oidc/callback"

    def events(self) -> list[tuple[str, Mapping[str, Any]]]:
        company = self.installation.company("small")
        assert company is not None
        with company.database.read() as connection:
            rows = connection.execute(sa.select(SECURITY).order_by(SECURITY.c.id))
            return [(row.kind, row.details) for row in rows]

    def set(self, login: str, **values: Any) -> None:
        company = self.installation.company("small")
        assert company is not None
        with company.database.write() as connection:
            connection.execute(USER.update().where(USER.c.login == login).values(**values))

    def forget(self) -> None:
        """Nobody is linked, nobody is in."""
        company = self.installation.company("small")
        assert company is not None
        with company.database.write() as connection:
            for table in (IDENTITY, SESSION):
                connection.execute(table.delete())


@pytest.fixture(scope="module")
def stage(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Both servers, once for all tests of this file."""
    place = tmp_path_factory.mktemp("oidc")
    shutil.copytree(small, place / "data")
    key = RSAKey.generate_key(2048, {"kid": "test", "use": "sig", "alg": "RS256"}, private=True)
    (place / "keys").write_text(json.dumps({"keys": [key.as_dict(private=True)]}))
    issuer = f"http://127.0.0.1:{free_port()}"
    provider = Provider(issuer, "dougong", SECRET, "Example Ltd")
    settings = replace(load_settings(place / "data"), oidc=provider)
    installation = Installation(settings)
    people(installation)
    app = create_app(installation)
    with listening(app) as port:
        found = Stage(installation, f"http://127.0.0.1:{port}", issuer, key, provider, app)
        with answering(found, place / "keys"):
            yield found
    installation.close()


@contextmanager
def answering(stage: Stage, keys: Path) -> Iterator[None]:
    """The provider at work."""
    port = str(urlsplit(stage.issuer).port)
    words = [installed(), "server.mjs", port, str(keys), stage.callback]
    process = subprocess.Popen(words, cwd=PLACE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"ready"
        yield
    finally:
        process.terminate()
        process.communicate()


def people(installation: Installation) -> None:
    company = installation.company("small")
    assert company is not None
    with company.unit(SYSTEM, write=True) as unit:
        for login in ("closed", "one", "two"):
            create_user(unit, login, login.title(), roles=["sales"])
    emails = {
        **{login: f"{login}@example.com" for login in ("alice", "erin", "zoe", "closed")},
        **dict.fromkeys(("one", "two"), "twins@example.com"),
    }
    with company.database.write() as connection:
        for login, email in emails.items():
            connection.execute(USER.update().where(USER.c.login == login).values(email=email))


@pytest.fixture
def fresh(stage: Stage) -> Stage:
    stage.forget()
    return stage


class Browser(requests.Session):
    """Real HTTP with cookies; goes through the provider's own login form."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.headers["Accept-Language"] = "en"

    def begin(self, stage: Stage, person: str, **more: str) -> str:
        """Log in at the provider; the address that it sends the browser back to."""
        page = self.get(f"{stage.base}/small/login/oidc", params=more)
        assert page.url.startswith(stage.issuer), page.text
        action = re.search(r'action="([^"]+)"', page.text)
        assert action is not None, page.text
        fields = {"prompt": "login", "login": person, "password": "any"}
        target = urljoin(page.url, html.unescape(action[1]))
        answer = self.post(target, data=fields, allow_redirects=False)
        while not answer.headers["Location"].startswith(stage.base):
            answer = self.get(urljoin(target, answer.headers["Location"]), allow_redirects=False)
        return str(answer.headers["Location"])

    def come_back(self, address: str) -> requests.Response:
        """Follow the provider's redirect, and no further."""
        return self.get(address, allow_redirects=False)

    def log_in(self, stage: Stage, person: str, **more: str) -> requests.Response:
        return self.come_back(self.begin(stage, person, **more))

    def inside(self, stage: Stage) -> str:
        """Who this browser is, "" for a stranger."""
        page = self.get(f"{stage.base}/small/account", allow_redirects=False)
        found = re.search(r"<dd>(alice|erin|zoe|stranger@example.com)</dd>", page.text)
        return found[1] if page.status_code == 200 and found else ""


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser() as found:
        yield found


# --- the round trip ------------------------------------------------------------------------------


def test_the_first_login_links_by_a_verified_address_later_ones_by_identity(
    fresh: Stage, browser: Browser
) -> None:
    assert "Log in with Example Ltd" in browser.get(f"{fresh.base}/small/login").text
    browser.cookies.set("dg_session", "planted", domain="127.0.0.1", path="/small/")
    done = browser.log_in(fresh, "alice", next="/small/e/customer?q=north")
    assert (done.status_code, done.headers["Location"]) == (303, "/small/e/customer?q=north")
    assert browser.inside(fresh) == "alice"
    assert "planted" not in browser.cookies.get_dict().values()
    kinds = [kind for kind, _ in fresh.events()]
    assert kinds[-2:] == ["oidc.linked", "login.ok"]

    fresh.set("alice", email="moved@example.com")  # the address counted once
    with Browser() as other:
        assert other.log_in(fresh, "alice").status_code == 303
        assert other.inside(fresh) == "alice"
    fresh.set("alice", email="alice@example.com")


def test_the_address_given_back_is_ours_alone(fresh: Stage, browser: Browser) -> None:
    """Whatever host a request names, and wherever it wants to go afterwards."""
    done = browser.get(
        f"{fresh.base}/small/login/oidc",
        headers={"X-Forwarded-Host": "evil.example"},
        allow_redirects=False,
    )
    sent = parse_qs(urlsplit(done.headers["Location"]).query)
    assert sent["redirect_uri"] == [fresh.callback]
    assert sent["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= sent.keys()
    foreign = browser.get(f"{fresh.base}/small/login/oidc", headers={"Host": "evil.example"})
    assert foreign.status_code == 400
    assert browser.log_in(fresh, "alice", next="//evil.example").headers["Location"] == "/small/"


def test_upper_and_lower_case_of_an_address_are_the_same(fresh: Stage, browser: Browser) -> None:
    assert browser.log_in(fresh, "shout").status_code == 303
    assert browser.inside(fresh) == "erin"


@pytest.mark.parametrize(
    ("person", "words"),
    [
        ("stranger", "no account here"),
        ("nameless", "no account here"),
        ("unsure", "has not verified"),
        ("closed", "is closed"),
        ("twins", "Several accounts"),
    ],
)
def test_who_is_not_let_in_is_told_why(
    fresh: Stage, browser: Browser, person: str, words: str
) -> None:
    if person == "closed":
        fresh.set("closed", disabled_at=datetime.now(UTC))
    done = browser.log_in(fresh, person)
    assert done.status_code == 403
    assert words in done.text
    assert browser.inside(fresh) == ""
    kind, details = fresh.events()[-1]
    assert (kind, details["way"]) == ("login.failed", "oidc")


def test_an_account_belongs_to_one_identity(fresh: Stage, browser: Browser) -> None:
    """An address that was given to somebody else does not open the account of who had it before."""
    assert browser.log_in(fresh, "alice").status_code == 303
    with Browser() as other:
        done = other.log_in(fresh, "again")
        assert done.status_code == 403
        assert "another identity" in done.text
    data = fresh.installation.settings.data
    assert dougong("people", "unlink", "small", "alice", "--data", data).code == 0
    with Browser() as other:
        assert other.log_in(fresh, "again").status_code == 303
        assert other.inside(fresh) == "alice"


def test_a_closed_account_stays_closed_for_who_is_linked(fresh: Stage, browser: Browser) -> None:
    assert browser.log_in(fresh, "alice").status_code == 303
    fresh.set("alice", disabled_at=datetime.now(UTC))
    try:
        assert browser.inside(fresh) == ""
        with Browser() as other:
            assert other.log_in(fresh, "alice").status_code == 403
    finally:
        fresh.set("alice", disabled_at=None)


def test_accounts_are_made_only_where_the_operator_wants_it(fresh: Stage, browser: Browser) -> None:
    company = fresh.installation.company("small")
    assert company is not None
    client: Client = fresh.app.extensions["oidc"]
    client.provider = replace(fresh.provider, provision=True)
    try:
        assert browser.log_in(fresh, "stranger").status_code == 303
        with Browser() as other:
            assert other.log_in(fresh, "unsure").status_code == 403, "still only verified ones"
    finally:
        client.provider = fresh.provider
    with company.database.write() as connection:
        made = find_user(connection, "stranger@example.com")
        assert made is not None
        actor = actor_of(connection, made["id"])
        connection.execute(IDENTITY.delete())
        connection.execute(SESSION.delete())
        connection.execute(USER.delete().where(USER.c.id == made["id"]))
    assert actor is not None
    assert (actor.name, actor.roles, actor.operator) == ("Stranger", frozenset(), False)
    assert [kind for kind, _ in fresh.events()].count("user.made") == 1


def test_a_second_factor_of_ours_is_asked_for_unless_the_provider_had_one(
    fresh: Stage, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    company, now = fresh.installation.company("small"), datetime.now(UTC)
    assert company is not None
    with company.database.write() as connection:
        found = find_user(connection, "alice")
        assert found is not None
        row = {"user_id": found["id"], "secret": "sealed", "created_at": now, "confirmed_at": now}
        connection.execute(FACTOR.insert().values(row))
    try:
        done = browser.log_in(fresh, "alice", next="/small/e/note")
        assert done.headers["Location"].startswith("/small/login/second")
        assert browser.inside(fresh) == ""
        real = Client.finish
        monkeypatch.setattr(
            Client, "finish", lambda *arguments: replace(real(*arguments), strong=True)
        )
        with Browser() as other:
            assert other.log_in(fresh, "alice").headers["Location"] == "/small/"
            assert other.inside(fresh) == "alice"
    finally:
        with company.database.write() as connection:
            connection.execute(FACTOR.delete())


# --- what attackers try --------------------------------------------------------------------------


def changed(address: str, **values: str) -> str:
    """The address with other arguments."""
    parts = urlsplit(address)
    query = {name: found[0] for name, found in parse_qs(parts.query).items()} | values
    kept = {name: value for name, value in query.items() if value != "-"}
    return parts._replace(query="&".join(f"{k}={v}" for k, v in kept.items())).geturl()


@pytest.mark.parametrize(
    "values",
    [
        {"state": "guess"}, {"state": "-"}, {"code": "guess"}, {"code": "-"},
        {"iss": "http%3A%2F%2Fevil.example"}, {"iss": "-"}, {"error": "access_denied"},
        {"state": "%FF%00"}, {"code": "x" * 5_000},
    ],
    ids=lambda values: " ".join(values) + " " + next(iter(values.values()))[:6],
)  # fmt: skip
def test_an_answer_that_was_tampered_with(
    fresh: Stage, browser: Browser, values: dict[str, str]
) -> None:
    address = browser.begin(fresh, "alice")
    done = browser.come_back(changed(address, **values))
    assert done.status_code == 403, done.text
    assert "Traceback" not in done.text
    assert browser.inside(fresh) == ""
    assert browser.come_back(address).status_code == 403, "the ticket is used up"
    assert fresh.events()[-1][0] == "login.failed"


def test_a_code_works_once_and_in_the_browser_that_began(fresh: Stage, browser: Browser) -> None:
    address = browser.begin(fresh, "alice")
    ticket = browser.cookies.get_dict()["dg_sign_on"]
    with Browser() as victim:  # login CSRF: the attacker's code in somebody else's browser
        assert victim.come_back(address).status_code == 403
        victim.get(f"{fresh.base}/small/login/oidc", allow_redirects=False)
        assert victim.come_back(address).status_code == 403
    assert browser.come_back(address).status_code == 303
    with Browser() as thief:  # both the code and the ticket, too late
        thief.cookies.set("dg_sign_on", ticket, domain="127.0.0.1", path="/small/")
        assert thief.come_back(address).status_code == 403
        assert thief.inside(fresh) == ""


def test_looking_is_not_logging_in(fresh: Stage, browser: Browser) -> None:
    address = browser.begin(fresh, "alice")
    assert browser.head(address).status_code == 405
    assert browser.come_back(address).status_code == 303


def test_a_ticket_cannot_be_made_up(fresh: Stage, browser: Browser) -> None:
    for value in ("x", "W10.x.y", "", "x" * 4_000):
        browser.cookies.set("dg_sign_on", value, domain="127.0.0.1", path="/small/")
        assert browser.come_back(f"{fresh.callback}?code=x&state=x").status_code == 403


def test_the_nonce_has_to_be_the_one_we_sent(fresh: Stage, browser: Browser) -> None:
    """A real code of a real provider, for another login of ours."""
    client, ticket = Client(fresh.provider), Ticket.fresh()
    page = browser.get(client.begin(ticket, fresh.callback))
    action = re.search(r'action="([^"]+)"', page.text)
    assert action is not None
    target = urljoin(page.url, html.unescape(action[1]))
    fields = {"prompt": "login", "login": "alice", "password": "any"}
    answer = browser.post(target, data=fields, allow_redirects=False)
    while not answer.headers["Location"].startswith(fresh.base):
        answer = browser.get(urljoin(target, answer.headers["Location"]), allow_redirects=False)
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    given = {name: found[0] for name, found in query.items()}
    with pytest.raises(Refused, match="T163"):
        client.finish(replace(ticket, nonce="another"), fresh.callback, given)


FORGED: dict[str, dict[str, Any]] = {
    "as it should be": {},
    "for another client": {"aud": "somebody else"},
    "for two clients, ours not the party": {"aud": ["dougong", "other"], "azp": "other"},
    "for two clients, no party": {"aud": ["dougong", "other"]},
    "from another issuer": {"iss": "http://evil.example"},
    "expired": {"exp": int(time.time()) - 3600},
    "of another login": {"nonce": "another"},
    "without a nonce": {"nonce": None},
    "without a subject": {"sub": None},
    "without an end": {"exp": None},
    "with a number for a subject": {"sub": 7},
    "with an endless subject": {"sub": "x" * 1_000},
    "of the future": {"iat": int(time.time()) + 7200, "nbf": int(time.time()) + 7200},
    "with a foreign hash of the access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}


@pytest.mark.parametrize("story", FORGED)
def test_an_id_token(fresh: Stage, monkeypatch: pytest.MonkeyPatch, story: str) -> None:
    """Signed with the provider's own key: only its claims decide."""
    now, ticket = int(time.time()), Ticket.fresh()
    claims = {
        "iss": fresh.issuer, "sub": "alice", "aud": "dougong", "exp": now + 300, "iat": now,
        "nonce": ticket.nonce, "email": "alice@example.com", "email_verified": True,
    }  # fmt: skip
    claims |= FORGED[story]
    text = signed({name: value for name, value in claims.items() if value is not None}, fresh.key)
    found = finish(fresh, ticket, text, monkeypatch)
    if FORGED[story]:
        assert found == "T163"
    else:
        assert found == ("alice", "alice@example.com", True)


def signed(claims: Mapping[str, Any], key: Any, alg: str = "RS256", **header: Any) -> str:
    told = {"alg": alg, "kid": "test", **header}
    return jwt.encode(told, dict(claims), key, algorithms=[alg])


def finish(stage: Stage, ticket: Ticket, text: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What we make of an ID token that the provider's token endpoint answers with."""
    tokens = {"id_token": text, "access_token": "x", "token_type": "Bearer"}
    monkeypatch.setattr(OAuth2Session, "fetch_token", lambda *_, **__: tokens)
    given = {"code": "x", "state": ticket.state, "iss": stage.issuer}
    try:
        found = Client(stage.provider).finish(ticket, stage.callback, given)
    except Refused as refused:
        return refused.code
    return found.subject, found.email, found.verified


def coded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def test_a_signature_of_anybody_else(fresh: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    now, ticket = int(time.time()), Ticket.fresh()
    claims = {
        "iss": fresh.issuer, "sub": "alice", "aud": "dougong", "exp": now + 300, "iat": now,
        "nonce": ticket.nonce, "email": "alice@example.com", "email_verified": True,
    }  # fmt: skip
    stranger = RSAKey.generate_key(2048, {"kid": "test"}, private=True)
    body = signed(claims, fresh.key).split(".")
    head = coded(b'{"alg":"HS256","kid":"test"}')
    shared = f"{head}.{body[1]}"
    mark = hmac.digest(fresh.key.as_pem(private=False), shared.encode(), "sha256")
    for text in (
        signed(claims, stranger),
        f"{shared}.{coded(mark)}",  # the public key as a shared secret
        "eyJhbGciOiJub25lIn0." + body[1] + ".",
        f"{body[0]}.{body[1]}.",
        f"{body[0]}.{body[1]}.AAAA",
        "x", "", "a.b.c", "é.é.é",
    ):  # fmt: skip
        assert finish(fresh, ticket, text, monkeypatch) == "T163", text[:40]


@pytest.mark.parametrize(
    ("claims", "strong"),
    [
        ({}, False), ({"amr": ["pwd"]}, False), ({"amr": ["pwd", "otp"]}, True),
        ({"amr": ["mfa"]}, True), ({"acr": "urn:example:nomfa"}, False), ({"amr": ["otp"]}, False),
        ({"amr": ["pin", "fpt"]}, True), ({"amr": "mfa"}, None),
    ],
)  # fmt: skip
def test_a_second_factor_of_the_providers_counts_when_it_says_so(
    fresh: Stage, monkeypatch: pytest.MonkeyPatch, claims: dict[str, Any], strong: bool | None
) -> None:
    now, ticket = int(time.time()), Ticket.fresh()
    said = {
        "iss": fresh.issuer, "sub": "alice", "aud": "dougong", "exp": now + 300, "iat": now,
        "nonce": ticket.nonce, "email": "alice@example.com", "email_verified": True, **claims,
    }  # fmt: skip
    tokens = {"id_token": signed(said, fresh.key), "access_token": "x"}
    monkeypatch.setattr(OAuth2Session, "fetch_token", lambda *_, **__: tokens)
    given = {"code": "x", "state": ticket.state, "iss": fresh.issuer}
    if strong is None:
        with pytest.raises(Refused, match="T163"):
            Client(fresh.provider).finish(ticket, fresh.callback, given)
    else:
        assert Client(fresh.provider).finish(ticket, fresh.callback, given).strong is strong


@pytest.mark.expects_fault
def test_a_provider_that_cannot_be_reached(fresh: Stage, small: Path, tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    shutil.copytree(small, tmp_path / "data")
    settings = load_settings(tmp_path / "data")
    provider = Provider(nowhere, "dougong", SECRET)
    served = Served(found := Installation(replace(settings, oidc=provider)), create_app(found))
    page = served.app.test_client().get("/small/login/oidc", headers={"Accept-Language": "en"})
    assert page.status_code == 502
    assert "cannot be reached" in page.get_data(as_text=True)
    lying = Client(replace(fresh.provider, issuer=f"{fresh.issuer}/"))
    with pytest.raises(Refused, match="T161"):
        lying.begin(Ticket.fresh(), fresh.callback)
    found.close()


def test_without_a_provider_there_is_no_such_way(small: Path, tmp_path: Path) -> None:
    shutil.copytree(small, tmp_path / "data")
    served = Served.open(tmp_path / "data")
    client = served.app.test_client()
    for path in ("", "/callback?code=x&state=x"):
        assert client.get(f"/small/login/oidc{path}").status_code == 404
    assert "other-way" not in client.get("/small/login").get_data(as_text=True)
    served.installation.close()


def test_what_it_needs_is_asked_for(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dougong.oidc", None)
    settings = replace(load_settings(small), oidc=Provider("https://id.example", "dougong"))
    with pytest.raises(StorageError) as caught:
        create_app(Installation(settings))
    assert caught.value.problem.code == "T151"


def test_half_a_setting_is_refused(tmp_path: Path) -> None:
    for name in ("DOUGONG_OIDC_ISSUER", "DOUGONG_OIDC_CLIENT_ID"):
        with pytest.raises(StorageError) as caught:
            load_settings(tmp_path, environ={name: "x"})
        assert caught.value.problem.code == "T150"
    whole = {
        "DOUGONG_OIDC_ISSUER": "https://id.example.com", "DOUGONG_OIDC_CLIENT_ID": "dougong",
        "DOUGONG_OIDC_CLIENT_SECRET": "hush",
    }  # fmt: skip
    found: Settings = load_settings(tmp_path, environ=whole)
    assert found.oidc is not None
    assert "hush" not in repr(found)
    assert not found.oidc.provision
