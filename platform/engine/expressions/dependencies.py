"""What an expression reads, and the same source with a name changed."""

from __future__ import annotations

from engine.expressions.parse import parse, scan
from engine.expressions.tree import Attribute, Name, Node, Path, path_of, paths, walk


def dependencies(node: Node) -> frozenset[Path]:
    """Every path that is read, whole: ("owner", "dept"), ("contracts", "amount").

    `old.x`, `me.x` and `my.x` are paths too; a caller that wants fields only skips those roots.
    """
    return frozenset(paths(node))


def rename(source: str, old: Path | str, new: str) -> str:
    """The source with the last name of the path `old` written as `new`, all else untouched.

    ``rename("a.x > x", "x", "y") == "a.x > y"``: a path is changed where it begins an expression
    or continues one, never inside texts. `old.x` is the field too: rename both paths.
    """
    path = (old,) if isinstance(old, str) else old
    places = {place for node in walk(parse(source)) if (place := _place(node, path, source)) >= 0}
    for place in sorted(places, reverse=True):
        source = source[:place] + new + source[place + len(path[-1]) :]
    return source


def _place(node: Node, path: Path, source: str) -> int:
    """The column of the path's last name when this node is exactly that path, else -1."""
    if not isinstance(node, Name | Attribute) or path_of(node) != path:
        return -1
    names = [at for kind, _, at in scan(source) if kind == "name" and at >= node.at]
    return names[len(path) - 1]
