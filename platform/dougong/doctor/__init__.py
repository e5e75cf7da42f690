"""The doctor: every setting and state that is unsafe, each with a remedy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime

from dougong.doctor.companies import company_findings, database_findings
from dougong.doctor.finding import Finding, Level, advice, unsafe
from dougong.doctor.process import file_findings, is_loopback, settings_findings
from dougong.installation import Installation
from dougong.settings import Settings
from engine.storage import StorageError

__all__ = ["Finding", "Level", "advice", "findings", "is_loopback", "stopping", "unsafe"]


def findings(
    installation: Installation,
    settings: Settings | None = None,
    *,
    host: str = "127.0.0.1",
    environ: Mapping[str, str] = os.environ,
    now: datetime | None = None,
) -> list[Finding]:
    """Everything there is to say, the unsafe first."""
    found = [*settings_findings(settings or installation.settings, host, environ)]
    found += file_findings(installation)
    for key in installation.companies():
        try:
            company = installation.company(key)
        except StorageError as error:
            found.append(Finding("unsafe", error.problem, key))
            continue
        if company is not None:
            found += company_findings(company, now or datetime.now(UTC))
    return sorted(found, key=lambda one: one.level != "unsafe")


def stopping(
    installation: Installation, host: str, environ: Mapping[str, str] = os.environ
) -> list[Finding]:
    """What no server starts with: settings and files, and databases that could lose data. One
    that cannot be reached is no reason: it may come later."""
    found = [*settings_findings(installation.settings, host, environ)]
    found += file_findings(installation)
    for key in installation.companies():
        listing = installation.listing(key)
        if listing is None or not listing.url:  # SQLite's settings are read back whenever it opens
            continue
        try:
            company = installation.company(key)
            assert company is not None
            with company.database.read() as connection:
                found += database_findings(company, connection)
        except StorageError:
            continue
    return [one for one in found if one.stops]
