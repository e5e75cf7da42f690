"""A1 Names and operators in a request choose from what there is; they are never part of a
statement."""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from tests.companies import Visitor
from tests.security import payloads
from tests.security.guards import business
from tests.security.world import World

ROOT: Final = Path(__file__).resolve().parents[2]
SQL_WORDS: Final = re.compile(
    r"sqlite3|sqlalchemy|psycopg|OperationalError|ProgrammingError|syntax error|Traceback"
    r"|no such column|\bSELECT\b.*\bFROM\b (?!dg_)|e_customer",
    re.IGNORECASE,
)
PLACES: Final = ("sort", "cols", "f.{}", "f.{}.eq", "f.name.{}", "where", "size", "after", "before")


def asked(place: str, payload: str) -> dict[str, str]:
    """The argument of an address with a payload where a name belongs."""
    if place == "where":
        return {"where": json.dumps({"and": [[payload, "eq", "1"]]})}
    key = place.replace("{}", payload)
    return {key: "1" if "{}" in place else payload}


def refused(answer: Any, payload: str, *about: object) -> None:
    """The answer names the wrong part and shows nothing of how the question is asked."""
    assert answer.status_code == 422, (*about, answer.status_code, answer.text[:200])
    body = answer.json
    assert body["problems"], about
    said = json.dumps(body, ensure_ascii=False).replace(json.dumps(payload)[1:-1], "")
    assert not SQL_WORDS.search(said), (about, said)
    assert "items" not in body


@pytest.fixture
def alice(tried: World) -> Visitor:
    """Somebody who sells, in the world on one of the databases."""
    return tried.served.visitor("t1", "alice")


@pytest.mark.parametrize("payload", payloads.SQL)
def test_a1_1_a_payload_is_no_name(alice: Visitor, payload: str) -> None:
    for place in PLACES:
        answer = alice.get("/api/v1/customer", query_string=asked(place, payload))
        if place == "size" and payload == "1":
            continue
        refused(answer, payload, place)
    page = alice.get("/e/customer", query_string=asked("sort", payload) | asked("f.{}", payload))
    assert page.status_code in (200, 422), page.status_code
    assert not re.search(r"OperationalError|syntax error|Traceback", page.text)
    for path in (f"/e/contract/lookup/{quote(payload, safe='')}",):
        assert alice.get(path).status_code == 404, path


@pytest.mark.parametrize("payload", payloads.SQL)
def test_a1_1_a_payload_is_a_text_like_any_other(alice: Visitor, payload: str) -> None:
    """As a value it finds what holds it, which is nothing."""
    for arguments in ({"f.name.eq": payload}, {"f.name.contains": payload}, {"q": payload[:100]}):
        answer = alice.get("/api/v1/customer", query_string=arguments)
        assert answer.status_code in (200, 422), arguments
        if answer.status_code == 200 and len(payload) > 3:
            assert answer.json["items"] == [], arguments
    for path in ("/search", "/search/suggest", "/e/contract/lookup/customer"):
        answer = alice.get(path, query_string={"q": payload})
        assert answer.status_code == 200
        assert "CNRY" not in answer.text or len(payload) < 4


@pytest.mark.parametrize("name", payloads.NAMES)
def test_a1_5_only_entities_are_entities(tried: World, name: str) -> None:
    alice = tried.served.visitor("t1", "alice")
    for path in (f"/api/v1/{name}", f"/api/v1/{name}/1", f"/e/{name}", f"/e/{name}/new",
                 f"/e/{name}/1", f"/e/{name}/lookup/owner"):  # fmt: skip
        assert alice.get(path).status_code in (404, 405), path
    assert alice.api("POST", f"/{name}", {"name": "x"}).status_code in (404, 405)


OPERATORS = ("eq ", "EQ", "regexp", "glob", "like", "__class__", "$where", "= 1 or 1", "is",
             "match",
             "between", "in", "sounds", "exists", "ne;", "gt--")  # fmt: skip


@pytest.mark.parametrize("operator", OPERATORS)
def test_a1_2_operators_are_a_list(still: World, operator: str) -> None:
    alice = still.served.visitor("t1", "alice")
    for name in ("name", "level", "next_visit", "owner"):
        if (operator, name) in {("in", "level"), ("in", "owner"), ("between", "next_visit")}:
            continue
        answer = alice.get("/api/v1/customer", query_string={f"f.{name}.{operator}": ""})
        assert answer.status_code == 422, (name, operator, answer.text[:100])
        tree = json.dumps([name, operator, "x"])
        assert alice.get("/api/v1/customer", query_string={"where": tree}).status_code == 422


@pytest.mark.parametrize("what", payloads.VALUES)
def test_a1_3_values_are_values(tried: World, what: str) -> None:
    """Looked for, they match themselves and nothing else; written, they come back as they were."""
    value = payloads.VALUES[what]
    alice = tried.served.visitor("t1", "alice")
    for name in ("name", "remark", "owner", "next_visit", "level", "created_at", "id"):
        for operator in ("eq", "contains", "in", "gt"):
            answer = alice.get("/api/v1/customer", query_string={f"f.{name}.{operator}": value})
            assert answer.status_code in (200, 422), (name, operator, answer.status_code)
            if answer.status_code == 200 and operator in ("eq", "contains") and value not in "_-":
                assert answer.json["items"] == [], (name, operator)
    answer = alice.api("POST", "/note", {"body": value})
    if answer.status_code == 201:
        assert answer.json["body"] in (value, value.strip())
        assert len(value) <= 200
    else:
        assert answer.status_code in (400, 422)


