"""Forms: from an entity to inputs, and from a posted form to the values of a record.

Three steps, each pure: `form_layout` places the fields, `build_form` makes the WTForms class that
reads a post (cache it per version, roles and language), `draw` says what a page shows.
"""

from engine.forms.build import Access, RecordForm, build_form
from engine.forms.layout import Placed, Section, Tab, form_layout
from engine.forms.view import (
    Choice,
    FormView,
    Item,
    LineRow,
    Lines,
    Remark,
    Scene,
    SectionView,
    Setting,
    TabView,
    draw,
)

__all__ = [
    "Access",
    "Choice",
    "FormView",
    "Item",
    "LineRow",
    "Lines",
    "Placed",
    "RecordForm",
    "Remark",
    "Scene",
    "Section",
    "SectionView",
    "Setting",
    "Tab",
    "TabView",
    "build_form",
    "draw",
    "form_layout",
]
