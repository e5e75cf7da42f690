"""Bring the Chinese catalogue up to date with the sentences in code and templates.

``python scripts/update_translations.py`` keeps what is translated, drops what is no longer said and
prints the sentences that wait for their Chinese words; they go into the .po file by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

SHELL = Path(__file__).resolve().parent.parent / "platform" / "dougong"
LOCALE = "zh_Hans_CN"
TARGET = SHELL / "translations" / LOCALE / "LC_MESSAGES" / "messages.po"
SOURCES = [("templates/**.html", "jinja2"), ("**.py", "python")]
WORDS = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}


def fresh() -> Catalog:
    """Every sentence that is said today, without its translation."""
    found = Catalog(
        locale=LOCALE,
        project="Dougong",
        version="0.1",
        fuzzy=False,
        header_comment="# Simplified Chinese words of the shell.",
        copyright_holder="The Dougong authors",
        charset="utf-8",
    )
    for file, _, message, _, _ in extract_from_dir(str(SHELL), SOURCES, keywords=WORDS):
        found.add(message, locations=[(file, None)])
    return found


def main() -> int:
    """Merge and write; 1 when something waits to be translated."""
    wanted = fresh()
    with TARGET.open("rb") as stream:
        known = read_po(stream, locale=LOCALE)
    waiting = []
    for message in wanted:
        if not message.id:
            continue
        before = known.get(message.id)
        if before is not None and before.string:
            message.string = before.string
        else:
            waiting.append(message.id)
    with TARGET.open("wb") as stream:
        write_po(stream, wanted, sort_output=True, width=100, include_lineno=False)
    for sentence in waiting:
        sys.stdout.write(f"not translated: {sentence}\n")
    return 1 if waiting else 0


if __name__ == "__main__":
    sys.exit(main())
