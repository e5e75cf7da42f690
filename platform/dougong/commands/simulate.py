"""``dougong simulate`` and ``dougong replay``: a workflow tried out before it is published."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from dougong.commands.options import company_of, with_installation
from dougong.commands.report import command_language
from dougong.installation import Installation
from engine.definitions.model import Label, Workflow, text_of
from engine.fields import USER, Names
from engine.problems import Problem, text
from engine.records.failures import Invalid
from engine.records.labels import names_of
from engine.records.people import find_user
from engine.records.simulation.paths import Verdict, explore_bands
from engine.records.simulation.replay import Report, replay, sentences
from engine.records.simulation.simulate import (
    STRATEGIES,
    Act,
    Script,
    Step,
    Walk,
    read_values,
    simulate,
)
from engine.records.simulation.told import Ask, Due
from engine.records.simulation.world import draft_workflow, published_workflow
from engine.records.unit import SYSTEM, Unit
from engine.workflow.chart import Delay

_file = click.Path(path_type=Path, exists=True, dir_okay=False)
_moment = click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"])
_STRATEGIES = [one for one in STRATEGIES if one != "script"]


@click.command("simulate")
@with_installation
@click.argument("key")
@click.argument("workflow")
@click.option("--record", type=int, help="Id of the record to walk with")
@click.option(
    "--values",
    type=_file,
    help="JSON file with values: of a record that does not exist, or instead of the record's own",
)
@click.option(
    "--draft", type=_file, help="Walk through this definition instead of the published one"
)
@click.option(
    "--strategy",
    type=click.Choice(_STRATEGIES),
    default="approve",
    show_default=True,
    help="What people do",
)
@click.option(
    "--do",
    "acts",
    multiple=True,
    help="A step of a script: LOGIN:COMMAND, wait:HOURS or timer; may be repeated",
)
@click.option("--seed", default=1, show_default=True, help="Of the random strategy")
@click.option("--hours", default=0, help="Working hours that everybody takes to decide")
@click.option("--starter", help="Login of the person who starts the case")
@click.option("--viewer", help="Login of the person whose field rights are shown")
@click.option("--at", type=_moment, help="When the case begins, on the company's clock")
@click.option("--paths", is_flag=True, help="Explore every way through the chart instead")
@click.option("--json", "as_json", is_flag=True, help="Print JSON")
def simulate_command(installation: Installation, key: str, workflow: str, **options: Any) -> None:
    """Walk one record through WORKFLOW of the company KEY under a false clock. Nothing is written
    and nothing is sent."""
    company = company_of(installation, key)
    with company.unit(SYSTEM, source="command") as unit:
        definition = _definition(unit, workflow, options["draft"])
        given = _json(options["values"]) if options["values"] else {}
        values, problems = read_values(unit.app.model.entities[definition.entity], given)
        if problems:
            raise Invalid(problems)
        at = options["at"]
        begun = at.replace(tzinfo=unit.company_zone).astimezone(UTC) if at else None
        common: dict[str, Any] = {
            "record": options["record"],
            "values": values,
            "starter": _person(unit, options["starter"]),
            "at": begun,
        }
        if options["paths"]:
            _tell_paths(explore_bands(unit, definition, **common), as_json=options["as_json"])
            return
        script = _script(unit, options)
        viewer = _person(unit, options["viewer"])
        walk = simulate(unit, definition, script=script, viewer=viewer, **common)
        if options["as_json"]:
            click.echo(json.dumps(plain(walk, command_language()), ensure_ascii=False, indent=2))
        else:
            _tell_walk(unit, walk)
    if walk.end in ("stuck", "loop") and options["strategy"] in ("approve", "return"):
        sys.exit(1)


@click.command("replay")
@with_installation
@click.argument("key")
@click.argument("workflow")
@click.option("--draft", type=_file, required=True, help="The definition to try")
@click.option("--since", type=_moment, required=True, help="Look at the cases begun since")
@click.option("--most", default=5_000, show_default=True, help="Cases to look at")
@click.option("--json", "as_json", is_flag=True, help="Print JSON")
def replay_command(
    installation: Installation,
    key: str,
    workflow: str,
    draft: Path,
    since: datetime,
    most: int,
    as_json: bool,
) -> None:
    """Run the past cases of WORKFLOW of the company KEY through a draft, with the decisions that
    people really gave, and tell what would differ. Nothing is written and nothing is sent."""
    company = company_of(installation, key)

    def progress(done: int, total: int) -> bool:
        if sys.stderr.isatty():
            click.echo(f"\r{done}/{total}", nl=False, err=True)
        return True

    with company.unit(SYSTEM, source="command") as unit:
        definition = _definition(unit, workflow, draft)
        begun = since.replace(tzinfo=unit.company_zone).astimezone(UTC)
        report = replay(unit, definition, begun, progress=progress, most=most)
        if sys.stderr.isatty():
            click.echo(err=True)
        if as_json:
            body = {**report.to_json(), "text": list(map(_text, sentences(report)))}
            click.echo(json.dumps(body, ensure_ascii=False, indent=2))
        else:
            _tell_report(unit, report)


# --- what is asked -----------------------------------------------------------------------------
def _definition(unit: Unit, workflow: str, draft: Path | None) -> Workflow:
    present = published_workflow(unit, workflow)
    return draft_workflow(unit, {**_json(draft), "id": workflow}) if draft else present


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=str(path)) from error
    if not isinstance(found, dict):
        raise click.BadParameter("{…}", param_hint=str(path))
    return found


def _person(unit: Unit, login: str | None) -> int | None:
    if not login:
        return None
    row = find_user(unit.connection, login)
    if row is None:
        raise Invalid([Problem("M163", {"login": login})])
    return int(row["id"])


def _script(unit: Unit, options: Mapping[str, Any]) -> Script:
    acts = tuple(_act(unit, line) for line in options["acts"])
    pace = Delay(seconds=options["hours"] * 3600)
    return Script("script" if acts else options["strategy"], acts, options["seed"], pace)


def _act(unit: Unit, line: str) -> Act:
    """A line such as "manager:approve", "sales:submit", "wait:24" or "timer"."""
    who, _, command = line.partition(":")
    if line == "timer":
        return Act("timer")
    if who == "wait" and command.isdigit():
        return Act("wait", hours=int(command))
    if not command:
        raise Invalid([Problem("M102", {"line": line})])
    said: dict[str, Any] = {"comment": "…"}
    command, _, place = command.partition(":")
    if command in ("approve", "reject", "return", "claim"):
        return Act(
            f"task.{command}", _person(unit, who), data={**said, **({"to": place} if place else {})}
        )
    return Act(command, _person(unit, who))


# --- what is told ------------------------------------------------------------------------------
def plain(value: Any, language: str) -> Any:
    """Results as JSON: sentences as text, spans of time as seconds."""
    match value:
        case Problem():
            return text(value, language)
        case datetime():
            return value.isoformat()
        case timedelta():
            return int(value.total_seconds())
        case None | bool() | int() | str():
            return value
        case Mapping():
            return {str(key): plain(item, language) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item, language) for item in value]
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name), language) for one in fields(value)}
    return str(value)


def _text(problem: Problem) -> str:
    return text(problem, command_language())


def _label(label: Label) -> str:
    return text_of(label, command_language())


def span(length: timedelta) -> str:
    """A span of time, short: 2d 3h."""
    minutes = int(length.total_seconds() // 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [f"{days}d" if days else "", f"{hours}h" if hours else "", f"{rest}m" if rest else ""]
    return " ".join(part for part in parts if part) or "0m"


def _tell_walk(unit: Unit, walk: Walk) -> None:
    names = names_of(unit, {USER: sorted(walk.people)})
    click.secho(f"{_label(walk.title)} v{walk.version}", bold=True)
    for one in walk.steps:
        _tell_step(unit, one, names)
    words = {"finished": "finished", "open": "open", "stuck": "stuck", "loop": "goes round"}
    colour = {"finished": "green", "open": "yellow"}.get(walk.end, "red")
    head = f"{words.get(walk.end, walk.end)}: {_label(walk.state_title)}, {span(walk.elapsed)}"
    click.secho(head, fg=colour, bold=True)
    for why in walk.why:
        click.echo(f"  {_text(why)}")


def _tell_step(unit: Unit, one: Step, names: Names) -> None:
    local = one.at.astimezone(unit.company_zone)
    who = names.label(USER, one.who) if one.who else ""
    title = _label(one.title) or one.event
    told = " ".join(part for part in (title, who) if part)
    click.echo(f"{one.number:3}  {local:%Y-%m-%d %H:%M}  {_label(one.state_title)}  ← {told}")
    for line in _details(unit, one, names):
        click.echo(f"       {line}")


def _details(unit: Unit, one: Step, names: Names) -> Iterator[str]:
    if one.problem:
        yield f"✗ {_text(one.problem)}"
    if one.moved:
        for ask in one.told.asks:
            yield from _asking(ask, names)
        yield from (_due(unit, due) for due in one.told.dues)
    for out in one.sent:
        people = ", ".join(names.label(USER, person) for person in out.to)
        yield f"✉ {_text(out.words)} → {people or '–'}"
    for name, (_, new) in one.changes.items():
        yield f"= {name}: {new}"
    if one.assumed:
        yield f"… {', '.join(one.assumed)}"


def _asking(ask: Ask, names: Names) -> Iterator[str]:
    yield f"? {_text(ask.quorum)}"
    for seat in ask.seats:
        people = [seat.person] if seat.person else seat.candidates
        shown = ", ".join(names.label(USER, person) for person in people if person)
        yield f"  {shown} [{seat.status}] – {'; '.join(map(_text, seat.why))}"


def _due(unit: Unit, due: Due) -> str:
    local = due.at.astimezone(unit.company_zone)
    return f"⏰ {local:%Y-%m-%d %H:%M} {'; '.join(map(_text, due.what))}"


def _tell_paths(verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        found = [
            {
                "values": plain(values, "en"),
                "situations": one.situations,
                "finals": sorted(one.finals),
                "longest": int(one.longest.total_seconds()),
                "never": list(one.never),
                "complete": one.complete,
                "traps": plain(one.traps, command_language()),
            }
            for values, one in verdict.bands
        ]
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        for values, one in verdict.bands:
            said = ", ".join(f"{name}={value}" for name, value in values.items()) or "–"
            ends = ", ".join(sorted(one.finals)) or "–"
            click.echo(f"{said}: {one.situations} situations; ends: {ends}; {span(one.longest)}")
            for trap in one.traps:
                way = " → ".join(move.event for move in trap.moves)
                click.secho(f"    ✗ {way}: {'; '.join(map(_text, trap.why))}", fg="red")
    if verdict.traps:
        sys.exit(1)


def _tell_report(unit: Unit, report: Report) -> None:
    for one in sentences(report):
        click.secho(_text(one), bold=True)
    if report.median_minutes:
        sign = "+" if report.median_minutes > 0 else "−"
        click.echo(f"median time {sign}{span(timedelta(minutes=abs(report.median_minutes)))}")
    names = names_of(
        unit, {USER: [int(p) for s in report.steps.values() for p in (*s.added, *s.removed)]}
    )
    for change in report.steps.values():
        for sign, people in (("+", change.added), ("−", change.removed)):
            for person, many in people.items():
                click.echo(
                    f"  {_label(change.title)}: {sign} {names.label(USER, int(person))} × {many}"
                )
    for kind, group in report.groups.items():
        for variant, many in group.variants.items():
            title = _label(group.titles.get(variant, {})) or variant
            click.echo(f"  {kind} {title} × {many}")
        click.echo(f"  {kind}: {report.entity} {', '.join(map(str, group.examples))}")
    click.echo(
        f"{report.looked} of {report.total} cases in {report.seconds:.1f} s; values of that time: "
        f"{report.rebuilt}; not as it really went: {report.unlike}; other version: {report.earlier}"
    )
