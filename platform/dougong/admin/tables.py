"""A read-only flask-admin view of one SQLAlchemy Core table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

import sqlalchemy as sa
from flask import abort, g
from flask_admin.model import BaseModelView
from flask_admin.model.template import BaseListRowAction
from flask_admin.model.typefmt import BASE_FORMATTERS
from flask_babel import format_datetime, gettext
from flask_babel import lazy_gettext as _
from wtforms import Form

from engine.storage.types import JsonText


def shown_moment(_view: Any, value: datetime, _name: str) -> str:
    """A moment in the company's time zone."""
    return str(format_datetime(value, "yyyy-MM-dd HH:mm:ss"))


def shown_names(_view: Any, value: dict[str, Any], _name: str) -> str:
    """Which fields changed. Never their values: those belong to a record, and whoever may read it
    sees them on its page, through the one door."""
    return ", ".join(value)


LABELS: Final = {
    "action": _("Action"),
    "address": _("Address"),
    "agent": _("Browser"),
    "at": _("At"),
    "attempts": _("Attempts"),
    "by_id": _("By (user number)"),
    "changes": _("Changes"),
    "confirmed_at": _("Confirmed"),
    "count": _("Count"),
    "created_at": _("Created"),
    "dead_at": _("Given up"),
    "department_id": _("Department number"),
    "details": _("Details"),
    "disabled_at": _("Closed"),
    "done_at": _("Done"),
    "due_at": _("Due"),
    "email": _("E-mail"),
    "entity": _("Entity"),
    "error": _("Error"),
    "expires_at": _("Expires"),
    "fields": _("Fields"),
    "hash": _("Fingerprint"),
    "id": _("Number"),
    "is_operator": _("Is operator"),
    "issuer": _("Provider"),
    "key": _("Key"),
    "kind": _("Kind"),
    "language": _("Language"),
    "level": _("Level"),
    "login": _("Login name"),
    "name": _("Name"),
    "next_try": _("Next try"),
    "note": _("Note"),
    "pack": _("Pack"),
    "progress": _("Progress"),
    "reason": _("Reason"),
    "record_id": _("Record number"),
    "revoked_at": _("Revoked"),
    "seen_at": _("Last seen"),
    "source": _("Source"),
    "start": _("First characters"),
    "status": _("State"),
    "until": _("Until"),
    "used_at": _("Last used"),
    "used_from": _("Used from"),
    "user_id": _("User number"),
    "version": _("Version"),
}


class TableView(BaseModelView):
    """Lists, sorts, searches and shows the rows of `table`; never changes one.

    `columns` are the column names shown, `search` those a search looks into. Hashes and tokens are
    simply not named.
    """

    can_create = can_edit = can_delete = False
    can_view_details = True
    column_display_actions = True
    page_size = 50
    table: ClassVar[sa.Table]
    columns: ClassVar[Sequence[str]]
    search: ClassVar[Sequence[str]] = ()
    newest_first: ClassVar[str] = ""
    extra: ClassVar[Sequence[BaseListRowAction]] = ()
    column_type_formatters: ClassVar[dict[type, Any]] = {
        **BASE_FORMATTERS,
        datetime: shown_moment,
        dict: shown_names,
    }
    column_type_formatters_detail: ClassVar[dict[type, Any]] = column_type_formatters

    def __init__(self, name: str, endpoint: str) -> None:
        self.column_searchable_list = list(self.search) or None
        self.column_details_list = list(self.columns)
        self.column_labels = LABELS
        self.column_extra_row_actions = list(self.extra)
        super().__init__(
            self.table, name=name, endpoint=endpoint, url=endpoint.removeprefix("ops_")
        )

    # --- who ------------------------------------------------------------------------------------
    def is_accessible(self) -> bool:
        """Operators of this company only; everybody else is told that there is nothing here."""
        actor = g.get("actor")
        return actor is not None and actor.operator

    def inaccessible_callback(self, name: str, **kwargs: Any) -> Any:
        abort(404)

    # --- what flask-admin asks of a data source ----------------------------------------------
    def get_pk_value(self, model: Any) -> Any:
        return model[self._key.name]

    def scaffold_list_columns(self) -> list[str]:
        return list(self.columns)

    def scaffold_sortable_columns(self) -> dict[str, str]:
        plain = (name for name in self.columns if not isinstance(self.table.c[name].type, JsonText))
        return {name: name for name in plain}

    def scaffold_form(self) -> type[Form]:
        return Form

    def init_search(self) -> bool:
        return bool(self.search)

    def search_placeholder(self) -> str:
        return gettext("Search")

    def _get_field_value(self, model: Any, name: str) -> Any:
        return model[name]

    def get_list(
        self,
        page: int | None,
        sort_field: str | None,
        sort_desc: bool,
        search: str | None,
        filters: Any,
        page_size: int | None = None,
    ) -> tuple[int, list[Any]]:
        chosen = sa.select(*[self.table.c[name] for name in self._selected])
        if search:
            parts = [self.table.c[name].icontains(search, autoescape=True) for name in self.search]
            chosen = chosen.where(sa.or_(*parts))
        if sort_field is None and self.newest_first:
            sort_field, sort_desc = self.newest_first, True
        order = self.table.c[sort_field] if sort_field else self._key
        size = page_size or self.page_size
        rows = chosen.order_by(order.desc() if sort_desc else order, self._key)
        with g.company.database.read() as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(chosen.subquery()))
            found = connection.execute(rows.limit(size).offset((page or 0) * size))
            return total.scalar_one(), list(found.mappings())

    def get_one(self, id: Any) -> Any:
        key = self._key.type.python_type(id) if id.isdigit() or not self._numeric else None
        if key is None:
            return None
        chosen = sa.select(*[self.table.c[name] for name in self._selected])
        with g.company.database.read() as connection:
            return connection.execute(chosen.where(self._key == key)).mappings().first()

    @property
    def _key(self) -> sa.Column[Any]:
        return next(iter(self.table.primary_key.columns))

    @property
    def _numeric(self) -> bool:
        return isinstance(self._key.type, sa.Integer)

    @property
    def _selected(self) -> list[str]:
        return list(dict.fromkeys((self._key.name, *self.columns)))
