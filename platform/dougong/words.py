"""Operators of filters in words."""

from __future__ import annotations

from typing import Final

from flask_babel import lazy_gettext as _

OPERATORS: Final = {
    "eq": _("is"),
    "ne": _("is not"),
    "lt": _("below"),
    "le": _("at most"),
    "gt": _("above"),
    "ge": _("at least"),
    "between": _("between"),
    "in": _("is one of"),
    "contains": _("contains"),
    "starts": _("starts with"),
    "empty": _("is empty"),
    "filled": _("is filled in"),
    "within": _("lies in"),
    "me": _("is me"),
    "mine": _("is my department"),
    "mine_tree": _("is my department or below"),
    "today": _("is today"),
    "yesterday": _("was yesterday"),
    "tomorrow": _("is tomorrow"),
    "this_week": _("is this week"),
    "last_week": _("was last week"),
    "next_week": _("is next week"),
    "this_month": _("is this month"),
    "last_month": _("was last month"),
    "next_month": _("is next month"),
    "this_quarter": _("is this quarter"),
    "last_quarter": _("was last quarter"),
    "next_quarter": _("is next quarter"),
    "this_year": _("is this year"),
    "last_year": _("was last year"),
    "next_year": _("is next year"),
    "within_days": _("within the next days:"),
    "last_days": _("within the last days:"),
    "older_than_days": _("longer ago than days:"),
}


def operator_word(name: str) -> str:
    """The operator as it reads between a field and a value."""
    return str(OPERATORS.get(name, name))
