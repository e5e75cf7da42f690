"""What may be uploaded: names made safe, and content that is what its name says.

A name's ending says how a file is opened on somebody's computer, so endings are a list of those
that businesses exchange; programs, scripts and pages are not among them. The content has to agree
with the ending, and what the sender calls it counts for nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, Final

import filetype

from engine.definitions.model import Field

LONGEST: Final = 200
HEAD: Final = 8192
"""Bytes from the beginning of a file that tell its kind."""

_OLE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_OPEN: Final = "application/vnd.oasis.opendocument"
_FILM: Final = "mp4 m4v mov m4a 3gp"

# ending -> what it is called, and what the content may turn out to be (`_nature`)
KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "pdf": ("application/pdf", "pdf"),
    "png": ("image/png", "png apng"),
    "jpg": ("image/jpeg", "jpg"),
    "jpeg": ("image/jpeg", "jpg"),
    "gif": ("image/gif", "gif"),
    "webp": ("image/webp", "webp"),
    "bmp": ("image/bmp", "bmp"),
    "tif": ("image/tiff", "tif"),
    "tiff": ("image/tiff", "tif"),
    "heic": ("image/heic", "heic"),
    "doc": ("application/msword", "ole rtf"),
    "xls": ("application/vnd.ms-excel", "ole"),
    "ppt": ("application/vnd.ms-powerpoint", "ole"),
    "docx": (f"{_OFFICE}.wordprocessingml.document", "zip"),
    "xlsx": (f"{_OFFICE}.spreadsheetml.sheet", "zip"),
    "pptx": (f"{_OFFICE}.presentationml.presentation", "zip"),
    "wps": ("application/vnd.ms-works", "ole zip"),
    "et": ("application/octet-stream", "ole zip"),
    "dps": ("application/octet-stream", "ole zip"),
    "ofd": ("application/ofd", "zip"),
    "odt": (f"{_OPEN}.text", "zip"),
    "ods": (f"{_OPEN}.spreadsheet", "zip"),
    "odp": (f"{_OPEN}.presentation", "zip"),
    "rtf": ("application/rtf", "rtf"),
    "txt": ("text/plain", "text"),
    "md": ("text/markdown", "text"),
    "csv": ("text/csv", "text"),
    "xml": ("application/xml", "text"),
    "eml": ("message/rfc822", "text"),
    "msg": ("application/vnd.ms-outlook", "ole"),
    "zip": ("application/zip", "zip"),
    "rar": ("application/vnd.rar", "rar"),
    "7z": ("application/x-7z-compressed", "7z"),
    "dwg": ("image/vnd.dwg", "dwg"),
    "mp3": ("audio/mpeg", "mp3"),
    "m4a": ("audio/mp4", _FILM),
    "wav": ("audio/wav", "wav"),
    "mp4": ("video/mp4", _FILM),
    "mov": ("video/quicktime", _FILM),
}

PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What a browser may show in place: pixels, nothing that runs."""


def clean_name(name: str) -> str:
    """The last part of a path in composed characters, without those that cannot be seen or that
    mean something to a file system; the ending survives when a long name is cut.

    >>> clean_name("C:\\\\docs\\\\..\\\\合同 .pdf")
    '合同.pdf'
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    seen = "".join(" " if sign.isspace() else sign for sign in last)
    # no control, no direction marks, no halves of characters; ":" opens a stream on some systems
    seen = "".join(c for c in seen if unicodedata.category(c)[0] != "C" and c != ":")
    stem, dot, ending = " ".join(seen.split()).rpartition(".")
    stem, ending = stem.strip(" .") or "file", ending.strip()
    if not dot:
        return ending[:LONGEST] or "file"
    return f"{stem[: max(LONGEST - 1 - len(ending), 1)]}.{ending}"[:LONGEST].rstrip(". ")


def mime_of(name: str, head: bytes) -> str | None:
    """The kind of a file by its name, None when its content is something else."""
    kind = KINDS.get(ending_of(name))
    if kind is None:
        return None
    mime, natures = kind
    return mime if _nature(head) in natures.split() else None


def ending_of(name: str) -> str:
    """What stands behind the last dot, in small letters."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def accepted(field: Field | None) -> list[str]:
    """The endings that a field takes: pictures for an image, else what `accept` in its x-ui
    says (as in HTML: ".pdf", "image/*", "text/csv")."""
    if field is None:
        return list(KINDS)
    if field.type == "image":
        return [ending for ending, (mime, _) in KINDS.items() if mime in PICTURES]
    wanted = [part.strip().lower() for part in str(field.ui.get("accept", "")).split(",")]
    wanted = [part for part in wanted if part]
    return [
        ending
        for ending, (mime, _) in KINDS.items()
        if not wanted or any(_matches(part, ending, mime) for part in wanted)
    ]


def _matches(part: str, ending: str, mime: str) -> bool:
    if part.startswith("."):
        return part[1:] == ending
    return part == mime or (part.endswith("/*") and mime.startswith(part[:-1]))


def _nature(head: bytes) -> str:
    """What the content is: a container, text, the name `filetype` has for it, or nothing."""
    if head.startswith(_OLE):
        return "ole"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    found: Any = filetype.guess(head)
    if found is not None:
        return str(found.extension)
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))  # UTF-16, as spreadsheets write it
    return "text" if wide or b"\x00" not in head else ""
