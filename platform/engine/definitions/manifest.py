"""The merged `pack.json` -> roles, menus, cards and the settings of the company."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine.definitions.checking import check
from engine.definitions.document import Document, Findings, Merged
from engine.definitions.labels import label
from engine.definitions.model import Calendar, Card, Entity, Grade, Label, MenuItem, Pack, Role

LANGUAGES: Final = ("zh-CN", "en")
CURRENCY: Final = "CNY"
TIMEZONE: Final = "Asia/Shanghai"


def languages(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The users' languages, the first one being that of untranslated titles."""
    return tuple(data.get("languages", LANGUAGES))


def packs(manifests: Mapping[str, Document], title: Label, language: str) -> tuple[Pack, ...]:
    """What each pack says about itself, base first; one without a title goes by the product's."""
    found = []
    for name, document in manifests.items():
        # checked with the others after merging; here it only has to be free of surprises
        clean = check("pack", document.data, Findings(Merged(name, document.data, [document])))
        said = {key: value for key, value in (clean or {}).items() if key in document.data}
        own = label(said, language) if "title" in said else title
        found.append(Pack(name, own, said.get("version", ""), tuple(said.get("builds_on", ()))))
    return tuple(found)


def roles(data: Mapping[str, Any], language: str) -> dict[str, Role]:
    """Roles by name."""
    return {
        name: Role(name, label(said, language), bool(said.get("admin")), said.get("clearance", ""))
        for name, said in data.get("roles", {}).items()
    }


def grades(data: Mapping[str, Any], language: str) -> tuple[Grade, ...]:
    """The grades of secrecy, the lowest first."""
    said = data.get("clearance", {}).get("grades", {})
    ordered = sorted(said, key=lambda name: said[name]["order"])
    return tuple(Grade(name, label(said[name], language)) for name in ordered)


def menus(data: Mapping[str, Any], entities: Mapping[str, Entity],
          language: str) -> tuple[MenuItem, ...]:  # fmt: skip
    """The menu tree; links without a title or an icon borrow the entity's."""
    return tuple(_menu(said, entities, language) for said in in_order(data.get("menus", {})))


def cards(data: Mapping[str, Any], entities: Mapping[str, Entity],
          language: str) -> tuple[Card, ...]:  # fmt: skip
    """The numbers on the home page."""
    return tuple(
        Card(
            title=label(said, language) or _plural(entities, said["entity"]),
            entity=said["entity"],
            query=said.get("query", ""),
            roles=tuple(said.get("roles", ())),
            measure=measure if (measure := said.get("measure", "")) != "count" else "",
        )
        for said in in_order(data.get("cards", {}))
    )


def calendar(data: Mapping[str, Any]) -> Calendar:
    """When people work; what the pack does not say is as usual."""
    said = data.get("calendar", {})
    usual = Calendar()
    return Calendar(
        hours=tuple((span[0], span[1]) for span in said.get("hours", usual.hours)),
        weekdays=tuple(sorted(said.get("weekdays", usual.weekdays))),
        holidays=said.get("holidays", ""),
        days=dict(said.get("days", {})),
    )


def in_order(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The values of a map by their ``order``, those without one after them as they stand."""
    return sorted(said.values(), key=lambda one: (one.get("order") is None, one.get("order") or 0))


def _menu(said: Mapping[str, Any], entities: Mapping[str, Entity], language: str) -> MenuItem:
    target = entities.get(said.get("entity", ""))
    return MenuItem(
        title=label(said, language) or _plural(entities, said.get("entity", "")),
        icon=said.get("icon") or (target.icon if target else ""),
        entity=said.get("entity", ""),
        query=said.get("query", ""),
        items=tuple(_menu(one, entities, language) for one in in_order(said.get("items", {}))),
    )


def _plural(entities: Mapping[str, Entity], name: str) -> Mapping[str, str]:
    return entities[name].plural if name in entities else {}
