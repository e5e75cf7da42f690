"""Scopes only ever take away, whatever they hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.access import EVERY, RIGHTS, EntityAccess, FieldAccess, granted, kept, narrowed
from engine.access.compiled import NO, YES, Allowed
from engine.access.scopes import scopes_of
from engine.expressions import parse

OWN = Allowed(parse("owner == me"))
COLUMN = FieldAccess("price", YES, NO, YES, YES)
ACCESS = EntityAccess(
    entity="customer",
    roles=frozenset({"sales"}),
    admin=True,
    actions={"read": YES, "write": OWN, "create": YES, "delete": YES, "export": YES, "share": YES},
    fields={
        "name": FieldAccess("name", YES, NO, YES, YES),
        "phone": FieldAccess("phone", OWN, YES, OWN, NO, reveal=YES, search=YES),
        "items": FieldAccess("items", YES, NO, YES, YES, columns={"price": COLUMN}),
    },
)
PLACES = st.sampled_from(["customer", "contract", EVERY])
SCOPES = st.frozensets(st.tuples(PLACES, st.sampled_from([*RIGHTS, "fly"])))


@given(SCOPES)
def test_nothing_is_ever_more_than_it_was(scopes: frozenset[tuple[str, str]]) -> None:
    found = narrowed(ACCESS, scopes)
    for action, allowed in found.actions.items():
        assert allowed in (NO, ACCESS.actions[action])
        if allowed.ever:
            assert granted(scopes, "customer", action)
    for name, cell in found.fields.items():
        for part in ("read", "masked", "write", "create", "reveal"):
            assert getattr(cell, part) in (NO, getattr(ACCESS.fields[name], part))
        assert cell.reveal is NO
        assert found.actions["share"] is NO
    if not granted(scopes, "customer", "read"):
        assert not any(found.may(one) for one in ("read", "write", "delete", "export"))
        assert not any(found.shown(name) or found.searchable(name) for name in found.fields)
        assert not found.fields["items"].columns["price"].read.ever


@given(SCOPES, SCOPES)
def test_what_is_kept_for_one_token_is_not_anothers(
    one: frozenset[tuple[str, str]], other: frozenset[tuple[str, str]]
) -> None:
    assert (narrowed(ACCESS, one).holder == narrowed(ACCESS, other).holder) is (one == other)
    assert narrowed(ACCESS, one).holder != ACCESS.holder


@given(SCOPES)
def test_scopes_are_kept_as_they_are(scopes: frozenset[tuple[str, str]]) -> None:
    known = frozenset((place, right) for place, right in scopes if right in RIGHTS)
    assert scopes_of(kept(known)) == known
    assert scopes_of(kept(scopes)) == known


def test_without_a_token_nothing_is_narrowed() -> None:
    assert narrowed(ACCESS, None) is ACCESS
    assert granted(None, "customer", "fly")


def test_what_cannot_be_understood_grants_nothing() -> None:
    said: list[Any] = [None, [], "read", *({"customer": one} for one in ("read", None, ["Read"]))]
    assert [scopes_of(one) for one in said] == [frozenset()] * len(said)
    assert not narrowed(ACCESS, frozenset()).may("read")
    assert replace(ACCESS, scopes=frozenset()).holder != ACCESS.holder
