"""One rule, three doors: page, API and engine refuse the same record for the same reasons.

Every bad record below goes in through the HTML form as a browser posts it (the page's own inputs,
with the bad values typed over them), through the JSON API and through `engine.records`. All three
have to name the same problems at the same places, and none of them may have changed anything.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.companies import Served, digest, filled, summary
from werkzeug.test import TestResponse

from engine.problems import text
from engine.records import writing
from engine.records.failures import Invalid

Codes = list[tuple[str, str]]

GOOD_CODE = "91110000600037341L"
GOOD_ID = "11010519491231002X"


@dataclass(frozen=True)
class Bad:
    """A record that must not be: where, what, and why not."""

    company: str
    entity: str
    values: Mapping[str, Any]
    why: Codes


BAD = {
    "a required text left empty": Bad(
        "hotel", "guest", {"name": None}, [("V001", "/name")]
    ),
    "a required choice left empty": Bad(
        "school", "course", {"code": "E-1", "name": "English", "kind": None}, [("V001", "/kind")]
    ),
    "required because of another value": Bad(
        "hotel", "guest", {"name": "Ma Li", "vip": "V1"}, [("V091", "/mobile")]
    ),
    "required because the record ends": Bad(
        "military", "customer", {"name": "Northern Works", "status": "lost"},
        [("V091", "/lost_reason")],
    ),
    "a pattern": Bad(
        "school", "course", {"code": "e 1", "name": "English"}, [("V006", "/code")]
    ),
    "a pattern that a line feed would slip past": Bad(
        "hotel", "customer", {"name": "Ocean Travel", "qq": "12345x"}, [("V006", "/qq")]
    ),
    "the check digit of a credit code": Bad(
        "military", "customer", {"name": "Northern Works", "credit_code": "91110000600037341M"},
        [("V051", "/credit_code")],
    ),
    "the check digit of an identity card": Bad(
        "hotel", "guest", {"name": "Ma Li", "id_number": "110105194912310021"},
        [("V054", "/id_number")],
    ),
    "a birthday that no calendar has": Bad(
        "school", "student", {"name": "Xiao Ming", "id_number": "11010519491331002X"},
        [("V053", "/id_number")],
    ),
    "a third decimal of money": Bad(
        "military", "product", {"code": "C-1", "name": "Primer", "price": "12.345"},
        [("V014", "/price")],
    ),
    "an unreadable amount beside a missing name: both are told": Bad(
        "military", "product", {"code": "C-1", "name": None, "price": "12.345"},
        [("V014", "/price"), ("V001", "/name")],
    ),
    "money that is not a number": Bad(
        "school", "course", {"code": "E-1", "name": "English", "price_per_hour": "twelve"},
        [("V012", "/price_per_hour")],
    ),
    "less than the minimum": Bad(
        "military", "product", {"code": "C-1", "name": "Primer", "price": "-1"},
        [("V015", "/price")],
    ),
    "more than the maximum": Bad(
        "hotel", "guest", {"name": "Ma Li", "temperature": "31"}, [("V016", "/temperature")]
    ),
    "no multiple": Bad(
        "school", "course", {"code": "E-1", "name": "English", "hours": "1.3"},
        [("V019", "/hours")],
    ),
    "an option that is none": Bad(
        "hotel", "guest", {"name": "Ma Li", "vip": "V9"}, [("V030", "/vip")]
    ),
    "a day that no calendar has": Bad(
        "hotel", "guest", {"name": "Ma Li", "birth_date": "2026-02-30"}, [("V022", "/birth_date")]
    ),
    "an address of no mail": Bad(
        "hotel", "guest", {"name": "Ma Li", "email": "ma.li at example"}, [("V041", "/email")]
    ),
    "a region that is none": Bad(
        "hotel", "guest", {"name": "Ma Li", "region": "999999"}, [("V044", "/region")]
    ),
    "too long": Bad(
        "school", "student", {"name": "x" * 41}, [("V005", "/name")]
    ),
    "a rule over two dates": Bad(
        "hotel", "stay",
        {"guest": "$guest", "arrive_on": "2026-03-02", "leave_on": "2026-03-01"},
        [("V090", "/leave_on")],
    ),
    "a rule over an amount": Bad(
        "military", "customer",
        {"name": "Northern Works", "abc": "C", "credit_limit": "6000000"},
        [("V090", "/credit_limit")],
    ),
    "a rule that one of two fields would meet": Bad(
        "hotel", "complaint",
        {
            "title": "Noise", "content": "Noise all night", "channel": "phone", "kind": "service",
            "severity": "medium", "received_at": "2026-01-02T10:00:00Z",
            "promised_reply_at": "2026-01-02T11:00:00Z", "promise_told": "true",
        },
        [("V090", "/guest")],
    ),
    "a rule over rows": Bad(
        "school", "student", {"name": "Xiao Ming", "birth_date": "2020-05-01"},
        [("V090", "/guardians")],
    ),
    "a key that is taken": Bad(
        "hotel", "guest", {"name": "Second", "id_number": GOOD_ID}, [("R206", "/id_number")]
    ),
    "a cell in a row": Bad(
        "school", "student",
        {
            "name": "Xiao Ming",
            "guardians": [
                {"name": "Ma Li", "relation": "mother", "mobile": "13800138000"},
                {"name": "Li Lei", "relation": "father", "mobile": "12"},
            ],
        },
        [("V040", "/guardians/1/mobile")],
    ),
    "a row without what it needs": Bad(
        "hotel", "guest",
        {"name": "Ma Li", "family": [{"name": None, "relation": "child", "note": "twins"}]},
        [("V001", "/family/0/name")],
    ),
    "a reference to nothing": Bad(
        "hotel", "stay",
        {"guest": "987654321", "arrive_on": "2026-03-01", "leave_on": "2026-03-02"},
        [("R204", "/guest")],
    ),
    "a reference that is no number": Bad(
        "hotel", "stay",
        {"guest": "somebody", "arrive_on": "2026-03-01", "leave_on": "2026-03-02"},
        [("V060", "/guest")],
    ),
    "several at once": Bad(
        "military", "product", {"code": "c 1", "name": None, "price": "-1"},
        [("V006", "/code"), ("V001", "/name"), ("V015", "/price")],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def world(trades: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The companies of all trades; nothing in this module may change them."""
    data = tmp_path_factory.mktemp("doors") / "data"
    shutil.copytree(trades, data)
    served = Served.open(data)
    yield served
    served.installation.close()


