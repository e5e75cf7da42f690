"""A0.7 Every change stands in the history once, and the history leads to what there is."""

from __future__ import annotations

from tests.security.guards import Guarded, guarded
from tests.security.replay import Writers, lost
from tests.security.scale import scaled, told
from tests.security.world import World


def test_a0_7_the_history_leads_to_what_there_is(world: World) -> None:
    """After many writes by many people; and what was refused on the way has changed nothing
    (A0.5), nor was anything our fault (A0.6)."""
    with guarded(world.served):
        writers = Writers(world, seed=11).run(scaled(150, 3_000))
    wrong = lost(world.served.company("t1"))
    told("A0.7", writers.done, "refused:", Guarded.checked, "of", Guarded.tried)
    assert not wrong, f"{len(wrong)}\n" + "\n".join(wrong[:20])
    assert len(writers.done) >= 7, f"doors that were not gone through: {writers.done}"
