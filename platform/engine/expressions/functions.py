"""The functions of the language: ONE table.

Adding a function = one line here, its Python in `values`, its SQL in `sqlvalues` (or None: then it
works everywhere but in row permissions and filters, and publishing says so).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from engine.expressions import sqlvalues as sql
from engine.expressions import values
from engine.expressions.sqlvalues import SqlValue
from engine.expressions.types import ANY, BOOL, DATE, DATETIME, NUMBER, TEXT, USER, ListOf, Type

Kind = Literal["plain", "total", "env", "rows", "either", "fact"]
_LIST: Final = ListOf(ANY)
_ORDERED: Final = (NUMBER, DATE, DATETIME, TEXT)
_DAY: Final = (DATE, DATETIME)


@dataclass(frozen=True, slots=True)
class Function:
    """One function.

    kind: "plain" (null in, null out), "total" (sees nulls itself), "env" (the same, and gets the
      Env first), "rows" (an aggregate over a relation), "either" (an aggregate when its first
      argument leads into a relation, plain otherwise), "fact" (what the platform knows of a record
      beside its fields; gets the Env, the entity and the record's id first).
    takes: accepted types per argument, the last for all further ones; () accepts any.
    gives: the result's type, None for "the common type of the arguments".
    """

    form: str
    kind: Kind
    takes: tuple[tuple[Type, ...], ...]
    gives: Type | None
    python: Callable[..., Any]
    sql: Callable[..., SqlValue] | None
    zh: str
    en: str
    least: int = 1
    most: int = 1

    @property
    def name(self) -> str:
        """The name it is called by."""
        return self.form.split("(", 1)[0].rpartition(".")[2]


def _smallest(*items: Any) -> Any:
    return min(items)


def _largest(*items: Any) -> Any:
    return max(items)


def _first(*items: Any) -> Any:
    return next((item for item in items if item is not None), None)


def _choose(test: Any, then: Any, otherwise: Any) -> Any:
    return then if test is True else otherwise


def _contains(text: str | None, part: str | None) -> bool:
    return text is not None and part is not None and part in text


def _startswith(text: str | None, part: str | None) -> bool:
    return text is not None and part is not None and text.startswith(part)


_T, _N, _D, _B = (TEXT,), (NUMBER,), (DATE,), (BOOL,)
# fmt: off
_ALL: Final = (
    Function("sum(rows.number, condition)", "rows", (_N, _B), NUMBER, values.total, None,
             "求和；没有行时为 0", "The sum; 0 without rows", 1, 2),
    Function("count(rows, condition)", "rows", ((), _B), NUMBER, len, None,
             "计数：多少行，或多少个非空值",
             "How many rows, or how many values that are not null", 1, 2),
    Function("avg(rows.number, condition)", "rows", (_N, _B), NUMBER, values.average, None,
             "平均值；没有值时为空", "The average; null without values", 1, 2),
    Function("min(a, b, …) / min(rows.value, condition)", "either", (_ORDERED,), None,
             _smallest, sql.sql_min, "最小值", "The smallest value", 1, 20),
    Function("max(a, b, …) / max(rows.value, condition)", "either", (_ORDERED,), None,
             _largest, sql.sql_max, "最大值", "The largest value", 1, 20),
    Function("any(condition)", "rows", (_B,), BOOL, any, None,
             "至少一行满足条件", "Whether at least one row meets the condition"),
    Function("all(condition)", "rows", (_B,), BOOL, all, None,
             "每一行都满足条件；没有行时为真",
             "Whether every row meets the condition; true without rows"),
    Function("len(value)", "plain", ((TEXT, _LIST),), NUMBER, len, sql.sql_len,
             "文本的字数，或列表的项数", "How many characters a text or items a list has"),
    Function("lower(text)", "plain", (_T,), TEXT, values.lower, sql.sql_lower,
             "字母 A–Z 转为小写", "The letters A–Z made small"),
    Function("upper(text)", "plain", (_T,), TEXT, values.upper, sql.sql_upper,
             "字母 a–z 转为大写", "The letters a–z made capital"),
    Function("trim(text)", "plain", (_T,), TEXT, values.trim, sql.sql_trim,
             "去掉首尾空白（含全角空格）", "Without blanks at both ends, full-width ones included"),
    Function("contains(text, part)", "total", (_T, _T), BOOL, _contains, sql.sql_contains,
             "文本是否包含另一段文本", "Whether the text has the part in it", 2, 2),
    Function("startswith(text, start)", "total", (_T, _T), BOOL, _startswith, sql.sql_startswith,
             "文本是否以另一段文本开头", "Whether the text begins with the other", 2, 2),
    Function("concat(a, b, …)", "total", (_T,), TEXT, values.concat, sql.sql_concat,
             "连接文本，空值当作空文本", "The texts joined, null as empty text", 1, 20),
    Function("text(value)", "plain", ((NUMBER, DATE, TEXT),), TEXT, values.as_text, None,
             "数字或日期写成文本", "A number or a date written out"),
    Function("round(number, places)", "plain", (_N, _N), NUMBER, values.round_to, sql.sql_round,
             "四舍五入到若干位小数", "Rounded to so many places, half away from zero", 1, 2),
    Function("abs(number)", "plain", (_N,), NUMBER, values.CONTEXT.abs, sql.sql_abs,
             "绝对值", "The absolute value"),
    Function("floor(number)", "plain", (_N,), NUMBER, values.floor, sql.sql_floor,
             "不大于它的最大整数", "The next whole number below"),
    Function("ceil(number)", "plain", (_N,), NUMBER, values.ceil, sql.sql_ceil,
             "不小于它的最小整数", "The next whole number above"),
    Function("coalesce(a, b, …)", "total", ((),), None, _first, sql.sql_coalesce,
             "第一个非空的值", "The first value that is not null", 1, 20),
    Function("if_(condition, then, otherwise)", "total", (_B, (), ()), None, _choose, None,
             "条件成立取前者，否则取后者", "One value or the other, by a condition", 3, 3),
    Function("today()", "env", (), DATE, lambda env: env.now.date(), None,
             "今天（公司时区）", "Today in the company's time zone", 0, 0),
    Function("now()", "env", (), DATETIME, lambda env: env.now, None,
             "现在", "This moment", 0, 0),
    Function("date('2015-03-09') / date(year, month, day)", "env",
             ((TEXT, DATETIME, NUMBER, DATE), _N, _N), DATE, values.to_date, None,
             "由文本、时间或年月日得到日期",
             "A date from text, a moment, or year, month and day", 1, 3),
    Function("year(date)", "env", (_DAY,), NUMBER, values.year_of, sql.sql_year,
             "年份", "The year"),
    Function("month(date)", "env", (_DAY,), NUMBER, values.month_of, sql.sql_month,
             "月份 1–12", "The month, 1–12"),
    Function("day(date)", "env", (_DAY,), NUMBER, values.day_of_month, sql.sql_day,
             "日 1–31", "The day of the month, 1–31"),
    Function("days_between(start, end)", "plain", (_D, _D), NUMBER, values.days_between,
             sql.sql_days_between, "从开始到结束的天数", "Days from start to end", 2, 2),
    Function("add_days(date, days)", "plain", (_D, _N), DATE, values.add_days, sql.sql_add_days,
             "若干天之后的日期", "The date so many days later", 2, 2),
    Function("add_months(date, months)", "plain", (_D, _N), DATE, values.add_months, None,
             "若干月之后的日期，超出月末取月末",
             "The date so many months later, at most that month's last day", 2, 2),
    Function("age(birth_date)", "env", (_D,), NUMBER, values.age, None,
             "今天的周岁", "Completed years as of today"),
    Function("me.has_role('a', 'b')", "env", ((USER,), _T), BOOL, values.has_role, None,
             "用户是否有其中一个角色", "Whether the user has one of the roles", 2, 20),
    Function("participant()", "fact", (), BOOL, values.participant, None,
             "用户是否参与该记录的流程：发起、待办、已办或抄送",
             "Whether the user takes part in the record's workflow: began it, is asked, "
             "decided or was copied", 0, 0),
    Function("shared('read')", "fact", (_T,), BOOL, values.shared, None,
             "记录是否已手动共享给用户（'read' 或 'write'）",
             "Whether the record is shared with the user by hand, to 'read' or to 'write'"),
    Function("In('state')", "env", (_T,), BOOL, values.in_state, None,
             "流程实例是否处于该状态", "Whether the workflow instance is in the state"),
)
# fmt: on
FUNCTIONS: Final[Mapping[str, Function]] = {function.name: function for function in _ALL}
METHODS: Final = frozenset({"has_role"})
