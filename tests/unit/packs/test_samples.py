"""Sample data: deterministic, valid, and of the size that the packs promise."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.unit.packs.test_shipped import PACKS, ROOT, model_of

from engine.expressions import Env
from engine.fields import bind
from engine.packs.numbers import idcard, uscc
from engine.packs.samples import Act, Draft, Link, Person, SampleError, employees, generate
from engine.packs.specs import read_spec
from engine.problems import Severity, text
from engine.validation import compile_validator

TODAY = date(2026, 3, 16)
NOW = datetime(2026, 3, 16, 4, tzinfo=UTC)
NEEDS_OTHERS = {"within_receivable"}  # looks at records that only a database holds


@cache
def drafts(pack: str) -> tuple[Draft, ...]:
    spec = read_spec([ROOT], pack)
    return tuple(generate(spec, model_of(pack), spec["seed"], TODAY))


def plain(value: Any) -> Any:
    """Links and people as ids."""
    match value:
        case Link(draft=number):
            return number
        case Person():
            return 1
        case list():
            return [plain(one) for one in value]
        case dict():
            return {key: plain(one) for key, one in value.items()}
    return value


def complaints(pack: str, draft: Draft) -> list[tuple[str, str]]:
    """What the validator objects to in one draft."""
    entity = model_of(pack).entities[draft.entity]
    validator = compile_validator(model_of(pack), entity, bind)
    own = [field for field in entity.fields.values() if not field.system and not field.compute]
    given, wrong = validator.read({name: plain(one) for name, one in draft.values.items()})
    record = {field.name: bind(field).default(NOW, 1) for field in own} | given
    me = {"id": 1, "name": "", "dept": None, "roles": []}
    names: dict[str, Any] = {
        "id": draft.number,
        "old": None,
        "me": me,
        "my": {"dept": None, "departments": []},
    }
    env = Env(names=names, now=NOW, attribute=lambda *_: None)
    found = [*wrong, *validator.check(record, env).problems]
    return [
        (one.pointer, text(one, "en"))
        for one in found
        if one.severity is Severity.ERROR and one.params.get("rule") not in NEEDS_OTHERS
    ]


@pytest.mark.parametrize("pack", PACKS)
def test_the_same_seed_and_day_give_the_same_records(pack: str) -> None:
    spec = read_spec([ROOT], pack)
    assert tuple(generate(spec, model_of(pack), spec["seed"], TODAY)) == drafts(pack)


@pytest.mark.parametrize("pack", PACKS)
def test_every_kind_of_record_passes_the_validator(pack: str) -> None:
    """A few dozen of each group: all of them is what loading does."""
    seen: Counter[str] = Counter()
    for draft in drafts(pack):
        seen[draft.group] += 1
        if seen[draft.group] <= 25:
            assert complaints(pack, draft) == [], draft


def test_the_supplier_has_its_four_thousand_customers_by_size() -> None:
    sizes = Counter(
        draft.values["account_size"]
        for draft in drafts("military_supplier")
        if draft.entity == "customer"
    )
    assert sizes == {"core": 160, "important": 583, "ordinary": 1240, "small": 2071}


@pytest.mark.parametrize(
    ("pack", "entity", "count"), [("hotel", "guest", 1000), ("training_school", "student", 500)]
)
def test_industries_have_their_people(pack: str, entity: str, count: int) -> None:
    assert sum(draft.entity == entity for draft in drafts(pack)) == count


@pytest.mark.parametrize("pack", PACKS)
def test_links_lead_back_and_people_are_employed(pack: str) -> None:
    logins = {one.login for one in employees(read_spec([ROOT], pack))}
    for draft in drafts(pack):
        for value in draft.values.values():
            assert not isinstance(value, Link) or value.draft < draft.number
            assert not isinstance(value, Person) or value.login in logins


@pytest.mark.parametrize("pack", PACKS)
def test_there_is_a_dozen_people_with_known_roles_and_managers(pack: str) -> None:
    staff = employees(read_spec([ROOT], pack))
    assert len(staff) >= 12
    before: set[str] = set()
    for one in staff:
        assert set(one.roles) <= set(model_of(pack).roles), one
        assert not one.manager or one.manager in {other.login for other in staff}
        before.add(one.login)


@pytest.mark.parametrize("pack", PACKS)
def test_contracts_are_in_several_states_of_approval(pack: str) -> None:
    scripts = {
        tuple((act.event, act.times) for act in draft.after)
        for draft in drafts(pack)
        if draft.entity == "contract"
    }
    assert {(), (("submit", 1),), (("submit", 1), ("task.approve", 9))} <= scripts


def spec_of(**records: Any) -> dict[str, Any]:
    return {
        "users": {"a.b": {"name": "A", "roles": ["sales"]}},
        "lists": {"word": ["x", "y"]},
        "scripts": {"go": [{"event": "submit", "by": "owner", "set": {"code": {"pick": "word"}}}]},
        "records": records,
    }


def one_of(**values: Any) -> Draft:
    spec = spec_of(things={"entity": "customer", "values": values})
    return next(iter(generate(spec, model_of("crm"), 1, TODAY)))


def test_the_order_of_values_is_free() -> None:
    draft = one_of(name={"text": "{short_name}{note_word}"}, short_name="s", note_word="w")
    assert draft.values == {"name": "sw", "short_name": "s"}
    assert draft.notes == {"note_word": "w"}


def test_rows_share_out_a_total_to_the_cent() -> None:
    rows = {"lines": [3, 3], "split": {"total": 100, "into": "amount"}, "row": {"amount": 0}}
    spec = spec_of(things={"entity": "contract", "values": {"instalments": rows}})
    (draft,) = generate(spec, model_of("crm"), 1, TODAY)
    assert [str(row["amount"]) for row in draft.values["instalments"]] == [
        "33.33",
        "33.33",
        "33.34",
    ]


def test_children_follow_their_parents() -> None:
    spec = spec_of(
        firms={"order": 1, "entity": "customer", "count": 2, "values": {"name": {"text": "c{n}"}}},
        people={"order": 2, "entity": "contact", "for": "firms", "per": 2,
                "values": {"customer": {"parent": "id"}, "name": {"text": "{k}"}}},
    )  # fmt: skip
    made = list(generate(spec, model_of("crm"), 1, TODAY))[2:]
    assert [(draft.values["customer"].draft, draft.values["name"]) for draft in made] == [
        (1, "1"), (1, "2"), (2, "1"), (2, "2"),
    ]  # fmt: skip


def test_what_happens_afterwards_names_who_does_it() -> None:
    spec = spec_of(
        things={"entity": "customer", "after": "go", "values": {"owner": {"user": "sales"}}}
    )
    (draft,) = generate(spec, model_of("crm"), 1, TODAY)
    (act,) = draft.after
    assert isinstance(act, Act)
    assert (act.event, act.by, act.values["code"] in "xy") == ("submit", Person("a.b"), True)


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ({"nonsense": 1}, "unknown generator"),
        ({"pick": "none"}, "no list"),
        ({"ref": "none"}, "no earlier group"),
        ({"user": "none"}, "nobody"),
        ({"text": "{name}"}, "needs itself"),
        ({"parent": "id"}, "not made for another"),
    ],
)
def test_a_specification_that_cannot_be_followed_says_where(value: Any, detail: str) -> None:
    with pytest.raises(SampleError, match=detail) as failure:
        one_of(name=value)
    assert failure.value.problem.code == "D110"
    assert "things" in text(failure.value.problem, "en")


def test_a_specification_changes_another_by_name(tmp_path: Path) -> None:
    for pack, body in {
        "a": '{"seed": 1, "lists": {"w": ["x"]}, "records": {"g": {"entity": "e", "count": 2,'
        ' "values": {"n": {"int": [1, 2]}, "m": 1}}, "h": {"entity": "e"}}}',
        "b": '{"extends": "a", "records": {"g": {"count": 3, "values": {"n": {"bool": 1}}},'
        ' "h": null}}',
    }.items():
        folder = tmp_path / "entity_defs" / pack
        folder.mkdir(parents=True)
        (folder / "sample.json").write_text(body, encoding="utf-8")
    spec = read_spec([tmp_path], "b")
    assert spec["records"] == {
        "g": {"entity": "e", "count": 3, "values": {"n": {"bool": 1}, "m": 1}}
    }
    assert spec["lists"] == {"w": ["x"]}


def test_a_pack_without_samples_says_so(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="not found"):
        read_spec([tmp_path], "none")


def test_made_up_numbers_carry_their_check_digits() -> None:
    chance = random.Random(7)
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    for _ in range(200):
        code = uscc(chance)
        *body, check = map(alphabet.index, code)
        assert (sum(one * 3**place for place, one in enumerate(body)) + check) % 31 == 0
    assert idcard(chance, date(1990, 3, 7), female=True)[6:14] == "19900307"
    assert int(idcard(chance, date(1990, 3, 7), female=True)[16]) % 2 == 0
