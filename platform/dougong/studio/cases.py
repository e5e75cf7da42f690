"""Running cases: on which versions they run, what they wait for, and help for those in trouble."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, abort, flash, g, render_template, request, url_for
from flask_babel import gettext, ngettext

from dougong.i18n import language
from dougong.persons import people_lookup, people_options, posted_person
from dougong.routing import administrators_only, go, patient, reading, writing
from dougong.shell import shell
from dougong.studio.casewords import (
    Teller,
    detail,
    flow_row,
    line_row,
    move_row,
    way_rows,
    word,
)
from engine.fields import USER
from engine.problems import hint, text
from engine.records.administration import commands
from engine.records.administration.migrations import (
    Migration,
    begin_migration,
    carry_on,
    migration_row,
    migrations,
    undo_migration,
)
from engine.records.administration.moves import (
    Preview,
    choices,
    preview_migration,
    targets,
    workflow_of,
)
from engine.records.administration.overview import (
    CaseLine,
    Wanted,
    case_detail,
    count_cases,
    list_cases,
)
from engine.records.administration.versions import FlowCases, running
from engine.records.failures import Failure, NotFound
from engine.records.labels import names_of
from engine.records.unit import Unit

blueprint = Blueprint("cases", __name__, url_prefix="/<company>/admin/cases")
SIZE: Final = 50
SHOWN: Final = 50  # cases that a preview lists one by one
COMMANDS: Final = ("jump", "terminate", "wake_up", "retry", "reassign")


# --- the overview and the list -----------------------------------------------------------------
@blueprint.get("")
@administrators_only
def index() -> str:
    """The workflows with the versions that cases run on."""
    with reading() as unit:
        found = running(unit)
        book = migrations(unit, most=8)
        teller = _teller(unit, [one.by for one in book])
        return render_template(
            "studio/cases.html",
            shell=shell(unit),
            title=gettext("Running cases"),
            flows=[flow_row(flow, unit.now) for flow in found if flow.count],
            quiet=[word(flow.title) for flow in found if not flow.count],
            total=sum(flow.count for flow in found),
            overdue=sum(one.overdue for flow in found for one in flow.versions),
            stuck=sum(one.stuck for flow in found for one in flow.versions),
            migrations=[_migration_row(unit, one, teller) for one in book],
        )


def _migration_row(unit: Unit, one: Migration, teller: Teller) -> dict[str, Any]:
    flow = unit.app.model.workflows.get(one.workflow)
    return {
        "title": word(flow.title) if flow else one.workflow,
        "version": one.version,
        "moved": one.moved,
        "reason": one.reason,
        "by": teller.person(one.by),
        "when": teller.when(one.at),
        "undone": one.undone_at is not None,
        "href": url_for("cases.migration", id=one.id),
    }


@blueprint.get("/list")
@administrators_only
def listing() -> str:
    """Cases, filtered and page by page."""
    wanted = _wanted()
    before = request.args.get("before", type=int)
    with reading() as unit:
        lines = list_cases(unit, wanted, size=SIZE + 1, before=before)
        shown = lines[:SIZE]
        teller = _teller(unit, [one for line in shown for one in line.people])
        flows = running(unit)
        given = request.args.items()
        here: dict[str, Any] = {k: v for k, v in given if k != "before" and v}
        return render_template(
            "studio/case_list.html",
            shell=shell(unit),
            title=_title(wanted),
            rows=[line_row(line, teller) for line in shown],
            total=count_cases(unit, wanted),
            wanted=wanted,
            filtered=wanted != Wanted(over=wanted.over),
            flows=[(flow.workflow, word(flow.title)) for flow in flows],
            versions=_versions(flows, wanted),
            states=_states(flows, wanted),
            people=people_options(unit),
            next_href=_older(shown, len(lines), here),
            prev_href=url_for("cases.listing", **here) if before else "",
        )


def _wanted() -> Wanted:
    """The filters in the address; what makes no sense filters nothing."""

    def number(name: str) -> int:
        given = request.args.get(name, "")
        return int(given) if given.isascii() and given.isdigit() and len(given) < 18 else 0

    return Wanted(
        workflow=request.args.get("workflow", "")[:100],
        definition=number("version"),
        state=request.args.get("state", "")[:100],
        person=number("person"),
        days=number("days"),
        late=request.args.get("late") == "1",
        stuck=request.args.get("stuck") == "1",
        over=request.args.get("over") == "1",
    )


def _versions(flows: list[FlowCases], wanted: Wanted) -> list[tuple[int, str]]:
    return [
        (one.definition, gettext("Version %(number)s", number=one.version))
        for flow in flows
        if flow.workflow == wanted.workflow
        for one in flow.versions
    ]


def _states(flows: list[FlowCases], wanted: Wanted) -> list[tuple[str, str]]:
    found = {
        state.state: word(state.title)
        for flow in flows
        if flow.workflow == wanted.workflow
        for one in flow.versions
        for state in one.states
    }
    return list(found.items())


def _older(shown: list[CaseLine], count: int, here: Mapping[str, Any]) -> str:
    if count <= SIZE:
        return ""
    there: dict[str, Any] = {**here, "before": shown[-1].id}
    return str(url_for("cases.listing", **there))


# --- one case ----------------------------------------------------------------------------------
def _title(wanted: Wanted) -> str:
    """The name of the list."""
    if wanted.over:
        return gettext("Ended cases")
    if wanted.stuck:
        return gettext("Stuck cases")
    return gettext("Overdue cases") if wanted.late else gettext("All running cases")


@blueprint.get("/<int:id>")
@administrators_only
def show(id: int) -> str:
    """All there is about a case, and what can be done with it."""
    with reading() as unit:
        found = case_detail(unit, id)
        line = found.line
        return render_template(
            "studio/case.html",
            shell=shell(unit),
            title=line.label,
            href=url_for("cases.show", id=id),
            record_href=url_for("records.show", entity=line.entity, id=line.record)
            if line.readable
            else "",
            migrate_href=url_for("cases.mapping", workflow=line.workflow)
            if found.published and not line.present and not line.ended
            else "",
            people=people_options(unit),
            lookup=people_lookup(),
            **detail(found, Teller(found.names, unit.now)),
        )


@blueprint.post("/<int:id>/<command>")
@administrators_only
@patient
def act(id: int, command: str) -> Response:
    """Carry out a command on a case; a refusal is told on its page."""
    if command not in COMMANDS:
        abort(404)
    reason, state = request.form.get("reason", ""), request.form.get("state", "")
    try:
        if command == "retry":
            failed = commands.retry(g.company, g.actor, id, reason)
            for problem in failed:
                flash(text(problem, language()), "error")
            if not failed:
                flash(gettext("Tried again."), "success")
            return go(url_for(".show", id=id))
        with writing() as unit:
            _carry_out(unit, id, command, state, reason)
    except NotFound:
        raise
    except Failure as failure:
        _tell(failure)
    else:
        flash(gettext("Done."), "success")
    return go(url_for(".show", id=id))


def _carry_out(unit: Unit, id: int, command: str, state: str, reason: str) -> None:
    match command:
        case "jump":
            commands.jump(unit, id, state, reason)
        case "wake_up":
            commands.wake_up(unit, id, state, reason)
        case "terminate":
            commands.terminate(unit, id, reason)
        case _:
            task = request.form.get("task", type=int) or 0
            commands.reassign(unit, task, posted_person("person") or 0, reason)


def _tell(failure: Failure) -> None:
    for problem in failure.problems:
        told = f"{text(problem, language())} {hint(problem, language())}"
        flash(told.strip(), "error")


# --- migration ---------------------------------------------------------------------------------
@blueprint.get("/move/<workflow>")
@administrators_only
def mapping(workflow: str) -> str:
    """Where the states of older versions lead: the table, and with `look` what would happen."""
    with reading() as unit:
        flow = workflow_or_404(unit, workflow)
        older = next((one.older for one in running(unit) if one.workflow == workflow), [])
        picked = [one for one in map(_number, request.args.getlist("version")) if one]
        definitions = picked or [one.definition for one in older]
        offered = choices(unit, workflow, definitions)
        given = _given(request.args)
        preview, problems = _looked(unit, workflow, definitions, given)
        rows = [
            {
                "state": one.state,
                "title": word(one.title),
                "count": one.count,
                "target": given.get(one.state, one.target),
            }
            for one in offered
        ]
        return render_template(
            "studio/case_move.html",
            shell=shell(unit),
            title=gettext("Move cases to version %(number)s", number=flow.version),
            flow=word(flow.title),
            workflow=workflow,
            versions=[
                {
                    "id": one.definition,
                    "number": one.version,
                    "count": one.count,
                    "picked": one.definition in definitions,
                }
                for one in older
            ],
            rows=rows,
            places=[(state, word(title)) for state, title in targets(unit, workflow)],
            problems=problems,
            **_preview(unit, preview),
        )


def workflow_or_404(unit: Unit, workflow: str) -> Any:
    """The published workflow of an address."""
    try:
        return workflow_of(unit, workflow)
    except Failure:
        abort(404)


def _number(given: str) -> int:
    return int(given) if given.isascii() and given.isdigit() and len(given) < 18 else 0


def _given(values: Any) -> dict[str, str]:
    """The mapping in an address or a form: fields `to.<old state>`."""
    return {
        key.removeprefix("to."): value for key, value in values.items() if key.startswith("to.")
    }


def _looked(
    unit: Unit, workflow: str, definitions: list[int], given: dict[str, str]
) -> tuple[Preview | None, list[str]]:
    if "look" not in request.args:
        return None, []
    try:
        return preview_migration(unit, workflow, definitions, given), []
    except NotFound:
        raise
    except Failure as failure:
        return None, [text(problem, language()) for problem in failure.problems]


def _preview(unit: Unit, found: Preview | None) -> dict[str, Any]:
    if found is None:
        return {"preview": None}
    first = sorted(found.cases, key=lambda one: not one.problems)[:SHOWN]
    asked = [person for one in first for task in one.tasks for person in task.people]
    teller = _teller(unit, asked)
    return {
        "preview": {
            "total": found.total,
            "tried": len(found.cases),
            "refused": len(found.refused),
            "moved": len(found.cases) - len(found.refused),
            "ways": way_rows(found),
            "cases": [move_row(found, one, teller) for one in first],
            "more": len(found.cases) - len(first),
        }
    }


@blueprint.post("/move/<workflow>")
@administrators_only
@patient
def begin(workflow: str) -> Response:
    """Begin a migration as it was previewed."""
    definitions = [one for one in map(_number, request.form.getlist("version")) if one]
    given = _given(request.form)
    try:
        with writing() as unit:
            workflow_or_404(unit, workflow)
            reason = request.form.get("reason", "")
            id = begin_migration(unit, workflow, definitions or None, given, reason)
    except NotFound:
        raise
    except Failure as failure:
        _tell(failure)
        again: dict[str, Any] = {f"to.{old}": new for old, new in given.items()}
        href = url_for(".mapping", workflow=workflow, look=1, version=definitions, **again)
        return go(href)
    return go(url_for(".migration", id=id, run=1))


@blueprint.get("/moves/<int:id>")
@administrators_only
def migration(id: int) -> str:
    """How far a migration has come; what it left; and the way back."""
    with reading() as unit:
        try:
            row = migration_row(unit, id)
        except Failure:
            abort(404)
        book = [one for one in migrations(unit, row["workflow"], most=200) if one.id == id]
        if not book:
            abort(404)
        flow = unit.app.model.workflows.get(row["workflow"])
        left = None
        if flow is not None and not book[0].undone_at:
            left = _looked_again(unit, row)
        teller = _teller(unit, [row["by_id"], row["undone_by_id"]])
        return render_template(
            "studio/case_moved.html",
            shell=shell(unit),
            title=gettext("Migration"),
            flow=word(flow.title) if flow else row["workflow"],
            migration=_migration_row(unit, book[0], teller),
            number=id,
            running=request.args.get("run") == "1" and not book[0].undone_at,
            after=request.args.get("after", 0, type=int),
            undone_by=teller.person(row["undone_by_id"]),
            undone_when=teller.when(row["undone_at"]),
            **_preview(unit, left),
        )


def _looked_again(unit: Unit, row: Mapping[str, Any]) -> Preview | None:
    """The cases that are still on the versions a migration is about."""
    chosen = row["mapping"]
    try:
        return preview_migration(unit, row["workflow"], chosen["from"], chosen["states"])
    except Failure:
        return None


@blueprint.post("/moves/<int:id>")
@administrators_only
@patient
def run(id: int) -> Response:
    """Move the next cases."""
    after = request.form.get("after", 0, type=int)
    try:
        done = carry_on(g.company, g.actor, id, after=max(after, 0))
    except NotFound:
        raise
    except Failure as failure:
        _tell(failure)
        return go(url_for(".migration", id=id))
    if done.after:
        return go(url_for(".migration", id=id, run=1, after=done.after))
    return go(url_for(".migration", id=id))


@blueprint.post("/moves/<int:id>/undo")
@administrators_only
@patient
def undo(id: int) -> Response:
    """Put back what nobody has touched since."""
    try:
        done = undo_migration(g.company, g.actor, id, request.form.get("reason", ""))
    except NotFound:
        raise
    except Failure as failure:
        _tell(failure)
        return go(url_for(".migration", id=id))
    count = len(done.restored)
    flash(ngettext("%(num)d case put back.", "%(num)d cases put back.", count), "success")
    if done.left:
        told = ngettext(
            "%(num)d case was touched since and stays: %(cases)s.",
            "%(num)d cases were touched since and stay: %(cases)s.",
            len(done.left),
            cases=gettext(", ").join(f"#{one}" for one in done.left[:20]),
        )
        flash(told, "error")
    return go(url_for(".migration", id=id))


def _teller(unit: Unit, people: list[int | None] | list[int]) -> Teller:
    return Teller(names_of(unit, {USER: [one for one in people if one]}), unit.now)
