"""The built front end: names, compression, and pages without inline code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from flask import Flask
from flask.testing import FlaskClient

import dougong
from dougong.assets import DIST, Assets, NotBuilt, init_assets

HOME = Path(dougong.__file__).parent
PO = HOME / "translations" / "zh_Hans_CN" / "LC_MESSAGES" / "messages.po"
TEMPLATES = sorted((HOME / "templates").rglob("*.html"))


@pytest.fixture
def client() -> Iterator[FlaskClient]:
    app = Flask("assets", static_folder=None)
    init_assets(app)
    with app.test_client() as client:
        yield client


def test_every_address_in_the_tags_is_served_for_ever(client: FlaskClient) -> None:
    tags = Assets.read().tags("src/app.ts", "/static/dist")
    addresses = re.findall(r'(?:href|src)="([^"]+)"', tags)
    assert len(addresses) >= 3
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200
        assert ("immutable" in answer.headers["Cache-Control"]) is ("/assets/" in address)


def test_compressed_when_the_browser_takes_it(client: FlaskClient) -> None:
    name = Assets.read().manifest["src/app.ts"]["file"]
    plain = client.get(f"/static/dist/{name}")
    small = client.get(f"/static/dist/{name}", headers={"Accept-Encoding": "gzip, br"})
    assert plain.headers.get("Content-Encoding") is None
    assert small.headers["Content-Encoding"] == "br"
    assert small.mimetype == plain.mimetype
    assert len(small.data) < len(plain.data) / 2


@pytest.mark.parametrize("name", [".stamp", "assets/../.stamp", "../__init__.py", "nothing.js"])
def test_nothing_else_is_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/static/dist/{name}").status_code == 404


def test_an_unknown_icon_gets_a_neutral_drawing() -> None:
    found = Assets.read()
    assert found.icon("bell", "/x").endswith('#bell"></use></svg>')
    assert "#circle-dot" in found.icon('"><script>', "/x")


def test_a_missing_build_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotBuilt, match="make assets"):
        Assets.read(tmp_path)


def test_licences_of_what_is_bundled_are_enclosed() -> None:
    text = (DIST / "THIRD_PARTY_LICENSES.txt").read_text("utf-8")
    assert all(name in text for name in ("@tabler/core", "@tabler/icons", "htmx.org"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_templates_hold_no_inline_code(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on", text)
    for script in re.findall(r"<script[^>]*>", text):
        assert 'type="application/json"' in script or " src=" in script
    assert text.lstrip().startswith("{#-"), "a template begins with its interface"


def test_every_sentence_is_translated() -> None:
    with PO.open("rb") as stream:
        known = {
            message.id if isinstance(message.id, str) else message.id[0]: message.string
            for message in read_po(stream, locale="zh_Hans_CN")
        }
    methods = [("templates/**.html", "jinja2"), ("**.py", "python")]
    words = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}
    used = {found[2] for found in extract_from_dir(HOME, methods, keywords=words)}
    plain = {text if isinstance(text, str) else text[0] for text in used}
    assert sorted(text for text in plain if not known.get(text)) == []
