"""What can be said of an installation without opening a company: its settings and its files."""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from dougong.channels.email import MailServer
from dougong.channels.net import Private
from dougong.doctor.finding import Finding, advice, unsafe
from dougong.installation import Installation
from dougong.settings import KEYS, Settings

SECRET_BYTES: Final = 32
LONG_SESSIONS: Final = 24 * 7  # hours
LOOKED_AT: Final = 20_000  # files, then it is enough
_OTHERS: Final = stat.S_IRWXO
_NOT_OWN: Final = stat.S_IRWXG | stat.S_IRWXO
_ENCRYPTED: Final = frozenset({"require", "verify-ca", "verify-full"})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return False


def settings_findings(
    settings: Settings, host: str = "127.0.0.1", environ: Mapping[str, str] = os.environ
) -> Iterator[Finding]:
    """What the environment says. `host`: where the server listens."""
    yield from _address(settings, host)
    if environ.get("FLASK_DEBUG", "0").lower() not in ("", "0", "false", "no"):
        yield unsafe("T107", setting="FLASK_DEBUG")
    outside = not is_loopback(host) or bool(settings.base_url)
    if environ.get("DOUGONG_DEV") == "1" and outside:
        yield unsafe("T108")
    private = Private.read(settings.private_hosts)
    if private.everything:
        yield unsafe("T109")
    mail = MailServer.read(settings.smtp_url, settings.mail_from)
    if mail is not None and mail.mode == "plain" and not is_loopback(mail.host):
        yield unsafe("T110", host=mail.host)
    if settings.oidc is not None:
        issuer = urlsplit(settings.oidc.issuer)
        if issuer.scheme != "https" and not is_loopback(issuer.hostname or ""):
            yield unsafe("T122", issuer=settings.oidc.issuer)
    if settings.keys_beside and not settings.dev:
        yield advice("T129")
    if settings.session_hours > LONG_SESSIONS:
        yield advice("T125", hours=settings.session_hours)


def _address(settings: Settings, host: str) -> Iterator[Finding]:
    """How people reach us."""
    base = urlsplit(settings.base_url)
    if not settings.base_url:
        yield advice("T121") if is_loopback(host) else unsafe("T105", host=host)
    elif base.scheme != "https" and not is_loopback(base.hostname or ""):
        yield unsafe("T106", url=settings.base_url)
    elif not is_loopback(host):
        yield advice("T126", host=host)


def file_findings(installation: Installation) -> Iterator[Finding]:
    """What lies in the data folder, and who may read it."""
    folder = installation.settings.data
    if len(installation.settings.secret) < SECRET_BYTES:
        yield unsafe("T101", path=str(folder / "secret"), least=SECRET_BYTES)
    if installation.settings.keys_beside:
        yield unsafe("Y040", path=str(folder / KEYS))
    if os.name != "posix":
        return
    if _mode(folder / "secret") & _NOT_OWN:
        yield unsafe("T102", path=str(folder / "secret"))
    if _mode(folder) & _OTHERS:
        yield unsafe("T103", path=str(folder))
        open_ = list(_open_files(folder))
        if open_:
            yield advice("T104", path=str(folder), count=len(open_), first=str(open_[0]))
    for key in installation.companies():
        listing = installation.listing(key)
        if listing is not None and listing.url:
            yield from _server(key, listing.url)


def _server(key: str, url: str) -> Iterator[Finding]:
    """A database on another machine is spoken to under TLS, or somebody listens."""
    parts = urlsplit(url)
    mode = parse_qs(parts.query).get("sslmode", [os.environ.get("PGSSLMODE", "")])[-1]
    host = parts.hostname or ""
    if host and not is_loopback(host) and mode not in _ENCRYPTED:
        yield unsafe("T113", company=key, host=host)


def _open_files(folder: Path) -> Iterator[Path]:
    seen = 0
    for place, _, names in os.walk(folder):
        for name in names:
            seen += 1
            if seen > LOOKED_AT:
                return
            if _mode(Path(place) / name) & stat.S_IROTH:
                yield Path(place) / name


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0
