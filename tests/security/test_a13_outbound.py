"""A13 Addresses that people enter lead to the internet and nowhere else: refused when they are
saved, and again when something is sent."""

from __future__ import annotations

from typing import Final

import pytest
import sqlalchemy as sa
from tests.security.world import World
from tests.unit.channels.test_net import INSIDE, MALFORMED

from engine.tables import system

ALL: Final = (*INSIDE, *MALFORMED)


@pytest.mark.parametrize("url", ALL, ids=range(len(ALL)))
def test_a13_1_no_channel_leads_inside(kept: World, url: str) -> None:
    """At the door where administrators set channels up."""
    admin = kept.served.visitor("t1", "admin")
    answer = admin.form(
        "/admin/channels/new/webhook", [("name", "Hook"), ("url", url), ("secret", "s" * 20)]
    )
    assert answer.status_code == 422
    with kept.served.company("t1").database.read() as connection:
        assert not connection.execute(sa.select(system.CHANNEL)).all()


@pytest.mark.parametrize("key", ["http://127.0.0.1/", "../../x", "a/../b", "key&server=http://x",
                                 "x@127.0.0.1", "key#x", "a b c d e f", "\r\nHost: x"])  # fmt: skip
@pytest.mark.parametrize("kind", ["wecom", "dingtalk"])
def test_a13_1_a_robots_key_is_no_address(kept: World, kind: str, key: str) -> None:
    admin = kept.served.visitor("t1", "admin")
    form = [("name", "Group"), ("key", key), ("token", key), ("secret", "")]
    assert admin.form(f"/admin/channels/new/{kind}", form).status_code == 422
    with kept.served.company("t1").database.read() as connection:
        assert not connection.execute(sa.select(system.CHANNEL)).all()
