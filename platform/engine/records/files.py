"""Uploaded files: content by its hash in the company's folder, facts in the database.

A file is nobody's but the uploader's until a record that points at it is saved; from then on
whoever may read that record, and in it a field that holds the file, may read the file. A signature
is read by whoever may know of the case it was given in.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import sqlalchemy as sa

from engine.definitions.model import Field
from engine.fields import FILE
from engine.problems import Problem
from engine.records.failures import Busy, Invalid, NotFound
from engine.records.filekinds import HEAD, PICTURES, accepted, clean_name, ending_of, mime_of
from engine.records.flows.signatures import may_see_signature
from engine.records.reading import read
from engine.records.references import pointers_of
from engine.records.unit import Unit
from engine.records.views import Masked
from engine.tables import system

LARGEST: Final = 50 * 1024 * 1024
_TABLE = system.FILE
_CHUNK: Final = 1 << 18


class Stream(Protocol):
    """Where an upload comes from."""

    def read(self, size: int = ..., /) -> bytes:
        """At most `size` bytes, none at the end."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The facts of a file. `mime` was found out from its content and name, not told by anybody."""

    id: int
    name: str
    size: int
    mime: str
    sha256: str
    at: datetime
    by: int | None

    @property
    def inline(self) -> bool:
        """Whether a browser may show it in place (with "nosniff"); all else is downloaded."""
        return self.mime in PICTURES


def store_upload(
    unit: Unit,
    name: str,
    stream: Stream,
    *,
    field: Field | None = None,
    largest: int = LARGEST,
) -> int:
    """Keep an upload, for `field` if it is known which; its id. Until a record claims it, it is
    the uploader's alone.

    Raises: Invalid for a file that is empty, too large or of a kind that is not accepted; Busy
    when it could not be written.
    """
    name = clean_name(name)
    _check_ending(name, field)
    try:
        digest, size, mime = _keep(_folder(unit), name, stream, largest)
    except OSError as error:  # the disk is full or gone
        raise Busy from error
    id = unit.app.database.ids.next(unit.connection)
    unit.connection.execute(
        sa.insert(_TABLE).values(
            id=id,
            name=name,
            size=size,
            mime=mime,
            sha256=digest,
            at=unit.now,
            by_id=unit.actor.id or None,
        )
    )
    return id


def open_file(unit: Unit, id: int) -> tuple[StoredFile, Path]:
    """A file and where its content is, for somebody who may read it.

    Raises: NotFound otherwise.
    """
    row = unit.connection.execute(
        sa.select(_TABLE).where(_TABLE.c.id == id, _TABLE.c.removed_at.is_(None))
    ).first()
    if row is None or not _may_read(unit, row):
        raise NotFound
    path = _place(_folder(unit), row.sha256)
    if not path.is_file():
        raise NotFound
    return StoredFile(row.id, row.name, row.size, row.mime, row.sha256, row.at, row.by_id), path


def clear_uploads(unit: Unit, before: datetime) -> int:
    """Forget uploads from before a moment that no record has taken; how many.

    Content goes when no file has it any more and nobody sent the same in the meantime.
    """
    open_ = sa.and_(_TABLE.c.record_id.is_(None), _TABLE.c.at < before)
    digests = set(unit.connection.scalars(sa.select(_TABLE.c.sha256).where(open_)))
    gone = unit.connection.execute(sa.delete(_TABLE).where(open_)).rowcount
    for digest in digests:
        used = sa.select(_TABLE.c.id).where(_TABLE.c.sha256 == digest).limit(1)
        path = _place(_folder(unit), digest)
        if unit.connection.execute(used).first() or not path.is_file():
            continue
        if path.stat().st_mtime < before.timestamp():
            path.unlink(missing_ok=True)
    return gone


# --- who may read ------------------------------------------------------------------------------
def _may_read(unit: Unit, row: Any) -> bool:
    if row.record_id is None:
        return unit.actor.system or (row.by_id is not None and row.by_id == unit.actor.id)
    if may_see_signature(unit, row.id):
        return True
    try:
        record = read(unit, row.entity, row.record_id, told=False)
    except NotFound:
        return False
    clear = {name: value for name, value in record.items() if not isinstance(value, Masked)}
    held = pointers_of(unit, unit.app.model.entities[row.entity]).of(clear)
    return any(found.target == FILE and found.id == row.id for found in held)


# --- what may come in --------------------------------------------------------------------------
def _check_ending(name: str, field: Field | None) -> None:
    allowed = accepted(field)
    if ending_of(name) not in allowed:
        raise Invalid([Problem("R303", {"name": name, "allowed": allowed}, _pointer(field))])


def _pointer(field: Field | None) -> str:
    return f"/{field.name}" if field else ""


# --- the folder --------------------------------------------------------------------------------
def _folder(unit: Unit) -> Path:
    if unit.files is None:
        raise NotFound  # a company without a folder has no files
    return unit.files


def _place(folder: Path, digest: str) -> Path:
    """Two levels of folders: no file system likes a million entries in one."""
    return folder / digest[:2] / digest[2:4] / digest


def _keep(folder: Path, name: str, stream: Stream, largest: int) -> tuple[str, int, str]:
    """Write the content under its hash, the same content once; hash, size, kind."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".upload-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as out:
            digest, size, head = _copy(name, stream, out, largest)
            mime = _kind(name, head)
            out.flush()
            os.fsync(out.fileno())
        target = _place(folder, digest)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(draft).replace(target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    for above in (target.parent, target.parent.parent, folder):
        _settle(above)
    return digest, size, mime


def _copy(name: str, stream: Stream, out: BinaryIO, largest: int) -> tuple[str, int, bytes]:
    """Copy to the disk, never more than `largest`; hash, size and beginning."""
    digest, size, head = hashlib.sha256(), 0, b""
    while chunk := stream.read(_CHUNK):
        size += len(chunk)
        if size > largest:
            raise Invalid([Problem("R301", {"most": largest >> 20})])
        if len(head) < HEAD:
            head += chunk[: HEAD - len(head)]
        digest.update(chunk)
        out.write(chunk)
    if not size:
        raise Invalid([Problem("R302", {"name": name})])
    return digest.hexdigest(), size, head


def _kind(name: str, head: bytes) -> str:
    mime = mime_of(name, head)
    if mime is None:
        raise Invalid([Problem("R811", {"name": name})])
    return mime


def _settle(folder: Path) -> None:
    """Make the folder's own entries last through a power cut."""
    if os.name == "nt":
        return  # folders cannot be opened there, and need not be
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
