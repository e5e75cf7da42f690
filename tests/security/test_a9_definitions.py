"""A9 Definitions come from strangers: what is too large, leads outside, is called like a part of
the machine or contradicts itself is told and not published."""

from __future__ import annotations

import json
import time
from typing import Any, Final

import pytest
from tests.security.guards import state
from tests.security.test_a6_expressions import refused, sources
from tests.security.world import World

from engine.definitions.patterns import BadPattern, compile_pattern
from engine.packs import check_sources
from engine.records.publish import WHATEVER, publish


def field(**said: Any) -> Any:
    """A pack whose thing has a field like this."""
    return lambda p, t, f: t["properties"].update(extra={"title": "Extra", **said})


REFS: Final = (
    "http://127.0.0.1:9/x.json", "https://example.com/x.json#/$defs/a", "file:///etc/passwd",
    "//example.com/x.json", "../../../../etc/passwd", "/etc/passwd", "../p/pack.json#/roles",
    "thing.json", "#", "#/", "#/properties/name/../name", "pack.json#/roles/clerk",
    "data:application/json,{}", "urn:uuid:0", "jar:file:x!/y", "common.json#/$defs/%2e%2e",
    "#/$defs/extra", "thing.json#/properties/extra", "\\\\host\\x", "C:\\x.json", "common.json#a",
    "http://[::1]/x", "javascript:1", "",
)  # fmt: skip


@pytest.mark.parametrize("target", REFS)
def test_a9_1_a_reference_leads_to_a_shared_piece_or_nowhere(target: str) -> None:
    assert refused(field(**{"$ref": target}))


KEYWORDS: Final[dict[str, Any]] = {
    "$dynamicRef": "#x", "$recursiveRef": "#", "$anchor": "x", "$id": "http://x/",
    "$vocabulary": {},
    "patternProperties": {"^(a+)+$": {}}, "propertyNames": {"pattern": "^(a+)+$"},
    "dependentSchemas": {"a": {}}, "unevaluatedItems": False, "contentMediaType": "text/html",
    "contentEncoding": "base64", "x-plugin": "os", "x-code": "1", "x-script": "alert(1)",
    "x-sql": "DROP TABLE dg_user", "onclick": "x", "__class__": "x", "x-type": "../../x",
    "format": "regex", "type": "object",
}  # fmt: skip


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_a9_1_only_known_words(keyword: str) -> None:
    assert refused(field(**{"type": "string", keyword: KEYWORDS[keyword]}))


HOSTILE: Final = (  # patterns on which others hang
    "^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(x+x+)+y", "^([a-zA-Z0-9])(([-.]|[_]+)?([a-zA-Z0-9]+))*$",
    r"\s+$", "(.*)*=(.*)*", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a{0,50}){0,20}", "^(\\w+\\s?)*$",
    ".*.*.*.*.*=.*", "([^/]+/)*x",
)  # fmt: skip
REFUSED: Final = (
    "(?=a)b", "(?!a)b", "(?<=a)b", r"(a)\1", "(?P=x)", "(?(1)a|b)", "[", "(", "a{2,1}",
    "a{1,99999}", "*", r"\p{Nope}", "x" * 201, "(?#", "\\",
)  # fmt: skip


@pytest.mark.parametrize("pattern", HOSTILE)
def test_a9_2_no_pattern_holds_the_server_up(pattern: str) -> None:
    try:
        found = compile_pattern(pattern)
    except BadPattern:
        return
    for text in ("a" * 10_000 + "!", " " * 10_000 + "x", "x" * 10_000, "a/" * 5_000, "=" * 10_000):
        began = time.process_time()
        found.search(text)
        assert time.process_time() - began < 0.1


@pytest.mark.parametrize("pattern", REFUSED)
def test_a9_2_a_pattern_that_cannot_run_safely_is_not_published(pattern: str) -> None:
    assert refused(field(type="string", pattern=pattern))


