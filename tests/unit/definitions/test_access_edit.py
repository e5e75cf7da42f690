"""Edits of rights: little is written, nothing is lost, and bytes follow from what holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.definitions import build_model
from engine.definitions.access_edit import (
    differences,
    path_of,
    rebased,
    remove_role,
    set_clearance,
    set_grade,
    set_grants,
    set_modes,
    set_pool,
    set_role,
)
from engine.definitions.access_rights import (
    ACTIONS,
    MODES,
    Place,
    mode,
    pack_rights,
    rights_of,
    scope,
)
from engine.definitions.fields import SCOPES
from engine.definitions.model import Model

PACK: Final = "shop"
TEXT: Final[dict[str, Any]] = {"type": ["string", "null"], "title": "Text"}
PHONE: Final = {
    **TEXT,
    "x-type": "phone",
    "x-access": {"seller": {"read": "own", "mask": "phone"}, "clerk": {"read": True}},
}


def entity(name: str, properties: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "x-entity": {
            "name": name,
            "plural": name,
            "label": "{name}",
            "traits": ["owned", "pooled", "shared"],
        },
        "title": name,
        "type": "object",
        "properties": properties,
        **more,
    }


OWNER: Final = {"type": ["integer", "null"], "x-type": "user", "title": "Owner"}
FILES: Final[Mapping[str, Any]] = {
    "pack": {
        "name": PACK,
        "title": "Shop",
        "version": "1.0.0",
        "languages": ["en", "zh-CN"],
        "roles": {
            "boss": {"title": "Boss", "admin": True},
            "seller": {"title": "Seller", "x-i18n": {"zh-CN": "销售"}},
            "clerk": {"title": "Clerk"},
        },
        "cards": {
            "both": {"entity": "buyer", "roles": ["seller", "clerk"]},
            "one": {"entity": "buyer", "roles": ["clerk"]},
        },
    },
    "common": {"$defs": {"phone": PHONE}},
    "buyer": entity(
        "buyer",
        {
            "name": TEXT,
            "owner": OWNER,
            "phone": {"$ref": "common.json#/$defs/phone"},
            "limit": {
                "type": ["integer", "null"],
                "title": "Limit",
                "x-access": {"seller": {"write": False}, "clerk": {"read": True, "write": True}},
            },
            "goods": {
                "type": "array",
                "title": "Goods",
                "items": {
                    "type": "object",
                    "properties": {"what": TEXT, "price": {**TEXT, "title": "Price"}},
                },
            },
        },
        **{
            "x-access": {
                "seller": {"read": "department", "write": "owner == me", "create": True},
                "clerk": {"read": True, "export": False},
            }
        },
    ),
    "order": entity("order", {"name": TEXT, "owner": OWNER}),
}
SOURCES: Final = {f"entity_defs/{PACK}/{name}.json": json.dumps(one) for name, one in FILES.items()}


def model_of(sources: Mapping[str, str]) -> Model:
    model, problems = build_model(
        sources, PACK, types=["text", "phone", "user", "integer", "lines", "choice"]
    )
    assert model is not None, problems
    return model


def overlay(sources: Mapping[str, str], name: str = "buyer") -> Any:
    text = sources.get(path_of(name))
    return json.loads(text) if text else None


def grant(sources: Mapping[str, str], role: str, field: str = "", **values: Any) -> dict[str, str]:
    return set_grants(sources, PACK, [(Place("buyer", role, field), values)])


# --- what is written -----------------------------------------------------------------------------


def test_only_what_differs_from_the_pack_stands_in_the_company_s_layer() -> None:
    found = grant(SOURCES, "seller", read=True, delete="own")
    assert overlay(found) == {"x-access": {"seller": {"read": True, "delete": "own"}}}
    assert model_of(found).entities["buyer"].access["seller"].read is True


def test_what_the_pack_says_in_other_words_is_no_change() -> None:
    assert grant(SOURCES, "seller", write="own", read="owner.dept == my.dept") == SOURCES
    assert grant(SOURCES, "clerk", export=None, delete=False) == SOURCES


def test_taking_away_says_no_where_the_pack_says_more() -> None:
    found = grant(SOURCES, "clerk", read=None)
    assert overlay(found) == {"x-access": {"clerk": {"read": False}}}
    assert grant(found, "clerk", read=True) == SOURCES


def test_a_role_that_the_pack_does_not_name_comes_and_goes_without_a_trace() -> None:
    found = grant(SOURCES, "boss", read=True)
    assert overlay(found) == {"x-access": {"boss": {"read": True}}}
    assert grant(found, "boss", read=False) == SOURCES


def test_the_rest_of_the_company_s_file_keeps_its_place() -> None:
    own = json.dumps({"title": "Customer", "properties": {"name": {"title": "Called"}}})
    before = {**SOURCES, path_of("buyer"): own}
    found = grant(before, "clerk", write=True)
    assert overlay(found) == {**json.loads(own), "x-access": {"clerk": {"write": True}}}
    back = grant(found, "clerk", write=False)
    assert overlay(back) == json.loads(own)
    assert grant(before, "clerk", read=True) == before, "what changes nothing keeps its bytes"


def test_an_entity_of_the_company_itself_is_changed_in_place() -> None:
    before = {**SOURCES, path_of("note"): json.dumps(entity("note", {"name": TEXT}))}
    found = set_grants(before, PACK, [(Place("note", "clerk"), {"read": True})])
    assert overlay(found, "note")["x-access"] == {"clerk": {"read": True}}
    again = set_grants(found, PACK, [(Place("note", "clerk"), {"read": False})])
    assert overlay(again, "note") == json.loads(before[path_of("note")])


# --- fields --------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", MODES[:-1])
@pytest.mark.parametrize("field", ["name", "phone", "limit", "goods.price"])
@pytest.mark.parametrize("role", ["seller", "clerk"])
def test_every_mode_of_a_field_can_be_set_and_taken_back(
    role: str, field: str, wanted: str
) -> None:
    place = Place("buyer", role, field)
    before = mode(rights_of(SOURCES, PACK).grant(place))
    found = set_modes(SOURCES, PACK, [(place, wanted, "all")])
    assert mode(rights_of(found, PACK).grant(place)) == wanted
    model_of(found)
    if before == "condition":
        said = rights_of(SOURCES, PACK).grant(place)
        assert set_grants(found, PACK, [(place, {"write": None, **said})]) == SOURCES
    else:
        assert set_modes(found, PACK, [(place, before, "all")]) == SOURCES


def test_a_shared_piece_is_written_out_for_the_field_that_differs() -> None:
    found = grant(SOURCES, "clerk", "phone", read=False)
    assert overlay(found) == {
        "properties": {
            "phone": {"x-access": {"seller": PHONE["x-access"]["seller"], "clerk": {"read": False}}}
        }
    }
    seller = model_of(found).entities["buyer"].fields["phone"].access["seller"]
    assert (seller.read, seller.mask) == (SCOPES["own"], "phone"), "the other role keeps its own"
    without = set_modes(found, PACK, [(Place("buyer", "seller", "phone"), "writable", "")])
    assert "seller" not in model_of(without).entities["buyer"].fields["phone"].access


def test_a_mask_keeps_its_kind_and_gives_up_its_extras_with_the_mask() -> None:
    place = Place("buyer", "seller", "phone")
    found = set_grants(SOURCES, PACK, [(place, {"read": False, "reveal": "own", "search": True})])
    assert rights_of(found, PACK).grant(place) == {
        "read": False, "mask": "phone", "reveal": "own", "search": True,
    }  # fmt: skip
    hidden = set_modes(found, PACK, [(place, "hidden", "all")])
    assert rights_of(hidden, PACK).grant(place) == {"read": False}


# --- roles, grades, pool -------------------------------------------------------------------------


def test_a_role_is_made_changed_and_removed_with_everything_that_names_it() -> None:
    made = set_role(SOURCES, PACK, "guard", {"title": "Guard", "x-i18n": {"zh-CN": "保安"}})
    assert overlay(made, "pack") == {
        "roles": {"guard": {"title": "Guard", "x-i18n": {"zh-CN": "保安"}}}
    }
    full = set_modes(made, PACK, [(Place("buyer", "guard", "phone"), "hidden", "")])
    full = set_grants(full, PACK, [(Place("order", "guard"), {"read": True})])
    full = set_pool(full, PACK, "buyer", {"guard": {"views": 3}})
    assert remove_role(full, PACK, "guard") == SOURCES

    gone = remove_role(SOURCES, PACK, "clerk")
    model = model_of(gone)
    assert "clerk" not in model.roles
    assert [card.roles for card in model.cards] == [("seller",)], "never a card for everybody"
    assert not [one for one in model.entities["buyer"].fields.values() if "clerk" in one.access]


def test_a_role_back_to_the_pack_s_words_leaves_nothing() -> None:
    changed = set_role(SOURCES, PACK, "seller", {"title": "Salesman", "admin": True})
    assert overlay(changed, "pack") == {
        "roles": {"seller": {"title": "Salesman", "x-i18n": None, "admin": True}}
    }
    assert model_of(changed).roles["seller"].admin
    back = {"title": "Seller", "x-i18n": {"zh-CN": "销售"}, "admin": False}
    assert set_role(changed, PACK, "seller", back) == SOURCES
    plain = set_role(SOURCES, PACK, "boss", {"title": "Boss", "admin": False})
    assert not model_of(plain).roles["boss"].admin


def test_grades_pool_and_the_field_of_the_grade() -> None:
    grades = {"open": {"title": "Open", "order": 1}, "secret": {"title": "Secret", "order": 2}}
    found = set_clearance(SOURCES, PACK, grades, "open")
    assert [one.name for one in model_of(found).grades] == ["open", "secret"]
    assert set_clearance(found, PACK, {}, "") == SOURCES
    limits = {"shows": ["name"], "views": 20, "claims": None, "holds": 0}
    pooled = set_pool(SOURCES, PACK, "buyer", {"seller": limits})
    pool = model_of(pooled).entities["buyer"].pool["seller"]
    assert (pool.shows, pool.views, pool.claims, pool.holds) == (frozenset({"name"}), 20, None, 0)
    assert set_pool(pooled, PACK, "buyer", {"seller": None}) == SOURCES
    graded = set_grade(SOURCES, PACK, "buyer", "name")
    assert rights_of(graded, PACK).entities["buyer"].grade == "name"
    assert set_grade(graded, PACK, "buyer", "") == SOURCES


# --- any series of edits -------------------------------------------------------------------------

VALUES = st.sampled_from([True, False, None, *SCOPES, *SCOPES.values(), "name is not null"])
ROLES = st.sampled_from(["boss", "seller", "clerk"])
ENTITY_EDITS = st.tuples(
    st.builds(Place, st.sampled_from(["buyer", "order"]), ROLES),
    st.dictionaries(st.sampled_from(ACTIONS), VALUES, min_size=1, max_size=2),
)
FIELD_VALUES = st.fixed_dictionaries(
    {},
    optional={
        "read": VALUES,
        "write": VALUES,
        "mask": st.sampled_from(["", "phone", "all"]),
        "reveal": VALUES,
        "search": st.booleans(),
    },
)
FIELDS = st.sampled_from(["name", "phone", "limit", "goods.price"])
FIELD_EDITS = st.tuples(st.builds(Place, st.just("buyer"), ROLES, FIELDS), FIELD_VALUES)
EDITS = st.lists(st.one_of(ENTITY_EDITS, FIELD_EDITS), max_size=8)


@settings(max_examples=40, deadline=None)
@given(EDITS)
def test_a_series_of_edits_is_what_the_model_grants(edits: list[Any]) -> None:
    sources: Mapping[str, str] = SOURCES
    expected: dict[Place, dict[str, Any]] = {}
    start = rights_of(SOURCES, PACK)
    for place, values in edits:
        sources = set_grants(sources, PACK, [(place, values)])
        expected.setdefault(place, dict(start.grant(place))).update(values)
    model = model_of(sources)
    for place, said in expected.items():
        about = model.entities[place.entity]
        if place.field:
            name, _, column = place.field.partition(".")
            found = about.fields[name]
            field = found.rows.fields[column] if column and found.rows else found
            granted = field.access.get(place.role)
            now = {
                key: getattr(granted, key)
                for key in ("read", "write", "mask", "reveal", "search")
                if granted is not None and getattr(granted, key) not in (None, "")
            }
            wanted = {key: one for key, one in said.items() if one is not None}
            assert mode(now) == mode(wanted)
            if mode(now) == "condition":
                pairs = [(now.get(key), wanted.get(key)) for key in ("read", "write")]
                assert all(scope(one) == scope(other) for one, other in pairs)
        else:
            granted = about.access.get(place.role)
            for action in ACTIONS:
                value = getattr(granted, action) if granted else None
                assert scope(value) == scope(said.get(action))


@settings(max_examples=40, deadline=None)
@given(EDITS)
def test_everything_set_back_leaves_the_bytes_of_the_beginning(edits: list[Any]) -> None:
    changed = set_grants(SOURCES, PACK, edits)
    start = rights_of(SOURCES, PACK)
    nothing = dict.fromkeys(("read", "write", "mask", "reveal", "search"))
    back = []
    for place, values in edits:
        keys = {**nothing, **start.grant(place)} if place.field else start.grant(place)
        back.append((place, {**dict.fromkeys(values), **keys}))
    assert set_grants(changed, PACK, back) == SOURCES
    assert differences(start, rights_of(changed, PACK)) or changed == SOURCES


@settings(max_examples=30, deadline=None)
@given(st.lists(ENTITY_EDITS, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_edits_does_not_show_in_the_bytes(edits: list[Any], random: Any) -> None:
    last = {(place, key): value for place, values in edits for key, value in values.items()}
    single = [(place, {key: value}) for (place, key), value in last.items()]
    shuffled = list(single)
    random.shuffle(shuffled)
    assert set_grants(SOURCES, PACK, single) == set_grants(SOURCES, PACK, shuffled)
    one_by_one: Mapping[str, str] = SOURCES
    for edit in shuffled:
        one_by_one = set_grants(one_by_one, PACK, [edit])
    assert one_by_one == set_grants(SOURCES, PACK, single)


# --- two at once, and telling what differs -------------------------------------------------------


def test_what_others_published_meanwhile_is_kept() -> None:
    base = {"x-access": {"seller": {"read": True}, "clerk": {"read": None}}, "title": "A"}
    mine = {"x-access": {"seller": {"read": False}, "clerk": {"read": None}}, "title": "A"}
    theirs = {"x-access": {"seller": {"read": True, "write": "own"}}, "title": "B"}
    assert rebased(base, mine, theirs) == {
        "x-access": {"seller": {"read": False, "write": "own"}},
        "title": "B",
    }
    assert rebased(base, {}, theirs) == {}
    assert rebased(base, base, theirs) == theirs
    assert rebased({}, {"x-access": {"a": {"read": None}}}, {}) == {
        "x-access": {"a": {"read": None}}
    }


def test_differences_are_told_cell_by_cell() -> None:
    found = grant(SOURCES, "seller", read=True, write="owner == me")
    found = set_modes(found, PACK, [(Place("buyer", "clerk", "limit"), "hidden", "")])
    found = set_role(found, PACK, "guard", {"title": "Guard"})
    told = differences(pack_rights(found, PACK), rights_of(found, PACK))
    assert [(one.kind, one.field, one.role, one.key, one.was, one.now) for one in told] == [
        ("role", "", "guard", "", None, {"title": "Guard"}),
        ("grant", "", "seller", "read", "department", True),
        ("field", "limit", "clerk", "", {"read": True, "write": True}, {"read": False}),
    ]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "writable"),
        ({"write": True}, "writable"),
        ({"read": True}, "writable"),
        ({"write": False}, "readonly"),
        ({"read": False}, "hidden"),
        ({"read": False, "write": True}, "condition"),
        ({"mask": "all"}, "masked"),
        ({"read": False, "mask": "all", "write": False}, "masked"),
        ({"read": True, "mask": "all"}, "writable"),
        ({"read": "own", "mask": "all"}, "condition"),
        ({"write": "own"}, "condition"),
    ],
)
def test_the_mode_says_what_the_compiler_does(said: dict[str, Any], expected: str) -> None:
    assert mode(said) == expected
