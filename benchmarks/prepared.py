"""What the runner needs to know of an application that is ready to be served."""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Prepared:
    """`style` is how a filter on a field is spelled in the URL, e.g. "{}" or "f.{}.eq"."""

    command: list[str]
    port: int
    headers: dict[str, str]
    probe: str
    api: str
    page: str
    style: str
    first: int  # id of the first record; the others follow without gaps
    person: int  # id of the person who asks


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
