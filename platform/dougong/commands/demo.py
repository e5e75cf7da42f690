"""``dougong demo``: companies with sample data, ready to click through."""

from __future__ import annotations

import json
import time

import click

from dougong.commands.companies import load_pack
from dougong.commands.options import with_installation
from dougong.commands.report import command_language
from dougong.commands.serve import run_server
from dougong.installation import Installation, Listing, packs_roots
from dougong.setup import create_company, make_login_link
from engine.packs.loading import load_samples
from engine.packs.specs import read_spec


@click.command()
@with_installation
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--prepare-only", is_flag=True, help="Load the data and print the links, do not serve"
)
def demo(installation: Installation, host: str, port: int, prepare_only: bool) -> None:
    """Load the demonstration companies (once), print their addresses and login links, serve."""
    known = set(installation.companies())
    entries = _companies()
    for entry in entries:
        if entry["key"] not in known:
            _load(installation, entry["key"], entry["pack"])
    base = f"http://{host}:{port}"
    for entry in entries:
        company = installation.company(entry["key"])
        assert company is not None
        click.secho(f"\n{company.title(command_language())}   {base}/{company.key}/", bold=True)
        for login in entry.get("logins", ["admin"]):
            click.echo(
                f"  {login:<10} {make_login_link(installation, company, login, 'login', base)}"
            )
    click.echo()
    if not prepare_only:
        run_server(installation, host, port)


def _companies() -> list[dict[str, str]]:
    """The demonstration's list: ``entity_defs/demo.json`` of the first root that has one."""
    for root in packs_roots():
        path = root / "entity_defs" / "demo.json"
        if path.is_file():
            found: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))["companies"]
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
