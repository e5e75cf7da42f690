"""One WTForms field for every type: it reads its part of the posted form and lets the type parse.

Names of parts: ``address.region`` for an address, ``contacts-0.email`` for a cell of a row. A list
is posted as repeated values, or as one value holding a JSON array. `data` is the Python value,
`problems` what is wrong with the input, and the input itself is shown again as it was typed.
A form whose Meta has `zone` reads and shows times on that clock.
"""

# ruff: noqa: ARG002 - an override keeps the arguments of its base

from __future__ import annotations

from datetime import tzinfo
from typing import Any, ClassVar, Protocol

from wtforms.fields.core import Field as FormField
from wtforms.fields.core import UnboundField
from wtforms.widgets import TextInput

from engine.definitions.model import Field, text_of
from engine.fields.basics import HOME, BadValue, Posted
from engine.problems import Problem, text


class Kind(Protocol):
    """What an input needs of a bound field type."""

    python: ClassVar[type]

    @property
    def field(self) -> Field: ...
    def posted(self, form: Posted, name: str) -> Any: ...
    def parse_local(self, raw: object, zone: tzinfo = HOME) -> Any: ...
    def form_text(self, value: Any, zone: tzinfo = HOME) -> Any: ...


class TypedInput(FormField):
    """The input of one field of an entity."""

    widget = TextInput()

    def __init__(self, kind: Kind, language: str, **options: Any) -> None:
        super().__init__(
            label=text_of(kind.field.title, language),
            description=text_of(kind.field.help, language),
            **options,
        )
        self.kind = kind
        self.language = language
        self.problems: tuple[Problem, ...] = ()
        self.raw: Any = None
        self.flags.required = kind.field.required

    @property
    def zone(self) -> tzinfo:
        """The clock of who fills the form in."""
        return getattr(self.meta, "zone", HOME)

    def process(
        self, formdata: Posted | None, data: Any = None, extra_filters: Any = None
    ) -> None:  # extra_filters: WTForms' in-line filters; parsing is the type's business
        """Reads the posted form; without one (or without this field in it) `data` stays."""
        self.process_errors = []
        self.problems, self.raw = (), None
        self.object_data = self.data = data if isinstance(data, self.kind.python | list) else None
        if formdata is None:
            return
        posted = self.kind.posted(formdata, self.name)
        if posted is None:
            return
        self.raw = posted
        try:
            self.data = self.kind.parse_local(posted, self.zone)
        except BadValue as bad:
            self.data = None
            self.problems = bad.found(self.kind.field)
            self.process_errors = [text(problem, self.language) for problem in self.problems]

    def _value(self) -> str:
        """What a plain input shows."""
        shown = self.shown
        return shown if isinstance(shown, str) else ""

    @property
    def shown(self) -> Any:
        """What the input shows: what was typed, else the value as text (lists for many)."""
        return self.raw if self.raw is not None else self.kind.form_text(self.data, self.zone)


def unbound(kind: Kind, language: str) -> UnboundField[Any]:
    """The input of `type`, for a form class."""
    return UnboundField(TypedInput, kind, language)
