"""The inbox: what waits for a decision, what was decided, what one has started."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import Blueprint, Response, abort, flash, render_template, request, url_for
from flask_babel import gettext

from dougong.i18n import language
from dougong.inbox import inbox_item
from dougong.routing import go, login_required, patient, reading, safe_next, writing
from dougong.shell import shell
from engine.problems import text
from engine.records import flows
from engine.records.failures import Failure, NotFound
from engine.records.flows import InboxItem

blueprint = Blueprint("approvals", __name__, url_prefix="/<company>/approvals")
SIZE = 20
COMMANDS = frozenset({"approve", "reject", "claim"})

Lister = Callable[..., Sequence[InboxItem]]
LISTS: dict[str, Lister] = {
    "todo": flows.my_tasks,
    "done": flows.decided_tasks,
    "mine": flows.started_cases,
}


@blueprint.get("")
@login_required
def index() -> str:
    """One of the three lists, newest first."""
    tab = request.args.get("tab", "todo")
    if tab not in LISTS:
        abort(404)
    before = request.args.get("before", type=int)
    with reading() as unit:
        found = LISTS[tab](unit, size=SIZE + 1, before=before)
        count = flows.count_tasks(unit)
        titles = {
            "todo": gettext("To decide"),
            "done": gettext("Decided"),
            "mine": gettext("Started"),
        }
        last = found[SIZE - 1] if len(found) > SIZE else None
        older = (last.task_id or last.instance) if last else 0
        return render_template(
            "approvals.html",
            shell=shell(unit),
            title=gettext("Approvals"),
            tab=tab,
            tabs=[
                {
                    "key": key,
                    "title": title,
                    "count": count if key == "todo" else None,
                    "href": url_for(".index", tab=key),
                    "active": key == tab,
                }
                for key, title in titles.items()
            ],
            items=[inbox_item(unit, item) for item in found[:SIZE]],
            next_href=url_for(".index", tab=tab, before=older) if older else "",
            prev_href=url_for(".index", tab=tab) if before else "",
        )


@blueprint.post("/<int:task>")
@login_required
@patient
def decide(task: int) -> Response:
    """Approve, reject or take up a task; a refusal is told on the page one came from."""
    command = request.form.get("decision", "")
    if command not in COMMANDS:
        abort(400)
    try:
        with writing() as unit:
            flows.decide(
                unit,
                task,
                command,
                request.form.get("comment", "").strip(),
                version=request.form.get("version", type=int),
            )
    except NotFound:
        raise
    except Failure as failure:
        flash(" ".join(text(problem, language()) for problem in failure.problems), "error")
    else:
        done = {"approve": gettext("Approved."), "reject": gettext("Rejected.")}
        flash(done.get(command, gettext("Done.")), "success")
    return go(safe_next(request.form.get("next") or url_for(".index")))
