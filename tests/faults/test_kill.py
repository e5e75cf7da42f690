"""``kill -9`` of server and worker at random: nothing acknowledged is lost, nothing is half, and
what has to be told outside is told at least once, always under the same key.

More rounds: ``DOUGONG_KILLS=30``; the table for the documentation: ``python -m tests.faults 30``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.faults.kills import KILLS, measured, table


@pytest.mark.parametrize("name", ["SQLite", "PostgreSQL"])
def test_nothing_acknowledged_is_lost_and_nothing_is_half(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue("postgres_url") if name == "PostgreSQL" else ""
    found, site = measured(name, url, tmp_path / "data")
    sys.stdout.write(f"\n{table()}\n{found.seconds:.0f} s\n")
    assert not site.odd, site.odd[:3]
    assert found.papers > KILLS
    assert found.kills == KILLS
    assert (found.lost, found.half, found.twice) == (0, 0, 0)
    assert (found.missing, found.given_up) == (0, 0)
    assert found.sent == found.approved > 0
    assert found.repeated <= found.kills  # each kill cuts off what was in the air, no more
