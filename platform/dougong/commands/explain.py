"""``dougong explain``: why somebody may or may not do something, and what would allow it."""

from __future__ import annotations

import json
import sys

import click

from dougong.commands.options import company_of, with_installation
from dougong.commands.report import command_language
from dougong.installation import Installation
from engine.records.explaining.answer import words
from engine.records.explaining.explaining import Question, explain, subject_for
from engine.records.explaining.seeing import note_view
from engine.records.people import close_logins, find_user
from engine.records.unit import SYSTEM
from engine.storage import StorageError


@click.command("explain")
@with_installation
@click.argument("company")
@click.argument("user")
@click.argument("entity")
@click.argument("record", required=False)
@click.argument("action", required=False)
@click.option("--field", default="", help="A field of the record, or LINES.COLUMN")
@click.option("--json", "as_json", is_flag=True, help="Print JSON")
def explain_command(
    installation: Installation,
    company: str,
    user: str,
    entity: str,
    record: str | None,
    action: str | None,
    field: str,
    as_json: bool,
) -> None:
    """Tell why USER (a login) may or may not do ACTION with the RECORD (a number) of ENTITY, and
    which changes would allow it. Without RECORD it is about the list, or a new record. ACTION is
    read, write, create, delete, export, share, reveal or an event of the workflow. Ends with 1 for
    a no."""
    place = company_of(installation, company)
    number, wanted = _read(record, action)
    question = Question(entity, wanted, number, field)
    with place.unit(SYSTEM, source="command") as unit:
        row = find_user(unit.connection, user)
        if row is None:
            guess = close_logins(unit.connection, user)
            raise StorageError("S106", key=company, login=user, guess=guess)
        told = explain(unit, row["id"], entity, number, wanted, field)
        subject = subject_for(unit, row["id"]).actor
    with place.unit(SYSTEM, write=True, source="command") as unit:
        note_view(unit, subject, question)
    if as_json:
        click.echo(json.dumps(told.to_json(command_language()), ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(words(told, command_language())))
    if not told.allowed:
        sys.exit(1)


def _read(record: str | None, action: str | None) -> tuple[int | None, str]:
    """`[RECORD] ACTION`: a word where a number could stand is the action."""
    if record is None:
        return None, "read"
    if record.isascii() and record.isdigit() and len(record) < 18:
        return int(record), action or "read"
    if action is not None:
        raise click.BadParameter(record, param_hint="RECORD")
    return None, record
