"""Makes widgets for values of one workflow document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext

from dougong.studio.flow_condition_widget import Condition
from dougong.studio.flow_conditions import rows_of
from dougong.studio.flow_nested import Pairs, Rows
from dougong.studio.flow_rule_widgets import Who
from dougong.studio.flow_widgets import Expression, Words
from dougong.studio.flow_world import Choices, World
from engine.definitions.document import pointer


@dataclass(frozen=True)
class Builder:
    """Makes widgets for values of one document."""

    world: World
    schema: Mapping[str, Any]

    def resolved(self, said: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """The name of the definition a schema points at ("" for none), and what it says."""
        ref = str(said.get("$ref", "")).rpartition("/")[2]
        return (ref, self.schema["$defs"][ref]) if ref else ("", said)

    def languages(self) -> list[tuple[str, str]]:
        """The company's languages, each in its own words."""
        names = {"zh-CN": "中文", "en": "English"}
        return [(tag, names.get(tag, tag)) for tag in self.world.model.languages]

    def who_options(self) -> dict[str, Choices]:
        """What each kind of rule offers."""
        world = self.world
        return {
            "role": world.roles,
            "user": world.users,
            "department": world.departments,
            "group": world.groups,
            "field": world.people_fields,
        }

    def states(self, without: Iterable[str] = ()) -> dict[str, str]:
        """The states to choose from, inner ones indented."""
        left = set(without)
        return {
            id: "\u2003" * (one.pointer.count("/states/") - 1) + self.world.title(id)
            for id, one in self.world.states.items()
            if id not in left
        }

    def who(self, at: str, label: str, value: Any) -> Who:
        """One rule of who."""
        words = self.world.who(value) if value else ""
        return Who(at, label, value, options=self.who_options(), words=words)

    def whos(self, at: str, label: str, value: Any, *, least: int = 0, help: str = "") -> Rows:
        """Several rules of who."""
        many = value if isinstance(value, list) else [value] if value else []
        single = value is not None and not isinstance(value, list)
        rows = [self.who(at if single else at + pointer(i), "", one) for i, one in enumerate(many)]
        named = {one["role"] for one in many if isinstance(one, Mapping) and "role" in one}
        role = next((one for one in self.world.roles if one not in named), "")
        seed = json.dumps({"role": role} if role else {"starter": True})
        add = (gettext("Add people"), at, seed)
        return Rows(at, label, value, help, items=rows, adds=[add], least=least, sort="who")

    def expression(self, at: str, label: str, value: Any, wanted: str = "bool") -> Expression:
        """An expression with its words; a condition with its rows, as far as rows can say it."""
        said = str(value or "")
        problems = self.world.judged(said, wanted) if said else []
        words = self.world.guard(said) if said and not problems else ""
        entity = self.world.entity
        found = rows_of(said, entity) if wanted == "bool" and not problems else None
        if entity is None or found is None:
            return Expression(at, label, value, wanted=wanted, words=words, problems=problems)
        fields = self.world.fields
        return Condition(at, label, value, words=words, join=found[0], rows=found[1],
                         entity=entity, fields=fields, language=self.world.language)  # fmt: skip

    def words(self, at: str, label: str, value: Any) -> Words:
        """A title in every language."""
        return Words(at, label, value, languages=self.languages())

    def pairs(self, at: str, label: str, value: Any, options: Choices) -> Pairs:
        """Name -> expression."""
        texts = {key: one if isinstance(one, str) else json.dumps(one, default=str)
                 for key, one in (value or {}).items()}  # fmt: skip
        return Pairs(at, label, value, options=options, texts=texts)
