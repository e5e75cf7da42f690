"""Instants in the words of people who look at a clock: "tomorrow 18:00"."""

from __future__ import annotations

from datetime import datetime, tzinfo

from babel.dates import format_datetime, format_timedelta
from flask_babel import gettext

from engine.fields.basics import locale_of


def due_words(moment: datetime, now: datetime, zone: tzinfo, language: str) -> str:
    """A moment near today by its day's name; others with their date."""
    local, today = moment.astimezone(zone), now.astimezone(zone).date()
    time = f"{local:%H:%M}"
    match (local.date() - today).days:
        case 0:
            return gettext("today %(time)s", time=time)
        case 1:
            return gettext("tomorrow %(time)s", time=time)
        case -1:
            return gettext("yesterday %(time)s", time=time)
    locale = locale_of(language)
    chinese = language.startswith("zh")
    if local.year == now.astimezone(zone).year:
        return format_datetime(local, "M月d日 HH:mm" if chinese else "MMM d, HH:mm", locale=locale)
    return format_datetime(
        local, "yyyy年M月d日 HH:mm" if chinese else "MMM d, y, HH:mm", locale=locale
    )


def exact(local: datetime, language: str) -> str:
    """A moment as the values of records show it."""
    if language.startswith("zh"):
        return f"{local:%Y-%m-%d %H:%M}"
    return str(format_datetime(local, "MMM d, y, HH:mm", locale=locale_of(language)))


def left_words(moment: datetime, now: datetime, language: str) -> str:
    """How long there is still time, or by how much it is late."""
    locale = locale_of(language)
    span = format_timedelta(abs(moment - now), granularity="minute", locale=locale)
    if moment < now:
        return gettext("overdue by %(time)s", time=span)
    return gettext("%(time)s left", time=span)
