"""A0.2 The permission matrix: what each person may do with each record, over HTTP, is what a second
reading of the definitions says."""

from __future__ import annotations

import pytest
from tests.security.matrix import EVERYBODY, Matrix
from tests.security.scale import told
from tests.security.world import World


@pytest.mark.parametrize(
    "what", ["lists", "reads", "explains", "writes", "fields", "creates", "reveals", "owns"]
)
def test_a0_2_everybody_may_do_what_the_oracle_says(still: World, what: str) -> None:
    matrix = Matrix(still)
    for login in EVERYBODY:
        getattr(matrix, what)(login)
    told("A0.2", what, matrix.cells, "cells,", len(matrix.wrong), "differences")
    assert not matrix.wrong, f"{len(matrix.wrong)} differences\n" + "\n".join(matrix.wrong[:40])
    assert matrix.cells > 50


def test_a0_2_somebody_whose_account_is_closed_is_nobody(world: World) -> None:
    """A session that he had when it was closed opens nothing any more."""
    mallory = world.served.visitor("t1", "mallory")
    assert mallory.get("/api/v1/customer").status_code == 401
    assert mallory.get("/e/customer").status_code == 302
