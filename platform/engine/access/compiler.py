"""From `x-access` to predicates: a cell is the OR over the roles of (row AND field)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, get_args

from engine.access.compiled import NO, YES, Action, Allowed, EntityAccess, FieldAccess
from engine.access.predicates import Term, all_of, any_of, term
from engine.definitions.model import Entity, Field, Grant, Model
from engine.expressions import ExpressionError, dependencies, parse

ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
_NOTHING: Final = Grant()
_Cells = Iterable[tuple[str, Term, Term]]  # role, what it says of the row, of the field


def compile_access(model: Model, entity: Entity, roles: Iterable[str]) -> EntityAccess:
    """What the holders of all these roles may do with `entity`.

    A role without a grant adds nothing, unknown roles neither, and a predicate that cannot be
    read denies: every doubt falls on the side of no.
    """
    held = frozenset(role for role in roles if role in model.roles)
    if any(model.roles[role].admin for role in held):
        return full_access(entity, held)
    grants = {role: entity.access[role] for role in sorted(held) if role in entity.access}
    return EntityAccess(
        entity=entity.name,
        roles=held,
        admin=False,
        actions={action: _row(grants, action) for action in ACTIONS},
        fields={
            field.name: _field(field, grants, _owns(entity, field, grants))
            for field in entity.fields.values()
        },
    )


def full_access(entity: Entity, roles: frozenset[str] = frozenset()) -> EntityAccess:
    """All that anybody may do with `entity`: what administrators and the platform itself have."""
    return EntityAccess(
        entity=entity.name,
        roles=roles,
        admin=True,
        actions=dict.fromkeys(ACTIONS, YES),
        fields={
            field.name: FieldAccess(
                name=field.name,
                read=NO if field.write_only else YES,
                masked=YES if field.write_only else NO,
                write=YES if writable(field) else NO,
                create=YES if writable(field) else NO,
            )
            for field in entity.fields.values()
        },
    )


def writable(field: Field) -> bool:
    """Whether anybody at all may set the field from outside."""
    return not (field.read_only or field.compute or field.system)


def _row(grants: Mapping[str, Grant], action: Action) -> Allowed:
    parts = tuple((role, _said(grant, action)) for role, grant in grants.items())
    return Allowed(any_of(said for _, said in parts), parts)


def _said(grant: Grant, action: Action) -> Term:
    """What a grant says of an action on the row; a role that cannot read can do nothing else
    with existing records."""
    said = term(getattr(grant, action) or False)
    if action in {"read", "create"}:
        return said
    return all_of(term(grant.read or False), said)


def _owns(entity: Entity, field: Field, grants: Mapping[str, Grant]) -> Mapping[str, Grant]:
    """What the field's own definition says to each role. A formula that says nothing itself is
    as hidden as the fields of the record that it is made of: else it would give them away."""
    found: dict[str, Grant] = {}
    for role in grants:
        if role in field.access or not field.compute:
            found[role] = field.access.get(role, _NOTHING)
            continue
        sources = [entity.fields[name] for name in _made_of(entity, field)]
        terms = [_readable(source.access.get(role, _NOTHING)) for source in sources]
        found[role] = _NOTHING if all_of(*terms) is True else Grant(read=False)
    return found


def _made_of(entity: Entity, field: Field) -> set[str]:
    """The fields of the same record that a formula looks at, through other formulas too."""
    found: set[str] = set()
    waiting = [field]
    while waiting:
        compute = waiting.pop().compute
        if compute is None:
            continue
        try:
            paths = dependencies(parse(compute.expr))
        except ExpressionError:
            continue
        for name in {path[0] for path in paths} & entity.fields.keys() - found:
            found.add(name)
            waiting.append(entity.fields[name])
    return found


def _field(field: Field, grants: Mapping[str, Grant], own: Mapping[str, Grant]) -> FieldAccess:
    read = [(role, _said(grants[role], "read"), _readable(own[role])) for role in grants]
    masked: list[tuple[str, Term, Term]] = [
        (role, _said(grants[role], "read"), bool(own[role].mask)) for role in grants
    ]
    write = [(role, _said(grants[role], "write"), _writable(own[role])) for role in grants]
    create = [(role, _said(grants[role], "create"), _writable(own[role])) for role in grants]
    open_ = writable(field)
    return FieldAccess(
        name=field.name,
        read=NO if field.write_only else _cell(read),
        masked=_cell(read + masked) if field.write_only else _cell(masked),
        write=_cell(write) if open_ else NO,
        create=_cell(create) if open_ else NO,
        mask=next((grant.mask for grant in own.values() if grant.mask), ""),
        columns=_columns(field.rows, grants) if field.rows is not None else {},
    )


def _columns(rows: Entity, grants: Mapping[str, Grant]) -> dict[str, FieldAccess]:
    """The columns of rows that are narrowed. A row has no owner to ask: what depends on anything
    but the role is a no."""
    found = {}
    for column in rows.fields.values():
        if not column.access and not column.compute and not column.write_only:
            continue
        cell = _field(column, grants, _owns(rows, column, grants))
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
