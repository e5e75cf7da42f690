"""Workflow steps: ours against two state machine libraries driven with the same chart.

``python -m benchmarks.workflows`` writes ``benchmarks/results/workflows.md``. Three transitions a
case: submit, approve, approve. In memory every engine only moves its own state. Committed, ours
goes through the one door (permission, guard, task, event row, record, history, outbox, version) and
each library gets the least a hand-writer would need: a row with state and version, an event row and
a task row, in one transaction, on the same database with the same settings. The steps of the
engines are interleaved; figures are medians of single steps, turned into steps per second.
"""

from __future__ import annotations

import json
import os
import platform as machine
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from statemachine import State, StateMachine
from tests.databases import server
from transitions import Machine

from engine.definitions.model import Workflow
from engine.packs import check_sources
from engine.records import flows, writing
from engine.records.company import Company
from engine.records.people import actor_of, create_user
from engine.records.publish import publish
from engine.records.unit import SYSTEM, Actor
from engine.storage import Database
from engine.tables import system
from engine.workflow import Chart, Delay, Event, Instance, begin, compile_chart, step

CASES, WARM = 300, 20
RESULTS = Path(__file__).parent / "results"

ENTITY = {
    "$schema": "https://dougong.dev/schema/entity-1.json",
    "x-entity": {"name": "paper", "plural": "Papers", "label": "{title}"},
    "title": "Paper",
    "type": "object",
    "unevaluatedProperties": False,
    "required": ["title"],
    "properties": {
        "title": {"type": "string", "title": "Title"},
        "amount": {"type": ["number", "null"], "title": "Amount", "x-type": "money"},
        "state": {
            "type": "string",
            "title": "State",
            "oneOf": [{"const": one, "title": one} for one in ("draft", "first", "second", "done")],
        },
    },
    "x-access": {"clerk": {"read": True, "write": True, "create": True}, "chief": {"read": True}},
}
FLOW = {
    "$schema": "https://dougong.dev/schema/workflow-1.json",
    "id": "paper_approval",
    "version": 1,
    "entity": "paper",
    "stateField": "state",
    "title": {"en": "Approval"},
    "trigger": {"on": "create"},
    "initial": "draft",
    "states": {
        "draft": {
            "title": {"en": "Draft"},
            "may": {"submit": [{"starter": True}]},
            "on": {"submit": {"target": "first", "guard": "amount > 0"}},
        },
        "first": {
            "type": "approval",
            "title": {"en": "First"},
            "assignees": [{"role": "chief"}],
            "quorum": "any",
            "onDone": {"approved": "second", "rejected": "draft"},
        },
        "second": {
            "type": "approval",
            "title": {"en": "Second"},
            "assignees": [{"role": "chief"}],
            "quorum": "any",
            "onDone": {"approved": "done", "rejected": "draft"},
        },
        "done": {"type": "final", "title": {"en": "Done"}},
    },
}
PACK = {
    "$schema": "https://dougong.dev/schema/pack-1.json",
    "name": "bench",
    "title": "Bench",
    "version": "1.0.0",
    "languages": ["en"],
    "roles": {"clerk": {"title": "Clerk"}, "chief": {"title": "Chief"}},
}
EVENTS = ("submit", "approve", "approve")


# --- in memory ---------------------------------------------------------------------------------
class Paper(StateMachine):
    """The chart for python-statemachine."""

    draft, first, second = State(initial=True), State(), State()
    done = State(final=True)
    submit = draft.to(first, cond="worth")
    approve = first.to(second) | second.to(done)
    reject = first.to(draft) | second.to(draft)
    amount = 1

    def worth(self) -> bool:
        return self.amount > 0


class Model:
    """What `transitions` moves."""

    state = "draft"
    amount = 1

    def worth(self, *_: Any) -> bool:
        return self.amount > 0


ARROWS: list[dict[str, Any]] = [
    {"trigger": "submit", "source": "draft", "dest": "first", "conditions": "worth"},
    {"trigger": "approve", "source": "first", "dest": "second"},
    {"trigger": "approve", "source": "second", "dest": "done"},
    {"trigger": "reject", "source": ["first", "second"], "dest": "draft"},
]
MACHINE = Machine(
    model=None, states=["draft", "first", "second", "done"], transitions=ARROWS, initial="draft",
    auto_transitions=False,
)  # fmt: skip


