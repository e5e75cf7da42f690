"""What a form page shows: frozen, plain, and the same for every template."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as data_field
from decimal import Decimal
from typing import Any, Final, Protocol

from engine.definitions.model import Entity, Field, text_of
from engine.fields import BadValue, Cell, FieldType, Names
from engine.fields.inputs import TypedInput
from engine.fields.relations import LinesType
from engine.forms.build import PREFIX, RecordForm
from engine.forms.layout import Placed, Section, Tab
from engine.problems import Problem, Severity, text

WRITE: Final = 3  # as in engine.access.Level

POINTING: Final = frozenset({"ref", "refs", "user", "users", "department", "region", "address"})

NAMED: Final = POINTING - {"region", "address"} | {"file", "image"}
"""Widgets whose values are ids with a label."""


class Setting(Protocol):
    """How the rules of the moment set a field (`engine.validation.Effect` is one)."""

    @property
    def visible(self) -> bool: ...
    @property
    def required(self) -> bool: ...
    @property
    def readonly(self) -> bool: ...
    @property
    def options(self) -> Collection[str] | None: ...


Lookup = Callable[[Field], tuple[str, str]]
"""Addresses for a pointing field: where to search, and where to create ("" when not allowed)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a select; `off` while a rule does not allow it."""

    value: str
    label: str
    color: str = ""
    group: str = ""
    off: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One field on a form; documented where it is drawn, in macros/inputs.html."""

    name: str
    input: str
    label: str
    widget: str
    span: int = 6
    help: str = ""
    placeholder: str = ""
    required: bool = False
    readonly: bool = False
    hidden: bool = False
    computed: bool = False
    value: str = ""
    values: tuple[str, ...] = ()
    options: tuple[Choice, ...] = ()
    attrs: Mapping[str, str] = data_field(default_factory=dict)
    shown: Cell | None = None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    lookup: str = ""
    create: str = ""
    unit: str = ""
    lines: Lines | None = None

    @property
    def id(self) -> str:
        """The element's id: the input's name without dots."""
        return self.input.replace(".", "-")


@dataclass(frozen=True, slots=True)
class LineRow:
    """One row: `key` is its number in the form, `id` that of the stored row or ""."""

    key: str
    id: str
    items: tuple[Item, ...]
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Lines:
    """A table of rows; `columns` are the items of a row yet to be added."""

    input: str
    columns: tuple[Item, ...]
    rows: tuple[LineRow, ...]
    totals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SectionView:
    """Rows of items under a heading."""

    key: str
    title: str
    rows: tuple[tuple[Item, ...], ...]
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class TabView:
    """One sheet; `bad` counts the fields with problems on it."""

    key: str
    title: str
    sections: tuple[SectionView, ...]
    hidden: bool = False
    bad: int = 0


@dataclass(frozen=True, slots=True)
class Remark:
    """An entry of the error summary; `id` is the input to jump to, "" for the whole record."""

    text: str
    id: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class FormView:
    """Everything form.html draws."""

    tabs: tuple[TabView, ...]
    problems: tuple[Remark, ...] = ()
    warnings: tuple[str, ...] = ()

    def items(self) -> tuple[Item, ...]:
        """All items in reading order."""
        return tuple(
            item
            for tab in self.tabs
            for section in tab.sections
            for row in section.rows
            for item in row
        )


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a form is drawn with. `values` is the record for fields that are only shown, `problems`
    what saving found (what the form itself could not read is added), `closed` the keys of tabs and
    sections whose condition does not hold now, `settings` the rules' effects per field."""

    bind: Callable[[Field], FieldType]
    language: str
    values: Mapping[str, Any] = data_field(default_factory=dict)
    names: Names = data_field(default_factory=Names)
    settings: Mapping[str, Setting] = data_field(default_factory=dict)
    problems: Sequence[Problem] = ()
    closed: Collection[str] = ()
    lookup: Lookup | None = None
    column: Callable[[str, str], int] = lambda _field, _column: WRITE
    """What the reader may do with a column of a lines field: 0 nothing, less than `WRITE` only
    look at it."""


