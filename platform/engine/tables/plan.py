"""From one published version to the next: what has to happen to the tables. Pure.

Publishing only adds. What the definitions no longer name is retired: kept, hidden, and back in
place when it is named again. `x-was` renames keep the data. A field cannot change to a type that is
stored in another form; it is refused with a problem that says what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as data_field
from typing import Any, Final, Literal

from engine.definitions.model import MISSING, Field, Label, Model
from engine.fields.base import BadValue
from engine.problems import Problem, text
from engine.tables import shape
from engine.tables.layout import (
    EMPTY,
    ColumnLayout,
    IndexLayout,
    Layout,
    Retired,
    RetiredTable,
    TableKind,
    TableLayout,
    index_name,
    physical,
)

MOST_COLUMNS: Final = 1000
"""Columns of a table, retired ones included: PostgreSQL stops at 1,600, dropped ones included."""

Kind = Literal[
    "create_table",
    "restore_table",
    "rename_table",
    "retire_table",
    "add_column",
    "restore_column",
    "rename_column",
    "retype_column",
    "retire_column",
    "seal_column",
    "unseal_column",
    "create_index",
    "create_unique",
    "drop_index",
    "drop_unique",
    "create_search",
    "rebuild_search",
    "drop_search",
]

_SENTENCES: Final[Mapping[Kind, tuple[str, str]]] = {
    "create_table": ("+", "P101"),
    "restore_table": ("+", "P102"),
    "rename_table": ("~", "P103"),
    "retire_table": ("-", "P104"),
    "add_column": ("+", "P105"),
    "restore_column": ("+", "P106"),
    "rename_column": ("~", "P107"),
    "retype_column": ("~", "P108"),
    "retire_column": ("-", "P109"),
    "seal_column": ("~", "Y101"),
    "unseal_column": ("~", "Y102"),
    "create_index": ("+", "P110"),
    "create_unique": ("+", "P111"),
    "drop_index": ("-", "P112"),
    "drop_unique": ("-", "P113"),
    "create_search": ("+", "P114"),
    "rebuild_search": ("~", "P115"),
    "drop_search": ("-", "P116"),
}

# forms of text that one field may take after another: the values stay what they are
_ANY_TEXT: Final = frozenset(
    {"text", "longtext", "phone", "email", "url", "choice", "color"}
    | {"uscc", "idcard", "bankcard", "autonumber"}
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One step, in physical names for the database and in titles for people.

    `quiet` steps belong to another one (the indexes of a new table) and are not told.
    """

    kind: Kind
    table: str
    column: str = ""
    index: str = ""
    key: str = ""  # of the table in the layout
    default: Any = MISSING  # what existing rows get
    titles: Mapping[str, Label | str] = data_field(default_factory=dict)
    quiet: bool = False
    source: str = ""  # the column whose values move into this one
    field: Field | None = None  # whose values they are

    @property
    def sign(self) -> str:
        """ "+" adds, "-" takes away, "~" changes."""
        return _SENTENCES[self.kind][0]

    def sentence(self, language: str) -> str:
        """What happens, for people."""
        return text(Problem(_SENTENCES[self.kind][1], self.titles), language)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps, the layout they lead to, and why they may not be taken."""

    operations: tuple[Operation, ...]
    layout: Layout
    problems: tuple[Problem, ...] = ()

    def sentences(self, language: str) -> list[str]:
        """The steps as lines that begin with their sign."""
        return [f"{one.sign} {one.sentence(language)}" for one in self.operations if not one.quiet]


def plan(
    old_layout: Layout | None, old_model: Model | None, new_model: Model, bind: shape.Bind
) -> Plan:
    """The steps from `old_layout` to `new_model`. `old_model` only lends its titles to what goes.

    Raises nothing: a plan with problems must not be applied.
    """
    planner = _Planner(old_layout or EMPTY, old_model, new_model, bind)
    planner.tables()
    planner.indexes()
    planner.searches()
    return planner.finished()


def claims(wanted: Mapping[str, tuple[str, ...]], there: Iterable[str]) -> dict[str, str]:
    """Which old name each new one continues: its own first, then one of those it had before,
    unless somebody else goes by that name now.

    >>> claims({"a": ("a",), "b": ("b", "a", "c")}, ["a", "c"])
    {'a': 'a', 'b': 'c'}
    """
    free = dict.fromkeys(there)
    found: dict[str, str] = {}
    for new, names in wanted.items():
        if names and names[0] in free:
            found[new] = names[0]
            del free[names[0]]
    for new, names in wanted.items():
        before = None if new in found else next((name for name in names if name in free), None)
        if before is not None:
            found[new] = before
            del free[before]
    return found


class _Planner:
    """Collects the steps; the old layout is never touched."""

    def __init__(self, old: Layout, old_model: Model | None, new: Model, bind: shape.Bind) -> None:
        self.old, self.new, self.bind = old, new, bind
        self.titles = _Titles(old_model, new)
        self.parts = {part.key: part for part in shape.parts(new)}
        self.placed: dict[str, TableLayout] = {}
        self.left = dict(old.tables)  # not claimed yet
        self.resting = list(old.retired)
        self.count = len(old.tables) + len(old.retired)
        self.before: dict[str, str] = {}  # new key -> old key
        self.fresh: set[str] = set()  # names of new tables
        self.quiet: set[str] = set()  # names of tables whose indexes are nobody's news
        self.filled: set[tuple[str, str]] = set()  # old columns whose texts the search may lack
        self.turned: set[tuple[str, str]] = set()  # columns left for encryption, or from it
        self.operations: list[Operation] = []
        self.problems: list[Problem] = []
        self.placed_indexes: dict[str, IndexLayout] = {}
        self.next_index = old.next_index

    def finished(self) -> Plan:
        """The plan; with problems it leads nowhere."""
        renamed = {old: new for new, old in self.before.items() if new != old}
        resting = [replace(rest, key=_moved(rest.key, renamed)) for rest in self.resting]
        layout = Layout(self.placed, tuple(resting), self.placed_indexes, self.next_index)
        if self.problems:
            return Plan((), self.old, tuple(self.problems))
        return Plan(tuple(self.operations), layout)

    # --- tables --------------------------------------------------------------------------------
    def tables(self) -> None:
        """Entities first: the names of lines and links begin with theirs."""
        entities = [part for part in self.parts.values() if part.field is None]
        self._place("entity", {part.key: (part.key, *part.entity.was) for part in entities})
        for parent in self.parts:  # together, so that each finds its own name first
            inner = [part for part in self.parts.values() if part.parent == parent]
            self._place(
                "lines", {part.key: self._inner(parent, part.field) for part in inner if part.field}
            )
        links = {
            f"{part.key}.{field.name}": (part, field)
            for part in self.parts.values()
            for field in shape.links(part.entity, self.bind)
        }
        self._place(
            "link", {key: self._inner(part.key, field) for key, (part, field) in links.items()}
        )
        for key, (_, field) in links.items():
            self._aim(key, field)
        for part in self.parts.values():
            _Columns(self, part).place()
        for key, table in self.left.items():
            self._retire(key, table)

    def _inner(self, parent: str, field: Field) -> tuple[str, ...]:
        """The keys that the table of a lines or link field may have had; none in a new table."""
        if self.placed[parent].name in self.fresh:
            return ()
        old = self.before.get(parent, parent)
        return tuple(f"{old}.{name}" for name in (field.name, *field.was))

    def _place(self, kind: TableKind, wanted: Mapping[str, tuple[str, ...]]) -> None:
        same = [key for key, table in self.left.items() if table.kind == kind]
        claimed = claims(wanted, same)
        for key, names in wanted.items():
            if (old := claimed.get(key)) is not None:
                self.placed[key] = self.left.pop(old)
                self.before[key] = old
                if old.rpartition(".")[2] != key.rpartition(".")[2]:
                    self.add("rename_table", self.placed[key].name, key, before=old)
            elif (rest := self._rest(kind, names)) is not None:
                self.resting.remove(rest)
                self.placed[key] = rest.table
                self.before[key] = rest.key
                self.quiet.add(rest.table.name)
                self.add("restore_table", rest.table.name, key)
            else:
                self._create(kind, key)

    def _rest(self, kind: TableKind, names: tuple[str, ...]) -> RetiredTable | None:
        """The table that was retired last under one of these keys."""
        return next(
            (r for r in reversed(self.resting) if r.table.kind == kind and r.key in names), None
        )

    def _create(self, kind: TableKind, key: str) -> None:
        self.count += 1
        table = TableLayout(physical("e", self.count, key), kind)
        self.fresh.add(table.name)
        self.quiet.add(table.name)
        self.placed[key] = table
        parent = self.placed.get(key.rpartition(".")[0])
        quiet = parent is not None and parent.name in self.fresh
        self.add("create_table", table.name, key, quiet=quiet)

    def _aim(self, key: str, field: Field) -> None:
        """Remember what a link points at; it cannot be turned elsewhere."""
        table, target = self.placed[key], self.target(field)
        if table.target and table.target != target:
            self.refuse("P004", key.rpartition(".")[0], field)
        self.placed[key] = replace(table, target=target)

    def _retire(self, key: str, table: TableLayout) -> None:
        parent = key.rpartition(".")[0]
        self.add("retire_table", table.name, key, quiet=parent in self.left)
        self.resting.append(RetiredTable(key, table))

    # --- indexes and search --------------------------------------------------------------------
    def indexes(self) -> None:
        """Indexes are derived from the definitions alone: made when wanted, dropped when not."""
        known = {index: name for name, index in self.old.indexes.items()}
        for key, part in self.parts.items():
            for index in shape.indexes(self.new, part, self.bind):
                self._index(key, index, known)
        for key, table in self.placed.items():
            if table.kind == "link":
                self._index(key, shape.Index(("right_id",)), known)
        for gone, name in known.items():
            kind: Kind = "drop_unique" if gone.unique else "drop_index"
            titles = self.titles.of_physical(self.old, gone)
            stays = {table.name for table in self.placed.values()}
            self.operations.append(
                Operation(
                    kind, gone.table, index=name, titles=titles, quiet=gone.table not in stays
                )
            )

    def _index(self, key: str, index: shape.Index, known: dict[IndexLayout, str]) -> None:
        table = self.placed[key]
        columns = tuple(
            table.columns[name].name if name in table.columns else name for name in index.fields
        )
        placed = IndexLayout(table.name, columns, index.unique)
        name = known.pop(placed, None)
        if name is None:
            name = index_name(self.next_index)
            self.next_index += 1
            self.operations.append(
                Operation(
                    "create_unique" if index.unique else "create_index",
                    table.name,
                    index=name,
                    key=key,
                    titles=self.titles.of(key, *index.fields),
                    quiet=table.name in self.quiet or table.kind == "link",
                )
            )
        self.placed_indexes[name] = placed

    def searches(self) -> None:
        """The search index of each entity follows its searchable fields."""
        for key, part in self.parts.items():
            table = self.placed[key]
            fields = shape.searched(part.entity, self.bind) if not part.parent else []
            now = tuple(table.columns[field.name].name for field in fields)
            self.placed[key] = replace(table, searched=now)
            quiet = table.name in self.quiet
            if now and not table.searched:
                self.add("create_search", table.name, key, quiet=quiet)
            elif table.searched and not now:
                self.add("drop_search", table.name, key)
            elif any(
                (table.name, name) in self.filled for name in now if name not in table.searched
            ) or any((table.name, name) in self.turned for name in table.searched):
                self.add("rebuild_search", table.name, key)

    # --- shared --------------------------------------------------------------------------------
    def target(self, field: Field) -> str:
        """The physical table a field points at, "" for none."""
        found = shape.target(field)
        return self.placed[found].name if found in self.placed else found

    def add(
        self, kind: Kind, table: str, key: str, *, quiet: bool = False, before: str = ""
    ) -> None:
        """A step about a whole table."""
        titles = self.titles.of(key) | ({"before": before} if before else {})
        self.operations.append(Operation(kind, table, key=key, titles=titles, quiet=quiet))

    def refuse(self, code: str, key: str, field: Field | None, **params: Any) -> None:
        """A reason why this plan must not be applied."""
        part = self.parts[key]
        names = self.titles.of(key, *([field.name] if field else []))
        pointer = f"/properties/{field.name}" if field else ""
        if part.field is not None:
            pointer = f"/properties/{part.field.name}/items{pointer}"
        name = field.name if field else key
        problem = Problem(
            code, {**names, "name": name, **params}, pointer=pointer, file=part.entity.file
        )
        self.problems.append(problem)


class _Columns:
    """The columns of one table."""

    def __init__(self, planner: _Planner, part: shape.Part) -> None:
        self.planner, self.part, self.key = planner, part, part.key
        self.table = planner.placed[part.key]
        self.retired = list(self.table.retired)
        self.count = len(self.table.columns) + len(self.table.retired)
        self.columns: dict[str, ColumnLayout] = {}

    def place(self) -> None:
        """Continue, restore or add a column for every field; retire the rest."""
        fields = {field.name: field for field in shape.columns(self.part.entity, self.planner.bind)}
        self._refuse_new_forms()
        claimed = claims(
            {name: (name, *field.was) for name, field in fields.items()}, self.table.columns
        )
        for name, field in fields.items():
            if name in claimed:
                self._continue(field, claimed[name])
            elif (rest := self._rest(field)) is not None:
                self._restore(field, rest)
            elif (rest := self._rest(field, turned=True)) is not None:
                self.retired.remove(rest)
                self._turn(field, rest.field, rest.column)
            else:
                self._create(field)
        for name in self.table.columns.keys() - set(claimed.values()):
            column = self.table.columns[name]
            self.retired.append(Retired(name, column))
            self._add("retire_column", column.name, name)
        self.retired.sort(key=lambda rest: int(rest.column.name[1:].partition("_")[0]))
        if self.count > MOST_COLUMNS:
            self.planner.refuse("P002", self.key, None, count=self.count, most=MOST_COLUMNS)
        self.planner.placed[self.key] = replace(
            self.table, columns=self.columns, retired=tuple(self.retired)
        )

    def _refuse_new_forms(self) -> None:
        """A value in a column, pairs, and lines cannot turn into each other."""
        old_key = self.planner.before.get(self.key, self.key)
        for field in self.part.entity.fields.values():
            now = shape.form(field, self.planner.bind)
            table = self.planner.old.tables.get(f"{old_key}.{field.name}")
            was = table.kind if table else "column" if field.name in self.table.columns else ""
            if now and was and now != was:
                old = self.table.columns[field.name].type if was == "column" else _TABLE_TYPES[was]
                self.planner.refuse("P001", self.key, field, old=old, new=field.type)

    def _continue(self, field: Field, before: str) -> None:
        old = self.table.columns[before]
        new = self._layout(field, old.name)
        if self._turns(field, old, new):
            self._turn(field, before, old)
            return
        if not _fits(old, new):
            self.planner.refuse("P001", self.key, field, old=old.type, new=new.type)
        elif old.target != new.target:
            self.planner.refuse("P004", self.key, field)
        self.columns[field.name] = new
        if before != field.name:
            self._add("rename_column", old.name, field.name, before=before)
        if old.type != new.type:
            self._add("retype_column", old.name, field.name, old=old.type, new=new.type)
        self.planner.filled.add((self.table.name, old.name))

    def _rest(self, field: Field, *, turned: bool = False) -> Retired | None:
        """The column that was retired last under one of the field's names and can hold it;
        `turned`: or whose values can, once they are encrypted or no longer are."""
        names = (field.name, *field.was)
        for rest in reversed(self.retired):
            new = self._layout(field, rest.column.name)
            if rest.field not in names or rest.emptied or rest.column.target != new.target:
                continue
            if self._turns(field, rest.column, new) if turned else _fits(rest.column, new):
                return rest
        return None

    def _turns(self, field: Field, old: ColumnLayout, new: ColumnLayout) -> bool:
        return _turns(old, new, shape.sql_form(self.planner.bind(field)))

    def _turn(self, field: Field, before: str, old: ColumnLayout) -> None:
        """Values that are encrypted from now on, or no longer, move into a column of their own:
        what is left of the old one is empty."""
        self.count += 1
        column = self._layout(field, physical("f", self.count, field.name))
        self.columns[field.name] = column
        self.retired.append(Retired(before, old, emptied=True))
        self.planner.operations.append(
            Operation(
                "seal_column" if column.sealed else "unseal_column",
                self.table.name,
                column.name,
                key=self.key,
                titles=self.planner.titles.of(self.key, field.name),
                source=old.name,
                field=field,
            )
        )
        self.planner.turned.add((self.table.name, old.name))
        self.planner.filled.add((self.table.name, column.name))

    def _restore(self, field: Field, rest: Retired) -> None:
        self.retired.remove(rest)
        self.columns[field.name] = self._layout(field, rest.column.name)
        self._add("restore_column", rest.column.name, field.name)
        self.planner.filled.add((self.table.name, rest.column.name))

    def _create(self, field: Field) -> None:
        self.count += 1
        column = self._layout(field, physical("f", self.count, field.name))
        self.columns[field.name] = column
        if self.table.name in self.planner.fresh:
            return  # it comes with the table
        plain = not column.target and not column.sealed
        default = _constant(field, self.planner.bind) if plain else MISSING
        self._add("add_column", column.name, field.name, default=default)
        if default is not MISSING:
            self.planner.filled.add((self.table.name, column.name))

    def _layout(self, field: Field, name: str) -> ColumnLayout:
        sealed = shape.sealed(field, self.planner.bind)
        form = "TEXT" if sealed else shape.sql_form(self.planner.bind(field))
        return ColumnLayout(name, field.type, form, self.planner.target(field), sealed)

    def _add(self, kind: Kind, column: str, name: str, default: Any = MISSING, **more: str) -> None:
        titles = self.planner.titles.of(self.key, name) | more
        self.planner.operations.append(
            Operation(kind, self.table.name, column, key=self.key, default=default, titles=titles)
        )


_TABLE_TYPES: Final[Mapping[str, str]] = {"link": "refs", "lines": "lines"}


def _turns(old: ColumnLayout, new: ColumnLayout, plain: str) -> bool:
    """Whether the values of `old` become values of `new` by being encrypted, or no longer being;
    `plain` is the form that they have when they are not."""
    if old.sealed == new.sealed or old.target or new.target:
        return False
    return (old.sealed or old.sql == plain) and _same_kind(old, new)


def _same_kind(old: ColumnLayout, new: ColumnLayout) -> bool:
    return old.type == new.type or {old.type, new.type} <= _ANY_TEXT


def _fits(old: ColumnLayout, new: ColumnLayout) -> bool:
    """Whether the values of `old` are values of `new` as they stand."""
    if old.sql != new.sql or old.sealed != new.sealed:
        return False
    if old.sealed:
        return _same_kind(old, new)
    return old.type == new.type or (
        new.type in _ANY_TEXT
        and (old.type in _ANY_TEXT or new.type in {"text", "longtext"})
        and old.sql == "TEXT"
    )


def _constant(field: Field, bind: shape.Bind) -> Any:
    """The default as existing rows get it; MISSING when there is none or it is no constant."""
    if field.default is MISSING or field.default is None:
        return MISSING
    try:
        value = bind(field).parse(field.default)
    except BadValue:  # a word such as "today" that stands for a value to come
        return MISSING
    return MISSING if value is None else value


def _moved(key: str, renamed: Mapping[str, str]) -> str:
    """The key of a retired table after the entity it belongs to was renamed."""
    parent, dot, name = key.rpartition(".")
    return f"{renamed[parent]}.{name}" if dot and parent in renamed else key


class _Titles:
    """What people call the tables and fields, also those that go."""

    def __init__(self, old: Model | None, new: Model) -> None:
        self._parts: dict[str, shape.Part] = {}
        for model in (old, new):
            if model is not None:
                self._parts |= {part.key: part for part in shape.parts(model)}
        self._old = {part.key: part for part in shape.parts(old)} if old else {}

    def of(self, key: str, *fields: str) -> dict[str, Any]:
        """`entity` and `field` as a sentence's parameters."""
        return {"entity": self._entity(key), "field": self._fields(key, fields)}

    def of_physical(self, layout: Layout, index: IndexLayout) -> dict[str, Any]:
        """The same for an index of the old layout."""
        for key, table in layout.tables.items():
            if table.name == index.table:
                names = {column.name: name for name, column in table.columns.items()}
                return self.of(key, *(names.get(column, column) for column in index.columns))
        return {"entity": index.table, "field": list(index.columns)}

    def _entity(self, key: str) -> Label | str:
        part = self._parts.get(key)
        if part is not None:
            return part.field.title if part.field else part.entity.title
        parent, dot, name = key.rpartition(".")
        return self._field(parent, name) if dot else key

    def _fields(self, key: str, names: Iterable[str]) -> list[Label | str]:
        return [self._field(key, name) for name in names if name not in _OWN_COLUMNS]

    def _field(self, key: str, name: str) -> Label | str:
        for parts in (self._parts, self._old):
            part = parts.get(key)
            if part is not None and (field := part.entity.fields.get(name)) is not None:
                return field.title or name
        return name


_OWN_COLUMNS: Final = frozenset({"id", "parent_id", "position", "left_id", "right_id"})
