"""Which stored values follow from which others: worked out once per published version.

``customer.owed = sum(contracts.amount)`` means: when a contract's `amount` or `customer` changes,
the customer it pointed at, and the one it points at now, have to be computed again. A `Trigger`
says just that; `back` is the way from the changed record to the one to compute.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from engine.definitions.model import Entity, Field, Model
from engine.expressions import dependencies, parse

Path = tuple[str, ...]
_LONGEST: Final = 6  # hops of one path: beyond that nobody can foresee what a save costs


@dataclass(frozen=True, slots=True)
class Step:
    """One hop back: to what the record's own `field` points at ("value"), or to the records of
    `entity` whose `field` points at it ("referrers")."""

    kind: Literal["value", "referrers"]
    entity: str  # where the hop arrives
    field: str
    source: str  # where it starts


@dataclass(frozen=True, slots=True)
class Trigger:
    """When `field` of a record of `entity` changes, `target` of the records at the end of `back`
    has to be computed again."""

    entity: str
    field: str
    back: tuple[Step, ...]
    target: tuple[str, str]  # entity, field


@dataclass(frozen=True, slots=True)
class Computed:
    """The computed fields of one entity in the order in which they can be computed.

    `early` need the record and what it points at; `late` look at records that point here and are
    computed once the record is written. `live` have no column and are computed when read.
    """

    early: tuple[Field, ...] = ()
    late: tuple[Field, ...] = ()
    live: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """All triggers by the entity that fires them, and each entity's computed fields."""

    triggers: Mapping[str, tuple[Trigger, ...]]
    computed: Mapping[str, Computed]


def build_graph(model: Model) -> Graph:
    """The graph of all stored computed fields of the model."""
    found: dict[str, list[Trigger]] = {}
    for entity in model.entities.values():
        for field in entity.fields.values():
            if field.compute and field.compute.store:
                for trigger in _Tracer(model, entity, field).triggers():
                    found.setdefault(trigger.entity, []).append(trigger)
    return Graph(
        triggers={name: tuple(dict.fromkeys(triggers)) for name, triggers in found.items()},
        computed={entity.name: compute_order(model, entity) for entity in model.entities.values()},
    )


def own_paths(field: Field) -> frozenset[Path]:
    """The paths that a computed field looks at."""
    return dependencies(parse(field.compute.expr)) if field.compute else frozenset()


class _Tracer:
    """Follows the paths of one computed field to everything that may change it."""

    def __init__(self, model: Model, entity: Entity, field: Field) -> None:
        self.model, self.entity, self.field = model, entity, field
        self.seen: set[tuple[str, str, tuple[Step, ...]]] = set()

    def triggers(self) -> Iterator[Trigger]:
        """Every trigger on a record other than the computed one itself."""
        yield from self._paths(self.entity, own_paths(self.field), ())

    def _paths(
        self, entity: Entity, paths: Iterable[Path], back: tuple[Step, ...]
    ) -> Iterator[Trigger]:
        for path in paths:
            yield from self._path(entity, path, back)

    def _path(self, entity: Entity, path: Path, back: tuple[Step, ...]) -> Iterator[Trigger]:
        if not path or len(back) > _LONGEST:
            return
        name, rest = path[0], path[1:]
        if name in entity.fields:
            yield from self._field(entity, entity.fields[name], rest, back)
        elif (inverse := self.model.inverses(entity.name).get(name)) is not None:
            other, link = inverse
            back = (Step("value", entity.name, link.name, other.name), *back)
            yield from self._fire(other, link.name, back)
            yield from self._path(other, rest, back)

    def _field(
        self, entity: Entity, field: Field, rest: Path, back: tuple[Step, ...]
    ) -> Iterator[Trigger]:
        if back:
            yield from self._fire(entity, field.name, back)
        if field.compute and not field.compute.store:
            key = (entity.name, field.name, back)
            if key not in self.seen:
                self.seen.add(key)
                yield from self._paths(entity, own_paths(field), back)
        if field.reference and rest and rest[0] != "id":
            onward = (Step("referrers", entity.name, field.name, field.reference.to), *back)
            yield from self._path(self.model.entities[field.reference.to], rest, onward)

    def _fire(self, entity: Entity, name: str, back: tuple[Step, ...]) -> Iterator[Trigger]:
        yield Trigger(entity.name, name, back, (self.entity.name, self.field.name))


def compute_order(model: Model, entity: Entity) -> Computed:
    """The computed fields of an entity, or of the rows of a lines field."""
    computed = {field.name: field for field in entity.fields.values() if field.compute}
    ordered = _sorted(computed)
    inverses = model.inverses(entity.name)
    late: set[str] = set()
    for field in ordered:
        if any(path[0] in late or path[0] in inverses for path in own_paths(field)):
            late.add(field.name)
    stored = [field for field in ordered if field.compute and field.compute.store]
    return Computed(
        early=tuple(field for field in stored if field.name not in late),
        late=tuple(field for field in stored if field.name in late),
        live=tuple(field for field in ordered if field.compute and not field.compute.store),
    )


def _sorted(computed: Mapping[str, Field]) -> list[Field]:
    """Each after those it looks at; a circle (refused at publishing) is cut where it is met."""
    done: dict[str, Field] = {}
    open_: set[str] = set()

    def visit(name: str) -> None:
        if name in done or name in open_:
            return
        open_.add(name)
        for path in sorted(own_paths(computed[name])):
            if path[0] in computed:
                visit(path[0])
        done[name] = computed[name]

    for name in computed:
        visit(name)
    return list(done.values())