NAMES: Final = (
    "id", "version", "__class__", "_private", "class", "import", "Name", "a-b", "a b",
    "a.b", "", "1a", "na\u0301me", "ｎame", "name\u200b", "name\n", "n" * 65, "nаme", "removed_at",
    "me", "my", "old", "event", "now", "true", "null", "within", "f'", 'a"b', "a;b",
    "a/b", "a~1b", "a%00", "a\x00b", "名称", "$ref", "parent_id",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a9_4_a_field_is_not_called_like_a_part_of_the_machine(name: str) -> None:
    assert refused(lambda p, t, f: t["properties"].update({name: {"type": "string", "title": "N"}}))


@pytest.mark.parametrize("name", ["created_at", "created_by", "updated_at", "updated_by"])
def test_a9_4_what_the_platform_keeps_is_not_redefined(name: str) -> None:
    """Whatever a pack says of it, it stays the platform's own."""
    found = sources()
    said = {"type": "string", "title": "Mine", "x-access": {"clerk": {"write": True}}}
    found["entity_defs/p/thing.json"]["properties"][name] = said
    model, _ = check_sources({at: json.dumps(one) for at, one in found.items()}, "p")
    if model is not None:
        kept = model.entities["thing"].fields[name]
        assert kept.system
        assert kept.read_only
        assert not kept.access


FINE: Final = ("select", "order", "table", "user", "group", "data", "errors", "items", "keys",
               "values", "process", "validate", "csrf_token", "self", "get",
               "pop", "owner_id")  # fmt: skip


@pytest.mark.parametrize("name", FINE)
def test_a9_4_words_of_databases_and_programs_are_names_like_any_other(
    world: World, name: str
) -> None:
    """Published and used: written through both doors, shown, sorted and looked for."""
    company = world.served.company("t1")
    whole = {at: json.loads(text) for at, text in company.current.sources.items()}
    whole["entity_defs/w1/note.json"]["properties"][name] = {
        "type": ["string", "null"], "title": "Extra", "maxLength": 80,
    }  # fmt: skip
    texts = {at: json.dumps(one) for at, one in whole.items()}
    publish(company, texts, "w1", check=check_sources, acknowledged=WHATEVER)
    admin = world.served.visitor("t1", "admin")
    made = admin.api("POST", "/note", {"body": "b", name: "some value"})
    assert made.status_code == 201, made.text
    assert made.json[name] == "some value"
    form = [("f_body", "form"), ("f_secrecy", "open"), (f"f_{name}", "from a form")]
    assert admin.form("/e/note/new", form).status_code == 303
    found = admin.get(f"/api/v1/note?f.{name}.eq=from+a+form&sort=-{name}&cols={name},body").json
    assert [row[name] for row in found["items"]] == ["from a form"]
    assert "some value" in admin.text(f"/e/note?sort={name}&cols={name}")


WRONG: Final[dict[str, dict[str, Any]]] = {
    "a default beyond the maximum": {"type": "integer", "default": 9, "maximum": 5},
    "a default of another type": {"type": "integer", "default": "x"},
    "a default that is no option": {"oneOf": [{"const": "a", "title": "A"}], "default": "b"},
    "a default that does not match": {"type": "string", "pattern": "^[0-9]+$", "default": "x"},
    "a default that is too long": {"type": "string", "maxLength": 2, "default": "xxx"},
    "an option twice": {"oneOf": [{"const": "a", "title": "A"}, {"const": "a", "title": "B"}]},
    "no option": {"oneOf": []},
    "less than nothing": {"type": "string", "minLength": 5, "maxLength": 2},
    "a minimum above the maximum": {"type": "integer", "minimum": 5, "maximum": 2},
    "a length below nothing": {"type": "string", "maxLength": -1},
    "a number that is none": {"type": "number", "multipleOf": 0},
    "an unknown type": {"type": "decimal128"},
    "an unknown kind": {"type": "string", "x-type": "blob"},
}


@pytest.mark.parametrize("what", WRONG)
def test_a9_6_a_field_does_not_contradict_itself(what: str) -> None:
    assert refused(field(**WRONG[what]))


SIZES: Final[dict[str, Any]] = {
    "a title of 201 characters": lambda p, t, f: t.update(title="x" * 201),
    "a title of nothing": lambda p, t, f: t.update(title=""),
    "a title with half a character": lambda p, t, f: t.update(title="\ud800"),
    "a title with a nul": lambda p, t, f: t.update(title="a\x00b"),
    "301 fields": lambda p, t, f: t["properties"].update(
        {f"f{at}": {"type": "string", "title": "F"} for at in range(301)}
    ),
    "1,001 options": lambda p, t, f: t["properties"].update(
        many={"title": "M", "oneOf": [{"const": f"o{at}"} for at in range(1_001)]}
    ),
    "rows in rows": lambda p, t, f: t["properties"].update(
        rows={"type": "array", "title": "R", "x-type": "lines", "items": {
            "type": "object", "properties": {"rows": {"type": "array", "title": "R",
                "x-type": "lines", "items": {"type": "object", "properties": {
                    "a": {"type": "string", "title": "A"}}}}}}}
    ),
    "a formula of 3,000 characters": lambda p, t, f: t["properties"].update(
        c={"type": "number", "title": "C", "readOnly": True,
           "x-compute": {"expr": "1+" * 1_500 + "1", "store": True}}
    ),
    "an address of 501 characters in a card": lambda p, t, f: p.update(
        cards={"c": {"title": "C", "entity": "thing", "query": "q=" + "x" * 500}}
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SIZES)
def test_a9_3_sizes_have_an_end(what: str) -> None:
    began = time.process_time()
    assert refused(SIZES[what])
    assert time.process_time() - began < 2


EDITS: Final[tuple[dict[str, str], ...]] = (
    {"op": "json", "body": "{"}, {"op": "json", "body": "[" * 5_000},
    {"op": "json", "body": "null"},
    {"op": "json", "body": '{"id":"../../x","states":{}}'},
    {"op": "json", "body": '{"id":"contract_life","entity":"dg_user","states":{"a":{}}}'},
    {"op": "json", "body": '{"a":1,"a":2}'},
    {"op": "json", "body": '{"x":1e999999}'},
    {"op": "set", "at": "/states/draft/on/submit/guard", "value": "__import__('os')"},
    {"op": "set", "at": "/__class__/__init__", "value": "x"},
    {"op": "set", "at": "../..", "value": ""},
    {"op": "remove", "at": "/"}, {"op": "add", "at": "/states/" + "x" * 5_000},
    {"op": "rename", "at": "/states/draft", "to": "__proto__"}, {"op": "constructor"},
    {"op": "__class__", "at": "/"}, {"op": ""}, {}, {"op": "json", "body": "x" * 10**6},
    {"op": "move", "at": "/states/draft", "to": "/states/draft/states"},
    {"op": "json", "body": '{"states":{"a":{"on":{"constructor":"a","__proto__":"a"}}}}'},
)  # fmt: skip


@pytest.mark.parametrize("at", range(len(EDITS)))
def test_a9_1_the_editor_takes_no_nonsense(kept: World, at: int) -> None:
    """Refused or kept as a draft; what is in force stays as it was, and nothing falls over."""
    admin = kept.served.visitor("t1", "admin")
    company = kept.served.company("t1")
    admin.text("/admin/workflows/contract_life")
    before = company.current.model.hash
    path = "/admin/workflows/contract_life/change"
    answer = admin.form(path, list(EDITS[at].items()))
    assert answer.status_code < 500, answer.status_code
    assert admin.get("/admin/workflows/contract_life").status_code == 200
    assert company.current.model.hash == before
    admin.form("/admin/workflows/contract_life/discard", [])


def test_a9_7_a_draft_is_nobodys_law(kept: World) -> None:
    """Whatever stands in a draft, events are judged by what was published."""
    admin, alice = kept.served.visitor("t1", "admin"), kept.served.visitor("t1", "alice")
    body = {"op": "set", "at": "/states/draft/on/submit/target", "value": "approved"}
    alice.send("POST", "/search")
    admin.form("/admin/workflows/contract_life/change", list(body.items()))
    before = state(kept.served.company("t1"))
    id = kept.id("contract-k1")
    answer = alice.api("POST", f"/contract/{id}/events/archive", {"version": 2})
    assert answer.status_code in (403, 404, 409, 422)
    assert state(kept.served.company("t1")) == before
