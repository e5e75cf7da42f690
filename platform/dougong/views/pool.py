"""Taking records from the pool, one or several, and giving them back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flask import Blueprint, Response, flash, request, url_for
from flask_babel import gettext, ngettext

from dougong.i18n import language
from dougong.routing import go, login_required, patient, safe_next, writing
from dougong.views.records import tell
from engine.problems import text
from engine.records import pool, reading
from engine.records.failures import Failure, NotFound
from engine.records.labels import label_of
from engine.records.unit import Unit

blueprint = Blueprint("pool", __name__, url_prefix="/<company>/e/<entity>")


@blueprint.post("/<int:id>/claim")
@login_required
@patient
def claim(entity: str, id: int) -> Response:
    """Take one record: its page, also of somebody who came too late."""
    try:
        with writing() as unit:
            pool.claim(unit, entity, id, request.form.get("version", type=int))
            title = _title(unit, entity, id)
    except Failure as failure:
        return _refused(failure, entity, id)
    flash(gettext("%(title)s is yours now.", title=title), "success")
    return go(url_for("records.show", entity=entity, id=id))


@blueprint.post("/<int:id>/release")
@login_required
@patient
def release(entity: str, id: int) -> Response:
    """Give a record back. Who does not see it in the pool is led to the list."""
    try:
        with writing() as unit:
            title = _title(unit, entity, id)
            version = request.form.get("version", type=int)
            pool.release(unit, entity, id, version, request.form.get("reason", ""))
            seen = bool(reading.visible(unit, entity, [id]))
    except Failure as failure:
        return _refused(failure, entity, id)
    flash(gettext("%(title)s is back in the pool.", title=title), "success")
    if seen:
        return go(url_for("records.show", entity=entity, id=id))
    return go(url_for("lists.index", entity=entity))


@blueprint.post("/claim")
@login_required
@patient
def claim_many(entity: str) -> Response:
    """Take the chosen records of a list and say what became of each."""
    back = safe_next(request.form.get("back"))
    one = _wanted(request.form.getlist("one"))
    wanted = one or _wanted(request.form.getlist("record"))
    if not wanted:
        flash(gettext("Choose the records to take first."), "error")
        return go(back)
    try:
        with writing() as unit:
            outcomes = pool.claim_many(unit, entity, wanted)
            taken = [_title(unit, entity, each.id) for each in outcomes if not each.problems]
    except NotFound:
        raise
    except Failure as failure:
        tell(failure, entity)
        return go(back)
    _tell(taken, [each for each in outcomes if each.problems])
    if one and taken:
        return go(url_for("records.show", entity=entity, id=one[0][0]))
    return go(back)


def _tell(taken: Sequence[str], refused: Sequence[pool.Outcome]) -> None:
    """What became of them: the names of what was taken, and each reason why not once."""
    if taken:
        joint = "、" if language().startswith("zh") else ", "
        names = joint.join(taken[:3]) + (" …" if len(taken) > 3 else "")
        said = ngettext("%(num)s record taken: %(names)s", "%(num)s records taken: %(names)s",
                        len(taken), names=names)  # fmt: skip
        flash(said, "success")
    reasons: dict[str, int] = {}
    for one in refused:
        why = text(one.problems[0], language())
        reasons[why] = reasons.get(why, 0) + 1
    for why, count in reasons.items():
        said = why
        if len(taken) + len(refused) > 1:
            said = gettext("%(count)s not taken: %(why)s", count=count, why=why)
        flash(said, "error")


def _wanted(given: Iterable[str]) -> list[tuple[int, int]]:
    """The ids and versions of "12.3"; anything else is passed over."""
    found = []
    for one in given:
        id, _, version = one.partition(".")
        if all(part.isascii() and part.isdigit() and len(part) < 16 for part in (id, version)):
            found.append((int(id), int(version)))
    return found


def _title(unit: Unit, entity: str, id: int) -> str:
    return label_of(unit, entity, reading.read(unit, entity, id, told=False))


def _refused(failure: Failure, entity: str, id: int) -> Response:
    if isinstance(failure, NotFound):
        raise failure
    tell(failure, entity)
    return go(url_for("records.show", entity=entity, id=id))