def test_a1_3_a_megabyte_is_too_much(still: World) -> None:
    alice = still.served.visitor("t1", "alice")
    assert alice.api("POST", "/note", {"body": "x" * 2**20}).status_code in (413, 422)
    assert alice.get("/api/v1/note", query_string={"q": "x" * 10**5}).status_code in (414, 422)


@pytest.mark.parametrize("payload", payloads.SQL)
def test_a1_4_what_is_kept_for_later_is_no_better(still: World, payload: str) -> None:
    """In saved views, drafts, filters of boards and calendars, and cursors."""
    alice = still.served.visitor("t1", "alice")
    form = [("name", payload[:40]), ("query", f"sort={quote(payload)}&f.{quote(payload)}=1")]
    answer = alice.form("/e/customer/views", form)
    assert answer.status_code in (303, 422), answer.status_code
    for view in ("board", "calendar", payload):
        answer = alice.get("/e/customer", query_string={"view": view, "sort": payload})
        assert answer.status_code in (200, 422)
        assert not re.search(r"OperationalError|Traceback", answer.text)
    assert alice.form("/e/customer/draft", [("f_name", payload)]).status_code < 500
    assert alice.form("/e/customer/effects", [("f_name", payload)]).status_code < 500


REPEATED = (
    "sort=name&sort=-name", "f.level=a&f.level=b", "f.level.in=a&f.level.in=b", "q=a&q=b",
    "size=20&size=100", "Sort=name", "SORT=nothing", "F.level=a", "f.=1", "f..=1", "f=1",
    "f.level.",
    "f.level.eq.eq=a", "where=", "where={}", "where=[]", "where=null", "where=1", "where=[[]]",
    'where={"and":[],"or":[]}', 'where={"xor":[]}', "after=", "after=x", "after=%00", "cols=",
    "cols=name,name", "cols=,,,", "sort=,,,", "sort=-", "size=0", "size=-1", "size=10000000000",
    "size=1e3", "size=٢٠", "q=%00", "q=%ff%fe",
)  # fmt: skip


@pytest.mark.parametrize("arguments", REPEATED)
def test_a1_7_strange_arguments_have_an_answer(still: World, arguments: str) -> None:
    alice = still.served.visitor("t1", "alice")
    seen = still.oracle().visible("alice", "customer")
    for path in ("/api/v1/customer", "/e/customer"):
        answer = alice.get(f"{path}?{arguments}")
        assert answer.status_code in (200, 422), (path, answer.status_code)
    answer = alice.get(f"/api/v1/customer?{arguments}")
    if answer.status_code == 200:
        assert {row["id"] for row in answer.json["items"]} <= seen


def deep(levels: int) -> str:
    return '{"and":[' * levels + '["name","filled"]' + "]}" * levels


HEAVY = {
    "nine levels": {"where": deep(9)},
    "two hundred levels": {"where": deep(200)},
    "two hundred conditions": {"where": json.dumps({"and": [["name", "filled"]] * 200})},
    "two hundred arguments": {f"f.name.eq{at}": "x" for at in range(200)},
    "a thousand ids": {"f.id.in": ",".join(map(str, range(1_001)))},
    "long": {"where": "[" * 10_000},
}


@pytest.mark.parametrize("what", HEAVY)
def test_a1_8_too_much_is_refused_at_once(still: World, what: str) -> None:
    alice = still.served.visitor("t1", "alice")
    start = time.process_time()
    answer = alice.get("/api/v1/customer", query_string=HEAVY[what])
    assert answer.status_code in (414, 422)
    assert time.process_time() - start < 0.5


def test_a1_1_nothing_of_it_has_changed_anything(world: World) -> None:
    company = world.served.company("t1")
    alice = world.served.visitor("t1", "alice")
    alice.text("/account")
    before = business(company)
    for payload in payloads.SQL:
        alice.get("/api/v1/customer", query_string={"sort": payload, "q": payload[:90]})
        alice.api("POST", f"/customer/{quote(payload, safe='')}/events/submit", {})
    assert business(company) == before


# --- A1.6 the source -----------------------------------------------------------------------------
CALLS: Final = {
    "text",
    "exec_driver_sql",
    "literal_column",
    "order_by",
    "group_by",
    "from_statement",
}
GOOD: Final = {  # where a statement is put together from our own generated names
    "platform/engine/tables/apply.py", "platform/engine/tables/search.py",
    "platform/engine/storage/sqlite.py", "platform/engine/storage/postgres.py",
    "platform/engine/storage/ddl.py", "platform/engine/storage/database.py",
    "platform/engine/tables/sorting.py", "platform/engine/tables/folded.py",
    "platform/engine/records/publish.py",  # LOCK TABLE
    "platform/engine/storage/overwriting.py", "platform/dougong/doctor/companies.py",  # PRAGMA
}  # fmt: skip


def composed(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Calls that take SQL as text, with a text that is put together."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        for given in node.args[:1] if name in CALLS else ():
            if isinstance(given, ast.JoinedStr | ast.BinOp) or (
                isinstance(given, ast.Call) and getattr(given.func, "attr", "") == "format"
            ):
                yield node.lineno, ast.unparse(node)


def test_a1_6_no_statement_is_glued_together() -> None:
    found = {}
    for path in sorted((ROOT / "platform").rglob("*.py")):
        name = str(path.relative_to(ROOT))
        if name in GOOD:
            continue
        for line, said in composed(ast.parse(path.read_text("utf-8"))):
            found[f"{name}:{line}"] = said
    assert not found, found
