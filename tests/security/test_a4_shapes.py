"""A4 A request sets what a form could set: nothing of the platform's, nothing unknown, nothing of a
shape that doors would read differently."""

from __future__ import annotations

from typing import Any, Final

import pytest
import sqlalchemy as sa
from tests.companies import filled
from tests.security import payloads
from tests.security.guards import state
from tests.security.world import World

from engine.records import writing
from engine.records.failures import Failure, Invalid
from engine.tables import system

DOORS: Final = ("POST", "PATCH", "rows", "form", "quick", "event")
NO: Final = (400, 403, 404, 409, 413, 415, 422)


def sent(world: World, door: str, name: str, value: Any, login: str = "alice") -> Any:
    """One key through one door."""
    person, id = world.served.visitor("t1", login), world.id("customer-c1")
    contract = world.id("contract-k1")
    if door == "POST":
        return person.api("POST", "/customer", {"name": "A new one", "level": "a", name: value})
    if door == "PATCH":
        return person.api("PATCH", f"/customer/{id}", {name: value, "version": 2})
    if door == "rows":
        body = {"items": [{"what": "x", name: value}], "version": 2}
        return person.api("PATCH", f"/contract/{contract}", body)
    if door == "event":
        return person.api(
            "POST", f"/contract/{world.id('contract-k1')}/events/archive", {name: value}
        )
    path = "/e/customer/quick" if door == "quick" else "/e/customer/new"
    form = [("f_name", "A new one"), ("f_level", "a"), (f"f_{name}", str(value))]
    return person.form(path, form)


@pytest.mark.parametrize("name", payloads.SYSTEM_FIELDS)
def test_a4_1_what_is_the_platforms_is_not_set(kept: World, name: str) -> None:
    company = kept.served.company("t1")
    kept.served.visitor("t1", "alice").send("POST", "/search")
    for door in DOORS:
        before = state(company)
        answer = sent(kept, door, name, "1")
        if answer.status_code in NO:
            assert state(company) == before, door
            continue
        # a form may carry what is no field of it: the record is made as if it were not there
        assert door in ("form", "quick"), (door, answer.status_code, answer.text[:200])
        assert answer.status_code == 303
        records = kept.oracle().facts.records["customer"].values()
        record = max(records, key=lambda one: int(one["id"]))
        assert record["owner"] == kept.served.actor("t1", "alice").id
        assert record["version"] == 1


@pytest.mark.parametrize("door", ["POST", "PATCH", "rows"])
def test_a4_2_what_is_nearly_a_name_is_no_name(kept: World, door: str) -> None:
    company = kept.served.company("t1")
    kept.served.visitor("t1", "alice").send("POST", "/search")
    before = state(company)
    for name in payloads.VARIANTS:
        answer = sent(kept, door, name, "x")
        assert answer.status_code == 422, (name, answer.status_code, answer.text[:200])
    assert state(company) == before


@pytest.mark.parametrize("what", payloads.JSON)
def test_a4_3_a_shape_that_is_none_is_refused(kept: World, what: str) -> None:
    company, admin = kept.served.company("t1"), kept.served.visitor("t1", "admin")
    admin.send("POST", "/search")
    before = state(company)
    answer = admin.api("POST", "/customer", payloads.JSON[what])
    assert answer.status_code in (400, 413, 422), (answer.status_code, answer.text[:200])
    assert answer.json["error"]
    assert state(company) == before


