"""A real server, a real browser: fixtures of the journeys.

Every page that a journey opens is watched: a console error, a refused script or style, or a
response above 499 fails the test that caused it.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Response,
    expect,
    sync_playwright,
)
from werkzeug.serving import WSGIRequestHandler, make_server

from dougong.app import create_app
from dougong.installation import Installation, Listing, packs_roots
from dougong.security import SESSION_COOKIE
from dougong.settings import load_settings
from dougong.setup import create_company, make_login_link
from dougong.startup import start_plugins
from engine.accounts.sessions import start_session
from engine.packs import load_company
from engine.records import flows, notices, writing
from engine.records.company import Company
from engine.records.flows import calls
from engine.records.flows.timers import run_due
from engine.records.outbox import run_internal
from engine.records.people import (
    actor_of,
    change_department,
    create_department,
    create_user,
    find_user,
)
from engine.records.publish import publish
from engine.records.unit import SYSTEM, Actor

Purpose = Literal["login", "password"]
Change = Callable[[dict[str, Any]], None]
HANDLED = (calls, notices)  # they register handlers of the outbox
FLOW = "workflows/crm/contract_approval.json"
COMPANIES = {"hotel": "hotel", "school": "training_school", "inn": "hotel"}
DESK, PHONE = (1360, 850), (390, 844)
BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PEOPLE = {
    "li": ("李销售", ["sales"]),
    "wang": ("王经理", ["sales", "manager"]),
    "zhao": ("赵财务", ["finance"]),
    "sun": ("孙法务", ["legal"]),
    "qian": ("钱总", ["general_manager"]),
    "zhou": ("周客服", ["service"]),
}
OFFICE = {  # a trading house: login: name, roles, superior
    "qian": ("钱总", ["general_manager"], ""),
    "wang": ("王经理", ["manager"], "qian"),
    "he": ("何经理", ["manager"], "qian"),
    "li": ("李销售", ["sales"], "wang"),
    "lin": ("林销售", ["sales"], "he"),
    "zhao": ("赵财务", ["finance"], "qian"),
    "fang": ("方会计", ["finance"], "qian"),
    "sun": ("孙法务", ["legal"], "qian"),
}


@dataclass(frozen=True)
class Site:
    """The server under test."""

    base: str
    installation: Installation
    folder: Path

    def company(self, key: str) -> Company:
        """A company of the installation; one of `COMPANIES` is made when it is first wanted."""
        found = self.installation.company(key)
        if found is None:
            found = _company(self.installation, key, COMPANIES[key])
        return found

    def link(self, company: str, login: str, purpose: Purpose = "login") -> str:
        """A fresh one-time link."""
        return make_login_link(self.installation, self.company(company), login, purpose, self.base)

    def actor(self, company: str, login: str) -> Actor:
        """A person."""
        found = self.company(company)
        with found.database.read() as connection:
            person = find_user(connection, login)
            assert person is not None
            actor = actor_of(connection, person["id"], found.current.model)
        assert actor is not None
        return actor

    def session(self, company: str, login: str) -> str:
        """The token of a fresh session."""
        person = self.actor(company, login).id
        with self.company(company).database.write() as connection:
            return start_session(connection, person, datetime.now(UTC), hours=1)

    def create(self, company: str, login: str, entity: str, **values: Any) -> int:
        """A record made by somebody; its id."""
        actor = self.actor(company, login)
        with self.company(company).unit(actor, write=True, source="api") as unit:
            return int(writing.create(unit, entity, values)["id"])

    def fire(self, company: str, login: str, entity: str, id: int, event: str) -> None:
        """A step of a record's workflow, taken by somebody."""
        actor = self.actor(company, login)
        with self.company(company).unit(actor, write=True, source="api") as unit:
            flows.fire(unit, entity, id, event)

    def contract(
        self, company: str, title: str, amount: int, *, by: str = "li", submit: bool = True
    ) -> int:
        """A contract, which is waiting for its first decision unless told otherwise."""
        customer = self.create(company, by, "customer", name=f"{title}的客户")
        items = [{"name": "水泵", "quantity": 1, "unit_price": amount}]
        id = self.create(company, by, "contract", title=title, customer=customer, items=items)
        if submit:
            self.fire(company, by, "contract", id, "submit")
        return id

    def task(self, company: str, contract: int, login: str) -> int:
        """The open task that a contract is to somebody."""
        with self.company(company).unit(self.actor(company, login), source="api") as unit:
            found = [one for one in flows.my_tasks(unit, size=100) if one.record_id == contract]
        assert len(found) == 1, found
        assert found[0].task_id is not None
        return found[0].task_id

    def decide(self, company: str, login: str, contract: int, command: str, **data: Any) -> None:
        """Decide the task that a contract is to somebody."""
        task, actor = self.task(company, contract, login), self.actor(company, login)
        with self.company(company).unit(actor, write=True, source="api") as unit:
            flows.decide(unit, task, command, data.pop("comment", ""), data=data)

    def work(self, company: str, later: timedelta = timedelta()) -> None:
        """What the background thread does: timers and notices, at once or as if it were later."""
        found, now = self.company(company), datetime.now(UTC) + later
        run_internal(found, now)
        if run_due(found, now):
            run_internal(found, now)

    def office(self, key: str, changes: Mapping[str, Change] | None = None) -> str:
        """A trading house of its own for a module; `changes` rewrite definitions by path."""
        if self.installation.company(key) is None:
            _, sources, _ = load_company(packs_roots(), "crm")
            texts = rewritten(sources, changes or {})
            company = create_company(self.installation, Listing(key, "", "crm"), texts)
            with company.unit(SYSTEM, write=True, source="test") as unit:
                place, ids = create_department(unit, "业务部"), dict[str, int]()
                for login, (name, roles, above) in OFFICE.items():
                    ids[login] = create_user(
                        unit, login, name, roles=roles, department=place, manager=ids.get(above)
                    )
        return key

    def publish(self, key: str, changes: Mapping[str, Change]) -> None:
        """Put other definitions into force."""
        company = self.company(key)
        publish(company, rewritten(company.current.sources, changes), "crm")


