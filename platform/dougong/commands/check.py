"""``dougong check PATH``: every problem of every pack, before anything is published."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dougong.commands.options import roots
from dougong.commands.report import print_problems
from dougong.startup import start_plugins
from engine.packs import load_company
from engine.problems import Severity


@click.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("packs", nargs=-1)
def check(path: Path, packs: tuple[str, ...]) -> None:
    """Check the packs in PATH, a folder with entity_defs/ and workflows/: all or the named ones."""
    start_plugins([path])
    folder = path / "entity_defs"
    names = packs or sorted(found.parent.name for found in folder.glob("*/pack.json"))
    if not names:
        message = f"no entity_defs/<pack>/pack.json below {path}"
        raise click.ClickException(message)
    failed = False
    for name in names:
        model, _, problems = load_company([path.resolve(), *roots(())], name)
        print_problems(problems)
        errors = sum(found.severity is Severity.ERROR for found in problems)
        failed = failed or bool(errors)
        size = f"{len(model.entities)} entities, {len(model.workflows)} workflows" if model else "–"
        click.echo(f"{name}: {size}, {errors} errors, {len(problems) - errors} warnings")
    sys.exit(1 if failed else 0)