KINDS: Final = (
    "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json5",
    "application/foo+json", "application/xml", "", "text/json",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a12_2_a_body_that_is_not_called_json_is_not_read(still: World, kind: str) -> None:
    alice = still.served.visitor("t1", "alice")
    answer = alice.api("POST", "/note", '{"body":"x"}', content_type=kind)
    assert answer.status_code in (400, 415, 422)


SAME: Final[dict[str, tuple[str, Any, Any]]] = {  # field, as it is sent, what comes of it
    "an empty text": ("region", "", None),
    "blanks": ("region", "  two words  ", "two words"),
    "minus zero": ("cost_price", "-0", "0.00"),
    "places after the point": ("cost_price", "1.10", "1.10"),
    "the largest": ("cost_price", "9999999999999.99", "9999999999999.99"),
    "a third place": ("cost_price", "1.123", Invalid),
    "an exponent": ("cost_price", "1e3", None),
    "full-width digits": ("cost_price", "１２", None),
    "a sign": ("cost_price", "+5", None),
    "a thousand": ("cost_price", "1,000", None),
    "hexadecimal": ("credit_score", "0x10", Invalid),
    "an underscore": ("credit_score", "1_000", Invalid),
    "beyond 64 bits": ("credit_score", "9223372036854775808", Invalid),
    "a date": ("next_visit", "2026-02-28", "2026-02-28"),
    "no date": ("next_visit", "2026-02-30", Invalid),
    "a choice of another case": ("level", "A", Invalid),
}


@pytest.mark.parametrize("what", SAME)
def test_a4_3_three_doors_read_a_value_alike(tried: World, what: str) -> None:
    """The API, the form and the engine take the same value for the same, or refuse it alike."""
    name, value, expected = SAME[what]
    admin = tried.served.visitor("t1", "admin")
    id = tried.id("customer-c1")
    api = admin.api("PATCH", f"/customer/{id}", {name: value, "version": 2})
    page = filled(admin.text(f"/e/customer/{id}/edit"), {name: value})
    form = admin.form(f"/e/customer/{id}/edit", page)
    try:
        with tried.unit("admin") as unit:
            found = writing.change(unit, "customer", id, {name: value}, 2)[name]
        inner = 200
    except Failure:
        inner, found = 422, None
    assert (api.status_code == 200) == (inner == 200) == (form.status_code == 303), (
        api.text[:200], form.status_code, inner,
    )  # fmt: skip
    if expected is Invalid:
        assert api.status_code == 422
    elif expected is not None:
        assert api.json[name] in (expected, expected.lstrip("-"))
        assert str(found) == expected


def test_a4_4_the_company_is_in_the_address_alone(still: World) -> None:
    """Nothing that a client sends beside leads into another company."""
    alice = still.served.visitor("t1", "alice")
    for more in (
        {"query_string": {"company": "t2", "tenant": "t2"}},
        {"headers": {"X-Company": "t2", "X-Tenant-Id": "t2", "X-Forwarded-Prefix": "/t2"}},
        {"headers": {"X-Original-URL": "/t2/api/v1/customer", "X-Rewrite-URL": "/t2/"}},
    ):
        answer = alice.get("/api/v1/customer", **more)
        assert "CNRY-t2" not in answer.text
    for body in ({"company": "t2"}, {"tenant_id": 2}, {"tenant": "t2"}):
        assert alice.api("POST", "/note", {"body": "x", **body}).status_code == 422


RAISED: Final = (
    {"roles": "admin"}, {"role": "admin"}, {"is_operator": "1"}, {"operator": "1"},
    {"f_roles": "admin"},
    {"department": "2"}, {"department_id": "2"}, {"manager": "1"}, {"disabled_at": ""},
    {"login": "admin"},
    {"user": "2"}, {"id": "2"},
)  # fmt: skip


@pytest.mark.parametrize("more", RAISED, ids=[next(iter(one)) for one in RAISED])
def test_a4_5_nobody_raises_himself(kept: World, more: dict[str, str]) -> None:
    """At no door of one's own account is there anything about what one may do."""
    alice = kept.served.visitor("t1", "alice")
    alice.send("POST", "/search")

    def rights() -> list[Any]:
        with kept.served.company("t1").database.read() as connection:
            columns = (
                system.USER.c.id,
                system.USER.c.login,
                system.USER.c.department_id,
                system.USER.c.manager_id,
                system.USER.c.is_operator,
                system.USER.c.disabled_at,
            )
            users = connection.execute(sa.select(*columns).order_by(system.USER.c.id)).all()
            roles = connection.execute(sa.select(system.USER_ROLE)).all()
        return [*map(tuple, users), *sorted(map(tuple, roles))]  # fmt: skip

    before = rights()
    for path in ("/account/password", "/notifications/settings", "/account/delegation", "/language",
                 "/account/sessions", "/account", "/notifications/read"):  # fmt: skip
        alice.form(path, list(more.items()))
        alice.send("PATCH", path, json=more)
    alice.api("PATCH", "/user/2", more)
    alice.api("POST", "/user", more)
    assert rights() == before