def rewritten(sources: Mapping[str, str], changes: Mapping[str, Change]) -> dict[str, str]:
    """Definitions with some of them changed."""
    found = dict(sources)
    for path, change in changes.items():
        body = json.loads(found[path])
        change(body)
        found[path] = json.dumps(body, ensure_ascii=False)
    return found


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Companies with a few people each, served on a free port. The inn is for the house rules
    alone: nothing that a journey writes is on its pages."""
    folder = tmp_path_factory.mktemp("site")
    installation = Installation(load_settings(folder))
    start_plugins()
    server = make_server(
        "127.0.0.1", 0, create_app(installation), threaded=True, request_handler=_Quiet
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Site(f"http://127.0.0.1:{server.server_port}", installation, folder)
    server.shutdown()
    thread.join()
    installation.close()


class _Quiet(WSGIRequestHandler):
    """Serves without a line for every request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def _company(installation: Installation, key: str, pack: str) -> Company:
    model, sources, problems = load_company(packs_roots(), pack)
    assert model is not None, problems
    company = create_company(installation, Listing(key, "", pack), sources)
    known = company.current.model.roles
    with company.unit(SYSTEM, write=True, source="test") as unit:
        department = create_department(unit, "业务部")
        ids = {
            login: create_user(
                unit, login, name, roles=[r for r in roles if r in known], department=department
            )
            for login, (name, roles) in PEOPLE.items()
        }
        change_department(unit, department, name="业务部", parent=None, manager=ids["wang"])
    return company


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without its windows where that can be had: drawing tool bars that nobody
    sees is two thirds of the work. Its absence is a failure."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, "Chromium is missing: install the package chromium"
    with sync_playwright() as playwright:
        expect.set_options(timeout=10_000)
        found = playwright.chromium.launch(executable_path=path, args=[*FLAGS, "--lang=zh-CN"])
        yield found
        found.close()


Visit = Callable[..., Page]


@pytest.fixture
def visit(site: Site, browser: Browser) -> Iterator[Visit]:
    """``visit("hotel", "li", phone=True, language="en")``: a browser of its own for somebody who
    is logged in, on the first page. With ``login=""`` it is a stranger's, and nothing is open."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def told(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    def answered(response: Response) -> None:
        if response.status >= 500:
            complaints.append(f"{response.status} {response.url}")

    def watch(page: Page) -> None:
        page.on("console", told)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("response", answered)

    def open_page(
        company: str, login: str, *, phone: bool = False, language: str = "zh-CN"
    ) -> Page:
        site.company(company)
        width, height = PHONE if phone else DESK
        context = browser.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=2 if phone else 1,
            is_mobile=phone,
            has_touch=phone,
            locale=language,
            timezone_id="Asia/Shanghai",
            base_url=f"{site.base}/{company}/",
        )
        contexts.append(context)
        context.set_default_timeout(10_000)
        page = context.new_page()
        watch(page)
        if login:
            token = site.session(company, login)
            home = f"{site.base}/{company}/"
            context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": home}])
            page.goto(home)
        return page

    yield open_page
    for context in contexts:
        context.close()
    # a refused form is meant to be refused: the browser logs it, we do not mind
    expected = ("status of 422", "status of 409", "status of 404", "status of 403")
    assert [text for text in complaints if not any(code in text for code in expected)] == []
