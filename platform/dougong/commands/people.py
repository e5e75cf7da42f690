"""Commands about people: accounts, login links, and what becomes of the work of those who leave."""

from __future__ import annotations

import click

from dougong.commands.options import company_of, with_installation
from dougong.commands.report import command_language, print_problems
from dougong.installation import Installation
from dougong.setup import make_login_link
from engine.accounts import identities
from engine.definitions.model import text_of
from engine.problems import text
from engine.records import handover as handing
from engine.records import leaving
from engine.records.people import close_logins, find_user
from engine.records.personnel import users
from engine.records.personnel.entrance import reset_factor
from engine.records.unit import SYSTEM, Unit
from engine.storage import StorageError


@click.command()
@with_installation
@click.argument("key")
@click.argument("login")
@click.argument("name")
@click.option("--role", "roles", multiple=True, help="A role; may be repeated")
@click.option("--operator", is_flag=True, help="May use the back office")
def user(
    installation: Installation,
    key: str,
    login: str,
    name: str,
    roles: tuple[str, ...],
    operator: bool,
) -> None:
    """Create the account LOGIN for NAME in the company KEY and print its first link."""
    company = company_of(installation, key)
    with company.unit(SYSTEM, write=True, source="command") as unit:
        users.invite(unit, login, {"name": name, "roles": roles, "is_operator": operator})
    click.echo(make_login_link(installation, company, login, "invite"))


@click.command("login-link")
@with_installation
@click.argument("key")
@click.argument("login")
@click.option("--password", is_flag=True, help="The link also sets a new password")
def login_link(installation: Installation, key: str, login: str, password: bool) -> None:
    """Print a link that logs LOGIN in once."""
    company = company_of(installation, key)
    click.echo(make_login_link(installation, company, login, "password" if password else "login"))


@click.group()
def people() -> None:
    """Who leaves: closing accounts and handing work over."""


@people.command("close")
@with_installation
@click.argument("key")
@click.argument("login")
def close(installation: Installation, key: str, login: str) -> None:
    """Close the account LOGIN of the company KEY: what waits for it finds others."""
    company = company_of(installation, key)
    with company.unit(SYSTEM, write=True, source="command") as unit:
        person = _person(unit, key, login)
        found = leaving.close_account(unit, person)
    click.echo(f"{login}: {found.moved.tasks}")
    print_problems([problem for one in found.moved.stuck for problem in one.problems])


@people.command("open")
@with_installation
@click.argument("key")
@click.argument("login")
def reopen(installation: Installation, key: str, login: str) -> None:
    """Open the account LOGIN of the company KEY again."""
    company = company_of(installation, key)
    with company.unit(SYSTEM, write=True, source="command") as unit:
        leaving.open_account(unit, _person(unit, key, login))


@people.command("reset-factor")
@with_installation
@click.argument("key")
@click.argument("login")
def reset(installation: Installation, key: str, login: str) -> None:
    """Take the second factor of LOGIN away, who lost it; logs LOGIN out everywhere."""
    company = company_of(installation, key)
    with company.unit(SYSTEM, write=True, source="command") as unit:
        reset_factor(unit, _person(unit, key, login))
    click.echo(login)


@people.command("unlink")
@with_installation
@click.argument("key")
@click.argument("login")
def unlink(installation: Installation, key: str, login: str) -> None:
    """Forget the identities of LOGIN at the identity provider: the next login links anew."""
    company = company_of(installation, key)
    with company.unit(SYSTEM, write=True, source="command") as unit:
        count = identities.unlink(unit.connection, unit.now, _person(unit, key, login))
    click.echo(f"{login}: {count}")


@people.command("handover")
@with_installation
@click.argument("key")
@click.option("--from", "leaver", required=True, help="Login of who leaves")
@click.option("--to", "heir", required=True, help="Login of the successor")
@click.option("--part", "parts", multiple=True, help="Only this part; may be repeated")
@click.option("--note", default="", help="Why; stands in the history of every record")
@click.option("--dry-run", is_flag=True, help="Only count what there is")
def handover(
    installation: Installation,
    key: str,
    leaver: str,
    heir: str,
    parts: tuple[str, ...],
    note: str,
    dry_run: bool,
) -> None:
    """Hand everything of one person of the company KEY over to another."""
    company = company_of(installation, key)
    language = command_language()
    with company.unit(SYSTEM, source="command", write=not dry_run) as unit:
        person, to = _person(unit, key, leaver), _person(unit, key, heir)
        found = handing.preview(unit, person)
        for section in found.sections:
            mark = " " if section.usual or section.key in parts else "-"
            title = text_of(section.title, language)
            click.echo(f"{mark} {section.count:>7,}  {section.key}  {title}")
        print_problems(found.remarks)
        chosen = parts or [one.key for one in found.sections if one.usual]
        if dry_run or not chosen:
            return
        done = handing.execute(unit, person, dict.fromkeys(chosen, to), note)
    click.echo(f"{leaver} → {heir}: {sum(done.moved.values()):,}")
    if done.left:
        click.echo(f"… {done.left:,}")
    for one in done.stuck:
        why = " ".join(dict.fromkeys(text(each, language) for each in one.problems))
        click.echo(f"! {one.entity} {one.record}: {why}", err=True)


def _person(unit: Unit, key: str, login: str) -> int:
    found = find_user(unit.connection, login)
    if found is None:
        guess = close_logins(unit.connection, login)
        raise StorageError("S106", key=key, login=login, guess=guess)
    return int(found["id"])
