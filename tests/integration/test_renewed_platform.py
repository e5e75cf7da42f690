"""A company that an older platform left behind: its tables are brought up when it is opened."""

from __future__ import annotations

import shutil
from pathlib import Path

import sqlalchemy as sa
from tests.web import KEY

from dougong.installation import Installation
from dougong.settings import load_settings
from engine.tables import system


def test_tables_of_a_newer_platform_come_with_the_first_opening(
    prepared: Path, tmp_path: Path
) -> None:
    data = tmp_path / "old"
    shutil.copytree(prepared, data)
    installation = Installation(load_settings(data))
    company = installation.company(KEY)
    assert company is not None
    with company.database.write() as connection:  # as it was before notices and worker
        connection.execute(sa.text("DROP TABLE dg_notice"))
        connection.execute(sa.text("DROP INDEX dg_wf_instance_parent_key"))
        connection.execute(sa.text("ALTER TABLE dg_wf_instance DROP COLUMN parent_key"))
        connection.execute(sa.text("DELETE FROM dg_setting"))
        assert system.outdated(connection)
    installation.close()
    again = Installation(load_settings(data)).company(KEY)
    assert again is not None
    with again.database.read() as connection:
        assert not system.outdated(connection)
        assert connection.execute(sa.select(system.NOTICE)).all() == []
        assert connection.execute(sa.select(system.WF_INSTANCE.c.parent_key)).all() == []
    again.database.close()
