"""Commands about companies and their definitions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from dougong.commands.options import company_of, packs_option, roots, with_installation
from dougong.commands.report import command_language, print_problems
from dougong.installation import Installation, Listing
from dougong.startup import start_plugins
from engine.definitions import Sources
from engine.definitions.model import text_of
from engine.packs import load_company
from engine.problems import Severity
from engine.records.explaining.difference import Diff
from engine.records.publish import plan_publish
from engine.records.publish import publish as publish_sources
from engine.records.unit import SYSTEM
from engine.storage import StorageError

_RIGHTS: Final = {"zh-CN": "权限变化：", "en": "Rights of people:"}
_NOTHING: Final = {"zh-CN": "没有变化。", "en": "Nothing would change."}


def load_pack(pack: str, packs: tuple[Path, ...]) -> Sources:
    """The checked sources of a pack; prints its problems and ends the program on errors."""
    from dougong.assets import known_icons

    start_plugins(packs)
    places = roots(packs)
    if not any((root / "entity_defs" / pack / "pack.json").is_file() for root in places):
        raise StorageError("S104", pack=pack, places=[str(place) for place in places])
    model, sources, problems = load_company(places, pack, icons=known_icons())
    print_problems(problems)
    if model is None or any(found.severity is Severity.ERROR for found in problems):
        sys.exit(1)
    return sources


@click.command()
@with_installation
@click.argument("key")
@click.option("--pack", required=True, help="Configuration pack of the company")
@click.option("--title", default="", help="Name of the company  [default: the pack's title]")
@click.option("--database", default="", help="postgresql://… instead of an SQLite file")
@click.option(
    "--admin", default="admin", show_default=True, help="Login of the first administrator"
)
@packs_option
def create(
    installation: Installation,
    key: str,
    pack: str,
    title: str,
    database: str,
    admin: str,
    packs: tuple[Path, ...],
) -> None:
    """Create the company KEY from a pack and print the first administrator's login link."""
    from dougong.setup import create_company, make_login_link

    sources = load_pack(pack, packs)
    company = create_company(installation, Listing(key, title, pack, database), sources, admin)
    click.echo(f"{key}: {company.title(command_language())}")
    click.echo(make_login_link(installation, company, admin, "password"))


@click.command()
@with_installation
def companies(installation: Installation) -> None:
    """List the companies of this installation."""
    for key in installation.companies():
        listing = installation.listing(key)
        assert listing is not None
        place = listing.url.rpartition("@")[2] if listing.url else "SQLite"
        click.echo(f"{key}\t{listing.pack}\t{place}")


@click.command()
@with_installation
@click.argument("key")
@packs_option
def plan(installation: Installation, key: str, packs: tuple[Path, ...]) -> None:
    """Show what publishing the pack's files would change in the company KEY."""
    company = company_of(installation, key)
    sources = load_pack(_pack_of(installation, key), packs)
    found = plan_publish(company, sources, _pack_of(installation, key))
    nothing = [] if found.problems else [text_of(_NOTHING, command_language())]
    for sentence in found.sentences(command_language()) or nothing:
        click.echo(sentence)
    _tell_rights(found.rights)
    print_problems(found.problems)
    sys.exit(1 if any(p.severity is Severity.ERROR for p in found.problems) else 0)


@click.command()
@with_installation
@click.argument("key")
@click.option("--note", default="", help="Why; kept with the version")
@click.option(
    "--accept-rights", is_flag=True, help="Publish although rights of people change as told"
)
@packs_option
def publish(
    installation: Installation, key: str, note: str, accept_rights: bool, packs: tuple[Path, ...]
) -> None:
    """Publish the pack's files to the company KEY while people work."""
    company = company_of(installation, key)
    pack = _pack_of(installation, key)
    sources = load_pack(pack, packs)
    plan_found = plan_publish(company, sources, pack)
    for sentence in plan_found.sentences(command_language()):
        click.echo(sentence)
    print_problems(plan_found.warnings)
    _tell_rights(plan_found.rights)
    seen = plan_found.rights.hash if accept_rights else ""
    publish_sources(company, sources, pack, SYSTEM, note, acknowledged=seen)
    title = text_of(company.current.model.title, command_language())
    click.echo(f"{key}: {title} · {company.current.model.hash[:12]}")


@click.command()
@with_installation
@click.argument("key")
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
def backup(installation: Installation, key: str, target: Path) -> None:
    """Copy the records of KEY to the file TARGET while people work (SQLite)."""
    company_of(installation, key).database.backup(target)
    click.echo(str(target))


def _tell_rights(rights: Diff) -> None:
    """Who gains or loses what, before it happens."""
    if not rights.empty:
        click.secho(text_of(_RIGHTS, command_language()), bold=True)
    for sentence in rights.sentences(command_language()):
        click.echo(f"  {sentence}")


def _pack_of(installation: Installation, key: str) -> str:
    listing = installation.listing(key)
    if listing is None:
        raise StorageError("S103", key=key, known=installation.companies() or "–")
    return listing.pack
