"""``python -m tests.faults [kills]``: the table of kills for the documentation."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.databases import server
from tests.faults.kills import KILLS, measured, table


def main() -> None:
    """Kill on both databases and print what came of it."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as url:
        for name, at in (("SQLite", ""), ("PostgreSQL", url)):
            measured(name, at, Path(folder) / name, kills)
    sys.stdout.write(f"{table()}\n")


if __name__ == "__main__":
    main()
