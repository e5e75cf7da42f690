"""A0.3 Whatever somebody opens, follows, asks for or is sent: nothing in it is what he may not
know."""

from __future__ import annotations

import pytest
from tests.security.crawl import Crawl
from tests.security.scale import FULL, told
from tests.security.world import READERS, World


@pytest.mark.parametrize("login", READERS if FULL else ("alice", "carol", "dave", "gina"))
def test_a0_3_nobody_is_told_what_he_may_not_know(still: World, login: str) -> None:
    crawl = Crawl(still, login).run()
    leaks = list(dict.fromkeys(crawl.leaks))
    assert not leaks, f"{len(leaks)} leaks\n" + "\n".join(leaks[:30])
    assert not crawl.faults, "\n".join(crawl.faults)
    told("A0.3", login, crawl.pages, "answers,", crawl.found, "canaries that he may know")
    assert crawl.found > 30, "a crawl that finds nothing proves nothing"
