"""From draft to published rights: what changes in words, who gains or loses what, and doing it;
also taking back, which is publishing what was in force before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from flask import Blueprint, Response, flash, g, make_response, render_template, request
from flask import url_for as address
from flask_babel import gettext

from dougong.i18n import language
from dougong.proving import proven
from dougong.routing import administrators_only, go, patient, reading, writing
from dougong.studio.permissions import frame
from dougong.studio.permissions_desk import Desk, read, seen_in_form, sentences
from dougong.studio.permissions_desk import versions as listed
from dougong.studio.permissions_words import Told, Words, told
from engine.definitions.access_edit import differences
from engine.definitions.model import Model
from engine.packs import check_sources
from engine.problems import Problem, Severity, text
from engine.records import definition_drafts as drafts
from engine.records.explaining.difference import NOTHING, Diff
from engine.records.failures import Conflict, Failure, NotFound
from engine.records.outlook import look_ahead
from engine.records.people import holders
from engine.records.publish import WHATEVER
from engine.records.unit import Unit

blueprint = Blueprint("permission_release", __name__, url_prefix="/<company>/admin/permissions")


@dataclass(frozen=True)
class Wanted:
    """The sources that are to be published. `version` is the one to go back to, None for the
    drafts."""

    sources: Mapping[str, str]
    pack: str
    version: int | None = None

    @classmethod
    def of(cls, unit: Unit, version: int | None) -> Wanted:
        """What a preview or a publish is about.

        Raises: NotFound.
        """
        if version is None:
            return cls(drafts.drafted(unit), drafts.pack_of(unit))
        if version == unit.app.version:
            raise NotFound
        return cls(drafts.sources_of(unit, version), drafts.pack_of(unit, version), version)


@dataclass(frozen=True)
class Look:
    """What publishing would do, for the page."""

    errors: Sequence[str]
    warnings: Sequence[str]
    more: Sequence[str]  # what else changes: tables, definitions
    rights: Diff


# --- pages ---------------------------------------------------------------------------------------


@blueprint.get("/publish")
@administrators_only
@proven
def preview() -> str:
    """What publishing the drafts would change."""
    with reading() as unit:
        return _preview(unit, None)


@blueprint.get("/versions/<int:version>")
@administrators_only
@proven
def back(version: int) -> str:
    """What going back to an earlier version would change."""
    with reading() as unit:
        return _preview(unit, version)


def _preview(unit: Unit, version: int | None, problems: Sequence[Problem] = ()) -> str:
    desk, wanted = Desk.of(unit), Wanted.of(unit, version)
    look = _look(unit, wanted)
    rights = read(wanted.sources, wanted.pack)
    words = Words(unit.app.model, language(), {**desk.published.roles, **rights.roles})
    found = [told(one, words) for one in differences(desk.published, rights)]
    target = next((one for one in listed(unit) if one.id == version), None)
    if version is not None and target is None:
        raise NotFound
    return render_template(
        "studio/permissions_publish.html",
        **frame(desk, "versions" if version else "index", _title(version)),
        groups=_grouped(found),
        count=len(found),
        look=look,
        errors=[*sentences(problems), *(one for one in look.errors)],
        blocked=bool(look.errors),
        rights=look.rights.sentences(language()),
        rights_hash=look.rights.hash,
        lines=look.rights.lines,
        people=look.rights.people,
        target=target,
        nothing=wanted.version is None and not desk.kept,
        stand=drafts.stand(unit, desk.kept),
        seen={key: one.version for key, one in desk.kept.items()},
        note=request.form.get("note", ""),
        action=address(".publish") if version is None else address(".restore", version=version),
        discard_href=address(".discard"),
    )


def _title(version: int | None) -> str:
    return gettext("Publish rights") if version is None else gettext("Take back")


def _grouped(found: Sequence[Told]) -> dict[str, list[Told]]:
    groups: dict[str, list[Told]] = {}
    for one in found:
        groups.setdefault(one.about, []).append(one)
    return groups


def _look(unit: Unit, wanted: Wanted) -> Look:
    model, found = _checked(wanted.sources, wanted.pack)
    errors = [one for one in found if one.severity is Severity.ERROR]
    if model is None or errors:
        return Look(sentences(errors or found), (), (), NOTHING)
    known = {_same(one) for one in _checked(unit.app.sources, drafts.pack_of(unit))[1]}
    warned = [one for one in found if _same(one) not in known]
    outlook = look_ahead(unit.app, unit.connection, model)
    errors = [one for one in outlook.problems if one.severity is Severity.ERROR]
    warned += outlook.warnings
    if _locked_out(unit, model):
        errors.append(Problem("K004"))
    told = [text(one, language()) for one in warned]
    if _leaves(unit, model):
        told.insert(0, gettext("You yourself will not be an administrator any more."))
    return Look(sentences(errors), told, outlook.sentences(language()), outlook.rights)


def _checked(sources: Mapping[str, str], pack: str) -> tuple[Model | None, Sequence[Problem]]:
    return _remembered(tuple(sorted(sources.items())), pack)


@lru_cache(maxsize=4)
def _remembered(
    sources: tuple[tuple[str, str], ...], pack: str
) -> tuple[Model | None, Sequence[Problem]]:
    return check_sources(dict(sources), pack)


def _same(one: Problem) -> tuple[str, str, str]:
    """A problem without its line, which moves with every edit."""
    return one.code, one.pointer, repr(sorted(one.params.items()))


def _locked_out(unit: Unit, model: Model) -> bool:
    before, after = (
        [name for name, role in one.roles.items() if role.admin] for one in (unit.app.model, model)
    )
    return bool(holders(unit.connection, before)) and not holders(unit.connection, after)


def _leaves(unit: Unit, model: Model) -> bool:
    after = {name for name, role in model.roles.items() if role.admin}
    return not unit.actor.operator and not after & unit.actor.roles


# --- doing it ------------------------------------------------------------------------------------


@blueprint.post("/publish")
@administrators_only
@proven
def publish() -> Response | str:
    """Put the drafts into force."""
    return _publish(None)


@blueprint.post("/versions/<int:version>")
@administrators_only
@proven
def restore(version: int) -> Response | str:
    """Put an earlier version into force again."""
    return _publish(version)


def _publish(version: int | None) -> Response | str:
    form = request.form
    note = form.get("note", "").strip()[:500]
    with reading() as unit:
        wanted = Wanted.of(unit, version)
        stand = drafts.stand(unit)
    release = drafts.Release(
        wanted.sources,
        wanted.pack,
        form.get("stand", ""),
        note,
        form.get("acknowledged", "").strip(WHATEVER)[:100],
        drafts=version is None,
    )
    try:
        if stand == release.stand and not form.get("acknowledged") and form.get("rights"):
            raise Conflict([Problem("K013", {}, "/acknowledged")])
        drafts.publish(g.company, release, g.actor, check_sources)
    except NotFound:
        raise
    except Failure as failure:
        with reading() as unit:
            return make_response(_preview(unit, version, failure.problems), 422)
    flash(gettext("Published. The new rights hold from now on."), "success")
    return go(address("permissions.index"))


@blueprint.post("/discard")
@administrators_only
@patient
def discard() -> Response:
    """Forget all changes that are not published."""
    seen = seen_in_form()
    try:
        with writing() as unit:
            drafts.discard(unit, list(seen), seen)
    except Conflict as failure:
        for one in sentences(failure.problems):
            flash(one, "error")
        return go(address(".preview"))
    flash(gettext("The draft was discarded."), "success")
    return go(address("permissions.index"))


@blueprint.get("/versions")
@administrators_only
def versions() -> str:
    """The published versions: compare with one, or go back to it."""
    with reading() as unit:
        return render_template(
            "studio/permissions_versions.html",
            **frame(Desk.of(unit), "versions", gettext("Versions")),
            versions=[
                {
                    "version": one,
                    "compare": address("permissions.index", against=one.id),
                    "back": address(".back", version=one.id),
                }
                for one in listed(unit)
            ],
        )
