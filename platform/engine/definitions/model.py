"""The frozen model that every face of the application is a pure function of.

Nothing here reads files, knows SQL or HTML, or changes after it was built. Mappings keep the order
of the definition files; ``Label`` maps a language tag ("zh-CN", "en") to text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any, Final, Literal

Label = Mapping[str, str]
Predicate = bool | str  # True, False, or the source of a boolean expression


class Missing:
    """The type of ``MISSING``: "no value was given", which is not the same as null."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing()


def text_of(label: Label, language: str) -> str:
    """The label in `language`, else in its first language, else empty."""
    return label.get(language) or next(iter(label.values()), "")


@dataclass(frozen=True, slots=True)
class Option:
    """One value of a choice."""

    value: str
    title: Label
    color: str = ""
    group: Label = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a ``ref``/``refs`` field points (`x-ref`)."""

    to: str
    inverse: str = ""
    on_delete: Literal["restrict", "null", "cascade"] = "restrict"
    where: str = ""


@dataclass(frozen=True, slots=True)
class Computation:
    """`x-compute`: the value is `expr`; kept in a column when `store`."""

    expr: str
    store: bool = True


@dataclass(frozen=True, slots=True)
class Grant:
    """What one role may do (`x-access`). An entity has `create`, `delete`, `export`, `share` too.

    At a field only `read`, `write`, `mask`, `reveal` and `search` are meaningful, and None means
    "as the entity says".
    """

    read: Predicate | None = None
    write: Predicate | None = None
    create: Predicate | None = None
    delete: Predicate | None = None
    export: Predicate | None = None
    share: Predicate | None = None
    mask: str = ""
    reveal: Predicate | None = None
    search: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an entity. `type` names its semantic type (a key of the type registry)."""

    name: str
    type: str
    title: Label
    help: Label = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)  # plain keywords, $ref resolved, no x-
    required: bool = False
    nullable: bool = True
    multiple: bool = False  # "type": "array"
    default: Any = MISSING
    read_only: bool = False
    write_only: bool = False
    deprecated: bool = False
    options: tuple[Option, ...] = ()
    reference: Reference | None = None
    compute: Computation | None = None
    access: Mapping[str, Grant] = field(default_factory=dict)
    ui: Mapping[str, Any] = field(default_factory=dict)
    unit: Label = field(default_factory=dict)
    placeholder: Label = field(default_factory=dict)
    was: tuple[str, ...] = ()
    rows: Entity | None = None  # type "lines": what one row looks like
    system: bool = False  # created_at, created_by, updated_at, updated_by
    privacy: frozenset[str] = frozenset()  # personal, encrypted, logged


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `x-rules`. `check` is the keyword ``assert``; `set` maps field -> expression;
    `options` maps field -> allowed option values."""

    id: str
    when: str = ""
    check: str = ""
    require: tuple[str, ...] = ()
    readonly: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    set: Mapping[str, str] = field(default_factory=dict)
    message: Label = field(default_factory=dict)
    level: Literal["error", "warn"] = "error"


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """What a role may do in the pool of an entity (`x-entity.pool`): the fields it sees, None for
    all that it may see; how many records a day it opens and takes, and how many it may own and
    still take one more, None without a limit."""

    shows: frozenset[str] | None = None
    views: int | None = None
    claims: int | None = None
    holds: int | None = None


@dataclass(frozen=True, slots=True)
class Keys:
    """`x-keys`: tuples of field names."""

    unique: tuple[tuple[str, ...], ...] = ()
    index: tuple[tuple[str, ...], ...] = ()
    duplicate: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class FormPart:
    """A tab or a section of the form; `rows` are lines of field names on the 12-column grid."""

    kind: Literal["tab", "section"]
    title: Label
    rows: tuple[tuple[str, ...], ...]
    when: str = ""


@dataclass(frozen=True, slots=True)
class ListView:
    """`x-list`: the default list. `sort` holds names, "-" in front for descending."""

    columns: tuple[str, ...]
    sort: tuple[str, ...] = ("-updated_at",)
    filters: tuple[str, ...] = ()
    board: str = ""
    calendar: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity definition after overlays. `fields` ends with the four system fields.

    `conditions` are the schema-level keywords beyond the fields (`if/then/else`, `allOf`,
    `dependentRequired` …) as one plain schema, {} when there are none.
    For the rows of a ``lines`` field the entity is nested in `Field.rows`, named
    ``<entity>.<field>``, and has no system fields, access or lists of its own.
    """

    name: str
    title: Label
    plural: Label
    label: str  # record-name template: "{name}"
    fields: Mapping[str, Field]
    icon: str = ""
    traits: frozenset[str] = frozenset()
    rules: Mapping[str, Rule] = field(default_factory=dict)
    keys: Keys = field(default_factory=Keys)
    access: Mapping[str, Grant] = field(default_factory=dict)
    form: tuple[FormPart, ...] = ()
    list: ListView = field(default_factory=lambda: ListView(columns=()))
    conditions: Mapping[str, Any] = field(default_factory=dict)
    was: tuple[str, ...] = ()
    pack: str = ""
    file: str = ""
    help: Label = field(default_factory=dict)
    grade: tuple[str, ...] = ()  # the path to the field with a record's grade of secrecy
    pool: Mapping[str, PoolLimits] = field(default_factory=dict)  # by role
    person: bool = False

    @property
    def label_fields(self) -> tuple[str, ...]:
        """The fields named in the record-name template, in order."""
        return tuple(name for _, name, _, _ in Formatter().parse(self.label) if name)


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow definition. `chart` is the checked document; `hash` covers its logic only."""

    id: str
    version: int
    entity: str
    state_field: str
    title: Label
    chart: Mapping[str, Any]
    hash: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Role:
    """A role of the company. `admin` roles may do everything and reach the administration pages."""

    name: str
    title: Label
    admin: bool = False
    clearance: str = ""  # the highest grade its holders are cleared for


@dataclass(frozen=True, slots=True)
class Grade:
    """A grade of secrecy."""

    name: str
    title: Label


@dataclass(frozen=True, slots=True)
class MenuItem:
    """A group (with `items`) or a link to an entity's list."""

    title: Label
    icon: str = ""
    entity: str = ""
    query: str = ""
    items: tuple[MenuItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """A number on the home page: how many records of `entity` match the list query string."""

    title: Label
    entity: str
    query: str = ""
    roles: tuple[str, ...] = ()
    measure: str = ""  # "" counts records; "sum:amount" adds a field up


@dataclass(frozen=True, slots=True)
class NoticeText:
    """A text of notices: labels with placeholders in braces, see `engine.definitions.notices`."""

    name: str
    title: Label
    body: Label = field(default_factory=dict)
    kind: str = ""  # "" is what the effect is by itself


@dataclass(frozen=True, slots=True)
class Pack:
    """What `pack.json` says about itself."""

    name: str
    title: Label
    version: str
    builds_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Calendar:
    """When people work: what a deadline in working time counts.

    `hours` are the spans of a working day ("09:00", "12:00"), `weekdays` the days of the week that
    are worked (Monday is 1), `holidays` the country whose public holidays count ("" none), `days`
    single days that are different: "off" or "on".
    """

    hours: tuple[tuple[str, str], ...] = (("09:00", "18:00"),)
    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5)
    holidays: str = ""
    days: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """Everything a company is, as data. `hash` is over the canonical sources."""

    title: Label
    packs: tuple[Pack, ...]  # base first
    languages: tuple[str, ...]
    entities: Mapping[str, Entity]
    workflows: Mapping[str, Workflow]  # by id
    roles: Mapping[str, Role]
    menus: tuple[MenuItem, ...]
    cards: tuple[Card, ...]
    currency: str
    timezone: str
    hash: str
    calendar: Calendar = field(default_factory=Calendar)
    notices: Mapping[str, NoticeText] = field(default_factory=dict)
    grades: tuple[Grade, ...] = ()  # the lowest first
    everyone: str = ""  # the highest grade that needs no clearance

    @property
    def default_language(self) -> str:
        return self.languages[0]

    def workflow_of(self, entity: str) -> Workflow | None:
        """The workflow that governs `entity`, if any."""
        return next((flow for flow in self.workflows.values() if flow.entity == entity), None)

    def inverses(self, entity: str) -> Mapping[str, tuple[Entity, Field]]:
        """Named relations that lead back to `entity`: inverse name -> (other entity, its field)."""
        return {
            found.reference.inverse: (other, found)
            for other in self.entities.values()
            for found in other.fields.values()
            if found.reference and found.reference.to == entity and found.reference.inverse
        }
