"""The hooks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pluggy

from engine.hooks.channels import ChannelKind

GROUP: Final = "dougong"

specify = pluggy.HookspecMarker(GROUP)
implement = pluggy.HookimplMarker(GROUP)


@specify
def field_types() -> Iterable[type]:  # type: ignore[empty-body]
    """New field types: subclasses of `engine.fields.FieldType`, known to definitions by `name`.

    Called once per process, before any definition is read.
    """


@specify
def channels() -> Iterable[ChannelKind]:  # type: ignore[empty-body]
    """New kinds of channels that notices leave by: instances of `engine.hooks.ChannelKind`.

    Called once per process.
    """