def draw(form: RecordForm, layout: Sequence[Tab], scene: Scene) -> FormView:
    """The page of `form`."""
    artist = _Artist(form, scene, [*form.problems(), *scene.problems])
    view = FormView(tuple(artist.tab(tab, scene.closed) for tab in layout))
    return replace(view, problems=artist.remarks(view), warnings=artist.general(Severity.WARNING))


@dataclass(frozen=True)
class _Artist:
    """The arguments of `draw` and all problems, at hand for every item."""

    form: RecordForm
    scene: Scene
    problems: Sequence[Problem]

    @property
    def language(self) -> str:
        return self.scene.language

    @property
    def entity(self) -> Entity:
        return self.form.entity

    @property
    def bad_fields(self) -> frozenset[str]:
        """The fields with errors, those inside their rows included."""
        return frozenset(
            name
            for found in self.problems
            if found.severity is Severity.ERROR
            for name in found.fields
        )

    def tab(self, tab: Tab, closed: Collection[str]) -> TabView:
        """A sheet with its items."""
        sections = tuple(self.section(section, closed) for section in tab.sections)
        items = [item for section in sections for row in section.rows for item in row]
        return TabView(
            tab.key,
            text_of(tab.title, self.language),
            sections,
            hidden=tab.key in closed,
            bad=sum(1 for item in items if item.name in self.bad_fields),
        )

    def section(self, section: Section, closed: Collection[str]) -> SectionView:
        """A section with its items."""
        rows = tuple(tuple(self.item(place) for place in row) for row in section.rows)
        title = text_of(section.title, self.language)
        return SectionView(section.key, title, rows, hidden=section.key in closed)

    def item(self, place: Placed) -> Item:
        """The item of a field on the form."""
        field = self.entity.fields[place.name]
        kind, entry, rule = (
            self.scene.bind(field),
            self.form.input(field.name),
            self.scene.settings.get(field.name),
        )
        readonly = entry is None or (rule is not None and rule.readonly)
        pointer, value = f"/{field.name}", self.scene.values.get(field.name)
        shown = entry.data if entry is not None and not entry.problems else value
        item = self.plain(kind, PREFIX + field.name, pointer, rule)
        item = replace(
            item,
            span=place.span,
            readonly=readonly,
            hidden=rule is not None and not rule.visible,
            computed=field.compute is not None,
            required=(field.required or (rule is not None and rule.required)) and not readonly,
            shown=self.cell(kind, shown if entry else value),
        )
        if isinstance(kind, LinesType):
            rows = self.rows(kind, entry, value)
            return replace(item, lines=self.table(kind, item, rows))
        if entry is None:
            return item
        return self.filled(item, kind, entry.shown)

    def plain(self, kind: FieldType, name: str, pointer: str, rule: Setting | None) -> Item:
        """What does not depend on the value."""
        field = kind.field
        search, create = (
            self.scene.lookup(field) if self.scene.lookup and kind.widget in POINTING else ("", "")
        )
        return Item(
            name=field.name,
            input=name,
            label=text_of(field.title, self.language) or field.name,
            widget=str(field.ui.get("widget") or kind.widget),
            help=text_of(field.help, self.language),
            placeholder=text_of(field.placeholder, self.language),
            required=field.required,
            options=self.options(field, rule),
            attrs=attributes(kind),
            problems=self.objections(pointer),
            warnings=self.objections(pointer, Severity.WARNING),
            lookup=search,
            create=create,
            unit=self.unit(kind),
        )

    def filled(self, item: Item, kind: FieldType, shown: Any) -> Item:
        """`item` with what its input shows; a value that is no option gets one."""
        item = replace(item, **shown_parts(shown))
        chosen = item.values or ((item.value,) if item.value else ())
        known = {option.value for option in item.options}
        if kind.widget in NAMED or item.options:
            extra = [
                Choice(value, self.label(kind, value)) for value in chosen if value not in known
            ]
            item = replace(item, options=(*item.options, *extra))
        return item

    def label(self, kind: FieldType, value: str) -> str:
        """The label of a value that a pointing field holds."""
        try:
            parsed = kind.parse([value] if kind.many else value)
            return kind.format(parsed, self.language, self.scene.names) or value
        except BadValue:
            return value

    def cell(self, kind: FieldType, value: Any) -> Cell:
        """The value as text; values of a masked field are text already."""
        try:
            return kind.cell(value, self.language, self.scene.names)
        except (TypeError, ValueError, AttributeError):
            return Cell(str(value), "masked")

    def options(self, field: Field, rule: Setting | None) -> tuple[Choice, ...]:
        """The options of a choice, those a rule forbids switched off."""
        allowed = rule.options if rule is not None else None
        return tuple(
            Choice(
                option.value,
                text_of(option.title, self.language) or option.value,
                option.color,
                text_of(option.group, self.language),
                off=allowed is not None and option.value not in allowed,
            )
            for option in field.options
        )

    def unit(self, kind: FieldType) -> str:
        """What stands behind a number."""
        own = text_of(kind.field.unit, self.language)
        if own or kind.name not in ("money", "percent"):
            return own
        if kind.name == "percent":
            return "%"
        return kind.format(Decimal(0), self.language, self.scene.names).rstrip("0.,")

    # --- rows ----------------------------------------------------------------------------------
    def rows(self, kind: LinesType, entry: TypedInput | None, value: Any) -> list[dict[str, Any]]:
        """The rows as texts for inputs: as posted, else as stored."""
        if entry is not None and isinstance(entry.raw, list):
            typed = [dict(row) for row in entry.raw if isinstance(row, Mapping)]
            return self.with_computed(kind, typed, value)
        stored = entry.data if entry is not None else value
        zone = entry.zone if entry is not None else None
        return [
            {"id": row.get("id", "")}
            | {
                name: column.form_text(row.get(name), zone) if zone else row.get(name)
                for name, column in kind.columns.items()
            }
            for row in stored or ()
        ]

    @staticmethod
    def with_computed(
        kind: LinesType, typed: list[dict[str, Any]], value: Any
    ) -> list[dict[str, Any]]:
        """The typed rows with what formulas make of them, when `value` has been computed from
        these very rows."""
        if not isinstance(value, list) or len(value) != len(typed):
            return typed
        names = [name for name, column in kind.columns.items() if column.field.compute]
        return [
            {**row, **{name: known.get(name) for name in names}}
            for row, known in zip(typed, value, strict=True)
        ]

    def table(self, kind: LinesType, item: Item, rows: list[dict[str, Any]]) -> Lines:
        """The table of a lines field; a spare row at the end serves browsers without scripts."""
        drawn = [self.row(kind, item, str(at), row) for at, row in enumerate(rows)]
        if not item.readonly:
            # without defaults: left alone, it is no row
            spare = self.row(kind, item, str(len(rows)), dict.fromkeys(kind.columns, ""))
            drawn.append(replace(spare, spare=True))
        columns = self.row(kind, item, "__row__", {}).items
        shown = [column.name for column in columns]
        stored = self.scene.values.get(item.name)
        summed = kind.summed
        totals = tuple(
            self.total(column, stored or ()) if column.field.name in summed else ""
            for column in (kind.columns[name] for name in shown)
        )
        return Lines(item.input, columns, tuple(drawn), totals)

    def row(self, kind: LinesType, item: Item, key: str, row: Mapping[str, Any]) -> LineRow:
        """One row of inputs."""
        items = []
        for name, column in kind.columns.items():
            level = self.scene.column(item.name, name)
            if not level:
                continue
            pointer = f"/{item.name}/{key}/{name}"
            cell = self.plain(column, f"{item.input}-{key}.{name}", pointer, None)
            fixed = item.readonly or column.field.read_only or column.field.compute is not None
            fixed = fixed or level < WRITE
            cell = replace(cell, readonly=fixed, computed=column.field.compute is not None)
            text_ = row.get(name, "") if row else self.blank(column)
            if fixed:
                cell = replace(cell, shown=self.cell_of_text(column, row.get(name)))
            else:
                cell = self.filled(cell, column, "" if text_ is None else text_)
            items.append(cell)
        return LineRow(key, str(row.get("id") or ""), tuple(items))

    def blank(self, column: FieldType) -> Any:
        """What a new row starts with: plain defaults only, they need no clock."""
        default = column.field.default
        return column.form_text(column.parse(default)) if isinstance(default, str | int) else ""

    def cell_of_text(self, column: FieldType, raw: Any) -> Cell:
        """A cell of a row that is only shown."""
        try:
            return self.cell(column, column.parse(raw) if isinstance(raw, str) else raw)
        except BadValue:
            return Cell(str(raw))

    def total(self, column: FieldType, rows: Sequence[Mapping[str, Any]]) -> str:
        """The sum of a column of amounts."""
        numbers = [
            row[column.field.name]
            for row in rows
            if isinstance(row.get(column.field.name), int | Decimal)
        ]
        return column.format(sum(numbers, Decimal(0)), self.language, self.scene.names)

    # --- problems ------------------------------------------------------------------------------
    def objections(self, pointer: str, severity: Severity = Severity.ERROR) -> tuple[str, ...]:
        """What is said about a field, or about one cell of its rows."""
        exact = [
            problem
            for problem in self.problems
            if problem.severity is severity
            and (pointer in problem.pointers or self.member(problem.pointer, pointer))
        ]
        return tuple(dict.fromkeys(text(problem, self.language) for problem in exact))

    def member(self, pointer: str, field: str) -> bool:
        """Whether `pointer` leads into a part of `field` other than a row (tags, address)."""
        name = field.strip("/")
        found = self.entity.fields.get(name)
        return found is not None and found.rows is None and pointer.startswith(f"{field}/")

    def general(self, severity: Severity) -> tuple[str, ...]:
        """What concerns the record as a whole."""
        return tuple(
            text(problem, self.language)
            for problem in self.problems
            if problem.severity is severity and problem.field not in self.entity.fields
        )

    def remarks(self, view: FormView) -> tuple[Remark, ...]:
        """The error summary, in the order of the page; the record's own problems first."""
        order = {item.name: at for at, item in enumerate(view.items())}
        errors = [found for found in self.problems if found.severity is Severity.ERROR]
        errors.sort(key=lambda found: order.get(found.field, -1))
        remarks = (self.remark(problem, order) for problem in errors)
        return tuple(dict.fromkeys(remarks))

    def remark(self, problem: Problem, order: Mapping[str, int]) -> Remark:
        """One entry of the summary."""
        field = self.entity.fields.get(problem.field)
        said = text(problem, self.language)
        if field is None or field.name not in order:
            return Remark(said)
        parts = problem.pointer.split("/")[2:]
        target = f"{PREFIX}{field.name}"
        label = text_of(field.title, self.language)
        if field.rows is not None and len(parts) >= 2:
            column = field.rows.fields.get(parts[1])
            target = f"{target}-{parts[0]}-{parts[1]}"
            label = f"{label} {int(parts[0]) + 1 if parts[0].isdigit() else parts[0]}"
            if column is not None:
                label = f"{label} · {text_of(column.title, self.language)}"
        return Remark(said, target, "" if label in said else label)


