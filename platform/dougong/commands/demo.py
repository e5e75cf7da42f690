"""``dougong demo``: companies with sample data, ready to click through."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import click

from dougong.commands.companies import load_pack
from dougong.commands.options import with_installation
from dougong.commands.report import command_language
from dougong.commands.serve import run_server
from dougong.installation import Installation, Listing, packs_roots
from dougong.settings import keep_keys
from dougong.setup import create_company, make_login_link
from engine.definitions.model import text_of
from engine.packs.loading import load_samples
from engine.packs.specs import read_spec
from engine.records.people import list_users


@click.command()
@with_installation
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--prepare-only", is_flag=True, help="Load the data and print the links, do not serve"
)
def demo(installation: Installation, host: str, port: int, prepare_only: bool) -> None:
    """Load the demonstration companies (once), print their addresses and login links, serve."""
    installation.settings = keep_keys(installation.settings)
    known = set(installation.companies())
    entries = _companies()
    for entry in entries:
        if entry["key"] not in known:
            _load(installation, entry["key"], entry["pack"])
    base = f"http://{host}:{port}"
    for entry in entries:
        _tell(installation, entry, base)
    click.echo()
    if not prepare_only:
        run_server(installation, host, port)


def _tell(installation: Installation, entry: Mapping[str, Any], base: str) -> None:
    """The company's address, and a login link for some people of every kind."""
    company = installation.company(entry["key"])
    assert company is not None
    language = command_language()
    click.secho(f"\n{company.title(language)}   {base}/{company.key}/", bold=True)
    roles = company.current.model.roles
    with company.database.read() as connection:
        people = {row["login"]: row for row in list_users(connection)}
    for login in entry["logins"]:
        person = people[login]
        held = ", ".join(text_of(roles[name].title, language) for name in person["roles"])
        click.echo(f"  {person['name']} · {held}")
        click.echo(f"    {make_login_link(installation, company, login, 'login', base)}")


def _companies() -> list[dict[str, Any]]:
    """The demonstration's list: ``entity_defs/demo.json`` of the first root that has one."""
    for root in packs_roots():
        path = root / "entity_defs" / "demo.json"
        if path.is_file():
            found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["companies"]
            return found
    raise click.ClickException("entity_defs/demo.json not found")


def _load(installation: Installation, key: str, pack: str) -> None:
    start = time.perf_counter()
    click.echo(f"{key} … ", nl=False)
    company = create_company(installation, Listing(key, "", pack), load_pack(pack, ()))
    try:
        counts = load_samples(company, read_spec(packs_roots(), pack))
    except BaseException:
        installation.drop(key)  # half a demonstration would stay half for ever
        raise
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    click.echo(f"{told} ({time.perf_counter() - start:.1f} s)")
