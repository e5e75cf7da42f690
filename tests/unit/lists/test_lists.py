"""From addresses to queries and back; everything from outside is data, nothing is trusted."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.definitions.model import Entity, Field, ListView, Option
from engine.lists import (
    Condition,
    Cursor,
    Group,
    Query,
    Sort,
    decode_cursor,
    default_query,
    encode_cursor,
    parse_query,
    to_args,
)
from engine.lists.parsing import CONDITIONS, DEPTH, split
from engine.problems import Problem


def field(name: str, type_: str, **more: object) -> Field:
    return Field(name, type_, {"en": name}, **more)  # type: ignore[arg-type]


OPTIONS = tuple(Option(each, {}) for each in "ABC")
FIELDS = (
    field("name", "text"),
    field("level", "choice", options=OPTIONS),
    field("amount", "money"),
    field("due", "date"),
    field("owner", "user"),
    field("tags", "tags", multiple=True),
    field("cost", "money"),
    field("updated_at", "updated_at", system=True),
)
ENTITY = Entity(
    "thing",
    {},
    {},
    "{name}",
    {each.name: each for each in FIELDS},
    list=ListView(("name", "amount", "cost"), ("-updated_at",)),
)


@dataclass
class Eyes:
    hidden: frozenset[str] = frozenset({"cost"})

    def usable(self, name: str) -> bool:
        return name in ENTITY.fields and name not in self.hidden

    shown = usable

    def searchable(self, name: str) -> bool:
        return False


def parsed(args: str) -> tuple[Query, list[Problem]]:
    return parse_query(args, ENTITY, Eyes())


def good(args: str) -> Query:
    query, problems = parsed(args)
    assert problems == []
    return query


def codes(args: str) -> list[str]:
    return [problem.code for problem in parsed(args)[1]]


def test_the_default_is_the_definitions_less_what_is_hidden() -> None:
    assert good("") == Query("thing", ("name", "amount"), sort=(Sort("updated_at", True),))


def test_plain_filters() -> None:
    query = good("f.level.in=A,B&f.level.in=C&f.name.contains=a,b&f.owner.me=1&f.name=x")
    assert [(c.field, c.op, c.value) for c in query.conditions] == [
        ("level", "in", ("A", "B", "C")),
        ("name", "contains", "a,b"),
        ("owner", "me", None),
        ("name", "eq", "x"),
    ]


@pytest.mark.parametrize("name", ["cost", "nothing", "", "cost'--", "name]", "__class__"])
@pytest.mark.parametrize("args", ["f.{}.eq=1", "sort={}", "sort=-{}", "cols=name,{}"])
def test_hidden_and_missing_fields_are_told_alike(name: str, args: str) -> None:
    if not name and "f." not in args:
        return
    query, problems = parsed(args.format(name))
    assert [problem.code for problem in problems] == ["R101"]
    assert set(problems[0].params) == {"argument", "field"}
    assert query.conditions == ()


def test_wrong_operators_and_values() -> None:
    assert codes("f.name.gt=1") == ["V096"]
    assert codes("f.amount.gt=abc") != []
    assert codes("f.amount.between=1") == ["V097"]
    assert codes("f.id.contains=1") == ["R103"]
    assert codes("f.id.eq=-1") == ["R108"]
    assert codes("sort=tags") == ["R102"]
    assert codes("size=33") == ["R105"]
    assert codes("q=" + "x" * 101) == ["R106"]


def test_the_tree_of_the_filter_builder() -> None:
    tree = {"or": [["level", "eq", "A"], {"and": [["amount", "ge", "5"], ["due", "empty"]]}]}
    query = good("where=" + json.dumps(tree))
    assert isinstance(query.where, Group)
    assert query.where.mode == "or"
    assert [c.op for c in query.filters()] == ["eq", "ge", "empty"]


def nested(depth: int) -> str:
    tree: object = ["level", "eq", "A"]
    for _ in range(depth - 1):
        tree = {"and": [tree]}
    return "where=" + json.dumps(tree)


def test_trees_have_limits() -> None:
    assert codes(nested(DEPTH)) == []
    assert codes(nested(DEPTH + 1)) == ["R107"]
    assert codes("where=" + "[" * 9_000) == ["R109"]
    many = {"or": [["level", "eq", "A"]] * (CONDITIONS + 5)}
    assert codes("where=" + json.dumps(many)) == ["R107"]
    for wrong in (
        "{}",
        "1",
        '"x"',
        "[]",
        '["level"]',
        '["level",1,2]',
        '{"and":1}',
        "NaN",
        '["level","eq",[1]]',
    ):
        assert codes("where=" + wrong) == ["R109"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])).filter(bool), min_size=1))
def test_values_survive_the_address(values: list[str]) -> None:
    raw = ",".join(each.replace("\\", "\\\\").replace(",", "\\,") for each in values)
    assert list(split(raw)) == values


@given(
    st.lists(
        st.sampled_from(["f.level.in=A,B", "f.amount.ge=5", "q=酒店", "size=50", "sort=name,-id"])
    ),
    st.sampled_from(
        ["", 'where={"not":[["level","eq","A"]]}', 'where=["amount","between",["1","2"]]']
    ),
)
def test_queries_survive_the_address(parts: list[str], tree: str) -> None:
    query = good("&".join([*parts, tree]))
    assert parse_query(to_args(query, ENTITY), ENTITY, Eyes()) == (query, [])


def test_cursors_belong_to_their_order() -> None:
    cursor = Cursor("name,-id", ("恒泰", 7), 7)
    raw = encode_cursor(cursor)
    query = good(f"sort=name,-id&after={raw}")
    assert query.after == cursor
    assert codes(f"sort=-name&after={raw}") == ["R104"]
    assert parse_query(to_args(query, ENTITY), ENTITY, Eyes())[0] == query


@settings(max_examples=200)
@given(
    st.one_of(
        st.text(), st.binary().map(lambda b: encode_cursor(Cursor("-updated_at", (b.hex(),), 1)))
    )
)
def test_any_cursor_is_refused_not_believed(raw: str) -> None:
    assert decode_cursor(raw, "-updated_at", [None]) is None


def test_what_is_not_a_lists_is_passed_over() -> None:
    assert good("view=board&tab=2") == good("")
    assert default_query(ENTITY).columns == ("name", "amount", "cost")
    assert replace(good(""), conditions=(Condition("name", "eq", "x", "x"),)) == good("f.name=x")
