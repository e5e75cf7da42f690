"""One mistake in the worked example -> exactly the problem that names it, at its place."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.definitions.samples import (
    COMMON,
    CONTRACT,
    CUSTOMER,
    FLOW,
    HOTEL,
    PACK,
    build,
    sources,
    told,
)

from engine.problems import hint, text
from engine.problems.catalogue import LANGUAGES, codes


def field(**schema: Any) -> dict[str, Any]:
    return {CUSTOMER: {"properties": {"extra": {"title": "附加", **schema}}}}


def root(**changes: Any) -> dict[str, Any]:
    return {CUSTOMER: changes}


def keyed(key: str, value: Any) -> dict[str, Any]:
    return {CUSTOMER: {key: value}}


EXTRA = "/properties/extra"
DEEP = '{"x": ' + "[" * 70 + "]" * 70 + "}"
MISTAKES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "not JSON": ("D001", {COMMON: '{\n"$defs": oops}'}, COMMON, ""),
    "a comma too many": ("D092", {COMMON: '{\n"$defs": {},\n}'}, COMMON, ""),
    "a key twice": ("D002", {COMMON: sources()[COMMON].replace(
        '"title"', '"maxLength": 9, "title"')}, COMMON, "/$defs/note/maxLength"),
    "not a number": ("D003", {FLOW: sources()[FLOW].replace('"version": 1', '"version": NaN')},
                     FLOW, "/version"),
    "too deep": ("D004", {FLOW: DEEP}, FLOW, "/x" + "/0" * 63),
    "too large": ("D005", {FLOW: " " * 1_000_001}, FLOW, ""),
    "byte-order mark": ("D007", {FLOW: "\ufeff" + sources()[FLOW]}, FLOW, ""),
    "half a character": ("D008", {COMMON: '{"$defs": {"a": {"title": "\\ud800"}}}'}, COMMON,
                         "/$defs/a/title"),
    "a list": ("D009", {FLOW: "[]"}, FLOW, ""),
    "endless list": ("D010", {FLOW: '{"id": [' + "1," * 1000 + "1]}"}, FLOW, "/id"),
    "base is not there": ("D012", {PACK: {"builds_on": ["crn"]}}, PACK, "/builds_on/0"),
    "base is no name": ("D024", {PACK: {"builds_on": ["../x"]}}, PACK, "/builds_on/0"),
    "packs in a circle": ("D014", {PACK: {"builds_on": ["crm"]}}, PACK, "/builds_on/0"),
    "no place for a file": ("D016", {"entity_defs/crm/Bad Name.json": "{}"},
                            "entity_defs/crm/Bad Name.json", ""),
    "other name than the file": ("D017", keyed("x-entity", {"name": "client"}), CUSTOMER,
                                 "/x-entity/name"),
    "other name than the folder": ("D017", {PACK: {"name": "erp"}}, PACK, "/name"),
    "typing slip at a field": ("D020", {CUSTOMER: {"properties": {"name": {"x-typ": "text"}}}},
                               CUSTOMER, "/properties/name/x-typ"),
    "typing slip at the root": ("D020", keyed("x-rule", {}), CUSTOMER, "/x-rule"),
    "typing slip in a row": ("D020", {CUSTOMER: {"properties": {"contacts": {"items": {
        "properties": {"name": {"maxLengt": 3}}}}}}}, CUSTOMER,
        "/properties/contacts/items/properties/name/maxLengt"),
    "unknown key": ("D020", root(zzzz=1), CUSTOMER, "/zzzz"),
    "missing title": ("D021", root(title=None), CUSTOMER, ""),
    "wrong kind": ("D022", {CUSTOMER: {"properties": {"name": {"minLength": "2"}}}}, CUSTOMER,
                   "/properties/name/minLength"),
    "not a choice": ("D023", {CUSTOMER: {"properties": {"parent": {"x-ref": {
        "on_delete": "drop"}}}}}, CUSTOMER, "/properties/parent/x-ref/on_delete"),
    "no colour": ("D023", field(oneOf=[{"const": "a", "x-ui": {"color": "organge"}}]), CUSTOMER,
                  f"{EXTRA}/oneOf/0/x-ui/color"),
    "one of our types as JSON type": ("D094", field(type="money"), CUSTOMER, f"{EXTRA}/type"),
    "the same in a list": ("D094", field(type=["text", "null"]), CUSTOMER, f"{EXTRA}/type"),
    "a bracket left open": ("D093", field(type="string", pattern="[A-Z"), CUSTOMER,
                            f"{EXTRA}/pattern"),
    "bad field name": ("D024", {CUSTOMER: {"properties": {"Extra": {"type": "string"}}}}, CUSTOMER,
                       "/properties/Extra"),
    "field name with a line feed": ("D024", {CUSTOMER: {"properties": {"extra\n": {
        "type": "string"}}}}, CUSTOMER, "/properties/extra\n"),
    "too long a field name": ("D024", {CUSTOMER: {"properties": {"a" * 41: {"type": "string"}}}},
                              CUSTOMER, "/properties/" + "a" * 41),
    "negative length": ("D025", field(type="string", minLength=-1), CUSTOMER,
                        f"{EXTRA}/minLength"),
    "neither boolean nor expression": ("D026", {CUSTOMER: {"x-access": {"sales": {"read": 3}}}},
                                       CUSTOMER, "/x-access/sales/read"),
    "removes nothing": ("D028", {HOTEL: '{"properties": {"regoin": null}}'}, HOTEL,
                        "/properties/regoin"),
    "a trait twice": ("D029", keyed("x-entity", {"traits": ["files", "files"]}), CUSTOMER,
                      "/x-entity/traits"),
    "remote $ref": ("D030", field(**{"$ref": "http://127.0.0.1:9/x.json#/$defs/a"}), CUSTOMER,
                    EXTRA),
    "$ref to the disk": ("D030", field(**{"$ref": "file:///etc/passwd"}), CUSTOMER, EXTRA),
    "$ref out of the packs": ("D030", field(**{"$ref": "../../../etc/x.json#/$defs/a"}), CUSTOMER,
                              EXTRA),
    "$ref to another company's pack": ("D030", field(**{"$ref": "../erp/common.json#/$defs/note"}),
                                       CUSTOMER, EXTRA),
    "$ref to nothing": ("D031", field(**{"$ref": "common.json#/$defs/nope", "type": "string"}),
                        CUSTOMER, EXTRA),
    "$ref to a word": ("D031", field(**{"$ref": "common.json#/$defs/note/title",
                                        "type": "string"}), CUSTOMER, EXTRA),
    "$ref to itself": ("D032", {COMMON: {"$defs": {"note": {"$ref": "#/$defs/note"}}}}, COMMON,
                       "/$defs/note"),
    "$ref with another limit": ("D034", field(**{"$ref": "common.json#/$defs/note",
                                                 "maxLength": 900}), CUSTOMER,
                                f"{EXTRA}/maxLength"),
    "unknown type": ("D040", field(type="string", **{"x-type": "mony"}), CUSTOMER,
                     f"{EXTRA}/x-type"),
    "no type": ("D041", field(), CUSTOMER, EXTRA),
    "reserved name": ("D042", {CUSTOMER: {"properties": {"id": {"type": "string"}}}}, CUSTOMER,
                      "/properties/id"),
    "a name of the platform's": ("D042", {CUSTOMER: {"properties": {
        "created_by": {"type": "string"}}}}, CUSTOMER, "/properties/created_by"),
    "no grade of the pack's": ("D121", {CUSTOMER: {"x-entity": {"grade": "name"}}}, CUSTOMER,
                               "/x-entity/grade"),
    "a grade that leads nowhere": ("D060", {CUSTOMER: {"x-entity": {"grade": "nothing"}}}, CUSTOMER,
                                   "/x-entity/grade"),
    "a pool without its trait": ("D122", {CUSTOMER: {"x-entity": {"traits": ["owned"], "pool": {
        "sales": {}}}}}, CUSTOMER, "/x-entity/pool"),
    "cleared for no grade": ("D120", {PACK: {"roles": {"sales": {"clearance": "top"}}}}, PACK,
                             "/roles/sales/clearance"),
    "nothing to uncover": ("D123", field(type="string", **{
        "x-access": {"sales": {"reveal": True}}}), CUSTOMER, f"{EXTRA}/x-access/sales/reveal"),
    "an option twice": ("D046", field(oneOf=[{"const": "a"}, {"const": "a"}]), CUSTOMER,
                        f"{EXTRA}/oneOf/1"),
    "default is no option": ("D047", field(enum=["a", "b"], default="c"), CUSTOMER,
                             f"{EXTRA}/default"),
    "default does not fit": ("D048", field(type="string", pattern="^[0-9]+$", default="x"),
                             CUSTOMER, f"{EXTRA}/default"),
    "default is too small": ("D048", field(type="number", multipleOf=2, default=3), CUSTOMER,
                             f"{EXTRA}/default"),
    "nobody can fill it in": ("D049", {CUSTOMER: {
        "required": ["extra"], "properties": {"extra": {"type": "string", "readOnly": True}}}},
        CUSTOMER, EXTRA),
    "points nowhere": ("D050", field(type="string", **{"x-type": "ref"}), CUSTOMER, EXTRA),
    "points without being a ref": ("D051", field(type="string", **{
        "x-type": "text", "x-ref": {"to": "customer"}}), CUSTOMER, f"{EXTRA}/x-ref"),
    "default of a formula": ("D052", field(type="integer", default=1, **{
        "x-compute": {"expr": "1"}}), CUSTOMER, f"{EXTRA}/default"),
    "look-ahead": ("D053", field(type="string", pattern="^(?=a)a$"), CUSTOMER, f"{EXTRA}/pattern"),
    "endless pattern": ("D054", field(type="string", pattern="a" * 201), CUSTOMER,
                        f"{EXTRA}/pattern"),
    "nothing fits": ("D056", field(type="string", minLength=3, maxLength=2), CUSTOMER,
                     f"{EXTRA}/maxLength"),
    "was a field that is": ("D057", field(type="string", **{"x-was": ["name"]}), CUSTOMER,
                            f"{EXTRA}/x-was"),
    "rows in rows": ("D058", {CUSTOMER: {"properties": {"contacts": {"items": {"properties": {
        "more": {"type": "array", "items": {"type": "object", "properties": {
            "a": {"type": "string"}}}}}}}}}}, CUSTOMER,
        "/properties/contacts/items/properties/more"),
    "option is a number": ("D059", field(enum=["a", 1]), CUSTOMER, f"{EXTRA}/enum/1"),
    "requires an unknown field": ("D060", root(required=["nmae"]), CUSTOMER, "/required/0"),
    "shows an unknown column": ("D060", keyed("x-list", {"columns": ["nmae"]}), CUSTOMER,
                                "/x-list/columns/0"),
    "sorts by an unknown field": ("D060", keyed("x-list", {"sort": ["-nmae"]}), CUSTOMER,
                                  "/x-list/sort/0"),
    "key of an unknown field": ("D060", keyed("x-keys", {"unique": [["nmae"]]}), CUSTOMER,
                                "/x-keys/unique/0"),
    "rule on an unknown field": ("D060", {CUSTOMER: {"x-rules": {"vip": {"hide": ["nmae"]}}}},
                                 CUSTOMER, "/x-rules/vip/hide/0"),
    "label of an unknown field": ("D060", keyed("x-entity", {"label": "{nmae}"}), CUSTOMER,
                                  "/x-entity/label"),
    "unknown state field": ("D060", {FLOW: {"stateField": "state"}}, FLOW, "/stateField"),
    "unknown role": ("D061", keyed("x-access", {"slaes": {"read": True}}), CUSTOMER,
                     "/x-access/slaes"),
    "points at no entity": ("D062", {CUSTOMER: {"properties": {"parent": {"x-ref": {
        "to": "custommer"}}}}}, CUSTOMER, "/properties/parent/x-ref/to"),
    "menu to no entity": ("D062", {PACK: {"menus": {"more": {"entity": "orders"}}}}, PACK,
                          "/menus/more/entity"),
    "workflow of no entity": ("D062", {FLOW: {"entity": "orders"}}, FLOW, "/entity"),
    "way back has a field's name": ("D063", {CONTRACT: {"properties": {"customer": {"x-ref": {
        "inverse": "name"}}}}}, CONTRACT, "/properties/customer/x-ref/inverse"),
    "broken label": ("D064", keyed("x-entity", {"label": "{name"}), CUSTOMER, "/x-entity/label"),
    "label with tricks": ("D064", keyed("x-entity", {"label": "{name!r:>9}"}), CUSTOMER,
                          "/x-entity/label"),
    "board of texts": ("D065", keyed("x-list", {"board": "name"}), CUSTOMER, "/x-list/board"),
    "calendar of texts": ("D066", keyed("x-list", {"calendar": ["name"]}), CUSTOMER,
                          "/x-list/calendar/0"),
    "sorts by rows": ("D067", keyed("x-list", {"sort": ["contacts"]}), CUSTOMER, "/x-list/sort/0"),
    "rule offers no option": ("D069", {CUSTOMER: {"x-rules": {"vip": {"options": {
        "level": ["A", "Z"]}}}}}, CUSTOMER, "/x-rules/vip/options/level/1"),
    "idle rule": ("D070", {CUSTOMER: {"x-rules": {"vip": {"when": "true"}}}}, CUSTOMER,
                  "/x-rules/vip"),
    "hides and requires": ("D071", {CUSTOMER: {"x-rules": {"vip": {
        "hide": ["phone"], "require": ["phone"]}}}}, CUSTOMER, "/x-rules/vip"),
    "hides what is required": ("D072", {CUSTOMER: {"x-rules": {"vip": {"hide": ["name"]}}}},
                               CUSTOMER, "/x-rules/vip"),
    "speechless rule": ("D073", {CUSTOMER: {"x-rules": {"vip": {"assert": "true"}}}}, CUSTOMER,
                        "/x-rules/vip"),
    "a field twice": ("D074", keyed("x-form", [{"tab": "T", "rows": [["name"], ["name"]]}]),
                      CUSTOMER, "/x-form/0/rows/1"),
    "own without owner": ("D075", {CONTRACT: {"x-access": {"sales": {"read": "own"}}}}, CONTRACT,
                          "/x-access/sales/read"),
    "tree without parent": ("D076", {CONTRACT: {"x-entity": {"traits": ["tree"]}}}, CONTRACT,
                            "/x-entity/traits"),
    "menu entry of both kinds": ("D077", {PACK: {"menus": {"sales": {"entity": "customer"}}}},
                                 PACK, "/menus/sales"),
    "adds up texts": ("D078", {PACK: {"cards": {"volume": {"measure": "sum:code"}}}}, PACK,
                      "/cards/volume/measure"),
    "creates what it cannot fill in": ("D079", {CUSTOMER: {"properties": {"name": {"x-access": {
        "sales": {"write": False}}}}}}, CUSTOMER, "/properties/name/x-access/sales"),
    "nobody is an administrator": ("D080", {PACK: {"roles": {"admin": {"admin": False}}}}, PACK,
                                   "/roles"),
    "unknown time zone": ("D081", {PACK: {"timezone": "Asia/Peking"}}, PACK, "/timezone"),
    "state in a text": ("D084", {FLOW: {"stateField": "code"}}, FLOW, "/stateField"),
    "two workflows": ("D085", {"workflows/crm/second.json": sources()[FLOW].replace(
        '"contract_approval"', '"second"')}, "workflows/crm/second.json", "/entity"),
    "key of rows": ("D090", keyed("x-keys", {"index": [["contacts"]]}), CUSTOMER,
                    "/x-keys/index/0"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_once_and_at_its_place(name: str) -> None:
    code, changes, file, at = MISTAKES[name]
    pack = "hotel" if HOTEL in changes else "crm"
    if pack == "hotel":
        assert (code, file, at) in told(changes, pack)
    else:
        assert told(changes, pack) == [(code, file, at)]


@pytest.mark.parametrize("name", MISTAKES)
def test_every_problem_is_worded_with_a_hint(name: str) -> None:
    _, changes, file, _ = MISTAKES[name]
    for problem in build(changes, "hotel" if HOTEL in changes else "crm")[1]:
        assert problem.file == file or HOTEL in changes
        assert problem.line or problem.code in ("D005", "D009", "D016")
        for language in LANGUAGES:
            assert "“?”" not in text(problem, language)
            assert hint(problem, language)
            assert "[[" not in text(problem, language) + hint(problem, language)


def test_typing_slips_come_with_a_guess() -> None:
    problem = build({CUSTOMER: {"properties": {"name": {"x-typ": "text"}}}})[1][0]
    assert text(problem, "en") == "Unknown key “x-typ”. Did you mean “x-type”?"
    assert "x-ref" in hint(problem, "en")
    problem = build({CUSTOMER: {"properties": {"parent": {"x-ref": {"to": "custommer"}}}}})[1][0]
    assert hint(problem, "zh-CN") == (
        "您是否想写“customer”？现有的实体：contract、customer、receipt"
    )


def first(changes: dict[str, Any], language: str = "en") -> tuple[str, str]:
    """Text and hint of the first problem."""
    problem = build(changes)[1][0]
    return text(problem, language), hint(problem, language)


def test_remedies_fit_the_mistake() -> None:
    assert first(field(oneOf=[{"const": "a", "x-ui": {"color": "organge"}}])) == (
        "organge is not possible here. Did you mean “orange”?",
        "Possible: red, orange, yellow, green, teal, blue, purple, grey",
    )
    assert first(field(type=["money", "null"]))[1] == (
        'Write "type": ["number", "null"]; what kind of value it is, is said beside it: '
        '"x-type": "money".'
    )
    assert first(field(type="text"))[1] == 'Write "type": "string".'
    assert first({PACK: {"currency": "yuan"}})[1] == "Wanted: three capital letters such as CNY"
    assert first({PACK: {"currency": "yuan"}}, "zh-CN")[1] == "应为：三个大写字母，例如 CNY"
    assert first({COMMON: '{\n"$defs": {},\n}'})[0] == "One comma too many: line 2, column 12"
    assert "Close every bracket" in first(field(type="string", pattern="[A-Z"))[1]
    assert "Look-around" in first(field(type="string", pattern="(?=a)"))[1]


def test_of_many_names_only_the_nearest_are_listed() -> None:
    _, remedy = first(field(type="string", maxlenght=3))
    assert remedy.startswith("Allowed here: maxLength, minLength, ")
    assert remedy.count(",") == 8
    assert remedy.endswith(", …")


def test_lines_lead_to_the_layer_that_said_it() -> None:
    changes = {HOTEL: '{\n "x-list": {\n  "columns": [\n   "name",\n   "nmae"]}}'}
    problem = next(p for p in build(changes, "hotel")[1] if p.code == "D060")
    assert (problem.file, problem.line, problem.pointer) == (HOTEL, 5, "/x-list/columns/1")


def test_all_mistakes_are_told_in_one_pass_by_file_and_line() -> None:
    changes: dict[str, Any] = {
        COMMON: {"$defs": {"note": {"x-typ": 1}}},
        CUSTOMER: {
            "title": None,
            "properties": {"name": {"minLength": "2"}, "extra": {"type": "string", "x-type": "q"}},
            "x-list": {"board": "name"},
        },
        CONTRACT: "{",
        FLOW: {"states": {"draft": {"onn": {}}}},
        PACK: {"timezone": "Mars"},
    }
    problems = build(changes)[1]
    assert [(p.code, p.file) for p in problems] == [
        ("D020", COMMON),
        ("D001", CONTRACT),
        ("D021", CUSTOMER),
        ("D022", CUSTOMER),
        ("D040", CUSTOMER),
        ("D065", CUSTOMER),
        ("D081", PACK),
        ("D020", FLOW),
    ]
    assert problems == sorted(problems, key=lambda p: (p.file, p.line or 0))


def test_every_code_of_the_area_is_raised_by_a_test() -> None:
    from_disk = {"D006", "D011", "D013", "D091"}  # test_read.py
    large = {"D018", "D033", "D044", "D045"}  # test_limits.py
    elsewhere = {
        "D027",  # the safety net for keywords that our meta-schemas do not use
        "D068",  # test_example.py
        "D087",  # test_read.py
    }
    raised = {code for code, *_ in MISTAKES.values()} | from_disk | large | elsewhere
    ours = {code for code in codes("en") if "D000" < code < "D100" or "D120" <= code < "D124"}
    assert ours == raised


def test_an_entity_is_not_called_like_a_table_of_the_platform() -> None:
    name = "entity_defs/crm/dg_user.json"
    entity = {"x-entity": {"name": "dg_user"}, "title": "x", "type": "object",
              "properties": {"name": {"type": "string", "title": "y"}}}  # fmt: skip
    assert "D124" in {one.code for one in build({name: entity})[1] if one.file == name}
