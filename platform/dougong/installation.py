"""The companies of one installation: a folder each, opened once per process.

``<data>/companies/<key>/company.json`` says where a company's records live; that folder is the
catalogue (storage.md: company -> database), so adding a company is one atomic rename.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from dougong.settings import Settings
from engine.records.company import Company
from engine.storage import Database, StorageError
from engine.storage.keys import keyring
from engine.tables import system

KEY = re.compile(r"[a-z][a-z0-9-]{0,39}")
POSTGRES = frozenset({"postgresql", "postgres", "postgresql+psycopg"})
RESERVED = frozenset({"static", "healthz", "login", "api", "ops", "favicon"})


@dataclass(frozen=True, slots=True)
class Listing:
    """One line of the catalogue. `url` is "" for an SQLite file in the company's folder."""

    key: str
    title: str
    pack: str
    url: str = ""
    schema: str = ""


class Installation:
    """Opens companies on demand and keeps them open; safe to share between threads."""

    def __init__(self, settings: Settings, *, serve: bool = False) -> None:
        self.settings = settings
        self._serve = serve
        self._folder = settings.data / "companies"
        self._open: dict[str, Company] = {}
        self._lock = threading.Lock()

    def companies(self) -> list[str]:
        """All companies, by key."""
        if not self._folder.is_dir():
            return []
        return sorted(
            entry.name
            for entry in self._folder.iterdir()
            if KEY.fullmatch(entry.name) and (entry / "company.json").is_file()
        )

    def listing(self, key: str) -> Listing | None:
        """The catalogue's line for `key`, None when there is no such company."""
        path = self._folder / key / "company.json"
        if not KEY.fullmatch(key) or not path.is_file():
            return None
        return Listing(**json.loads(path.read_text(encoding="utf-8")))

    def company(self, key: str) -> Company | None:
        """The open company, None when there is none of that name."""
        if (found := self._open.get(key)) is not None:
            return found
        with self._lock:
            if key not in self._open:
                listing = self.listing(key)
                if listing is None:
                    return None
                self._open[key] = self._start(listing)
            return self._open[key]

    def create(self, listing: Listing) -> Company:
        """Enter a new company in the catalogue and open its (still empty) database.

        Raises: StorageError for a bad or taken key, an unwritable folder or a bad database.
        """
        if not KEY.fullmatch(listing.key) or listing.key in RESERVED:
            raise StorageError("S101", key=listing.key)
        scheme = listing.url.partition(":")[0]
        if listing.url and scheme not in POSTGRES:
            raise StorageError("S107", scheme=scheme)
        folder = self._folder / listing.key
        draft = self._folder / f".{listing.key}.new"
        try:
            draft.mkdir(mode=0o700, parents=True, exist_ok=True)
            values = {name: getattr(listing, name) for name in Listing.__slots__}
            text = json.dumps(values, ensure_ascii=False, indent=2)
            kept = draft / "company.json"
            kept.touch(mode=0o600)  # the address of a database may hold a password
            kept.write_text(text + "\n", encoding="utf-8")
            os.rename(draft, folder)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            if folder.exists():
                raise StorageError("S102", key=listing.key) from error
            raise StorageError("S002", path=str(folder)) from error
        try:
            company = self.company(listing.key)
        except StorageError:  # a server that cannot be reached leaves no entry behind
            shutil.rmtree(folder)
            raise
        assert company is not None
        return company

    def drop(self, key: str) -> None:
        """Take a company out of the catalogue and delete its data for good."""
        company = self.company(key)
        if company is None:
            return
        try:
            company.database.drop()
        finally:  # a server that cannot be reached must not keep the key taken
            with self._lock:
                self._open.pop(key, None)
            shutil.rmtree(self._folder / key)

    def close(self) -> None:
        """Close every company's database."""
        with self._lock:
            for company in self._open.values():
                company.database.close()
            self._open.clear()

    def _start(self, listing: Listing) -> Company:
        folder = self._folder / listing.key
        if listing.url:
            schema = listing.schema or listing.key.replace("-", "_")
            database = Database.postgres(listing.url, schema)
        else:
            database = Database.sqlite(folder / "company.sqlite")
        database.keys = keyring(self.settings.keys)
        with database.read() as connection:
            outdated = system.outdated(connection)
        if outdated:  # the platform was renewed since
            database.ddl(system.ensure)
        return Company(listing.key, database, folder / "files")


def packs_roots() -> list[Path]:
    """Where shipped packs are found: the operator's folder first, then the wheel's, then the
    checkout's."""
    found = []
    if given := os.environ.get("DOUGONG_PACKS"):
        found.append(Path(given))
    here = Path(__file__).resolve().parent
    found += [here / "packs", here.parent.parent]
    return [root for root in found if (root / "entity_defs").is_dir()]
