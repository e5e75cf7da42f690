"""What an operator may set: a frozen value read once from the environment.

Every setting is ``DOUGONG_<NAME>``; the command line overrides it. Unsafe values are refused
here, before anything listens.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from engine.storage import StorageError
from engine.storage.keys import VARIABLE, new_key

KEYS: Final = "keys"


@dataclass(frozen=True, slots=True)
class Settings:
    """One installation. `data` holds companies, files and the secret key."""

    data: Path
    secret: bytes = field(repr=False)
    base_url: str = ""  # "https://crm.example.com"; "" only on loopback
    dev: bool = False
    session_hours: int = 12
    upload_mb: int = 20
    smtp_url: str = field(default="", repr=False)  # smtp://user:password@host:587?starttls
    mail_from: str = ""  # "Dougong <work@example.com>"
    private_hosts: str = ""  # hosts inside that webhooks may call: "1", or a list
    proxies: int = 0  # how many of our own stand before us and tell the client's address
    oidc: Provider | None = None
    keys: str = field(default="", repr=False)  # what encrypts values: "name:base64url,older:…"
    keys_beside: bool = False  # the keys lie in the data folder: for trying out only

    @property
    def secure_cookies(self) -> bool:
        return self.base_url.startswith("https://")


@dataclass(frozen=True, slots=True)
class Provider:
    """The identity provider of the installation (OpenID Connect)."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    name: str = ""  # what the button of the login page says
    provision: bool = False  # whether people it knows and we do not get an account, without roles


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
    base_url = environ.get("DOUGONG_BASE_URL", "").rstrip("/")
    behind = 1 if base_url.startswith("https://") else 0  # we do not speak TLS: somebody else does
    found = Settings(
        data=folder,
        secret=_secret(folder),
        base_url=base_url,
        dev=dev or environ.get("DOUGONG_DEV") == "1",
        session_hours=_number(environ, "DOUGONG_SESSION_HOURS", 12),
        upload_mb=_number(environ, "DOUGONG_UPLOAD_MB", 20),
        smtp_url=environ.get("DOUGONG_SMTP_URL", "").strip(),
        mail_from=environ.get("DOUGONG_MAIL_FROM", "").strip(),
        private_hosts=environ.get("DOUGONG_PRIVATE_HOSTS", "").strip(),
        proxies=_number(environ, "DOUGONG_PROXIES", behind),
        oidc=_provider(environ),
        keys=environ.get(VARIABLE, "").strip() or _keys_of(folder),
        keys_beside=not environ.get(VARIABLE, "").strip() and bool(_keys_of(folder)),
    )
    return keep_keys(found) if found.dev else found


def keep_keys(settings: Settings) -> Settings:
    """The settings with a key, a fresh one in the data folder when the operator gave none. Whoever
    takes the folder then has data and key together: for demonstrations and development."""
    if settings.keys:
        return settings
    try:
        path = settings.data / KEYS
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(new_key("demo") + "\n")
    except FileExistsError:
        pass  # another process was faster
    except OSError as error:
        raise StorageError("S002", path=str(settings.data)) from error
    return replace(settings, keys=_keys_of(settings.data), keys_beside=True)


def _keys_of(folder: Path) -> str:
    path = folder / KEYS
    return path.read_text(encoding="ascii").strip() if path.is_file() else ""


def _provider(environ: Mapping[str, str]) -> Provider | None:
    """Who logs people in beside us. Raises: StorageError when only half of it is set."""
    issuer = environ.get("DOUGONG_OIDC_ISSUER", "").strip()
    client = environ.get("DOUGONG_OIDC_CLIENT_ID", "").strip()
    if not issuer and not client:
        return None
    if not issuer or not client:
        raise StorageError("T150", missing="CLIENT_ID" if issuer else "ISSUER")
    return Provider(
        issuer=issuer,
        client_id=client,
        client_secret=environ.get("DOUGONG_OIDC_CLIENT_SECRET", "").strip(),
        name=environ.get("DOUGONG_OIDC_NAME", "").strip(),
        provision=environ.get("DOUGONG_OIDC_PROVISION", "").strip() == "1",
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
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        pass  # made by an earlier start, or by another worker a moment ago
    except OSError as error:
        raise StorageError("S002", path=str(folder)) from error
    return path.read_bytes()
