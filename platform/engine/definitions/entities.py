"""An expanded entity document -> `Entity`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.definitions.document import Findings, Merged
from engine.definitions.fields import conditions, grants, parse_fields, system_fields
from engine.definitions.labels import label
from engine.definitions.model import (
    Entity,
    Field,
    FormPart,
    Keys,
    ListView,
    PoolLimits,
    Rule,
)

_WIDE: Final = frozenset({"longtext", "lines", "file", "image", "richtext", "address"})
_TOO_LONG_FOR_LISTS: Final = _WIDE | {"refs", "users", "tags"}
_DEFAULT_COLUMNS = 7


def parse_entity(merged: Merged, data: Mapping[str, Any], pack: str, language: str,
                 findings: Findings) -> Entity:  # fmt: skip
    """The entity that the expanded `data` of a merged definition describes."""
    said = data["x-entity"]
    title = label(data, language)
    gone = _removed(merged)
    fields = parse_fields(data, merged.name, language, findings)
    pruned = _Pruned(gone - fields.keys(), findings)
    form = _form(data, language, pruned)
    return Entity(
        name=merged.name,
        title=title,
        plural={**title, **label({**said, "x-i18n": data.get("x-i18n", {})}, language, "plural")},
        label=said.get("label") or _default_label(fields),
        fields={**fields, **system_fields()},
        icon=said.get("icon", ""),
        traits=frozenset(said.get("traits", ())),
        rules=_rules(data.get("x-rules", {}), language),
        keys=_keys(data.get("x-keys", {}), pruned),
        access=grants(data.get("x-access", {})),
        form=_with_late_fields(form, merged, fields) or _default_form(title, fields),
        list=_list(data.get("x-list", {}), fields, pruned),
        conditions=conditions(data),
        was=tuple(data.get("x-was", ())),
        pack=pack,
        file=merged.layers[-1].file,
        help=label(data, language, "description"),
        grade=tuple(said["grade"].split(".")) if "grade" in said else (),
        pool={role: _limits(one) for role, one in said.get("pool", {}).items()},
        person=bool(said.get("person")),
    )


def _limits(said: Mapping[str, Any]) -> PoolLimits:
    shows = frozenset(said["shows"]) if "shows" in said else None
    return PoolLimits(shows, *(said.get(name) for name in ("views", "claims", "holds")))


@dataclass(frozen=True)
class _Pruned:
    """Leaves out fields that an overlay has removed: arrays cannot be patched one entry at a time,
    and whoever drops a field should not have to write the whole form again."""

    gone: frozenset[str]
    findings: Findings

    def names(self, names: Iterable[str], at: str) -> tuple[str, ...]:
        kept = []
        for index, name in enumerate(names):
            if name.removeprefix("-") in self.gone:
                self.findings.warn("D068", f"{at}/{index}", field=name.removeprefix("-"))
            else:
                kept.append(name)
        return tuple(kept)

    def one(self, name: str, at: str) -> str:
        return next(iter(self.names([name], at)), "")


def _removed(merged: Merged) -> frozenset[str]:
    """Fields that a lower layer has and a higher one deletes."""
    seen: set[str] = set()
    for layer in merged.layers:
        properties = layer.data.get("properties") if isinstance(layer.data, Mapping) else None
        seen |= properties.keys() if isinstance(properties, Mapping) else set()
    kept = merged.data.get("properties", {})
    return frozenset(seen - kept.keys()) if isinstance(kept, Mapping) else frozenset()


def _default_label(fields: Mapping[str, Field]) -> str:
    texts = [name for name, found in fields.items() if found.type in ("text", "autonumber")]
    first = "name" if "name" in fields else next(iter(texts), "")
    return f"{{{first or 'id'}}}"


def _rules(data: Mapping[str, Any], language: str) -> dict[str, Rule]:
    return {
        name: Rule(
            id=name,
            when=said.get("when", ""),
            check=said.get("assert", ""),
            require=tuple(said.get("require", ())),
            readonly=tuple(said.get("readonly", ())),
            hide=tuple(said.get("hide", ())),
            options={key: tuple(values) for key, values in said.get("options", {}).items()},
            set=said.get("set", {}),
            message=label(said, language, "message"),
            level=said.get("level", "error"),
        )
        for name, said in data.items()
    }


def _keys(data: Mapping[str, Any], pruned: _Pruned) -> Keys:
    def lists(kind: str) -> tuple[tuple[str, ...], ...]:
        found = [
            (key, pruned.names(key, f"/x-keys/{kind}/{index}"))
            for index, key in enumerate(data.get(kind, ()))
        ]
        # a unique key without one of its fields would forbid more than was meant
        return tuple(kept for key, kept in found if len(kept) == len(key))

    return Keys(lists("unique"), lists("index"), lists("duplicate"))


def _form(data: Mapping[str, Any], language: str, pruned: _Pruned) -> tuple[FormPart, ...]:
    parts = []
    for index, said in enumerate(data.get("x-form", ())):
        kind = "section" if "section" in said and "tab" not in said else "tab"
        rows = [
            pruned.names(row, f"/x-form/{index}/rows/{line}")
            for line, row in enumerate(said["rows"])
        ]
        parts.append(
            FormPart(
                kind="tab" if kind == "tab" else "section",
                title=label(said, language, kind),
                rows=tuple(row for row in rows if row),
                when=said.get("when", ""),
            )
        )
    return tuple(parts)


def _with_late_fields(form: Sequence[FormPart], merged: Merged,
                      fields: Mapping[str, Field]) -> tuple[FormPart, ...]:  # fmt: skip
    """The form with the fields that came in above the layer that wrote it: after the field that
    their ``x-ui.after`` names, else at the end of the first part."""
    parts = list(form)
    written = max(
        (i for i, layer in enumerate(merged.layers) if "x-form" in layer.data), default=None
    )
    if written is None or not parts:
        return tuple(parts)
    late = [
        name
        for layer in merged.layers[written + 1 :]
        for name in _names(layer)
        if name in fields
        and not any(name in _names(lower) for lower in merged.layers[: written + 1])
    ]
    placed = {name for part in parts for row in part.rows for name in row}
    for name in dict.fromkeys(late):
        if name not in placed:
            _place(parts, name, str(fields[name].ui.get("after", "")))
    return tuple(parts)


def _names(layer: Any) -> Mapping[str, Any]:
    found = layer.data.get("properties")
    return found if isinstance(found, Mapping) else {}


def _place(parts: list[FormPart], name: str, after: str) -> None:
    where = [
        (index, line)
        for index, part in enumerate(parts)
        for line, row in enumerate(part.rows)
        if after in row
    ]
    index, line = where[0] if where else (0, len(parts[0].rows) - 1)
    part = parts[index]
    rows = (*part.rows[: line + 1], (name,), *part.rows[line + 1 :])
    parts[index] = FormPart(part.kind, part.title, rows, part.when)


def _default_form(title: Mapping[str, str], fields: Mapping[str, Field]) -> tuple[FormPart, ...]:
    """Every field, two in a line, wide ones alone."""
    rows: list[tuple[str, ...]] = []
    for name, found in fields.items():
        fits = rows and len(rows[-1]) == 1 and fields[rows[-1][0]].type not in _WIDE
        if fits and found.type not in _WIDE:
            rows[-1] = (*rows[-1], name)
        else:
            rows.append((name,))
    return (FormPart("section", title, tuple(rows)),)


def _list(data: Mapping[str, Any], fields: Mapping[str, Field], pruned: _Pruned) -> ListView:
    usual = [name for name, found in fields.items() if found.type not in _TOO_LONG_FOR_LISTS]
    return ListView(
        columns=pruned.names(data.get("columns", ()), "/x-list/columns")
        or tuple(usual[:_DEFAULT_COLUMNS]),
        sort=pruned.names(data.get("sort", ("-updated_at",)), "/x-list/sort"),
        filters=pruned.names(data.get("filters", ()), "/x-list/filters"),
        board=pruned.one(data.get("board", ""), "/x-list/board"),
        calendar=pruned.names(data.get("calendar", ()), "/x-list/calendar"),
    )