@pytest.fixture(scope="module")
def known(world: Served) -> dict[str, int]:
    """One guest, whose identity card the others may not have."""
    with world.company("hotel").unit(world.actor("hotel"), write=True, source="api") as unit:
        values = {"name": "First", "id_number": GOOD_ID}
        return {"$guest": int(writing.create(unit, "guest", values)["id"])}


def by_engine(world: Served, bad: Bad, values: Mapping[str, Any]) -> Invalid:
    with (
        pytest.raises(Invalid) as caught,
        world.company(bad.company).unit(world.actor(bad.company), write=True) as unit,
    ):
        writing.create(unit, bad.entity, values)
    return caught.value


def page_of(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)


@pytest.mark.parametrize("story", BAD)
def test_all_doors_refuse_alike(world: Served, known: dict[str, int], story: str) -> None:
    bad = BAD[story]
    values = {name: known.get(str(value), value) for name, value in bad.values.items()}
    visitor = world.visitor(bad.company)
    page = visitor.text(f"/e/{bad.entity}/new")
    before = digest(world.company(bad.company))

    refusal = by_engine(world, bad, values)
    assert sorted((one.code, one.pointer) for one in refusal.problems) == sorted(bad.why)

    answer = visitor.api("POST", f"/{bad.entity}", values)
    assert answer.status_code == 422
    told = answer.json["problems"]
    assert sorted((one["code"], one["pointer"]) for one in told) == sorted(bad.why)
    assert all(one["text"] for one in told)
    also = {place for one in refusal.problems for place in one.also}
    assert {place for one in told for place in one["also"]} == also

    shown = visitor.form(f"/e/{bad.entity}/new", filled(page, values))
    assert shown.status_code == 422
    listed = summary(page_of(shown))
    assert {pointer for pointer, _ in listed} == {pointer for _, pointer in bad.why}
    sentences = {(one.pointer, text(one, "en")) for one in refusal.problems}
    for pointer, sentence in listed:  # the page puts the field's label before a rule's own words
        assert any(pointer == where and sentence.endswith(said) for where, said in sentences)

    bad_field = r'class="field [^"]*\bbad\b[^"]*" data-field="([^"]*)"'
    marked = set(re.findall(bad_field, page_of(shown)))
    assert {place.split("/")[1] for place in also} <= marked

    assert digest(world.company(bad.company)) == before


GOOD: list[tuple[str, str, dict[str, Any]]] = [
    ("hotel", "guest", {"name": "Ma Li", "vip": "V1", "mobile": "13800138000", "discount": "5"}),
    ("school", "course", {"code": "E-1", "name": "English", "price_per_hour": "120.50"}),
    ("military", "customer", {"name": "Northern Works", "credit_code": GOOD_CODE}),
    ("school", "student", {
        "name": "Xiao Ming", "birth_date": "2020-05-01",
        "guardians": [{"name": "Ma Li", "relation": "mother", "mobile": "13800138000"}],
    }),
]  # fmt: skip


@pytest.mark.parametrize(("company", "entity", "values"), GOOD)
def test_a_good_record_becomes_the_same_record_at_every_door(
    served: Served, company: str, entity: str, values: dict[str, Any]
) -> None:
    """Otherwise the doors might agree by refusing everything."""
    visitor = served.visitor(company)
    page = visitor.text(f"/e/{entity}/new")
    unique = {"code", "credit_code"} & values.keys()
    made = []

    with served.company(company).unit(served.actor(company), write=True) as unit:
        made.append(int(writing.create(unit, entity, values)["id"]))
    others = {name: value for name, value in values.items() if name not in unique}
    sent, typed = ({**others, **dict.fromkeys(unique & {"code"}, f"E-{at}")} for at in (2, 3))
    answer = visitor.api("POST", f"/{entity}", sent)
    assert answer.status_code == 201, answer.json
    made.append(answer.json["id"])
    posted = visitor.form(f"/e/{entity}/new", filled(page, typed))
    assert posted.status_code == 303, posted.get_data(as_text=True)
    address = re.search(r"/(\d+)$", posted.headers["Location"])
    assert address is not None
    made.append(int(address[1]))

    records = [visitor.get(f"/api/v1/{entity}/{id}").json for id in made]
    own = {"id", "code", "created_at", "updated_at", *unique}
    same = [_comparable(record, own) for record in records]
    assert same[0] == same[1] == same[2]


def _comparable(record: Mapping[str, Any], own: set[str]) -> dict[str, Any]:
    """A record without what is its own; rows lose their numbers."""

    def bare(value: Any) -> Any:
        if isinstance(value, list):
            return [bare(member) for member in value]
        if isinstance(value, dict):
            return {key: cell for key, cell in value.items() if key != "id"}
        return value

    return {name: bare(value) for name, value in record.items() if name not in own}