@dataclass
class Sight:
    """The outside of a step without a database."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    actor: int | None = 1
    record: Mapping[str, Any] = field(default_factory=lambda: {"amount": 1})

    def test(self, _source: str, _names: Mapping[str, Any]) -> bool:
        return bool(self.record["amount"] > 0)

    def value(self, _source: str, _names: Mapping[str, Any]) -> Any:
        return None

    def resolve(self, *_: Any) -> list[int]:
        return [2]

    def due(self, start: datetime, delay: Delay, _clock: str) -> datetime:
        return start + timedelta(days=delay.days, seconds=delay.seconds)

    def agent(self, _user: int) -> int | None:
        return None


def chart() -> Chart:
    return compile_chart(
        Workflow("paper_approval", 1, "paper", "state", {}, FLOW, "bench", "paper.json")
    )


def ours_in_memory(known: Chart) -> Iterator[Callable[[], Any]]:
    """The three steps of one case."""
    held: list[Instance] = [begin(known, Sight()).instance]

    def take(event: str, who: int) -> None:
        task = next((one.id for one in held[0].tasks if one.status == "open"), None)
        outcome = step(known, held[0], Event(event, {}, task), Sight(actor=who))
        assert not outcome.problems, outcome.problems
        held[0] = outcome.instance

    yield lambda: take("submit", 1)
    yield lambda: take("task.approve", 2)
    yield lambda: take("task.approve", 2)
    assert held[0].done


def statemachine_in_memory(_: Chart) -> Iterator[Callable[[], Any]]:
    paper = Paper()
    for event in EVENTS:
        yield lambda event=event: paper.send(event)  # type: ignore[misc]


def transitions_in_memory(_: Chart) -> Iterator[Callable[[], Any]]:
    model = Model()
    MACHINE.add_model(model)
    for event in EVENTS:
        yield lambda event=event: model.trigger(event)  # type: ignore[attr-defined,misc]
    MACHINE.remove_model(model)


# --- committed ---------------------------------------------------------------------------------
METADATA = sa.MetaData()
ROW = sa.Table(
    "hand_paper", METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("title", sa.Text()), sa.Column("state", sa.Text()), sa.Column("version", sa.Integer()),
)  # fmt: skip
EVENT = sa.Table(
    "hand_event", METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("paper", sa.BigInteger(), index=True), sa.Column("event", sa.Text()),
    sa.Column("before", sa.Text()), sa.Column("after", sa.Text()), sa.Column("actor", sa.BigInteger()),
    sa.Column("at", sa.Text()),
)  # fmt: skip
TASK = sa.Table(
    "hand_task", METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("paper", sa.BigInteger(), index=True), sa.Column("state", sa.Text()),
    sa.Column("assignee", sa.BigInteger(), index=True), sa.Column("status", sa.Text()),
)  # fmt: skip


def with_statemachine(state: str, event: str) -> str:
    paper = Paper(start_value=state)
    paper.send(event)
    return str(next(iter(paper.configuration)).id)


def with_transitions(state: str, event: str) -> str:
    model = Model()
    MACHINE.add_model(model, initial=state)
    model.trigger(event)  # type: ignore[attr-defined]
    MACHINE.remove_model(model)
    return model.state


def by_hand(database: Database, move: Callable[[str, str], str]) -> Iterator[Callable[[], Any]]:
    """The three steps of one row, each a transaction."""
    with database.write() as connection:
        id = connection.execute(
            sa.insert(ROW).values(title="Paper", state="draft", version=1)
        ).inserted_primary_key[0]

    def take(event: str, who: int) -> None:
        with database.write() as connection:
            row = connection.execute(sa.select(ROW).where(ROW.c.id == id).with_for_update()).one()
            waiting = (TASK.c.paper == id, TASK.c.status == "open", TASK.c.assignee == who)
            if event != "submit":
                connection.execute(sa.select(TASK).where(*waiting)).one()
            after = move(row.state, event)
            met = connection.execute(
                sa.update(ROW).where(ROW.c.id == id, ROW.c.version == row.version)
                .values(state=after, version=row.version + 1)
            )  # fmt: skip
            assert met.rowcount == 1
            at = datetime.now(UTC).isoformat()
            values = {"paper": id, "event": event, "before": row.state, "after": after}
            connection.execute(sa.insert(EVENT).values(**values, actor=who, at=at))
            connection.execute(sa.update(TASK).where(*waiting).values(status="done"))
            if after in ("first", "second"):
                fresh = {"paper": id, "state": after, "assignee": 2, "status": "open"}
                connection.execute(sa.insert(TASK).values(**fresh))

    for event, who in zip(EVENTS, (1, 2, 2), strict=True):
        yield lambda event=event, who=who: take(event, who)  # type: ignore[misc]


def company_on(database: Database, folder: Path) -> tuple[Company, Actor, Actor]:
    company = Company("bench", database, folder / "files")
    sources = {
        "entity_defs/bench/pack.json": json.dumps(PACK),
        "entity_defs/bench/paper.json": json.dumps(ENTITY),
        "workflows/bench/paper_approval.json": json.dumps(FLOW),
    }
    publish(company, sources, "bench", check=check_sources)
    with company.unit(SYSTEM, write=True) as unit:
        ids = [create_user(unit, "clerk", "Clerk", roles=["clerk"]),
               create_user(unit, "chief", "Chief", roles=["chief"])]  # fmt: skip
    with database.read() as connection:
        clerk, chief = (actor_of(connection, id) for id in ids)
    assert clerk is not None
    assert chief is not None
    return company, clerk, chief


def through_the_door(company: Company, clerk: Actor, chief: Actor) -> Iterator[Callable[[], Any]]:
    """The three steps of one record, each a unit of work."""
    with company.unit(clerk, write=True) as unit:
        id = writing.create(unit, "paper", {"title": "Paper", "amount": "12.50"})["id"]

    def take(event: str, who: Actor) -> None:
        with company.unit(who, write=True) as unit:
            flows.fire(unit, "paper", id, event)

    yield lambda: take("submit", clerk)
    yield lambda: take("task.approve", chief)
    yield lambda: take("task.approve", chief)


# --- measuring ---------------------------------------------------------------------------------
def interleaved(makers: Mapping[str, Callable[[], Iterator[Callable[[], Any]]]], cases: int
                ) -> dict[str, list[float]]:  # fmt: skip
    """Seconds of every step, engine by engine; whose turn is first changes from case to case."""
    times: dict[str, list[float]] = {name: [] for name in makers}
    names = list(makers)
    for number in range(cases + WARM):
        turn = number % len(names)
        running = {name: makers[name]() for name in names[turn:] + names[:turn]}
        for _ in EVENTS:
            for name, steps in running.items():
                act = next(steps)
                start = time.perf_counter()
                act()
                if number >= WARM:
                    times[name].append(time.perf_counter() - start)
        for steps in running.values():
            assert next(steps, None) is None
    return times


def table(title: str, times: Mapping[str, list[float]]) -> list[str]:
    mine = statistics.median(next(iter(times.values())))
    rows = [f"| {title} | µs a step | steps a second | ours takes |", "|---|---|---|---|"]
    for name, found in times.items():
        median = statistics.median(found)
        rows.append(f"| {name} | {median * 1e6:,.0f} | {1 / median:,.0f} | {mine / median:.2f} × |")
    return [*rows, ""]


def bytes_per_case(database: Database, cases: int) -> Iterator[str]:
    """What lies in the tables of workflows, for each case of three steps."""
    names = [one.name for one in system.METADATA.tables.values() if one.name.startswith("dg_wf_")]
    names += ["dg_outbox", "dg_history"]
    with database.read() as connection:
        for name in names:
            if database.kind == "sqlite":
                query = "SELECT SUM(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_master WHERE tbl_name = :name)"
                size = connection.execute(sa.text(query), {"name": name}).scalar()
            else:
                place = sa.text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
                size = connection.execute(place, {"name": f"bench.{name}"}).scalar()
            if (size or 0) > 16_384 * 4:
                yield f"{name.removeprefix('dg_')} {size / cases:,.0f}"


def committed(database: Database, folder: Path, cases: int) -> tuple[dict[str, list[float]], str]:
    company, clerk, chief = company_on(database, folder)
    with database.write() as connection:
        METADATA.create_all(connection)
    makers = {
        "ours, through the one door": lambda: through_the_door(company, clerk, chief),
        "python-statemachine and three hand-written tables": lambda: by_hand(
            database, with_statemachine
        ),
        "transitions and three hand-written tables": lambda: by_hand(database, with_transitions),
    }
    times = interleaved(makers, cases)
    return times, ", ".join(bytes_per_case(database, cases + WARM))


def main() -> None:
    """Run, print, write."""
    known = chart()
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} · Python {machine.python_version()} · {os.cpu_count()} cores · "
        f"{CASES} cases of three steps, interleaved, medians",
        "",
    ]
    memory = {
        "ours": lambda: ours_in_memory(known),
        "python-statemachine": lambda: statemachine_in_memory(known),
        "transitions": lambda: transitions_in_memory(known),
    }
    lines += table("in memory", interleaved(memory, CASES * 5))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(server(folder))
        for title, database in (
            ("committed on SQLite", Database.sqlite(folder / "bench.sqlite")),
            ("committed on PostgreSQL (fsync off)", Database.postgres(url, "bench")),
        ):
            times, sizes = committed(database, folder / title.split()[2], CASES)
            lines += table(title, times)
            lines += [f"Bytes for each case, by table: {sizes}.", ""]
            database.close()
    text = "\n".join(lines)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "workflows.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
