"""``dougong token``: tokens for programs, made and revoked by the operator."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import sqlalchemy as sa

from dougong.commands.options import company_of, with_installation
from dougong.installation import Installation
from engine.access import kept
from engine.accounts import api_tokens
from engine.problems import Problem
from engine.records.failures import Invalid
from engine.records.people import close_logins, find_user
from engine.records.unit import SYSTEM, Unit
from engine.storage import StorageError
from engine.tables.system import USER


@click.group()
def token() -> None:
    """Tokens with which programs act in a person's name."""


@token.command()
@with_installation
@click.argument("key")
@click.argument("login")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    help="ENTITY:RIGHT,RIGHT; * is every entity. May be repeated. Rights: "
    + ", ".join(api_tokens.RIGHTS),
)
@click.option(
    "--days",
    default=api_tokens.DAYS,
    show_default=True,
    type=click.IntRange(1, api_tokens.MOST_DAYS),
    help="How long it holds",
)
def make(
    installation: Installation, key: str, login: str, name: str, scopes: tuple[str, ...], days: int
) -> None:
    """Make a token for LOGIN of the company KEY, called NAME, and print it: this once."""
    company = company_of(installation, key)
    wanted = _scopes(scopes)
    with company.unit(SYSTEM, write=True, source="command") as unit:
        person = _person(unit, key, login)
        problems = api_tokens.check(name, wanted, days, unit.app.model.entities)
        if not problems and api_tokens.too_many(unit.connection, person, unit.now):
            problems = [Problem("T015", {"most": api_tokens.MOST_TOKENS})]
        if problems:
            raise Invalid(problems)
        new = api_tokens.new(person, name, wanted, days, unit.now)
        text = api_tokens.make(unit.app.database, unit.connection, unit.now, new, by=None)
    click.echo(text)


@token.command("list")
@with_installation
@click.argument("key")
@click.option("--login", default="", help="Only this person's")
@click.option("--all", "everything", is_flag=True, help="Revoked ones too")
def list_tokens(installation: Installation, key: str, login: str, everything: bool) -> None:
    """List the tokens of the company KEY: number, start, owner, name, state, last use, scopes."""
    company = company_of(installation, key)
    now = datetime.now(UTC)
    with company.unit(SYSTEM, source="command") as unit:
        person = _person(unit, key, login) if login else None
        found = api_tokens.tokens_of(unit.connection, person, all_of_them=everything)
        people = unit.connection.execute(sa.select(USER.c.id, USER.c.login))
        logins = {row.id: row.login for row in people}
    for one in found:
        rights = " ".join(f"{entity}:{','.join(said)}" for entity, said in kept(one.scopes).items())
        state = "revoked" if one.revoked_at else "until" if one.holds(now) else "expired"
        until = one.revoked_at or one.expires_at
        used = f"{one.used_at:%Y-%m-%d %H:%M} {one.used_from}" if one.used_at else "–"
        line = (one.id, f"{one.start}…", logins[one.user], one.name, f"{state} {until:%Y-%m-%d}")
        click.echo("\t".join(map(str, (*line, used, rights))))


@token.command()
@with_installation
@click.argument("key")
@click.argument("number", type=int)
def revoke(installation: Installation, key: str, number: int) -> None:
    """Revoke the token NUMBER of the company KEY: it opens nothing from the next request on."""
    company = company_of(installation, key)
    with company.unit(SYSTEM, write=True, source="command") as unit:
        if not api_tokens.revoke(unit.connection, unit.now, number):
            raise Invalid([Problem("T017", {"token": number, "key": key})])


def _scopes(said: tuple[str, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in said:
        entity, colon, rights = one.partition(":")
        if not entity or not colon:
            raise Invalid([Problem("T018", {"said": one[:60]})])
        found.setdefault(entity, []).extend(part.strip() for part in rights.split(",") if part)
    return found


def _person(unit: Unit, key: str, login: str) -> int:
    found = find_user(unit.connection, login)
    if found is None:
        guess = close_logins(unit.connection, login)
        raise StorageError("S106", key=key, login=login, guess=guess)
    return int(found["id"])
