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
from engine.storage import StorageError


@click.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("packs", nargs=-1)
def check(path: Path, packs: tuple[str, ...]) -> None:
    """Check the packs in PATH, a folder with entity_defs/ and workflows/: all or the named ones."""
    from dougong.assets import known_icons

    start_plugins([path])
    folder = path / "entity_defs"
    names = packs or sorted(found.parent.name for found in folder.glob("*/pack.json"))
    if not names:
        message = f"no entity_defs/<pack>/pack.json below {path}"
        raise click.ClickException(message)
    failed = False
    for name in names:
        places = list(dict.fromkeys([path.resolve(), *roots(())]))
        if not any((root / "entity_defs" / name / "pack.json").is_file() for root in places):
            raise StorageError("S104", pack=name, places=[str(place) for place in places])
        model, _, problems = load_company(places, name, icons=known_icons())
        print_problems(problems)
        errors = sum(found.severity is Severity.ERROR for found in problems)
        failed = failed or bool(errors)
        size = _told(len(model.entities), len(model.workflows)) if model else "–"
        warnings = len(problems) - errors
        click.echo(f"{name}: {size}, {_many(errors, 'error')}, {_many(warnings, 'warning')}")
    sys.exit(1 if failed else 0)


def _told(entities: int, workflows: int) -> str:
    return f"{_many(entities, 'entity', 'entities')}, {_many(workflows, 'workflow')}"


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"
