"""What tests compile again and again is kept: thousands of them run the same few definitions.

A model and the tables made from it are never changed, so that no company can tell that another one
uses the same.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from typing import Any, TypeVar

from jinja2.bccache import Bucket, BytecodeCache

from engine.definitions import Model, Sources, build_model
from engine.definitions.model import Field
from engine.fields import TYPES, FieldType
from engine.packs import load
from engine.problems import Problem
from engine.records import application, company, publish
from engine.storage import Keyring
from engine.tables import Layout, Tables, build_tables

T = TypeVar("T")


class Pages(BytecodeCache):
    """Compiled templates in memory, for all applications of this process."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key, bucket.checksum] = bucket.code


PAGES = Pages()
KEPT = 24
_kept: OrderedDict[Hashable, Any] = OrderedDict()
_guard = threading.Lock()


def keep() -> None:
    """Compile everything once per process from here on."""
    for place in (publish, company, load):
        vars(place)["build_model"] = _model
    for place in (publish, application):
        vars(place)["build_tables"] = _tables


def _once(key: Hashable, build: Callable[[], T]) -> T:
    with _guard:
        if key in _kept:
            _kept.move_to_end(key)
            found: T = _kept[key]
            return found
    found = build()  # by two threads at once if need be
    with _guard:
        _kept[key] = found
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return found


def _model(
    sources: Sources, pack: str, *, types: Collection[str]
) -> tuple[Model | None, list[Problem]]:
    key = ("model", tuple(sorted(sources.items())), pack, frozenset(types))
    model, problems = _once(key, lambda: build_model(sources, pack, types=types))
    return model, list(problems)


def _tables(
    model: Model, layout: Layout, bind: Callable[[Field], FieldType], *keys: Keyring
) -> Tables:
    # the model itself is kept with its tables: no other one can get its number meanwhile
    places = json.dumps(layout.to_json())
    key = ("tables", id(model), places, bind, tuple(TYPES.items()), keys)
    return _once(key, lambda: (model, build_tables(model, layout, bind, *keys)))[1]
