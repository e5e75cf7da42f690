"""What else keeps a field's values follows when the field becomes encrypted, or is no longer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.model import Entity
from engine.records.application import Application
from engine.records.sealing import (
    DRAFT,
    EVENT,
    NOTHING,
    Sealer,
    open_whole,
    seal_whole,
)
from engine.tables.system import DRAFT as DRAFTS
from engine.tables.system import HISTORY, WF_EVENT, WF_INSTANCE

BATCH: Final = 500


def reseal(connection: sa.Connection, old: Application, new: Application) -> None:
    """Bring histories, drafts and the data of events into the form that `new` keeps them in."""
    for entity in new.model.entities.values():
        before = _sealer(old, entity)
        now = new.sealer(entity.name)
        if _places(before) == _places(now):
            continue
        names = (entity.name, *entity.was)
        _histories(connection, names, before, now)
        if bool(before) != bool(now):
            _drafts(connection, names, new, bool(now))
            _events(connection, names, new, bool(now))


def _sealer(app: Application, entity: Entity) -> Sealer:
    for name in (entity.name, *entity.was):
        if name in app.model.entities:
            return app.sealer(name)
    return NOTHING


def _places(sealer: Sealer) -> dict[str, Any]:
    found: dict[str, Any] = {name: kind.about for name, kind in sealer.fields.items()}
    return found | {name: _places(inner) for name, inner in sealer.rows.items()}


def _histories(
    connection: sa.Connection, names: tuple[str, ...], before: Sealer, now: Sealer
) -> None:
    concerned = {*before.fields, *before.rows, *now.fields, *now.rows}

    def turned(changes: Mapping[str, Any]) -> Any:
        return now.sealed(before.opened(changes)) if concerned & changes.keys() else changes

    walk(connection, HISTORY, "changes", HISTORY.c.entity.in_(names), turned)


def _drafts(
    connection: sa.Connection, names: tuple[str, ...], app: Application, seals: bool
) -> None:
    keys = app.tables.keys

    def turned(body: Any) -> Any:
        opened = open_whole(keys, body, DRAFT)
        return seal_whole(keys, opened, DRAFT) if seals else opened

    walk(connection, DRAFTS, "body", DRAFTS.c.entity.in_(names), turned)


def _events(
    connection: sa.Connection, names: tuple[str, ...], app: Application, seals: bool
) -> None:
    keys = app.tables.keys

    def turned(payload: Any) -> Any:
        if not payload or not payload.get("data"):
            return payload
        opened = open_whole(keys, payload["data"], EVENT)
        return {**payload, "data": seal_whole(keys, opened, EVENT) if seals else opened}

    cases = sa.select(WF_INSTANCE.c.id).where(WF_INSTANCE.c.entity.in_(names))
    walk(connection, WF_EVENT, "payload", WF_EVENT.c.instance_id.in_(cases), turned)


def walk(
    connection: sa.Connection,
    table: sa.Table,
    column: str,
    where: sa.ColumnElement[bool],
    turned: Callable[[Any], Any],
    *,
    after: int = 0,
    most: int | None = None,
) -> tuple[int, int]:
    """Rewrite a column of some rows, in the order of their ids; how many were changed, and the id
    of the last one looked at (0 when there are no more). `most`: stop after so many."""
    kind, value = table.c[column].type, table.c[column]
    fill = (
        sa.update(table)
        .where(table.c.id == sa.bindparam("at_"))
        .values({value: sa.bindparam("v_", type_=kind)})
    )
    done, last = 0, after
    while True:
        rows = connection.execute(
            sa.select(table.c.id, value)
            .where(where, table.c.id > last)
            .order_by(table.c.id)
            .limit(BATCH if most is None else most)
        ).all()
        if not rows:
            return done, 0
        new = [(row[0], turned(row[1]), row[1]) for row in rows]
        changed = [{"at_": id, "v_": now} for id, now, was in new if now != was]
        if changed:
            connection.execute(fill, changed)
        done, last = done + len(changed), rows[-1][0]
        if most is not None:
            return done, last
