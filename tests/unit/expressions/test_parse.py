"""What the language refuses, how fast, and where it points."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from engine.expressions import ExpressionError, parse
from engine.expressions.tree import Attribute, Call, Choice, Compare, Literal, Logic, Name, Not
from engine.problems import text

BOMBS = {
    "power": ("9**9**9", "X005"),
    "20,000 terms": ("+".join("1" * 20_000), "X002"),
    "1,000 terms": ("+".join("1" * 1_000), "X004"),
    "nested calls": ("abs(" * 300 + "1" + ")" * 300, "X001"),
    "nested calls, legal to Python": ("abs(" * 90 + "1" + ")" * 90, "X004"),
    "brackets": ("(" * 900, "X001"),
    "lists": ("[" * 150 + "]" * 150, "X004"),
    "signs": ("-" * 1_900 + "1", "X004"),
    "nots": ("not " * 450 + "true", "X004"),
    "wide list": ("[" + "1," * 150 + "1]", "X003"),
    "many nodes": (" or ".join(["a == 1"] * 150), "X003"),
    "huge number": ("9" * 400, "X008"),
    "huge number in range of int()": ("9" * 1_999, "X008"),
    "float": ("1e308 * 10", "X008"),
    "hexadecimal": ("0xff", "X008"),
    "complex": ("2j", "X008"),
    "huge text": ("'" + "x" * 1_999 + "'", "X002"),
    "modulo format": ("'%999999999d' % 1", "X009"),
    "shift": ("1 << 99999999", "X005"),
    "class": ("().__class__", "X005"),
    "class of text": ("''.__class__.__mro__", "X005"),
    "private name": ("_secret", "X005"),
    "private attribute": ("owner._sa_instance_state", "X005"),
    "builtin": ("__import__('os')", "X006"),
    "eval": ("eval('1')", "X006"),
    "open": ("open('x')", "X006"),
    "method": ("'a'.format(b)", "X006"),
    "method of a field": ("name.upper()", "X006"),
    "call of a call": ("today()()", "X005"),
    "call of a subscript": ("[today][0]()", "X005"),
    "lambda": ("lambda: 1", "X010"),
    "comprehension": ("[x for x in tags]", "X005"),
    "generator": ("sum(x for x in tags)", "X005"),
    "set": ("{1, 2}", "X010"),
    "dictionary": ("{'a': 1}", "X010"),
    "walrus": ("(a := 1)", "X010"),
    "f-string": ("f'{name}'", "X011"),
    "bytes": ("b'a'", "X011"),
    "raw text": ("r'a'", "X011"),
    "triple quotes": ("'''a'''", "X011"),
    "subscript": ("tags[0]", "X005"),
    "slice": ("name[0:9]", "X010"),
    "star": ("concat(*tags)", "X005"),
    "keyword argument": ("round(amount, places=2)", "X009"),
    "await": ("await x", "X005"),
    "yield": ("(yield 1)", "X005"),
    "ellipsis": ("...", "X011"),
    "statement": ("import os", "X001"),
    "two expressions": ("1; 2", "X010"),
    "comment": ("1 # x", "X010"),
    "backslash": ("1 \\\n + 1", "X010"),
    "matrix product": ("a @ b", "X009"),
    "full-width name": ("ｏwner == me", "X010"),
    "full-width brackets": ("（amount）", "X010"),
    "full-width digit": ("１ == 1", "X008"),
    "ligature": ("oﬃce", "X010"),
    "underscore by another letter": ("a.\uff3f\uff3fclass__", "X010"),
    "direction mark": ("name == 'a\u202eb'", "X010"),
    "invisible joiner": ("na\u200dme", "X010"),
    "null character": ("'a\\x00b'", "X010"),
    "half a character": ("'\\ud800'", "X010"),
    "assignment": ("a = 1", "X009"),
    "other languages": ("a && b", "X009"),
    "empty": ("  ", "X001"),
    "nothing after": ("1 +", "X001"),
    "open quote": ("name == 'x", "X001"),
}


@pytest.mark.parametrize(("source", "code"), BOMBS.values(), ids=list(BOMBS))
def test_refused_at_once(source: str, code: str) -> None:
    began = time.process_time()
    with pytest.raises(ExpressionError) as refused:
        parse(source)
    assert time.process_time() - began < 0.3
    assert refused.value.problem.code == code, text(refused.value.problem, "en")
    assert refused.value.problem.params["column"] >= 1
    assert text(refused.value.problem, "zh-CN")


def test_columns_count_characters() -> None:
    with pytest.raises(ExpressionError) as refused:
        parse("客户 == '名称' and foo(1)")
    assert refused.value.problem.params["column"] == 16


def test_did_you_mean_for_functions() -> None:
    with pytest.raises(ExpressionError) as refused:
        parse("todya()")
    assert refused.value.problem.params["guess"]["en"] == 'Did you mean "today"?'


@pytest.mark.parametrize(
    ("source", "wanted"),
    [("total(items.amount)", "sum"), ("average(a.b)", "avg"), ("Length(a)", "len")],
)
def test_words_of_other_languages_lead_to_ours(source: str, wanted: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse(source)
    assert refused.value.problem.params["guess"]["en"] == f'Did you mean "{wanted}"?'


def test_wrong_number_of_arguments_shows_the_form() -> None:
    with pytest.raises(ExpressionError) as refused:
        parse("days_between(due)")
    assert refused.value.problem.params["form"] == "days_between(start, end)"


def test_within_is_an_operator_between_operands_and_a_name_elsewhere() -> None:
    both = parse("owner.dept within my.dept and within == 1")
    assert isinstance(both, Logic)
    assert both.parts[0] == Compare(
        "within", Attribute(Name("owner"), "dept"), Attribute(Name("my"), "dept")
    )
    assert both.parts[1] == Compare("==", Name("within"), Literal(1))
    assert parse("'a within b'") == Literal("a within b")
    assert parse("not a within b") == Not(Compare("within", Name("a"), Name("b")))


def test_columns_survive_the_rewriting_of_within() -> None:
    node = parse("a within b or amount == 1")
    assert isinstance(node, Logic)
    assert node.parts[1].at == len("a within b or ")


def test_forms_that_mean_the_same() -> None:
    assert parse("x is null") == parse("x == null") == parse("x == None")
    assert parse("x is not null") == parse("x != null")
    assert parse("x not in [1]") == parse("not x in [1]")
    assert (
        parse("if_(a, 1, 2)") == parse("1 if a else 2") == Choice(Name("a"), Literal(1), Literal(2))
    )
    assert parse("0 < x < 9") == parse("0 < x and x < 9")
    assert parse(" a\n and b") == parse("a and b")


def test_numbers_are_exact() -> None:
    node = parse("0.1000000000000000000000001")
    assert node == Literal(Decimal("0.1000000000000000000000001"))
    assert isinstance(parse("1_000"), Literal)
    assert parse("1_000") == Literal(1000)


def test_methods_are_has_role_only() -> None:
    assert parse("me.has_role('a')") == Call("has_role", (Name("me"), Literal("a")))
    with pytest.raises(ExpressionError):
        parse("has_role(me, 'a')")


def test_equal_sources_share_a_tree_and_failures_stay_fresh() -> None:
    assert parse("a + 1") is parse("a + 1")
    errors = []
    for _ in range(2):
        with pytest.raises(ExpressionError) as refused:
            parse("a +")
        errors.append(refused.value)
    assert errors[0] is not errors[1]
