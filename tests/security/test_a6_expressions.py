"""A6 Formulas, conditions and texts of definitions run nothing: what is no word of the language is
refused before it is published, and what is a text stays one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from tests.security.hostile import ESCAPES
from tests.security.world import PACK, World

from engine.definitions.notices import BadPlaceholder, pieces
from engine.expressions import ExpressionError, parse
from engine.packs import check_sources, load_company
from engine.plugins.manager import PluginError, load_plugins
from engine.problems import Severity
from engine.records.failures import Invalid
from engine.records.publish import WHATEVER, publish

Whole = dict[str, Any]
NUMBER: Final = {"type": ["number", "null"], "title": "Number"}


def sources() -> dict[str, Whole]:
    """A small pack with a workflow."""
    thing: Whole = {
        "x-entity": {"name": "thing"},
        "title": "Thing",
        "type": "object",
        "properties": {
            "name": {"type": ["string", "null"], "title": "Name"},
            "amount": dict(NUMBER),
            "owner": {"type": ["string", "null"], "title": "Owner", "x-type": "user"},
            "status": {"title": "Status", "readOnly": True, "type": ["string", "null"],
                       "oneOf": [{"const": "a", "title": "A"}, {"const": "b", "title": "B"}]},
        },
        "x-access": {"clerk": {"read": True, "write": True, "create": True}},
    }  # fmt: skip
    flow: Whole = {
        "id": "life", "version": 1, "entity": "thing", "stateField": "status", "initial": "a",
        "title": {"en": "Life"},
        "states": {
            "a": {"title": {"en": "A"}, "on": {"go": {"target": "b"}},
                  "may": {"go": [{"starter": True}]}},
            "b": {"title": {"en": "B"}, "type": "final"},
        },
    }  # fmt: skip
    pack: Whole = {"name": "p", "title": "P", "version": "1", "languages": ["en"],
                   "roles": {"clerk": {"title": "Clerk"}}}  # fmt: skip
    return {"entity_defs/p/pack.json": pack, "entity_defs/p/thing.json": thing,
            "workflows/p/life.json": flow}  # fmt: skip


def refused(change: Callable[[Whole, Whole, Whole], object]) -> bool:
    """Whether a pack with this change is not published."""
    found = sources()
    pack, thing, flow = found.values()
    change(pack, thing, flow)
    model, problems = check_sources({at: json.dumps(one) for at, one in found.items()}, "p")
    return model is None or any(one.severity is Severity.ERROR for one in problems)


def go(flow: Whole) -> Whole:
    found: Whole = flow["states"]["a"]["on"]["go"]
    return found


NOTIFY: Final = {"type": "notify", "template": "n", "to": {"starter": True}}
Slot = Callable[[Whole, Whole, Whole, str], object]
SLOTS: Final[dict[str, Slot]] = {
    "formula": lambda p, t, f, x: t["properties"].update(
        sum={**NUMBER, "readOnly": True, "x-compute": {"expr": x, "store": True}}
    ),
    "formula that is not kept": lambda p, t, f, x: t["properties"].update(
        sum={
            "type": ["string", "null"],
            "title": "S",
            "readOnly": True,
            "x-type": "text",
            "x-compute": {"expr": x, "store": False},
        }
    ),
    "rule": lambda p, t, f, x: t.update({"x-rules": {"r": {"assert": x, "message": "no"}}}),
    "condition of a rule": lambda p, t, f, x: t.update(
        {"x-rules": {"r": {"when": x, "require": ["name"]}}}
    ),
    "row permission": lambda p, t, f, x: t["x-access"]["clerk"].update(read=x),
    "field permission": lambda p, t, f, x: t["properties"]["amount"].update(
        {"x-access": {"clerk": {"read": x}}}
    ),
    "part of a form": lambda p, t, f, x: t.update(
        {"x-form": [{"tab": "T", "when": x, "rows": [["name"], ["amount"]]}]}
    ),
    "guard": lambda p, t, f, x: go(f).update(guard=x),
    "assignment": lambda p, t, f, x: go(f).update(actions=[{"assign": {"name": x}}]),
    "moment": lambda p, t, f, x: f["states"]["a"].update(
        after=[{"id": "t", "at": x, "target": "b"}]
    ),
    "trigger": lambda p, t, f, x: f.update(trigger={"on": "create", "when": x}),
}


@pytest.mark.parametrize("source", ESCAPES)
def test_a6_1_no_definition_with_an_escape_is_published(source: str) -> None:
    for place, put in SLOTS.items():
        assert refused(lambda p, t, f, put=put: put(p, t, f, source)), place  # type: ignore[misc]


def test_a6_1_the_same_places_take_what_is_in_order() -> None:
    """The pack itself is sound, so that each refusal is the escape's."""
    assert not refused(lambda p, t, f: None)
    for place, good in (("formula", "amount + 1"), ("rule", "amount > 1"), ("guard", "amount > 1"),
                        ("row permission", "owner == me"), ("assignment", "'x'"),
                        ("condition of a rule", "amount > 1"), ("part of a form", "amount > 1"),
                        ("formula that is not kept", "name")):  # fmt: skip
        assert not refused(lambda p, t, f, x=good, at=place: SLOTS[at](p, t, f, x)), place  # type: ignore[misc]


@pytest.mark.parametrize("source", ESCAPES)
def test_a6_1_a_notice_knows_paths_only(source: str) -> None:
    """In braces stands a path to a field or nothing that is published."""
    for text in (f"{{{source}}}", f"x {{{source}!r}} y", f"{{0.{source}}}", f"{{name:{source}}}"):
        try:
            found = pieces(text)
        except BadPlaceholder:
            continue
        assert all(isinstance(one, str) or "_" not in one[-1][:1] for one in found)
        assert refused(
            lambda p, t, f, text=text: (  # type: ignore[misc]
                p.update(notices={"n": {"title": text, "body": text}}),
                go(f).update(
                    actions=[{"type": "notify", "template": "n", "to": {"starter": True}}]
                ),
            )
        ), text


