"""The packs that come with the platform: sound, bilingual and complete."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from engine.definitions.model import Entity, Field, Label, Model
from engine.packs import load_company
from engine.problems import text

ROOT = Path(__file__).parents[3]
PACKS = ("crm", "hotel", "training_school", "military_supplier")
LANGUAGES = {"zh-CN", "en"}


@cache
def model_of(pack: str) -> Model:
    model, _, problems = load_company([ROOT], pack)
    assert not problems, [(one.file, one.line, text(one, "en")) for one in problems]
    assert model is not None
    return model


@pytest.mark.parametrize("pack", PACKS)
def test_loads_without_a_single_problem(pack: str) -> None:
    assert model_of(pack).entities


def labels(entity: Entity) -> Iterator[tuple[str, Label]]:
    """Every text of an entity that a user sees, with the place it belongs to."""
    yield entity.name, entity.title
    yield f"{entity.name} plural", entity.plural
    for part in entity.form:
        yield f"{entity.name} form", part.title
    for rule in entity.rules.values():
        if rule.message:
            yield f"{entity.name} rule {rule.id}", rule.message
    yield from field_labels(entity)


def field_labels(entity: Entity) -> Iterator[tuple[str, Label]]:
    for field in entity.fields.values():
        at = f"{entity.name}.{field.name}"
        yield at, field.title
        if field.help:
            yield f"{at} help", field.help
        for option in field.options:
            yield f"{at} {option.value}", option.title
        if field.rows:
            yield from field_labels(field.rows)


@pytest.mark.parametrize("pack", PACKS)
def test_every_text_is_there_in_both_languages(pack: str) -> None:
    model = model_of(pack)
    found = [one for entity in model.entities.values() for one in labels(entity)]
    found += [(role.name, role.title) for role in model.roles.values()]
    found += [(card.entity, card.title) for card in model.cards]
    found += [("menu", item.title) for group in model.menus for item in (group, *group.items)]
    assert [at for at, label in found if not set(label) >= LANGUAGES] == []


@pytest.mark.parametrize("pack", PACKS)
def test_workflow_states_are_named_in_both_languages(pack: str) -> None:
    for flow in model_of(pack).workflows.values():
        assert set(flow.title) >= LANGUAGES
        for option in model_of(pack).entities[flow.entity].fields[flow.state_field].options:
            assert set(option.title) >= LANGUAGES


@pytest.mark.parametrize("pack", PACKS)
def test_every_field_stands_on_its_form(pack: str) -> None:
    """A field that nobody can fill in was forgotten when the form was drawn."""
    for entity in model_of(pack).entities.values():
        placed = [name for part in entity.form for row in part.rows for name in row]
        own = {name for name, field in entity.fields.items() if not field.system}
        assert own == set(placed), entity.name
        assert len(placed) == len(set(placed)), entity.name


@pytest.mark.parametrize("pack", PACKS)
def test_somebody_below_the_administrators_may_fill_in_every_entity(pack: str) -> None:
    for entity in model_of(pack).entities.values():
        assert any(grant.create for grant in entity.access.values()), entity.name
        assert any(grant.write for grant in entity.access.values()), entity.name


@pytest.mark.parametrize(
    ("pack", "first", "second"),
    [
        ("crm", 50_000, 500_000),
        ("hotel", 20_000, 200_000),
        ("training_school", 10_000, 100_000),
        ("military_supplier", 200_000, 2_000_000),
    ],
)
def test_industries_set_their_own_limits_of_approval(pack: str, first: int, second: int) -> None:
    states = model_of(pack).workflows["contract_approval"].chart["states"]["in_review"]["states"]
    manager, both = (states[name]["onDone"]["approved"] for name in ("manager", "countersign"))
    assert manager[0] == {"target": "countersign", "guard": f"amount >= {first}"}
    assert both[0] == {"target": "general_manager", "guard": f"amount >= {second}"}
    assert states["countersign"]["quorum"] == {"perGroup": 1}


def test_promises_of_a_hotel_are_counted_in_minutes() -> None:
    chart = model_of("hotel").workflows["complaint_handling"].chart
    assert chart["states"]["received"]["after"][0]["delay"] == "PT10M"
    assert (
        model_of("crm")
        .workflows["complaint_handling"]
        .chart["states"]["received"]["after"][0]["delay"]
        == "PT2H"
    )


def test_what_belongs_to_a_customer_has_his_grade_of_secrecy() -> None:
    model = model_of("military_supplier")
    for entity in model.entities.values():
        belongs = entity.name == "customer" or any(
            field.reference and field.reference.to == "customer" and field.required
            for field in entity.fields.values()
        )
        if not belongs:
            continue
        assert entity.grade[-1] == "secrecy", entity.name


@pytest.mark.parametrize("name", ["id_number", "bank_account", "phone", "mobile"])
def test_sensitive_fields_are_masked_for_sales(name: str) -> None:
    field: Field = model_of("crm").entities["customer"].fields[name]
    grant = field.access["sales"]
    assert grant.mask
    assert grant.read is not True


def test_industries_add_fields_at_their_place_in_the_form() -> None:
    rows = [row for part in model_of("hotel").entities["contract"].form for row in part.rows]
    before = next(index for index, row in enumerate(rows) if "contact" in row)
    assert rows[before + 1] == ("guest",)
