"""Values of encrypted fields outside of their columns: histories, drafts, what events carried.

A column seals its own values (`engine.tables.sealed`). Whatever else keeps a value of such a field
keeps it sealed too: a change in a history under the column's own mark, a draft or an event's data
of an entity with such fields as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.definitions.model import Entity
from engine.storage import Keyring
from engine.storage.keys import key_of
from engine.storage.types import dumps
from engine.tables import EntityTable
from engine.tables.sealed import Sealed

DRAFT: Final = "dg_draft.body"
EVENT: Final = "dg_wf_event.payload"
_WHOLE: Final = "sealed"


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals and opens changes of one entity; `fields` are the encrypted ones, also by the names
    they had before, `rows` those below lines."""

    fields: Mapping[str, Sealed]
    rows: Mapping[str, Sealer]

    def __bool__(self) -> bool:
        """Whether there is anything to seal."""
        return bool(self.fields or self.rows)

    def sealed(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Changes ``{field: [old, new]}`` as they are kept."""
        found = dict(changes)
        for name, kind in self.fields.items():
            if name in found:
                found[name] = [None if one is None else kind.seal(one) for one in found[name]]
        for name, inner in self.rows.items():
            if name in found:
                found[name] = [inner._rows(one, opening=False) for one in found[name]]
        return found

    def opened(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Inverse of `sealed`. What was kept before the field was encrypted is left as it is."""
        found = dict(changes)
        for name, kind in self.fields.items():
            if name in found:
                found[name] = [_open(kind, one) for one in found[name]]
        for name, inner in self.rows.items():
            if name in found:
                found[name] = [inner._rows(one, opening=True) for one in found[name]]
        return found

    def _rows(self, rows: Any, *, opening: bool) -> Any:
        if not isinstance(rows, list):
            return rows
        return [self._row(row, opening) for row in rows]

    def _row(self, row: Any, opening: bool) -> Any:
        if not isinstance(row, Mapping):
            return row
        found = dict(row)
        for name, kind in self.fields.items():
            if (value := found.get(name)) is not None:
                found[name] = _open(kind, value) if opening else kind.seal(value)
        for name, inner in self.rows.items():
            if name in found:
                found[name] = inner._rows(found[name], opening=opening)
        return found


NOTHING: Final = Sealer({}, {})


def _open(kind: Sealed, value: Any) -> Any:
    return kind.open(value) if key_of(value) else value


def sealer_of(entity: Entity, place: EntityTable) -> Sealer:
    """What of an entity's changes is to be sealed."""
    fields: dict[str, Sealed] = {}
    rows: dict[str, Sealer] = {}
    for field in entity.fields.values():
        names = (field.name, *(one for one in field.was if one not in entity.fields))
        column = place.columns.get(field.name)
        if column is not None and isinstance(column.type, Sealed):
            fields |= dict.fromkeys(names, column.type)
        if field.rows is not None and (inner := sealer_of(field.rows, place.lines[field.name])):
            rows |= dict.fromkeys(names, inner)
    return Sealer(fields, rows) if fields or rows else NOTHING


def seal_whole(keys: Keyring, body: Any, about: str) -> dict[str, str]:
    """A whole body as one sealed text."""
    return {_WHOLE: keys.seal(dumps(body), about)}


def open_whole(keys: Keyring, body: Any, about: str) -> Any:
    """Inverse of `seal_whole`; what is not sealed is given back as it is."""
    if isinstance(body, Mapping) and body.keys() == {_WHOLE} and key_of(body[_WHOLE]):
        return json.loads(keys.open(body[_WHOLE], about))
    return body
