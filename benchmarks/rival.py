"""Prepare and serve the hand-written application: ``python -m benchmarks.rival PLACE PORT``."""

from __future__ import annotations

import sys

from benchmarks import handwritten
from benchmarks.data import customers
from benchmarks.prepared import Prepared, free_port


def prepare(place: str, rows: int, users: int) -> Prepared:
    """Fill the database at `place` (a path or a URL); how to start and ask it."""
    token = handwritten.prepare(place, customers(rows, users), users)
    port = free_port()
    return Prepared(
        command=[sys.executable, "-m", "benchmarks.rival", place, str(port)],
        port=port,
        headers={"Cookie": f"sid={token}"},
        probe="/customer/1",
        api="/customer",
        page="/page",
        style="{}",
        first=1,
        person=1,
    )


if __name__ == "__main__":
    from waitress import serve

    serve(handwritten.make_app(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), threads=8)
