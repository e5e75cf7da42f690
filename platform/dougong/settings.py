"""What an operator may set: a frozen value read once from the environment.

Every setting is ``DOUGONG_<NAME>``; the command line overrides it. Unsafe values are refused
here, before anything listens.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.storage import StorageError


@dataclass(frozen=True, slots=True)
class Settings:
    """One installation. `data` holds companies, files and the secret key."""

    data: Path
    secret: bytes
    base_url: str = ""  # "https://crm.example.com"; "" only on loopback
    dev: bool = False
    session_hours: int = 12
    upload_mb: int = 20
    smtp_url: str = field(default="", repr=False)  # smtp://user:password@host:587?starttls
    mail_from: str = ""  # "Dougong <work@example.com>"
    private_hosts: str = ""  # hosts inside that webhooks may call: "1", or a list

    @property
    def secure_cookies(self) -> bool:
        return self.base_url.startswith("https://")


def default_data(environ: Mapping[str, str] = os.environ) -> Path:
    """``$DOUGONG_DATA``, else the user's data folder."""
    if given := environ.get("DOUGONG_DATA"):
        return Path(given)
    home = environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / "dougong"


def load_settings(
    data: Path | None = None, *, dev: bool = False, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Settings of the installation in `data`; creates the folder and its secret on first use.

    Raises: StorageError (S-code) when the folder cannot be written or a number is none.
    """
    folder = (data or default_data(environ)).absolute()
    return Settings(
        data=folder,
        secret=_secret(folder),
        base_url=environ.get("DOUGONG_BASE_URL", "").rstrip("/"),
        dev=dev or environ.get("DOUGONG_DEV") == "1",
        session_hours=_number(environ, "DOUGONG_SESSION_HOURS", 12),
        upload_mb=_number(environ, "DOUGONG_UPLOAD_MB", 20),
        smtp_url=environ.get("DOUGONG_SMTP_URL", "").strip(),
        mail_from=environ.get("DOUGONG_MAIL_FROM", "").strip(),
        private_hosts=environ.get("DOUGONG_PRIVATE_HOSTS", "").strip(),
    )


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    given = environ.get(name, "").strip()
    if not given:
        return default
    if not (given.isascii() and given.isdigit() and int(given)):
        raise StorageError("S108", name=name, value=given)
    return int(given)


def _secret(folder: Path) -> bytes:
    """32 random bytes, made once per installation and readable by its owner only."""
    path = folder / "secret"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        pass  # made by an earlier start, or by another worker a moment ago
    except OSError as error:
        raise StorageError("S002", path=str(folder)) from error
    return path.read_bytes()
