"""``kill -9`` of server and worker at random, and what is left of the work.

Three people write papers and have them signed through the API of a real server; every approved
paper is told to a program by a webhook. What the people were told is compared with what the
database holds in the end, and with what came in.
"""

from __future__ import annotations

import hmac
import http.client
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.signing import FLOW, sources

from dougong.installation import Installation, Listing
from dougong.settings import load_settings
from dougong.setup import create_company
from engine.accounts.sessions import start_session
from engine.accounts.tokens import digest
from engine.problems import Severity
from engine.records.company import Company
from engine.records.people import create_user
from engine.records.unit import SYSTEM
from engine.tables import system

FEW = 6
KILLS = int(os.environ.get("DOUGONG_KILLS", FEW))
PEOPLE = {"clerk": "clerk", "ann": "chief", "ben": "chief"}
LEVELS = ("draft", "all_sign", "signed", "approved")  # "signed": ann has, ben has not
ENDED = ("rejected", "approved")
_OUT = system.OUTBOX.c


@dataclass
class Program:
    """Somebody's program that webhooks call. It takes its time, so that kills come in between."""

    came: Counter[str] = field(default_factory=Counter)  # delivery key -> how often
    records: dict[str, int] = field(default_factory=dict)  # delivery key -> the paper
    unsigned: int = 0
    port: int = 0


def hung_up(connection: socket.socket) -> bool:
    """Whether the other side is gone."""
    if not select.select([connection], [], [], 0)[0]:
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


