"""``dougong privacy``: reports on personal data, and its erasure, for operators."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dougong.commands.options import company_of, with_installation
from dougong.installation import Installation
from engine.records.privacy.erasure import Erased, erase, preview
from engine.records.privacy.report import report
from engine.records.unit import SYSTEM


@click.group()
def privacy() -> None:
    """What is held about a person. ENTITY is an entity of persons, or "user" for an account."""


@privacy.command("report")
@with_installation
@click.argument("key")
@click.argument("entity")
@click.argument("id", type=int)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="A file, not the screen"
)
def report_(installation: Installation, key: str, entity: str, id: int, out: Path | None) -> None:
    """Everything that the company KEY holds about the person, as JSON."""
    with company_of(installation, key).unit(SYSTEM, write=True, source="command") as unit:
        found = report(unit, entity, id)
    words = json.dumps(found.to_json(), ensure_ascii=False, indent=1)
    if out is None:
        click.echo(words)
        return
    out.touch(mode=0o600)
    out.write_text(words + "\n", encoding="utf-8")
    click.echo(out)


@privacy.command("erase")
@with_installation
@click.argument("key")
@click.argument("entity")
@click.argument("id", type=int)
@click.option("--reason", default="", help="Kept with the erasure")
@click.option("--yes", is_flag=True, help="Do it; without, only tell what would be done")
def erase_(
    installation: Installation, key: str, entity: str, id: int, reason: str, yes: bool
) -> None:
    """Erase what the company KEY holds about the person."""
    company = company_of(installation, key)
    if not yes:
        _tell(preview(company, SYSTEM, entity, id))
        click.echo("Nothing was changed; --yes erases.")
        return
    _tell(erase(company, SYSTEM, entity, id, reason=reason, source="command"))


def _tell(found: Erased) -> None:
    click.echo(found.label)
    for name, number in found.counts.items():
        click.echo(f"  {name}\t{number:,}")
    for one in found.stays:
        place = f"\t#{one.id} {one.label}" if one.id else ""
        click.echo(f"  stays: {one.why}{place}")
