"""Small models for tests, made without definition files."""

from __future__ import annotations

from typing import Any

from engine.definitions.model import (
    MISSING,
    Entity,
    Field,
    Keys,
    ListView,
    Model,
    Reference,
    Workflow,
)

SYSTEM = ("created_at", "created_by", "updated_at", "updated_by")


def field(name: str, type: str = "text", **more: Any) -> Field:
    """A field called by its name; `to` is what it refers to, `schema` the plain keywords."""
    if to := more.pop("to", ""):
        more["reference"] = Reference(to)
    more.setdefault("default", MISSING)
    return Field(name, type, {"en": name.capitalize(), "zh-CN": f"字段{name}"}, **more)


def lines(name: str, *fields: Field, owner: str, **more: Any) -> Field:
    """A lines field of the entity `owner`."""
    title = {"en": name.capitalize(), "zh-CN": f"明细{name}"}
    rows = Entity(f"{owner}.{name}", title, title, "", {one.name: one for one in fields})
    return Field(name, "lines", title, multiple=True, rows=rows, **more)


def entity(name: str, *fields: Field, **more: Any) -> Entity:
    """An entity with its four system fields; `unique`, `index`, `sort` as in a definition."""
    keys = Keys(unique=more.pop("unique", ()), index=more.pop("index", ()))
    sort = more.pop("sort", ("-updated_at",))
    title = {"en": name.capitalize(), "zh-CN": f"实体{name}"}
    system = [Field(n, n, {"en": n}, system=True, read_only=True) for n in SYSTEM]
    return Entity(
        name,
        title,
        title,
        "{" + fields[0].name + "}" if fields else "",
        {one.name: one for one in (*fields, *system)},
        keys=keys,
        list=ListView(columns=(), sort=sort),
        **more,
    )


def model(*entities: Entity, flows: tuple[Workflow, ...] = ()) -> Model:
    """A model of these entities."""
    return Model(
        title={"en": "Test"},
        packs=(),
        languages=("zh-CN", "en"),
        entities={one.name: one for one in entities},
        workflows={flow.id: flow for flow in flows},
        roles={},
        menus=(),
        cards=(),
        currency="CNY",
        timezone="Asia/Shanghai",
        hash="",
    )