@contextmanager
def program() -> Iterator[Program]:
    """It listens on this machine while the block lasts."""
    found, guard = Program(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            late = random.random() < 0.5  # as behind a proxy: who hangs up has not called
            time.sleep(random.uniform(0, 0.03) if late else 0)
            if late and hung_up(self.connection):
                return
            with guard:
                key = self.headers["Idempotency-Key"]
                found.came[key] += 1
                found.records[key] = json.loads(body)["record"]
                found.unsigned += "Dougong-Signature" not in self.headers
            time.sleep(0 if late else random.uniform(0, 0.03))
            with suppress(OSError):  # whoever asked may be dead
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Silent."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Connections of the killed break off."""

    server = Server(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Figures:
    """What came of it."""

    database: str
    kills: int = 0
    of_server: int = 0
    of_worker: int = 0
    acknowledged: int = 0  # steps that somebody was told are done
    papers: int = 0
    approved: int = 0
    lost: int = 0  # acknowledged and not there
    half: int = 0  # record, case, log, tasks, timers or notices that do not agree
    twice: int = 0  # done more than once on the state, or told twice inside
    sent: int = 0  # webhooks that arrived, by key
    missing: int = 0
    repeated: int = 0  # came a second time, under the same key
    refused: int = 0  # answers that nobody should get
    given_up: int = 0
    seconds: float = 0.0


RESULTS: list[Figures] = []
LINES: dict[str, Callable[[Figures], object]] = {
    "kill -9": lambda one: f"{one.kills} ({one.of_server} server, {one.of_worker} worker)",
    "papers": lambda one: one.papers,
    "steps acknowledged": lambda one: one.acknowledged,
    "acknowledged and lost": lambda one: one.lost,
    "half done": lambda one: one.half,
    "done twice": lambda one: one.twice,
    "answers without a reason": lambda one: one.refused,
    "webhooks due": lambda one: one.sent + one.missing,
    "webhooks that never came": lambda one: one.missing,
    "webhooks that came twice, under the same key": lambda one: one.repeated,
}


def table() -> str:
    """The figures so far as a Markdown table."""
    head = f"| | {' | '.join(one.database for one in RESULTS)} |"
    rows = [f"|---|{'---|' * len(RESULTS)}"]
    for title, told in LINES.items():
        rows.append(f"| {title} | {' | '.join(str(told(one)) for one in RESULTS)} |")
    return "\n".join([head, *rows])


@dataclass
class Site:
    """An installation, its processes, and what its people were told."""

    data: Path
    company: Company
    tokens: dict[str, str]
    port: int
    told: dict[int, str] = field(default_factory=dict)  # paper -> the level acknowledged
    waiting: set[int] = field(default_factory=set)  # papers the clock has to approve
    stop: threading.Event = field(default_factory=threading.Event)
    odd: list[str] = field(default_factory=list)  # answers nobody should get
    acknowledged: int = 0
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    # --- people --------------------------------------------------------------------------------
    def ask(self, who: str, path: str, body: Any, key: str = "") -> Any:
        """One request; None when no answer came, which tells nothing."""
        token = self.tokens[who]
        headers = {
            "Cookie": f"dg_session={token}",
            "X-CSRF-Token": hmac.new(
                (self.data / "secret").read_bytes(), digest(token).encode(), "sha256"
            ).hexdigest(),
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", f"/race/api/v1{path}", json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)
            return None
        finally:
            connection.close()
        if answer.status >= 400:
            self.odd.append(f"{path} {answer.status} {content[:200]!r}")
            return None
        self.acknowledged += 1
        return json.loads(content)

    def until(self, who: str, path: str, body: Any, key: str) -> Any:
        """Ask again under the same key until somebody answers, as a good client does."""
        while not self.stop.is_set():
            if (found := self.ask(who, path, body, key)) is not None:
                return found
        return None

    def work(self, number: int) -> None:
        """Write papers and have them signed, until told to stop."""
        count = 0
        while not self.stop.is_set():
            count += 1
            mark = f"{number}-{count}"
            made = self.ask("clerk", "/paper", {"title": mark})
            if made is None:
                continue
            id = made["id"]
            self.told[id] = "draft"
            if count % 3 == 0:
                if self.until("clerk", f"/paper/{id}/events/to_wait", {}, f"w{mark}"):
                    self.waiting.add(id)
                continue
            for who, event, level in (
                ("clerk", "to_all", "all_sign"),
                ("ann", "task.approve", "signed"),
                ("ben", "task.approve", "approved"),
            ):
                if self.until(who, f"/paper/{id}/events/{event}", {}, f"{who}{mark}") is None:
                    return
                self.told[id] = level

    # --- processes -----------------------------------------------------------------------------
    def start(self, name: str) -> None:
        """Start the server or the worker, in a process group of its own."""
        # --dev: the tests' databases wait for no disk, which no server starts with otherwise
        more = ("--dev", "--port", str(self.port)) if name == "serve" else ()
        words = [sys.executable, "-P", "-m", "dougong", name, *more, "--data", str(self.data)]
        environment = {**os.environ, "DOUGONG_PRIVATE_HOSTS": "127.0.0.1"}
        with (self.data / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                words, stdout=log, stderr=log, start_new_session=True, env=environment
            )

    def kill(self, name: str) -> None:
        """``kill -9`` for the group."""
        process = self.processes.pop(name, None)
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)

    def ready(self) -> None:
        """Wait until the server answers."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
                connection.request("GET", "/healthz")
                if connection.getresponse().status == 200:
                    return
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
            finally:
                connection.close()
        raise AssertionError((self.data / "serve.log").read_text()[-2_000:])

    def settled(self) -> None:
        """Everything that has to happen by itself has happened."""
        end = time.monotonic() + 120  # a lease of a killed worker has to run out
        left: list[Any] = []
        while time.monotonic() < end:
            with self.company.database.read() as connection:
                waiting = sa.select(_OUT.kind, _OUT.error).where(
                    _OUT.done_at.is_(None), _OUT.dead_at.is_(None)
                )
                left = [*connection.execute(waiting)]
                left += connection.execute(sa.select(system.WF_TIMER))
            if not left:
                return
            time.sleep(0.2)
        raise AssertionError(left[:5])

    def a_minute_passes(self) -> None:
        """What the killed had in hand is free again. Only while nobody is alive."""
        assert not self.processes
        with self.company.database.write() as connection:
            connection.execute(
                sa.update(system.OUTBOX)
                .where(_OUT.lease_until.is_not(None), _OUT.done_at.is_(None))
                .values(lease_until=datetime.now(UTC))
            )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def definitions() -> dict[str, str]:
    """The signing pack; what is approved is told to a program."""
    states: Any = FLOW["states"]
    entry = [*states["approved"]["entry"], {"type": "webhook", "channel": "program"}]
    flow = {**FLOW, "states": {**states, "approved": {**states["approved"], "entry": entry}}}
    return {**sources(), "workflows/race/signing.json": json.dumps(flow)}


@contextmanager
def site(data: Path, url: str, port: int) -> Iterator[Site]:
    """The company with its people and its channel; dropped in the end."""
    installation = Installation(load_settings(data))
    company = create_company(installation, Listing("race", "", "race", url), definitions())
    tokens = {}
    with company.unit(SYSTEM, write=True) as unit:
        for login, role in PEOPLE.items():
            id = create_user(unit, login, login.title(), roles=[role])
            tokens[login] = start_session(unit.connection, id, datetime.now(UTC), hours=2)
        unit.connection.execute(
            sa.insert(system.CHANNEL).values(
                id=unit.app.database.ids.next(unit.connection),
                name="program",
                kind="webhook",
                config={"url": f"http://127.0.0.1:{port}/in", "secret": "s" * 32},
                created_at=unit.now,
            )
        )
    found = Site(data, company, tokens, free_port())
    try:
        yield found
    finally:
        found.stop.set()
        for name in ("serve", "worker"):
            found.kill(name)
        if url:
            company.database.drop()
        installation.close()


def killed_again_and_again(found: Site, kills: int, seed: int, figures: Figures) -> None:
    """Work goes on while one or the other is killed and started again."""
    dice = random.Random(seed)
    threads = [threading.Thread(target=found.work, args=(at,), daemon=True) for at in range(3)]
    for name in ("serve", "worker"):
        found.start(name)
    found.ready()
    for thread in threads:
        thread.start()
    for _ in range(kills):
        time.sleep(dice.uniform(0.2, 1.2))
        name = dice.choice(("serve", "worker"))
        found.kill(name)
        figures.kills += 1
        figures.of_server += name == "serve"
        figures.of_worker += name == "worker"
        time.sleep(dice.uniform(0.0, 0.3))
        found.start(name)
        found.ready()
    time.sleep(0.5)
    if kills <= FEW:  # nobody waits a minute in an ordinary run
        found.kill("worker")
        found.kill("serve")
        found.a_minute_passes()
        for name in ("serve", "worker"):
            found.start(name)
        found.ready()
    found.stop.set()
    for thread in threads:
        thread.join(20)
    found.settled()


def compared(found: Site, told: Program, figures: Figures) -> None:
    """Count what does not agree."""
    with found.company.database.read() as connection:
        place = found.company.current.tables.of("paper")
        wanted = sa.select(place.id, place.column("state"), place.column("count"))
        papers = {row[0]: (row[1], int(row[2] or 0)) for row in connection.execute(wanted)}
        cases = connection.execute(sa.select(system.WF_INSTANCE)).mappings().all()
        events = connection.execute(sa.select(system.WF_EVENT)).mappings().all()
        tasks = connection.execute(sa.select(system.WF_TASK)).mappings().all()
        outbox = connection.execute(sa.select(system.OUTBOX)).mappings().all()
    of = {case["id"]: case["record_id"] for case in cases}
    signed = Counter(of[task["instance_id"]] for task in tasks if task["status"] == "approved")
    for id, level in found.told.items():
        state, _ = papers.get(id, ("", 0))
        reached = "signed" if state == "all_sign" and signed[id] else state
        wanted_level = "approved" if id in found.waiting else level
        late = reached not in LEVELS or LEVELS.index(reached) < LEVELS.index(wanted_level)
        figures.lost += late
    numbers: dict[int, list[int]] = {}
    for event in events:
        numbers.setdefault(event["instance_id"], []).append(event["seq"])
    notices = Counter(of[row["instance_id"]] for row in outbox if row["kind"] == "notify")
    open_ = Counter(one["instance_id"] for one in tasks if one["status"] in ("open", "waiting"))
    for case in cases:
        state, count = papers[case["record_id"]]
        seq, approved = sorted(numbers.get(case["id"], [])), state == "approved"
        figures.half += (
            case["state"] != state
            or seq != list(range(1, len(seq) + 1))
            or (case["done_at"] is not None) != (state in ENDED)
            or (state in ENDED and bool(open_[case["id"]]))
            or approved != bool(count)
            or approved != bool(notices[case["record_id"]])
        )
        figures.twice += count > 1 or notices[case["record_id"]] > 1
    figures.half += len(set(papers) ^ {case["record_id"] for case in cases})
    done = {id for id, (state, _) in papers.items() if state == "approved"}
    came = Counter(told.records[key] for key in told.came)
    figures.twice += sum(number > 1 for number in came.values())  # under two keys
    figures.papers, figures.approved = len(papers), len(done)
    figures.sent, figures.missing = len(done & set(came)), len(done - set(came))
    figures.repeated = sum(number - 1 for number in told.came.values())
    figures.half += len(set(came) - done) + told.unsigned
    figures.acknowledged, figures.refused = found.acknowledged, len(found.odd)
    figures.given_up = sum(row["dead_at"] is not None for row in outbox)
    figures.half += sum(one.severity is Severity.ERROR for one in found.company.database.check())


def measured(name: str, url: str, data: Path, kills: int = KILLS) -> tuple[Figures, Site]:
    """Kill so many times on one database, and count."""
    figures, start = Figures(name), time.monotonic()
    with program() as told, site(data, url, told.port) as found:
        killed_again_and_again(found, kills, kills, figures)
        compared(found, told, figures)
    figures.seconds = time.monotonic() - start
    RESULTS.append(figures)
    return figures, found
