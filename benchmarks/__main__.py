"""Run the comparison and write ``benchmarks/results/latest.md``.

Both applications serve the same 100,000 rows from SQLite (or PostgreSQL, ``--postgres``) with the same server (waitress, one
process). Requests are interleaved one by one over one kept-alive connection each, so whatever else
the machine does falls on both. Figures are medians; the ratio is hand-written time / ours:
1.0 means as fast, above 1.0 means faster.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform as machine
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from tests.databases import server

from benchmarks import ours, rival
from benchmarks.prepared import Prepared

ROWS, USERS = 100_000, 200
WARM = 5  # the first few of each fill caches and are not counted
RESULTS = Path(__file__).parent / "results"


@dataclass
class Target:
    """One running application and how to ask it."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    headers: dict[str, str]
    started: float  # seconds until the first answer

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[float, int, bytes]:
        """Seconds, status and body of one request."""
        headers = dict(self.headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        start = time.perf_counter()
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        content = response.read()
        return time.perf_counter() - start, response.status, content

    def memory(self) -> int:
        """Resident bytes of the server process."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(text.split("VmRSS:")[1].split()[0]) * 1024


@contextmanager
def running(name: str, how: Prepared) -> Iterator[Target]:
    """Start a server and wait for its first good answer."""
    start = time.perf_counter()
    process = subprocess.Popen(how.command, stdout=subprocess.DEVNULL)
    try:
        yield Target(name, how.port, process, how.headers, _first_answer(process, how, start))
    finally:
        process.terminate()
        process.wait(timeout=20)


def _first_answer(process: subprocess.Popen[bytes], how: Prepared, start: float) -> float:
    while process.poll() is None and time.perf_counter() - start < 60:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", how.port, timeout=5)
            connection.request("GET", how.probe, headers=how.headers)
            if connection.getresponse().status == 200:
                return time.perf_counter() - start
        except OSError:
            time.sleep(0.01)
    raise SystemExit(f"the server did not answer on {how.probe} (exit code {process.poll()})")


Request = tuple[str, str, bytes | None]
Maker = Callable[[int], Request]
Pair = tuple[tuple[Target, Prepared], tuple[Target, Prepared]]


def get(path: str) -> Maker:
    return lambda _: ("GET", path, None)


def scenarios(how: Prepared) -> dict[str, Maker]:
    """The same work in each application's own addresses."""
    api, page, style, first = how.api, how.page, how.style, how.first

    def listing(base: str, **wanted: str) -> str:
        return (
            base
            + "?"
            + urlencode(
                {style.format(key) if key != "q" else "q": value for key, value in wanted.items()}
            )
        )

    def create(number: int) -> Request:
        body = {
            "code": f"NEW{os.getpid()}-{number}",
            "name": f"新客户{number}有限公司",
            "level": "B",
            "status": "lead",
            "phone": "13800138000",
            "email": "a@example.com",
            "city": "北京",
            "credit_limit": "1234.50",
            "employees": 12,
            "founded": "2015-03-01",
            "owner": how.person,
        }
        return "POST", api, json.dumps(body).encode()

    return {
        "record JSON": lambda number: ("GET", f"{api}/{first + number * 200}", None),
        "list of 25, filtered, sorted, counted": get(listing(api, level="B", status="active")),
        "contains search 麒麟": get(listing(api, q="麒麟")),
        "contains search, rare": get(listing(api, q="麒麟麒麟橡胶")),
        "create": create,
        "update": lambda number: ("PATCH", f"{api}/{first + number * 200}", b""),
        "HTML list page": get(listing(page, level="B", status="active")),
    }


def update_body(target: Target, how: Prepared, number: int) -> bytes:
    """The change of one record, based on the version just read."""
    _, status, body = target.ask("GET", f"{how.api}/{how.first + number * 200}")
    assert status == 200, (target.name, status, body[:300])
    version = json.loads(body)["version"]
    return json.dumps({"version": version, "note": f"回访 {number} {time.time_ns()}"}).encode()


def measure(pair: Pair, rounds: int) -> list[tuple[str, list[float], list[float]]]:
    """Seconds per request of both, interleaved, scenario by scenario."""
    plans = [(target, how, scenarios(how)) for target, how in pair]
    table = []
    for name in plans[0][2]:
        times: list[list[float]] = [[], []]
        for number in range(rounds + WARM):
            order = (0, 1) if number % 2 else (1, 0)
            for side in order:
                target, how, plan = plans[side]
                method, path, body = plan[name](number)
                if method == "PATCH":
                    body = update_body(target, how, number)
                took, status, answer = target.ask(method, path, body)
                assert status in (200, 201), (target.name, name, status, answer[:300])
                if number >= WARM:
                    times[side].append(took)
        table.append((name, times[0], times[1]))
    return table


def report(
    table: list[tuple[str, list[float], list[float]]],
    first: Target,
    second: Target,
    chosen: argparse.Namespace,
) -> str:
    """The table as Markdown."""
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} · Python {machine.python_version()} · {os.cpu_count()} cores · "
        f"{'PostgreSQL' if chosen.postgres else 'SQLite'}, {chosen.rows:,} rows, waitress, one process each, one connection each, interleaved",
        "",
        "| work | ours, ms (p90) | hand-written, ms (p90) | ratio (≥ 0.9 wanted) |",
        "|---|---|---|---|",
    ]
    for name, ours_times, rival_times in table:
        mine, theirs = statistics.median(ours_times), statistics.median(rival_times)
        lines.append(
            f"| {name} | {mine * 1e3:.2f} ({_p90(ours_times):.2f}) | {theirs * 1e3:.2f} ({_p90(rival_times):.2f}) "
            f"| {theirs / mine:.2f} |"
        )
    for name, mine, theirs, unit in (
        ("start to first answer", first.started, second.started, "s"),
        ("memory after the run", first.memory() / 2**20, second.memory() / 2**20, "MiB"),
    ):
        lines.append(f"| {name} | {mine:.2f} {unit} | {theirs:.2f} {unit} | {theirs / mine:.2f} |")
    return "\n".join(lines) + "\n"


def _p90(times: list[float]) -> float:
    return statistics.quantiles(times, n=10)[-1] * 1e3


def main() -> None:
    """Prepare both, run, print, write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=200)
    arguments.add_argument("--rows", type=int, default=ROWS)
    arguments.add_argument(
        "--postgres", action="store_true", help="a server of its own, not SQLite"
    )
    chosen = arguments.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(server(folder)) if chosen.postgres else ""
        mine = ours.prepare(folder / "ours", chosen.rows, USERS, url)
        theirs = rival.prepare(url or str(folder / "rival.sqlite"), chosen.rows, USERS)
        first = stack.enter_context(running("ours", mine))
        second = stack.enter_context(running("hand-written", theirs))
        table = measure(((first, mine), (second, theirs)), chosen.rounds)
        text = report(table, first, second, chosen)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    name = "postgres.md" if chosen.postgres else "latest.md"
    (RESULTS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
