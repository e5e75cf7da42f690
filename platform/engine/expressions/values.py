"""What functions and operators do with values: plain Python, exact, bounded.

Numbers are int or Decimal. Every result goes through one decimal context of 34 digits, so nothing
grows without end; what does not fit is refused, never rounded to infinity.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, date, datetime, timedelta
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from functools import reduce
from typing import Any, Final

from engine.expressions.errors import error

DIGITS: Final = 34
MAX_TEXT: Final = 10_000
MAX_PLACES: Final = 12
BLANKS: Final = " \t\n\r\v\f\u3000"  # what `trim` takes away; the last is the full-width blank
CONTEXT: Final = Context(
    prec=DIGITS,
    rounding=ROUND_HALF_UP,
    Emax=DIGITS - 1,
    Emin=-DIGITS * 2,
    traps=[InvalidOperation, DivisionByZero, Overflow],
)
_STEP: Final = tuple(Decimal(1).scaleb(-places) for places in range(MAX_PLACES + 1))
_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER: Final = {code + 32: code for code in _LOWER}

Number = int | Decimal


def _nothing(entity: str, _id: int, name: str) -> Any:
    """The `attribute` of an Env that has no relations to offer."""
    raise error("X044", 0, entity=entity, name=name)


def _itself(department: int) -> Collection[int]:
    """The `below` of an Env without a department tree."""
    return (department,)


def _no_fact(_what: str, _entity: str, _id: int, _argument: str) -> bool:
    """The `fact` of an Env without a platform around it."""
    return False


@dataclass(frozen=True, slots=True)
class Env:
    """What an evaluation may see.

    names: values by name: the record's own, and `old`, `me`, `my`, `event`, `starter`.
    now: an aware datetime **in the company's time zone**: `today()` and `year(created_at)` use it.
    attribute: (entity, id, name) -> value; asked for whatever is not at hand.
    below: department id -> that department and all below it, for `within`.
    fact: (what, entity, id, argument) -> what the platform knows of a record beside its fields.
    """

    names: Mapping[str, Any]
    now: datetime
    attribute: Callable[[str, int, str], Any] = field(default=_nothing)
    below: Callable[[int], Collection[int]] = field(default=_itself)
    fact: Callable[[str, str, int, str], bool] = field(default=_no_fact)


def id_of(record: Any) -> Any:
    """The id of a record given as mapping or as id; None stays None."""
    return record.get("id") if isinstance(record, Mapping) else record


# --- numbers ---------------------------------------------------------------------------------
add: Final = CONTEXT.add
subtract: Final = CONTEXT.subtract
multiply: Final = CONTEXT.multiply


def divide(left: Number, right: Number) -> Decimal | None:
    """Exact to 34 digits; by zero gives null, as in SQL's usual dialects."""
    return CONTEXT.divide(left, right) if right else None


def round_to(number: Number, places: Number = 0) -> Decimal:
    """Commercial rounding: half goes away from zero."""
    if not 0 <= places <= MAX_PLACES or places != int(places):
        raise error("X043", 0, name="round", limit=MAX_PLACES)
    return CONTEXT.quantize(Decimal(number), _STEP[int(places)])


def floor(number: Number) -> int:
    """The next whole number below."""
    return int(Decimal(number).to_integral_value(ROUND_FLOOR))


def ceil(number: Number) -> int:
    """The next whole number above."""
    return int(Decimal(number).to_integral_value(ROUND_CEILING))


def total(numbers: list[Any]) -> Number:
    """The sum; 0 of nothing."""
    return reduce(add, numbers, Decimal(0)) if numbers else 0


def average(numbers: list[Any]) -> Decimal | None:
    """The mean; null of nothing."""
    return divide(total(numbers), len(numbers)) if numbers else None


# --- text ------------------------------------------------------------------------------------
def join(left: str, right: str) -> str:
    """`left + right`, not longer than any field could be."""
    if len(left) + len(right) > MAX_TEXT:
        raise error("X041", 0, limit=MAX_TEXT)
    return left + right


