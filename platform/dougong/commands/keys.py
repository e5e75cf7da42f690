"""``dougong keys``: the keys that encrypt values, where they are used, and changing them."""

from __future__ import annotations

import click

from dougong.commands.options import company_of, with_installation
from dougong.installation import Installation
from engine.records.rotation import rotate, status
from engine.storage.keys import VARIABLE, new_key


@click.group()
def keys() -> None:
    """Make, look at and change the keys of encrypted fields ($DOUGONG_KEYS)."""


@keys.command("new")
@click.argument("name", default="main")
def new(name: str) -> None:
    """Print a fresh key called NAME, as it stands in the environment. Keep a copy where backups do
    not go: without it nobody can read what it encrypted."""
    click.echo(new_key(name))


@keys.command("status")
@with_installation
@click.argument("key")
def status_(installation: Installation, key: str) -> None:
    """Which keys the values of the company KEY are encrypted with, and how many by each."""
    company = company_of(installation, key)
    found = status(company)
    if not found.counts:
        click.echo("Nothing is encrypted.")
    for name, counts in found.counts.items():
        active = " (active)" if name == found.active else ""
        click.echo(f"{name}{active}: {found.total(name):,} values")
        for place, many in sorted(counts.items()):
            click.echo(f"  {place}\t{many:,}")
    for name in company.database.keys.names:
        if name not in found.counts and name != found.active:
            click.echo(f"{name}: not used here; {VARIABLE} can do without it")


@keys.command("rotate")
@with_installation
@click.argument("key")
@click.option("--from", "old", default="", help="Only what this key encrypted")
def rotate_(installation: Installation, key: str, old: str) -> None:
    """Encrypt the values of the company KEY anew with the first key of $DOUGONG_KEYS. People go on
    working; when it was stopped, begin it again."""
    company = company_of(installation, key)

    def told(place: str, done: int) -> None:
        click.echo(f"  {place}\t{done:,}")

    found = rotate(company, old=old, told=told)
    click.echo(f"{found.total:,} values encrypted with {company.database.keys.active}")
