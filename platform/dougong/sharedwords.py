"""Shares in words."""

from __future__ import annotations

from datetime import date

from babel.dates import format_date
from flask_babel import gettext

from dougong.i18n import language
from engine.fields.basics import locale_of
from engine.records.sharing import Share


def day(until: date | None) -> str:
    """The last day of a share; "" without one."""
    return format_date(until, "medium", locale=locale_of(language())) if until else ""


def received_words(share: Share) -> str:
    """By whom a record is shared with the reader, and until when."""
    by = share.by or gettext("System")
    if share.until is None:
        return gettext("Shared with you by %(name)s", name=by)
    return gettext("Shared with you by %(name)s until %(day)s", name=by, day=day(share.until))
