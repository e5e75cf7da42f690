"""A customer for tests: every kind of check at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.unit.fields.making import CONTACTS, LEVELS, entity, label, make

from engine.definitions.model import Computation, Entity, Field, Model, Option, Rule
from engine.expressions.values import Env
from engine.fields import bind
from engine.validation import Validator, compile_validator

D = Decimal
NOW = datetime(2026, 1, 2, 12, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
STATUS = tuple(Option(name, label(name)) for name in ("lead", "active", "lost"))
KINDS = tuple(Option(name, label(name)) for name in ("company", "person"))

FIELDS: tuple[Field, ...] = (
    make("autonumber", "code", required=True, read_only=True),
    make("text", "name", {"minLength": 2, "maxLength": 100}, required=True),
    make("choice", "kind", options=KINDS),
    make("uscc", "credit_code"),
    make("choice", "level", required=True, options=LEVELS),
    make("choice", "status", required=True, options=STATUS),
    make("text", "lost_reason", {"maxLength": 200}),
    make("phone", "phone"),
    make("region", "region"),
    make("tags", "tags", multiple=True),
    CONTACTS,
    make("money", "credit_limit", {"minimum": 0, "multipleOf": D("0.01")}),
    make("money", "owed", compute=Computation("credit_limit", store=True), read_only=True),
    make("date", "next_visit"),
    make("user", "owner"),
    make("integer", "stars", {"not": {"const": 13}}),
    make("boolean", "agreed", {"const": True}),
)
CONDITIONS: Mapping[str, Any] = {
    "if": {"properties": {"status": {"const": "lost"}}, "required": ["status"]},
    "then": {"required": ["lost_reason"], "properties": {"lost_reason": {"minLength": 2}}},
    "dependentRequired": {"region": ["phone"]},
    "allOf": [
        {
            "if": {
                "properties": {"credit_limit": {"minimum": D("1000.01")}},
                "required": ["credit_limit"],
            },
            "then": {"properties": {"level": {"enum": ["A", "B"]}}},
        },
        {"not": {"required": ["stars", "next_visit"]}},
    ],
}
RULES: tuple[Rule, ...] = (
    Rule("person_has_no_code", when="kind == 'person'", hide=("credit_code",)),
    Rule("limit_by_level", check="level == 'A' or credit_limit <= 500000",
         message={"zh-CN": "只有 A 类客户的额度可以超过 50 万"}),
    Rule("lost_is_final", when="old.status == 'lost' and not me.has_role('manager')",
         readonly=("status", "lost_reason")),
    Rule("visit_ahead", check="next_visit is null or next_visit >= today()", level="warn",
         message={"zh-CN": "拜访日期已过", "en": "That day has passed"}),
    Rule("key_needs_owner", when="level == 'A'", require=("owner",)),
    Rule("lead_level", when="status == 'lead'", options={"level": ("B",)}),
    Rule("third", when="'vip' in tags", set={"credit_limit": "1000 / 3", "owner": "me"}),
)  # fmt: skip


def customer(rules: tuple[Rule, ...] = RULES, *fields: Field, **rest: Any) -> Entity:
    rest = {"conditions": CONDITIONS, **rest}
    return entity("customer", *(fields or FIELDS), rules={rule.id: rule for rule in rules}, **rest)


def model(*entities: Entity) -> Model:
    return Model(
        title={}, packs=(), languages=("zh-CN", "en"),
        entities={found.name: found for found in entities},
        workflows={}, roles={}, menus=(), cards=(),
        currency="CNY", timezone="Asia/Shanghai", hash="",
    )  # fmt: skip


def validator(*rules: Rule, **rest: Any) -> Validator:
    made = customer(rules or RULES, **rest)
    return compile_validator(model(made), made, bind)


def env(old: Mapping[str, Any] | None = None, *roles: str) -> Env:
    me = {"id": 3, "name": "李", "roles": frozenset(roles), "dept": 5}
    return Env({"old": old, "me": me, "my": {"dept": 5, "departments": [5]}}, NOW)


def record(**changes: Any) -> dict[str, Any]:
    """A record that meets everything."""
    return {
        "id": 1, "version": 1, "code": "KH-1", "name": "恒泰商贸", "kind": "company",
        "credit_code": "91350100M000100Y43", "level": "B", "status": "active", "lost_reason": None,
        "phone": "13800138000", "region": "440305", "tags": ["a"],
        "contacts": [{"id": 9, "name": "李", "email": "li@example.com", "main": True}],
        "credit_limit": D("1000.00"), "owed": D("0.00"), "next_visit": None, "owner": None,
        "stars": None, "agreed": True, **changes,
    }  # fmt: skip
