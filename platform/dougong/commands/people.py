"""Commands about people: accounts and login links."""

from __future__ import annotations

import click

from dougong.commands.options import company_of, with_installation
from dougong.installation import Installation
from dougong.setup import make_login_link
from engine.records.people import create_user
from engine.records.unit import SYSTEM


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
        create_user(unit, login, name, roles=roles, is_operator=operator)
    click.echo(make_login_link(installation, company, login, "password"))


@click.command("login-link")
@with_installation
@click.argument("key")
@click.argument("login")
@click.option("--password", is_flag=True, help="The link also sets a new password")
def login_link(installation: Installation, key: str, login: str, password: bool) -> None:
    """Print a link that logs LOGIN in once."""
    company = company_of(installation, key)
    click.echo(make_login_link(installation, company, login, "password" if password else "login"))
