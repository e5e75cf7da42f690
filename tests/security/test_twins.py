"""A0.4 Two worlds that differ only in what somebody may not see give him the same answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.security.scale import FULL, scaled, told
from tests.security.twins import ROLES, Twins

DATABASES = ("sqlite", "postgresql") if FULL else ("sqlite",)


@pytest.mark.parametrize("login", ROLES)
@pytest.mark.parametrize("database", DATABASES)
def test_a0_4_two_worlds_look_alike(
    prepared_world: Path,
    tmp_path: Path,
    login: str,
    database: str,
    request: pytest.FixtureRequest,
) -> None:
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else ""
    twins = Twins.open(prepared_world, tmp_path, login, url)
    try:
        assert not twins.alike(), "what may be seen differs: these are no twins"
        wrong = twins.session(seed=7, length=scaled(30, 400))
        told("A0.4", database, login, twins.asked, "questions,", len(wrong), "differences")
        assert not wrong, f"{len(wrong)} differences\n" + "\n".join(wrong[:10])
    finally:
        twins.close()
