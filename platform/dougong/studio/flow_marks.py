"""Problems beside the inputs they are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from dougong.studio.flow_nested import Group, Rows
from dougong.studio.flow_outline import Remark
from dougong.studio.flow_panel import Panel
from dougong.studio.flow_rule_widgets import Who
from dougong.studio.flow_widgets import Widget

PLACED = ("who", "choice", "rows", "ways", "text", "number", "expression", "condition", "duration")


def marks(
    shown: Panel, remarks: Sequence[Remark]
) -> tuple[Mapping[str, Sequence[Remark]], Sequence[Remark]]:
    """The problems of a panel by the name of the input that they stand beside; and the rest."""
    names = {one.name: one for one in _inputs([shown.root, *shown.arrivals])}
    found: dict[str, list[Remark]] = {}
    rest = []
    for one in remarks:
        near = [name for name in names if one.pointer == name or one.pointer.startswith(name + "/")]
        place = max(near, key=len, default="")
        if place and one.pointer:
            found.setdefault(place, []).append(one)
        else:
            rest.append(one)
    return found, rest


def _inputs(widgets: Iterable[Widget]) -> Iterator[Widget]:
    """The inputs that have room for a problem beside them."""
    for one in widgets:
        if isinstance(one, Group | Rows):
            yield from _inputs(one.items)
        if one.kind in PLACED or isinstance(one, Who):
            yield one
