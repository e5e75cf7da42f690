"""From `x-access` to predicates: a cell is the OR over the roles of (row AND field).

What stands beside the roles' own words is put in here too, so that every door has it: the grade of
secrecy closes all of it, a record shared by hand opens rows, a pool hides fields of what nobody
has taken yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, get_args

from engine.access.clearance import gate_of
from engine.access.compiled import NO, YES, Action, Allowed, EntityAccess, FieldAccess
from engine.access.inherited import owns
from engine.access.predicates import Term, all_of, any_of, term
from engine.definitions.model import Entity, Field, Grant, Model
from engine.expressions.tree import Call, Compare, Literal, Name, Not

ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
_Cells = Iterable[tuple[str, Term, Term]]  # role, what it says of the row, of the field
_SHARED: Final[Mapping[Action, Term]] = {
    "read": Call("shared", (Literal("read"),)),
    "write": Call("shared", (Literal("write"),)),
}
_TAKEN: Final = Not(Compare("==", Name("owner"), Literal(None)))


def compile_access(model: Model, entity: Entity, roles: Iterable[str]) -> EntityAccess:
    """What the holders of all these roles may do with `entity`.

    A role without a grant adds nothing, unknown roles neither, and a predicate that cannot be
    read denies: every doubt falls on the side of no.
    """
    held = frozenset(role for role in roles if role in model.roles)
    gate = gate_of(model, entity, held)
    if any(model.roles[role].admin for role in held):
        return full_access(entity, held, gate)
    grants = {role: entity.access[role] for role in sorted(held) if role in entity.access}
    return EntityAccess(
        entity=entity.name,
        roles=held,
        admin=False,
        actions={action: _action(entity, grants, action, gate) for action in ACTIONS},
        fields={
            field.name: _field(entity, field, grants, owns(model, entity, field, grants))
            for field in entity.fields.values()
        },
        gate=gate,
    )


def full_access(
    entity: Entity, roles: frozenset[str] = frozenset(), gate: Term = True
) -> EntityAccess:
    """All that anybody may do with `entity`: what administrators have behind the `gate`, and the
    platform itself without one."""
    return EntityAccess(
        entity=entity.name,
        roles=roles,
        admin=True,
        actions=dict.fromkeys(ACTIONS, Allowed(gate)),
        fields={
            field.name: FieldAccess(
                name=field.name,
                read=NO if field.write_only else YES,
                masked=YES if field.write_only else NO,
                write=YES if writable(field) else NO,
                create=YES if writable(field) else NO,
                sealed="encrypted" in field.privacy,
            )
            for field in entity.fields.values()
        },
        gate=gate,
    )


def writable(field: Field) -> bool:
    """Whether anybody at all may set the field from outside."""
    return not (field.read_only or field.compute or field.system)


# --- rows --------------------------------------------------------------------------------------
def _action(entity: Entity, grants: Mapping[str, Grant], action: Action, gate: Term) -> Allowed:
    parts = tuple((role, all_of(gate, _row(entity, grants[role], action))) for role in grants)
    whole = any_of(_row(entity, grants[role], action) for role in grants)
    return Allowed(all_of(gate, whole), parts)


def _row(entity: Entity, grant: Grant, action: Action) -> Term:
    """What a grant says of an action on the row; a role that cannot read can do nothing else
    with existing records."""
    said = _said(entity, grant, action)
    if action in {"read", "create"}:
        return said
    return all_of(_said(entity, grant, "read"), said)


def _said(entity: Entity, grant: Grant, action: Action) -> Term:
    """The grant's own words, and what a record shared by hand adds: whoever may see (or change)
    some records may see (or change) the one that was shared with him."""
    said = term(getattr(grant, action) or False)
    if said is False or action not in _SHARED or "shared" not in entity.traits:
        return said
    return any_of((said, _SHARED[action]))


# --- fields ------------------------------------------------------------------------------------
def _field(
    entity: Entity, field: Field, grants: Mapping[str, Grant], own: Mapping[str, Grant]
) -> FieldAccess:
    def cells(action: Action, said: Mapping[str, Term]) -> list[tuple[str, Term, Term]]:
        taken = {role: _taken(entity, field, role) for role in grants}
        return [
            (role, _row(entity, grants[role], action), all_of(taken[role], said[role]))
            for role in grants
        ]

    readable = {role: _readable(own[role]) for role in grants}
    changeable = {role: _writable(own[role]) for role in grants}
    masks: dict[str, Term] = {role: bool(own[role].mask) for role in grants}
    reveals: dict[str, Term] = {role: term(own[role].reveal or False) for role in grants}
    searches: dict[str, Term] = {role: own[role].search for role in grants}
    read, masked = cells("read", readable), cells("read", masks)
    open_ = writable(field)
    return FieldAccess(
        name=field.name,
        read=NO if field.write_only else _cell(read),
        masked=_cell(read + masked) if field.write_only else _cell(masked),
        write=_cell(cells("write", changeable)) if open_ else NO,
        create=_cell(_new(entity, grants, changeable)) if open_ else NO,
        mask=next((grant.mask for grant in own.values() if grant.mask), ""),
        reveal=NO if field.write_only else _cell(cells("read", reveals)),
        search=NO if field.write_only else _cell(cells("read", searches)),
        sealed="encrypted" in field.privacy,
        columns=_columns(field.rows, grants) if field.rows is not None else {},
    )


def _new(entity: Entity, grants: Mapping[str, Grant], said: Mapping[str, Term]) -> _Cells:
    """The cells of a record to be: nobody can have taken it before it is there."""
    return [(role, _row(entity, grants[role], "create"), said[role]) for role in grants]


def _taken(entity: Entity, field: Field, role: str) -> Term:
    """In a pool a role sees only some fields of what nobody has taken yet."""
    limits = entity.pool.get(role)
    if limits is None or limits.shows is None or field.name in limits.shows:
        return True
    return True if field.name == "owner" or field.system else _TAKEN


def _columns(rows: Entity, grants: Mapping[str, Grant]) -> dict[str, FieldAccess]:
    """The columns of rows that are narrowed. A row has no owner to ask: what depends on anything
    but the role is a no."""
    found = {}
    for column in rows.fields.values():
        if not column.access and not column.compute and not column.write_only:
            continue
        cell = _field(rows, column, grants, owns(None, rows, column, grants))
        plain = FieldAccess(
            name=column.name,
            read=_plain(cell.read),
            masked=_plain(cell.masked),
            write=_plain(cell.write),
            create=_plain(cell.create),
            mask=cell.mask,
        )
        open_ = plain.write.always and plain.create.always
        if not plain.read.always or (writable(column) and not open_):
            found[column.name] = plain
    return found


def _plain(allowed: Allowed) -> Allowed:
    return YES if allowed.always else NO


def _readable(own: Grant) -> Term:
    """A mask without words about reading means: only ever masked."""
    return not own.mask if own.read is None else term(own.read)


def _writable(own: Grant) -> Term:
    """Who may not see a value may not overwrite it either, unless the definition says so."""
    return _readable(own) if own.write is None else term(own.write)


def _cell(cells: _Cells) -> Allowed:
    """OR over roles of (row AND field), given that the row as a whole is granted.

    Given that, a single role's row predicate is known to hold, and so is the OR over all roles
    when each of them opens the field: then nothing is left to ask, and no SQL to run.
    """
    rows = [(role, row, said) for role, row, said in cells if row is not False]
    parts = tuple((role, all_of(row, said)) for role, row, said in rows)
    if all(said is True for _, _, said in rows):
        return Allowed(bool(rows), parts)
    if len({row for _, row, _ in rows}) == 1:
        return Allowed(any_of(said for _, _, said in rows), parts)
    return Allowed(any_of(part for _, part in parts), parts)