def shown_parts(shown: Any) -> dict[str, Any]:
    """What an input shows, as the keyword arguments `value` and `values` of an Item."""
    if isinstance(shown, Mapping):  # an address
        parts = tuple(str(shown.get(part) or "") for part in ("region", "detail", "postcode"))
        return {"value": "", "values": parts}
    if isinstance(shown, list | tuple):
        return {"value": "", "values": tuple(str(member) for member in shown)}
    return {"value": "" if shown is None else str(shown), "values": ()}


def attributes(kind: FieldType) -> dict[str, str]:
    """HTML attributes that follow from the definition; they help, the server decides."""
    field, found = kind.field, {}
    longest = field.schema.get("maxLength")
    if kind.widget in ("text", "textarea", "tel", "email", "url") and isinstance(longest, int):
        found["maxlength"] = str(longest)
    if kind.name == "integer":
        found["inputmode"] = "numeric"
    if kind.widget == "rating":
        found["max"] = str(kind.limits.get("maximum", 5))
    if kind.widget == "textarea":
        found["rows"] = str(field.ui.get("rows") or 4)
    if kind.widget in ("file", "image"):
        if accept := field.ui.get("accept") or ("image/*" if kind.widget == "image" else ""):
            found["accept"] = str(accept)
        if kind.many:
            found["multiple"] = "multiple"
    return found
