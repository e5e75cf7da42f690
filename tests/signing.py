"""A small pack about papers that are signed: by all, by any, by a claimant, by the clock."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.records_world import entity, text

EVENTS = ("to_all", "to_any", "to_pool", "to_wait")
STATES = ("draft", "all_sign", "any_signs", "pool", "waiting", "approved", "rejected")

PAPER = entity(
    "paper",
    "{title}",
    {
        "title": text("Title"),
        "state": {
            "type": "string",
            "title": "State",
            "oneOf": [{"const": one, "title": one} for one in STATES],
        },
        "count": {"type": "integer", "title": "Times approved", "default": 0},
    },
    required=["title"],
    **{"x-access": {"clerk": {"read": True, "write": True, "create": True}}},
)


def signing(quorum: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "approval",
        "assignees": [{"role": "chief"}],
        "quorum": quorum,
        "onDone": {
            "approved": {"target": "approved", "actions": [{"assign": {"count": "count + 1"}}]},
            "rejected": "rejected",
        },
        **more,
    }


FLOW = {
    "$schema": "https://dougong.dev/schema/workflow-1.json",
    "id": "signing",
    "version": 1,
    "entity": "paper",
    "stateField": "state",
    "title": {"en": "Signing"},
    "trigger": {"on": "create"},
    "initial": "draft",
    "states": {
        "draft": {
            "may": {name: {"starter": True} for name in EVENTS},
            "on": {
                "to_all": "all_sign",
                "to_any": "any_signs",
                "to_pool": "pool",
                "to_wait": "waiting",
            },
        },
        "all_sign": signing("all"),
        "any_signs": {
            **signing("any"),
            "may": {"withdraw": {"starter": True}},
            "on": {"withdraw": "draft"},
        },
        "pool": signing("any", claim=True),
        "waiting": {
            "after": [
                {
                    "delay": "PT1S",
                    "target": "approved",
                    "actions": [{"assign": {"count": "count + 1"}}],
                }
            ]
        },
        "approved": {"type": "final", "entry": [{"type": "notify", "template": "approved"}]},
        "rejected": {"type": "final"},
    },
}
PACK = {
    "$schema": "https://dougong.dev/schema/pack-1.json",
    "name": "race",
    "title": "Race",
    "version": "1.0.0",
    "languages": ["en"],
    "roles": {"clerk": {"title": "Clerk"}, "chief": {"title": "Chief"}},
}


def sources() -> dict[str, str]:
    """The definition files."""
    return {
        "entity_defs/race/pack.json": json.dumps(PACK),
        "entity_defs/race/paper.json": json.dumps(PAPER),
        "workflows/race/signing.json": json.dumps(FLOW),
    }
