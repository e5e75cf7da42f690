"""The built front end: hashed names from Vite's manifest, icons from the sprite, and the files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, request, send_from_directory
from markupsafe import Markup

DIST = Path(__file__).parent / "static" / "dist"
FOREVER = "public, max-age=31536000, immutable"
SHORT = "public, max-age=300"
ENCODINGS = (("br", ".br"), ("gzip", ".gz"))  # best first
FALLBACK_ICON = "circle-dot"  # packs may name icons that this build does not have


class NotBuilt(RuntimeError):
    """The assets were never built."""

    def __init__(self) -> None:
        super().__init__("the front end is not built: run `make assets` or reinstall the package")


@dataclass(frozen=True)
class Assets:
    """What the build left behind; read once at start."""

    folder: Path
    manifest: dict[str, Any]
    sprite: str
    icons: frozenset[str]

    @classmethod
    def read(cls, folder: Path = DIST) -> Assets:
        """The assets in `folder`.

        Raises: NotBuilt when there are none.
        """
        try:
            manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
            icons = json.loads((folder / "icons.json").read_text("utf-8"))
        except FileNotFoundError as missing:
            raise NotBuilt from missing
        return cls(folder, manifest, icons["file"], frozenset(icons["names"]))

    def tags(self, entry: str, base: str) -> Markup:
        """Style sheets and the module script of `entry`, with addresses under `base`."""
        chunk = self.manifest[entry]
        sign = Markup('<link rel="icon" href="{}/favicon.svg" type="image/svg+xml">')
        parts = [sign.format(base)]
        parts += [
            Markup('<link rel="stylesheet" href="{}/{}">').format(base, sheet)
            for sheet in chunk.get("css", ())
        ]
        parts += [
            Markup('<link rel="modulepreload" href="{}/{}">').format(
                base, self.manifest[name]["file"]
            )
            for name in chunk.get("imports", ())
        ]
        script = Markup('<script type="module" src="{}/{}"></script>')
        parts.append(script.format(base, chunk["file"]))
        return Markup("\n").join(parts)

    def icon(self, name: str, base: str, size: str = "") -> Markup:
        """A drawing from the sprite; decoration only, so hidden from screen readers."""
        known = name if name in self.icons else FALLBACK_ICON
        drawn = Markup('<svg class="i{}" aria-hidden="true"><use href="{}/{}#{}"></use></svg>')
        return drawn.format(f" i-{size}" if size else "", base, self.sprite, known)


def known_icons() -> frozenset[str]:
    """The names of icons that can be drawn; empty, which says nothing, before the build."""
    try:
        return Assets.read().icons
    except NotBuilt:
        return frozenset()


def init_assets(app: Flask, folder: Path = DIST) -> None:
    """Serve the assets under ``/static/dist/`` and give templates `assets()` and `icon()`."""
    found = Assets.read(folder)

    def base() -> str:
        return f"{request.script_root}/static/dist"

    def tags(entry: str = "src/app.ts") -> Markup:
        return found.tags(entry, base())

    drawn = lru_cache(maxsize=1000)(found.icon)

    def icon(name: str, size: str = "") -> Markup:
        return drawn(name, base(), size)

    app.jinja_env.globals.update(assets=tags, icon=icon)
    app.add_url_rule(
        "/static/dist/<path:name>", "dist", lambda name: serve(found.folder, name), methods=["GET"]
    )


def serve(folder: Path, name: str) -> Response:
    """One asset, compressed when the browser accepts it and the build has it that way."""
    if name.startswith(".") or "/." in name:
        abort(404)
    hashed = name.startswith("assets/")
    for encoding, suffix in ENCODINGS if hashed else ():
        if request.accept_encodings[encoding] and (folder / f"{name}{suffix}").is_file():
            kind = guess_type(name)[0] or "application/octet-stream"
            response = send_from_directory(folder, name + suffix, mimetype=kind)
            response.headers["Content-Encoding"] = encoding
            break
    else:
        response = send_from_directory(folder, name)
    response.headers["Cache-Control"] = FOREVER if hashed else SHORT
    response.headers.add("Vary", "Accept-Encoding")
    return response
