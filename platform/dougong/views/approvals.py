"""The inbox: what waits for a decision, what may be claimed, what was decided, what one has
started, what one was sent a copy of; the page of a case; deciding one or several."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    make_response,
    render_template,
    request,
    send_file,
    url_for,
)
from flask_babel import gettext

from dougong.cards import Typed
from dougong.casepage import context
from dougong.deciding import COMMANDS, carry_out, phrases, refused
from dougong.failures import status_of
from dougong.i18n import language
from dougong.inbox import inbox_item
from dougong.routing import PATIENCE, go, login_required, patient, reading, safe_next, writing
from dougong.shell import shell
from dougong.views.records import refused_page
from engine.definitions.model import text_of
from engine.problems import Problem, text
from engine.records import flows
from engine.records.failures import Busy, Failure, NotFound
from engine.records.files import open_file
from engine.records.flows import InboxItem, Wanted
from engine.records.flows.cards import open_case, open_task, place_of
from engine.records.flows.inbox import Counts, counts, places, read_copy
from engine.records.flows.signatures import is_signature
from engine.records.flows.together import approve_together
from engine.records.unit import Unit

blueprint = Blueprint("approvals", __name__, url_prefix="/<company>/approvals")
SIZE: Final = 20
MOST: Final = 100  # tasks approved together
ORDERS: Final = ("new", "old", "due")
PICTURES: Final = frozenset({"image/png", "image/jpeg"})

Lister = Callable[..., Sequence[InboxItem]]
LISTS: dict[str, Lister] = {
    "todo": flows.my_tasks,
    "claim": flows.my_tasks,
    "done": flows.decided_tasks,
    "mine": flows.started_cases,
    "copies": flows.copied_cases,
}
WHOSE: Final = {"todo": "own", "claim": "pool"}


# --- lists -------------------------------------------------------------------------------------
@blueprint.get("")
@login_required
def index() -> str:
    """One of the lists."""
    tab = request.args.get("tab", "todo")
    if tab not in LISTS:
        abort(404)
    before = request.args.get("before", type=int)
    wanted = wanted_of(request.args, tab)
    with reading() as unit:
        found = LISTS[tab](unit, size=SIZE + 1, before=before, wanted=wanted)
        last = found[SIZE - 1] if len(found) > SIZE else None
        older = (last.task_id or last.instance) if last else 0
        asked = _asked(wanted)
        there: dict[str, Any] = {"tab": tab, **asked}
        return render_template(
            "approvals.html",
            shell=shell(unit),
            title=gettext("Approvals"),
            tab=tab,
            tabs=_tabs(counts(unit), tab),
            items=[inbox_item(unit, item) for item in found[:SIZE]],
            filters=_filters(unit, tab, wanted),
            narrowed=bool(asked.keys() - {"order"}),
            next_href=url_for(".index", before=older, **there) if older else "",
            prev_href=url_for(".index", **there) if before else "",
            here=request.full_path.rstrip("?"),
            key=secrets.token_urlsafe(9),
            phrases=phrases(unit) if tab == "todo" else (),
        )


def wanted_of(args: Any, tab: str) -> Wanted:
    """Filters, words and order of an address."""
    workflow, _, state = args.get("step", "").partition("/")
    order = args.get("order", "new")
    return Wanted(
        entity=args.get("entity", ""),
        workflow=workflow,
        state=state,
        text=args.get("q", "").strip()[:100],
        order=order if order in ORDERS else "new",
        whose=WHOSE.get(tab, ""),  # type: ignore[arg-type]
    )


def _asked(wanted: Wanted) -> dict[str, str]:
    """The same as arguments of an address."""
    step = f"{wanted.workflow}/{wanted.state}" if wanted.state else ""
    order = wanted.order if wanted.order != "new" else ""
    found = {"entity": wanted.entity, "step": step, "q": wanted.text, "order": order}
    return {name: value for name, value in found.items() if value}


def _tabs(found: Counts, tab: str) -> list[dict[str, Any]]:
    titles = {
        "todo": (gettext("To decide"), found.own),
        "claim": (gettext("To claim"), found.pool),
        "done": (gettext("Decided"), None),
        "mine": (gettext("Started"), None),
        "copies": (gettext("Copies"), found.copies),
    }
    return [
        {
            "key": key,
            "title": title,
            "count": count,
            "href": url_for(".index", tab=key),
            "active": key == tab,
        }
        for key, (title, count) in titles.items()
    ]


def _filters(unit: Unit, tab: str, wanted: Wanted) -> dict[str, Any]:
    """What the list can be narrowed by: for open tasks only where there are some."""
    model = unit.app.model
    entities = {flow.entity for flow in model.workflows.values()}
    steps: list[tuple[str, str]] = []
    if tab in WHOSE:
        found = places(unit, WHOSE[tab])  # type: ignore[arg-type]
        entities = {one.entity for one in found} | ({wanted.entity} & entities)
        steps = [
            (
                f"{one.workflow}/{one.state}",
                f"{text_of(one.title, language())} ({one.count})",
            )
            for one in found
            if not wanted.entity or one.entity == wanted.entity
        ]
    named = [
        (name, text_of(model.entities[name].title, language()))
        for name in model.entities
        if name in entities
    ]
    return {
        "entities": named,
        "steps": steps,
        "entity": wanted.entity,
        "step": f"{wanted.workflow}/{wanted.state}" if wanted.state else "",
        "text": wanted.text,
        "order": wanted.order,
        "orders": [
            ("new", gettext("Newest first")),
            ("old", gettext("Oldest first")),
            ("due", gettext("Due first")),
        ]
        if tab in WHOSE
        else [],
    }


# --- one case ----------------------------------------------------------------------------------
@blueprint.get("/<int:task>")
@login_required
def show(task: int) -> str:
    """The case of a task, to read and to decide."""
    with reading() as unit:
        return _page(unit, task)


@blueprint.get("/case/<int:instance>")
@login_required
def case(instance: int) -> str:
    """A case that one has started, decided in, or was sent a copy of."""
    with reading() as unit:
        return _case_page(unit, instance)


@blueprint.post("/case/<int:instance>/read")
@login_required
@patient
def read(instance: int) -> Response:
    """Open a copy: it is no longer new."""
    with writing() as unit:
        read_copy(unit, instance)
    return go(url_for(".case", instance=instance))


@blueprint.get("/signature/<int:file>")
@login_required
def signature(file: int) -> Response:
    """The picture of a signature, for whoever may know the case."""
    with reading() as unit:
        found, path = open_file(unit, file)
        if found.mime not in PICTURES or not is_signature(unit, file):
            raise NotFound
    return send_file(path, mimetype=found.mime, etag=found.sha256)


def _page(unit: Unit, task: int, typed: Typed | None = None) -> str:
    return _drawn(unit, context(unit, open_task(unit, task), typed), f"/{task}")


def _case_page(unit: Unit, instance: int) -> str:
    return _drawn(unit, context(unit, open_case(unit, instance)), f"/case/{instance}")


def _drawn(unit: Unit, found: dict[str, Any], here: str) -> str:
    back = safe_next(request.values.get("next") or url_for(".index"))
    if back.startswith(url_for(".index") + here) or not back.startswith(url_for(".index")):
        back = url_for(".index")
    return render_template("approval.html", shell=shell(unit), list_href=back, **found)


# --- deciding ----------------------------------------------------------------------------------
@blueprint.post("/<int:task>")
@login_required
@patient
def decide(task: int) -> Response:
    """Any command on a task. What is refused comes back with what was typed, where it was typed."""
    command = (request.form.get("decision") or request.form.get("event", "")).removeprefix("task.")
    if command not in COMMANDS:
        abort(400)
    try:
        with writing() as unit:
            carry_out(unit, task, command)
    except (NotFound, Busy):
        raise
    except Failure as failure:
        return _refused(failure, task, command)
    done = {
        "approve": gettext("Approved."),
        "reject": gettext("Rejected."),
        "claim": gettext("It is yours now."),
        "return": gettext("Sent back."),
        "remind": gettext("Reminded."),
    }
    flash(done.get(command, gettext("Done.")), "success")
    if command == "claim":
        return go(url_for(".show", task=task))
    return go(safe_next(request.form.get("next") or url_for(".index")))


def _refused(failure: Failure, task: int, command: str) -> Response:
    typed = refused(failure, f"task.{command}", task)
    with reading() as unit:
        try:
            entity, id = place_of(unit, task)
            target = request.form.get("next", "")
            if target == url_for("records.show", entity=entity, id=id):
                page = refused_page(unit, entity, id, typed)
            else:
                page = _page(unit, task, typed)
        except NotFound:  # nothing of it is his business any more
            flash(" ".join(typed.said(language())), "error")
            return go(url_for(".index"))
        return make_response(page, status_of(failure))


# --- several together --------------------------------------------------------------------------
@blueprint.post("/bulk")
@login_required
def bulk() -> Response:
    """Approve several: first they are listed to be confirmed, then each is decided on its own."""
    ids = list(dict.fromkeys(request.form.getlist("task", type=int)))
    if not 0 < len(ids) <= MOST:
        problem = Problem("I103", {"most": MOST}) if ids else Problem("I102")
        flash(text(problem, language()), "error")
        return go(url_for(".index"))
    with reading() as unit:
        found = flows.my_tasks(unit, size=MOST, wanted=Wanted(whose="own", ids=tuple(ids)))
        items = {item.task_id: item for item in found}
        lines = [inbox_item(unit, items[id]) for id in ids if id in items]
    results = []
    if request.form.get("sure") == "1":
        results = [_approved(id) for id in ids]
    done = sum(1 for one in results if not one["problem"])
    with reading() as unit:
        page = render_template(
            "approvals_bulk.html",
            shell=shell(unit),
            title=gettext("Approve together"),
            items=[line for line in lines if line.bulk],
            left=[line for line in lines if not line.bulk] if not results else [],
            results=results,
            done=done,
            failed=len(results) - done,
            comment=request.form.get("comment", ""),
            phrases=phrases(unit),
            key=request.form.get("key") or secrets.token_urlsafe(9),
            list_href=url_for(".index"),
        )
    return make_response(page, 200 if done == len(results) else 207)


def _approved(task: int) -> dict[str, Any]:
    """One of several, in a transaction of its own; what stood in the way, "" when it is done."""
    form = request.form
    told = {"title": form.get(f"title.{task}", "")[:200] or f"#{task}", "problem": ""}
    for attempt in range(PATIENCE + 1):
        try:
            with writing() as unit:
                approve_together(
                    unit,
                    task,
                    form.get("comment", "").strip()[:2000],
                    version=form.get(f"version.{task}", type=int),
                    key=f"bulk:{form.get('key', '')[:60]}",
                )
        except Busy as busy:
            if attempt == PATIENCE:
                return {**told, "problem": text(busy.problems[0], language())}
            time.sleep(0.02)
        except Failure as failure:
            return {**told, "problem": " ".join(text(p, language()) for p in failure.problems)}
        else:
            return told
    return told
