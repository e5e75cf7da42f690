"""Mistakes in the texts of notices are found before they are published."""

from __future__ import annotations

import json
from typing import Any

from engine.packs import check_sources
from engine.problems import Problem, Severity, hint, text

THING = {
    "x-entity": {"name": "thing"},
    "title": "Thing",
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Name"},
        "amount": {"type": ["number", "null"], "title": "Amount", "x-type": "money"},
        "owner": {"type": ["string", "null"], "title": "Owner", "x-type": "user"},
        "part": {
            "type": ["string", "null"],
            "title": "Part",
            "x-type": "ref",
            "x-ref": {"to": "part", "inverse": "things"},
        },
        "status": {
            "title": "Status",
            "readOnly": True,
            "oneOf": [{"const": "a", "title": "A"}, {"const": "b", "title": "B"}],
        },
    },
    "x-access": {"clerk": {"read": True, "write": True, "create": True}},
}
PART = {
    "x-entity": {"name": "part"},
    "title": "Part",
    "type": "object",
    "properties": {"name": {"type": "string", "title": "Name"}},
    "x-access": {"clerk": {"read": True, "write": True, "create": True}},
}


def problems(notices: Any, template: str = "done", overlay: Any = None) -> list[Problem]:
    flow = {
        "id": "life",
        "version": 1,
        "entity": "thing",
        "stateField": "status",
        "initial": "a",
        "states": {
            "a": {"on": {"go": "b"}, "may": {"go": [{"starter": True}]}},
            "b": {
                "type": "final",
                "entry": [{"type": "notify", "template": template, "to": {"starter": True}}],
            },
        },
    }
    pack = {
        "name": "p",
        "title": "P",
        "version": "1",
        "languages": ["en"],
        "roles": {"clerk": {"title": "Clerk"}, "boss": {"title": "Boss", "admin": True}},
        "notices": notices,
    }
    sources = {
        "entity_defs/p/pack.json": pack,
        "entity_defs/p/thing.json": THING,
        "entity_defs/p/part.json": PART,
        "workflows/p/life.json": flow,
    }
    if overlay:
        sources["overlay/pack.json"] = {"notices": overlay}
    _, found = check_sources({at: json.dumps(one, indent=1) for at, one in sources.items()}, "p")
    return found


def one(title: str, **more: Any) -> dict[str, Any]:
    return {"done": {"title": title, **more}}


def test_a_sound_text_has_none() -> None:
    body = "{owner}, {owner.manager.name}, {part.name}, {part}, {amount}, {created_by.dept}"
    title = "{record.label}: {case.title} {case.state} {case.actor}"
    translated = {"de": {"title": "Fertig: {name}", "body": "{case.comment}"}, "fr": "{name}"}
    assert problems(one(title, body=body, kind="overdue", **{"x-i18n": translated})) == []


def test_a_path_that_leads_nowhere_is_told_where_it_stands() -> None:
    (found,) = problems(one("Fine", body="Over {amuont}"))
    assert (found.code, found.file) == ("N102", "entity_defs/p/pack.json")
    assert found.pointer == "/notices/done/body"
    assert found.line is not None
    assert text(found, "en") == "There is nothing called “amuont” to show in thing"
    assert hint(found, "en").startswith("Did you mean “amount”?")


def test_translations_are_looked_at_too() -> None:
    found = problems(one("Fine", **{"x-i18n": {"de": {"body": "{nmae}"}, "fr": "{part.nam}"}}))
    assert sorted((one.code, one.pointer) for one in found) == [
        ("N102", "/notices/done/x-i18n/de/body"),
        ("N102", "/notices/done/x-i18n/fr"),
    ]


def test_paths_go_over_single_references_only() -> None:
    assert [one.code for one in problems(one("{amount.cents}"))] == ["N105"]
    assert [one.code for one in problems(one("{part.things}"))] == ["N102"]
    assert [one.code for one in problems(one("{owner.password_hash}"))] == ["N102"]
    assert [one.code for one in problems(one("{case.secret}"))] == ["N102"]
    assert [one.code for one in problems(one("{record.id}"))] == ["N102"]


def test_what_is_no_path_is_refused() -> None:
    (found,) = problems(one("{name.__class__}"))
    assert (found.code, found.severity) == ("N101", Severity.ERROR)


def test_a_text_that_nobody_has_written_is_a_warning() -> None:
    found = problems(one("Fine"), template="doen")
    assert {(one.code, one.severity) for one in found} == {
        ("N103", Severity.WARNING),
        ("N104", Severity.WARNING),
    }
    missing = next(one for one in found if one.code == "N103")
    assert missing.file == "workflows/p/life.json"
    assert missing.pointer == "/states/b/entry/0/template"
    assert missing.params["guess"] == "done"


def test_the_companys_own_words_win() -> None:
    assert problems(one("{nmae}"), overlay=one("{name}")) == []