@pytest.mark.parametrize("source", ESCAPES)
def test_a6_1_in_a_title_it_is_a_title(source: str) -> None:
    """Where a text belongs it is kept as it is, and never looked into."""
    found = sources()
    pack, thing, flow = found.values()
    pack["roles"]["clerk"]["title"] = source
    thing["title"] = thing["properties"]["name"]["title"] = source
    thing["properties"]["status"]["oneOf"][0]["title"] = source
    flow["states"]["a"]["title"] = {"en": source}
    model, problems = check_sources({at: json.dumps(one) for at, one in found.items()}, "p")
    assert model is not None, problems
    assert model.entities["thing"].fields["name"].title["en"] == source
    assert model.roles["clerk"].title["en"] == source
    broken = {**thing, "x-entity": {"name": "thing", "label": f"{{{source}}}"}}
    found["entity_defs/p/thing.json"] = broken
    model, _ = check_sources({at: json.dumps(one) for at, one in found.items()}, "p")
    assert model is None or source == "config", "a record's label is made of fields"


LARGE: Final = {
    "many terms": "+".join(["1"] * 1_000),
    "deep brackets": "(" * 900 + "1" + ")" * 900,
    "deep nots": "not " * 300 + "true",
    "deep ifs": "1 if true else " * 300 + "1",
    "many digits": "9" * 40,
    "an exponent": "1e9999999",
    "a long text": "'" + "x" * 3_000 + "'",
    "a long list": "1 in (" + "1," * 500 + ")",
    "deep calls": "abs(" * 200 + "1" + ")" * 200,
    "minuses": "-" * 500 + "1",
    "a long path": "owner" + ".owner" * 300,
}


@pytest.mark.parametrize("what", LARGE)
def test_a6_2_too_much_is_refused_at_once(what: str) -> None:
    began = time.process_time()
    with pytest.raises(ExpressionError):
        parse(LARGE[what])
    assert refused(lambda p, t, f: SLOTS["formula"](p, t, f, LARGE[what]))
    assert time.process_time() - began < 1


COSTLY: Final = {  # formulas that are published: what they cost is limited when they run
    "products": "*".join(["amount"] * 35),
    "quotients": "1" + "/amount" * 35,
    "texts": "concat(" + "name, concat(" * 8 + "name, name" + "))" + ")" * 7,
}


@pytest.mark.parametrize("what", COSTLY)
def test_a6_2_what_grows_has_an_end(world: World, what: str) -> None:
    """With the largest values that a field takes: an answer or a refusal, within a second."""
    found = {at: json.loads(text) for at, text in load_company([PACK], "w1")[1].items()}
    fields = found["entity_defs/w1/receivable.json"]["properties"]
    source = COSTLY[what].replace("name", "title")
    text = {"type": ["string", "null"], "x-type": "text"} if what == "texts" else NUMBER
    fields["grown"] = {**text, "title": "G", "readOnly": True,
                       "x-compute": {"expr": source, "store": True}}  # fmt: skip
    fields["title"]["maxLength"] = 200
    whole = {at: json.dumps(one) for at, one in found.items()}
    company = world.served.company("t1")
    began = time.process_time()
    try:
        publish(company, whole, "w1", check=check_sources, acknowledged=WHATEVER)
    except Invalid as refusal:  # what is there already would grow too large
        codes, spent = {one.code for one in refusal.problems}, time.process_time() - began
    else:
        codes, spent = set(), 0
    assert codes <= {"R214"}
    assert spent < 1
    if codes:
        return
    dave = world.served.visitor("t1", "dave")
    dave.send("POST", "/search")
    for amount in ("9999999999999.99", "0", "0.01"):
        began = time.process_time()
        body = {"title": "x" * 200, "customer": world.id("customer-c1"), "amount": amount}
        answer = dave.api("POST", "/receivable", body)
        assert answer.status_code in (201, 422), answer.text[:300]
        assert time.process_time() - began < 1
        assert len(answer.data) < 200_000


# --- A6.7 plugins --------------------------------------------------------------------------------
PLUGINS: Final = {
    "cannot be read": "def (",
    "fails": "raise RuntimeError('secret words')",
    "ends the process": "raise SystemExit(3)",
    "wants another version": "import nothing_of_this_name",
}


@pytest.mark.parametrize("what", PLUGINS)
def test_a6_7_a_plugin_that_fails_is_named(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "plugin.py").write_text(PLUGINS[what], "utf-8")
    with pytest.raises((PluginError, SystemExit)) as told:
        load_plugins([tmp_path])
    assert "broken" in str(told.value) or what == "ends the process"


def test_a6_7_a_pack_brings_no_code(tmp_path: Path) -> None:
    """Files of code in a pack's folder are nobody's: neither read nor run."""
    folder = tmp_path / "entity_defs" / "p"
    folder.mkdir(parents=True)
    (tmp_path / "workflows" / "p").mkdir(parents=True)
    for at, one in sources().items():
        (tmp_path / at).write_text(json.dumps(one), "utf-8")
    mark = tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w').close()"
    for name in ("plugin.py", "__init__.py", "conftest.py", "pack.py", "thing.json.py"):
        (folder / name).write_text(code, "utf-8")
    model, found, problems = load_company([tmp_path], "p")
    assert model is not None, problems
    assert set(found) == set(sources())
    assert not mark.exists()