def concat(*parts: str | None) -> str:
    """The texts joined, null as nothing."""
    return reduce(join, (part or "" for part in parts), "")


def lower(value: str) -> str:
    """A–Z only, because that is what every database agrees on."""
    return value.translate(_LOWER)


def upper(value: str) -> str:
    """The counterpart of `lower`."""
    return value.translate(_UPPER)


def trim(value: str) -> str:
    """Without blanks at both ends."""
    return value.strip(BLANKS)


def as_text(value: Any) -> str:
    """Numbers without trailing zeros, dates as ISO."""
    if isinstance(value, Decimal):
        plain = format(value, "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    return value.isoformat() if isinstance(value, date) else str(value)


# --- dates -----------------------------------------------------------------------------------
def to_date(env: Env, value: Any, month: Any = None, day: Any = None) -> date | None:
    """From "2015-03-09", from a point in time, or from year, month, day; null if there is none."""
    try:
        if isinstance(value, datetime):
            return value.astimezone(env.now.tzinfo).date()
        if isinstance(value, str):
            return date.fromisoformat(value) if len(value) == len("2015-03-09") else None
        if value is None or month is None or day is None:
            return value if month is None and isinstance(value, date) else None
        return date(int(value), int(month), int(day))
    except (ValueError, OverflowError):
        return None


def day_of(env: Env, value: date) -> date:
    """The calendar day of a date or of a point in time, in the company's zone."""
    return value.astimezone(env.now.tzinfo).date() if isinstance(value, datetime) else value


def year_of(env: Env, value: date | None) -> int | None:
    """Of a point in time: the year in the company's zone."""
    return None if value is None else day_of(env, value).year


def month_of(env: Env, value: date | None) -> int | None:
    """1 to 12."""
    return None if value is None else day_of(env, value).month


def day_of_month(env: Env, value: date | None) -> int | None:
    """1 to 31."""
    return None if value is None else day_of(env, value).day


def add_days(day: date, days: Number) -> date | None:
    """Whole days; null beyond the years 1 to 9999."""
    try:
        return day + timedelta(days=int(days))
    except OverflowError:
        return None


def add_months(day: date, months: Number) -> date | None:
    """The same day of another month, or that month's last day: 31 January + 1 = 28 February."""
    if not -MAXYEAR * 12 <= months <= MAXYEAR * 12:
        return None
    index = day.year * 12 + day.month - 1 + int(months)
    year, month = divmod(index, 12)
    if not 1 <= year <= MAXYEAR:
        return None
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def days_between(start: date, end: date) -> int:
    """Negative when `end` comes first."""
    return (end - start).days


def age(env: Env, birth: date | None) -> int | None:
    """Completed years today."""
    if birth is None:
        return None
    today = env.now.date()
    ahead = (today.month, today.day) < (birth.month, birth.day)
    return today.year - birth.year - int(ahead)


# --- people ----------------------------------------------------------------------------------
def has_role(env: Env, user: Any, *roles: str | None) -> bool:
    """Whether the user has at least one of the roles."""
    if user is None:
        return False
    own = user.get("roles") if isinstance(user, Mapping) else env.attribute("@user", user, "roles")
    return not set(roles).isdisjoint(own or ())


def participant(env: Env, entity: str, id: int | None) -> bool:
    """Whether the user takes part in the workflow of a record; a new one has none yet."""
    return bool(id) and env.fact("participant", entity, id or 0, "")


def shared(env: Env, entity: str, id: int | None, level: str | None) -> bool:
    """Whether a record is shared with the user by hand."""
    return bool(id) and env.fact("shared", entity, id or 0, level or "")


def within(env: Env, department: Any, above: Any) -> bool:
    """Whether `department` is `above` (one or any of several) or below it."""
    place = id_of(department)
    if place is None or above is None:
        return False
    tops = above if isinstance(above, list | tuple | set | frozenset) else (above,)
    return any(place in env.below(top) for top in map(id_of, tops) if top is not None)


def in_state(env: Env, state: str | None) -> bool:
    """Whether the workflow instance is in the state: `states` of the names says which."""
    return state in (env.names.get("states") or ())
