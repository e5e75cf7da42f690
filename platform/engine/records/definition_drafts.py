"""Changes of the company's own layer that are not published yet: one draft for each file of it.

A draft is shared by all administrators: each sees what the others changed, and whoever changes a
file says which state of it he saw. What is published meanwhile by another way stays: a draft is
what it changes, done to the file that is in force.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.access_edit import rebased
from engine.definitions.canonical import canonical, fingerprint
from engine.definitions.layers import OVERLAY
from engine.definitions.load import load
from engine.definitions.model import Model
from engine.fields import USER
from engine.problems import Problem, Severity
from engine.records.application import Application
from engine.records.company import Company
from engine.records.failures import Busy, Conflict, Invalid, NotFound
from engine.records.labels import names_of
from engine.records.people import holders
from engine.records.publish import Check
from engine.records.publish import publish as put_in_force
from engine.records.unit import Actor, Unit
from engine.tables import system

_DRAFT, _VERSION = system.DEFINITION_DRAFT, system.VERSION
_OWN: Final = f"{OVERLAY}/"


@dataclass(frozen=True, slots=True)
class FileDraft:
    """A changed file. `base` is the published version it was begun on."""

    key: str
    body: str
    base: int
    version: int
    by: int | None
    at: datetime


# --- reading -------------------------------------------------------------------------------------


def drafts(unit: Unit) -> dict[str, FileDraft]:
    """All drafts by file."""
    rows = unit.connection.execute(sa.select(_DRAFT).order_by(_DRAFT.c.key))
    return {
        row.key: FileDraft(row.key, row.body, row.base_id, row.version, row.by_id, row.at)
        for row in rows
    }


def drafted(unit: Unit, kept: Mapping[str, FileDraft] | None = None) -> dict[str, str]:
    """The company's sources with all drafts in force."""
    found = dict(unit.app.sources)
    for key, draft in (drafts(unit) if kept is None else kept).items():
        text = _current(unit, draft)
        if text:
            found[key] = text
        else:
            found.pop(key, None)
    return found


def stand(unit: Unit, kept: Mapping[str, FileDraft] | None = None) -> str:
    """What changes whenever a draft or what is in force does."""
    kept = drafts(unit) if kept is None else kept
    return fingerprint(unit.app.version, [[one.key, one.version] for one in kept.values()])


def pack_of(unit: Unit, version: int | None = None) -> str:
    """The pack of a version, of the one in force when none is named.

    Raises: NotFound.
    """
    wanted = unit.app.version if version is None else version
    found = unit.connection.scalar(sa.select(_VERSION.c.pack).where(_VERSION.c.id == wanted))
    if found is None:
        raise NotFound
    return str(found)


def sources_of(unit: Unit, version: int) -> dict[str, str]:
    """The sources of a version that was published once.

    Raises: NotFound.
    """
    if version == unit.app.version:
        return dict(unit.app.sources)
    found = unit.connection.scalar(sa.select(_VERSION.c.sources).where(_VERSION.c.id == version))
    if found is None:
        raise NotFound
    return dict(found)


def versions(unit: Unit, limit: int = 50) -> list[dict[str, Any]]:
    """The published versions, the newest first: id, at, by_id, note, pack."""
    table = _VERSION.c
    wanted = sa.select(table.id, table.at, table.by_id, table.note, table.pack)
    rows = unit.connection.execute(wanted.order_by(table.id.desc()).limit(limit))
    return [dict(row) for row in rows.mappings()]


def _current(unit: Unit, draft: FileDraft) -> str:
    """The text of a draft, on top of what is in force now."""
    theirs = unit.app.sources.get(draft.key, "")
    if draft.base == unit.app.version:
        return draft.body
    try:
        base = sources_of(unit, draft.base).get(draft.key, "")
    except NotFound:
        base = theirs
    if theirs in (base, draft.body):
        return draft.body
    merged = rebased(*(_data(draft.key, text) for text in (base, draft.body, theirs)))
    return canonical(merged) if merged else ""


def _data(key: str, text: str) -> Any:
    return load(key, text)[0].data if text else {}


# --- writing -------------------------------------------------------------------------------------


