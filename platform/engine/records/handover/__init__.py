"""Handing over: everything of somebody who leaves goes to others, and nothing is lost.

`preview` counts what there is, by parts; `execute` gives the chosen parts to successors in one
transaction. Where there are very many records they follow in portions, as a job that the runner
works off (`portion`): every portion is one transaction, and a stop in between loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.model import Label
from engine.problems import Problem, text
from engine.problems.catalogue import LANGUAGES
from engine.records import notices, outbox, people
from engine.records.failures import Conflict, Invalid, NotFound
from engine.records.flows import moving
from engine.records.flows.moving import Moved, Stuck
from engine.records.handover import persons
from engine.records.handover import records as handover_records
from engine.records.handover.records import PORTION, Place
from engine.records.history import note as log
from engine.records.labels import names_of
from engine.records.reading import visible
from engine.records.unit import SYSTEM, Unit
from engine.tables import system

_HANDOVER, _JOB, _USER = system.HANDOVER, system.JOB, system.USER
KIND: Final = "handover"
AT_ONCE: Final = 200  # more records than these follow as a job: on SQLite nobody else writes
SAMPLES: Final = 5
KEPT: Final = 200  # cases that did not work, kept with the handover
LOG: Final = "@handover"
_TITLES: Final[Mapping[str, Label]] = {
    "tasks": {"zh-CN": "待办任务", "en": "Open tasks"},
    "cases": {"zh-CN": "本人发起、进行中的流程", "en": "Running cases he started"},
    "agents": {"zh-CN": "替他人代理", "en": "Stands in for others"},
    "shares": {"zh-CN": "他人共享给他的记录", "en": "Records that others shared with him"},
    "subordinates": {"zh-CN": "直接下属", "en": "Direct subordinates"},
    "departments": {"zh-CN": "负责的部门", "en": "Departments he heads"},
    "groups": {"zh-CN": "所在的用户组", "en": "Groups he is in"},
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One thing of a part: its name, and the record it is when the actor may see it."""

    label: str
    entity: str = ""
    record: int | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A part of what a person leaves. `usual`: handed over unless somebody objects."""

    key: str
    title: Label
    count: int
    samples: Sequence[Sample]
    usual: bool = True


@dataclass(frozen=True, slots=True)
class Preview:
    """Everything of a person."""

    user: int
    sections: Sequence[Section]
    remarks: Sequence[Problem]

    @property
    def total(self) -> int:
        """How many things."""
        return sum(section.count for section in self.sections)


@dataclass(slots=True)
class Report:
    """What a handover came to: how many things of each part, and what would not move. `left` is
    the number of records that still follow, "" `status` of one that is done."""

    id: int
    user: int
    moved: dict[str, int] = field(default_factory=dict)
    stuck: list[Stuck] = field(default_factory=list)
    left: int = 0
    status: str = "done"


# --- before ------------------------------------------------------------------------------------
def preview(unit: Unit, user: int) -> Preview:
    """What a person has, whether the account is open or closed.

    Raises: NotFound for nobody, and for who is no administrator.
    """
    _allowed(unit)
    _exists(unit, user)
    found = [_records_section(unit, place, user) for place in handover_records.places(unit)]
    owned = [one for one in found if one.usual]
    others = [one for one in found if not one.usual]
    sections = [_plain_section(unit, key, user) for key in _TITLES]
    tasks = [one for one in sections if one.key in {"tasks", "cases"}]
    rest = [one for one in sections if one.key not in {"tasks", "cases"}]
    shown = [one for one in (*owned, *tasks, *rest, *others) if one.count]
    return Preview(user, shown, persons.remarks(unit, user))


def _records_section(unit: Unit, place: Place, user: int) -> Section:
    name = place.entity.name
    ids = handover_records.naming(unit, place, user, SAMPLES)
    seen = sorted(visible(unit, name, ids))
    names = names_of(unit, {name: seen})
    count = handover_records.count(unit, place, user) if ids else 0
    samples = [Sample(names.label(name, id), name, id) for id in seen]
    return Section(place.key, _title(place), count, samples, place.owns)


def _plain_section(unit: Unit, key: str, user: int) -> Section:
    samples: list[Sample]
    if key in {"tasks", "cases"}:
        find = moving.waiting if key == "tasks" else moving.begun
        found = find(unit.connection, user)
        count, samples = len(found), _samples(unit, found[:SAMPLES])
    else:
        names = persons.PARTS[key].names(unit, user)
        count, samples = len(names), [Sample(name) for name in names[:SAMPLES]]
    return Section(key, _TITLES[key], count, samples)


def _samples(unit: Unit, found: Sequence[tuple[str, int]]) -> list[Sample]:
    shown = []
    for entity, record in found:
        if visible(unit, entity, [record]):
            label = names_of(unit, {entity: [record]}).label(entity, record)
            shown.append(Sample(label, entity, record))
    return shown


# --- the act -----------------------------------------------------------------------------------
def execute(unit: Unit, user: int, targets: Mapping[str, int], note: str = "") -> Report:
    """Hand the named parts (`Section.key` -> successor) over; what would not move is told in the
    report and stays where it is, everything else has moved.

    Raises: NotFound, Invalid for a bad part or successor, Conflict while another handover of the
    person is on its way.
    """
    _allowed(unit)
    _exists(unit, user)
    places = {place.key: place for place in handover_records.places(unit)}
    _check(unit, user, targets, places)
    made = Report(unit.app.database.ids.next(unit.connection), user)
    why = note.strip().replace("\x00", "")[:500]
    for key in (key for key in persons.PARTS if key in targets):
        made.moved[key] = persons.PARTS[key].move(unit, user, targets[key])
    steps: Sequence[tuple[str, Callable[[Unit, int, int, str], Moved]]] = (
        ("cases", moving.move_cases),
        ("tasks", moving.move_tasks),
    )
    for key, move in steps:
        if key in targets:
            moved = move(unit, user, targets[key], why)
            made.moved[key] = moved.cases if key == "cases" else moved.tasks
            made.stuck += moved.stuck
    _records(unit, made, {key: to for key, to in targets.items() if key in places}, why)
    _keep(unit, made, targets, why)
    _tell(unit, made, targets)
    log(unit, LOG, made.id, 1, "create", {"from": [user, None], "moved": [None, made.moved]})
    return made


def _tell(unit: Unit, report: Report, targets: Mapping[str, int]) -> None:
    """The successors learn of it before the first customer calls."""
    [name] = unit.connection.scalars(sa.select(_USER.c.name).where(_USER.c.id == report.user))
    title: Label = {
        "zh-CN": f"{name}的工作已交接给您",
        "en": f"The work of {name} has been handed over to you",
    }
    for to in dict.fromkeys(targets.values()):
        given = [key for key, each in targets.items() if each == to]
        count = sum(report.moved.get(key, 0) for key in given) or report.left
        body: Label = {"zh-CN": f"共 {count} 项", "en": f"Things: {count}"}
        notices.tell(unit, [to], "system", f"{KIND}:{report.id}", title, body)


def _records(unit: Unit, report: Report, targets: Mapping[str, int], why: str) -> None:
    """The records: now when there are few, later in portions when there are many."""
    places = {place.key: place for place in handover_records.places(unit)}
    counts = {key: handover_records.count(unit, places[key], report.user) for key in targets}
    if sum(counts.values()) > AT_ONCE:
        report.left, report.status = sum(counts.values()), "running"
        _begin_job(unit, report, targets, why)
        return
    for key, to in targets.items():
        _all_of(unit, report, places[key], to, why)


def _all_of(unit: Unit, report: Report, place: Place, to: int, why: str) -> None:
    failed: list[int] = []
    report.moved.setdefault(place.key, 0)
    while ids := handover_records.naming(unit, place, report.user, PORTION, failed):
        done, stuck = handover_records.give(unit, place, ids, report.user, to, why)
        report.moved[place.key] += done
        report.stuck += stuck
        failed += [one.record for one in stuck]
        if not done and not stuck:
            break


def _check(unit: Unit, user: int, targets: Mapping[str, int], places: Mapping[str, Place]) -> None:
    if not targets:
        raise Invalid([Problem("H134", pointer="/sections")])
    open_ = set(
        unit.connection.scalars(
            sa.select(_USER.c.id).where(
                _USER.c.id.in_(set(targets.values())), _USER.c.disabled_at.is_(None)
            )
        )
    )
    problems = []
    for key, to in targets.items():
        if key not in places and key not in _TITLES:
            problems.append(Problem("H133", {"section": key}, "/sections"))
        elif to == user or to not in open_:
            title = _TITLES.get(key) or places[key].entity.plural
            problems.append(Problem("H130", {"section": title}, f"/{key}"))
    if problems:
        raise Invalid(problems)
    running = sa.select(_JOB.c.body).where(_JOB.c.kind == KIND, _JOB.c.done_at.is_(None))
    if any(body["user"] == user for body in unit.connection.scalars(running)):
        raise Conflict([Problem("H137")])


def _keep(unit: Unit, report: Report, targets: Mapping[str, int], why: str) -> None:
    """The row that remembers it. `to_id` is whoever got most of the parts."""
    given = list(targets.values())
    unit.connection.execute(
        sa.insert(_HANDOVER).values(
            id=report.id,
            from_id=report.user,
            to_id=max(given, key=given.count),
            by_id=unit.actor.id or None,
            moved=_body(report, targets),
            note=why,
            at=unit.now,
        )
    )


def _body(report: Report, targets: Mapping[str, int]) -> dict[str, Any]:
    return {
        "moved": report.moved,
        "targets": dict(targets),
        "stuck": [_stuck_json(one) for one in report.stuck[:KEPT]],
    }


def _stuck_json(one: Stuck) -> dict[str, Any]:
    """In words of both languages: what is read later may not be there any more."""
    why = {
        language: " ".join(dict.fromkeys(text(each, language) for each in one.problems))
        for language in LANGUAGES
    }
    return {"entity": one.entity, "record": one.record, "why": why}


# --- very many records -------------------------------------------------------------------------
def _begin_job(unit: Unit, report: Report, targets: Mapping[str, int], why: str) -> None:
    job = unit.app.database.ids.next(unit.connection)
    body = {"handover": report.id, "user": report.user, "targets": dict(targets), "why": why}
    unit.connection.execute(
        sa.insert(_JOB).values(
            id=job,
            kind=KIND,
            body={**body, "failed": {}, "total": report.left},
            status="running",
            by_id=unit.actor.id or None,
            created_at=unit.now,
            due_at=unit.now,
        )
    )
    outbox.post(unit, f"{KIND}:{job}:0", KIND, {"job": job, "number": 0})


@outbox.handle(KIND)
def portion(unit: Unit, row: Mapping[str, Any]) -> None:
    """The next records of a large handover, and a row for those that follow."""
    job, number = row["body"]["job"], row["body"]["number"]
    found = unit.connection.execute(sa.select(_JOB).where(_JOB.c.id == job)).first()
    if found is None or found.done_at is not None:
        return
    by = people.actor_of(unit.connection, found.by_id) if found.by_id else None
    acting = replace(unit, actor=by or SYSTEM)
    body = dict(found.body)
    done, stuck = _portion(acting, body)
    known = unit.connection.execute(
        sa.select(_HANDOVER.c.moved).where(_HANDOVER.c.id == body["handover"])
    ).one()
    kept = dict(known.moved)
    for key, count in done.items():
        kept["moved"] = {**kept["moved"], key: kept["moved"].get(key, 0) + count}
    kept["stuck"] = [*kept["stuck"], *map(_stuck_json, stuck)][:KEPT]
    over = not done and not stuck
    unit.connection.execute(
        sa.update(_HANDOVER).where(_HANDOVER.c.id == body["handover"]).values(moved=kept)
    )
    unit.connection.execute(
        sa.update(_JOB)
        .where(_JOB.c.id == job)
        .values(
            body=body,
            progress=_JOB.c.progress + sum(done.values()) + len(stuck),
            status="done" if over else "running",
            done_at=unit.now if over else None,
        )
    )
    if not over:
        outbox.post(unit, f"{KIND}:{job}:{number + 1}", KIND, {"job": job, "number": number + 1})


def _portion(unit: Unit, body: dict[str, Any]) -> tuple[dict[str, int], list[Stuck]]:
    """One portion of the first part that still has records."""
    places = {place.key: place for place in handover_records.places(unit)}
    for key, to in body["targets"].items():
        if key not in places:  # the field is gone since
            continue
        failed = body["failed"].setdefault(key, [])
        ids = handover_records.naming(unit, places[key], body["user"], PORTION, failed)
        if ids:
            done, stuck = handover_records.give(
                unit, places[key], ids, body["user"], to, body["why"]
            )
            failed += [one.record for one in stuck]
            return {key: done}, stuck
    return {}, []


# --- afterwards --------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Past:
    """A handover as it is remembered. `moved`: how many things of each part, with its title;
    `stuck`: what would not move, in words; `left`: records that still follow."""

    id: int
    user: int
    to: Sequence[int]
    by: int | None
    at: datetime
    note: str
    moved: Sequence[tuple[Label, int]]
    stuck: Sequence[tuple[str, int, Label]]
    left: int


def past(unit: Unit, size: int = 20) -> list[Past]:
    """The handovers so far, newest first.

    Raises: NotFound.
    """
    _allowed(unit)
    latest = sa.select(_HANDOVER).order_by(_HANDOVER.c.id.desc()).limit(size)
    return [_past(unit, row) for row in unit.connection.execute(latest)]


def report(unit: Unit, id: int) -> Past:
    """One handover.

    Raises: NotFound.
    """
    _allowed(unit)
    row = unit.connection.execute(sa.select(_HANDOVER).where(_HANDOVER.c.id == id)).first()
    if row is None:
        raise NotFound
    return _past(unit, row)


def _past(unit: Unit, row: Any) -> Past:
    titles: dict[str, Label] = {**_TITLES}
    titles |= {place.key: _title(place) for place in handover_records.places(unit)}
    jobs = sa.select(_JOB).where(_JOB.c.kind == KIND, _JOB.c.done_at.is_(None))
    left = sum(
        max(job.body["total"] - job.progress, 1)
        for job in unit.connection.execute(jobs)
        if job.body["handover"] == row.id
    )
    return Past(
        row.id,
        row.from_id,
        list(dict.fromkeys(row.moved["targets"].values())),
        row.by_id,
        row.at,
        row.note,
        [(titles.get(key, {"": key}), count) for key, count in row.moved["moved"].items()],
        [(one["entity"], one["record"], one["why"]) for one in row.moved["stuck"]],
        left,
    )


# --- who and whom ------------------------------------------------------------------------------
def _title(place: Place) -> Label:
    """What a person owns goes by its name; elsewhere the field tells what he is to it."""
    if place.owns:
        return place.entity.plural
    return {
        language: f"{plural} · {place.field.title.get(language, place.field.name)}"
        for language, plural in place.entity.plural.items()
    }


def _allowed(unit: Unit) -> None:
    if not unit.administers:
        raise NotFound


def _exists(unit: Unit, user: int) -> None:
    if unit.connection.scalar(sa.select(_USER.c.id).where(_USER.c.id == user)) is None:
        raise NotFound