def save(unit: Unit, wanted: Mapping[str, str], seen: Mapping[str, int], since: str) -> list[str]:
    """Keep the files of the company's own layer as they are in `wanted`; the files that changed.
    `seen` says which version of each draft the change was made on (0: of none), `since` is the
    `stand` on which `wanted` was worked out and found `sound`.

    Raises: NotFound, Conflict when somebody else changed the same, Busy when he changed something
    else: then it has to be worked out again.
    """
    _allowed(unit)
    _lock(unit)
    kept = drafts(unit)
    now = drafted(unit, kept)
    keys = changed_files(now, wanted)
    for key in keys:
        held = kept.get(key)
        if (held.version if held else 0) != seen.get(key, 0):
            raise _overtaken(unit, held)
    if keys and stand(unit, kept) != since:
        raise Busy
    for key in keys:
        _keep(unit, key, wanted.get(key, ""))
    return keys


def changed_files(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The files of the company's own layer that differ."""
    return [
        key
        for key in sorted({*before, *after})
        if key.startswith(_OWN) and before.get(key, "") != after.get(key, "")
    ]


def sound(sources: Mapping[str, str], pack: str, check: Check) -> Model:
    """The model of definitions that could be published.

    Raises: Invalid.
    """
    model, found = check(sources, pack)
    wrong = [one for one in found if one.severity is Severity.ERROR]
    if model is None or wrong:
        raise Invalid(wrong or found)
    return model


def discard(unit: Unit, keys: Collection[str], seen: Mapping[str, int]) -> None:
    """Forget drafts, as they were seen.

    Raises: NotFound, Conflict.
    """
    _allowed(unit)
    _lock(unit)
    kept = drafts(unit)
    for key in keys:
        held = kept.get(key)
        if held is not None and held.version != seen.get(key, 0):
            raise _overtaken(unit, held)
        unit.connection.execute(sa.delete(_DRAFT).where(_DRAFT.c.key == key))


def _keep(unit: Unit, key: str, text: str) -> None:
    unit.connection.execute(sa.delete(_DRAFT).where(_DRAFT.c.key == key))
    if text == unit.app.sources.get(key, ""):
        return  # nothing is left of the changes
    unit.connection.execute(
        sa.insert(_DRAFT).values(
            key=key,
            body=text,
            base_id=unit.app.version,
            by_id=unit.actor.id or None,
            at=unit.now,
            version=unit.app.database.ids.next(unit.connection),
        )
    )


def _allowed(unit: Unit) -> None:
    if not unit.administers:
        raise NotFound


def _lock(unit: Unit) -> None:
    """One after the other, also with those who publish."""
    where = _VERSION.c.id == unit.app.version
    unit.connection.execute(sa.select(_VERSION.c.id).where(where).with_for_update())


def _overtaken(unit: Unit, held: FileDraft | None) -> Conflict:
    if held is None or held.by is None:
        return Conflict([Problem("K002")])
    name = names_of(unit, {USER: [held.by]}).label(USER, held.by)
    when = held.at.astimezone(unit.zone).strftime("%Y-%m-%d %H:%M")
    return Conflict([Problem("K001", {"by": name, "at": when})])


# --- publishing ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Release:
    """What is to be published: the sources, and what was seen of the company when it was decided.
    `drafts`: whether it is the drafts that come into force."""

    sources: Mapping[str, str]
    pack: str
    stand: str
    note: str
    acknowledged: str = ""  # the hash of the change of rights that was looked at
    drafts: bool = True


def publish(company: Company, release: Release, actor: Actor, check: Check) -> Application:
    """Put a release into force; the drafts that went into it are forgotten.

    Raises: NotFound, Invalid, Conflict, Busy.
    """
    if not release.note.strip():
        raise Invalid([Problem("K003", {}, "/note")])
    with company.unit(actor) as unit:
        _allowed(unit)
        kept = drafts(unit)
        if stand(unit, kept) != release.stand:
            raise Conflict([Problem("K002")])
        model = sound(release.sources, release.pack, check)
        before = [name for name, role in unit.app.model.roles.items() if role.admin]
        after = [name for name, role in model.roles.items() if role.admin]
        if holders(unit.connection, before) and not holders(unit.connection, after):
            raise Conflict([Problem("K004")])
        seen = unit.app.version
    app = put_in_force(
        company,
        release.sources,
        release.pack,
        actor,
        release.note,
        check=check,
        after=seen,
        acknowledged=release.acknowledged,
    )
    if release.drafts:
        with company.unit(actor, write=True, source="command") as unit:
            for key, draft in kept.items():
                same = (_DRAFT.c.key == key) & (_DRAFT.c.version == draft.version)
                unit.connection.execute(sa.delete(_DRAFT).where(same))
    return app
