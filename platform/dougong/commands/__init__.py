"""The command line: one small function per command, every mistake a sentence with a remedy."""

from __future__ import annotations

import os
import sys

import click

from dougong.commands.cases import cases
from dougong.commands.check import check
from dougong.commands.companies import backup, companies, create, plan, publish
from dougong.commands.demo import demo
from dougong.commands.doctor import doctor
from dougong.commands.explain import explain_command
from dougong.commands.keys import keys
from dougong.commands.outbox import outbox
from dougong.commands.people import login_link, people, user
from dougong.commands.privacy import privacy
from dougong.commands.report import print_problems
from dougong.commands.serve import serve
from dougong.commands.simulate import replay_command, simulate_command
from dougong.commands.token import token
from dougong.commands.worker import worker
from engine.packs.samples import SampleError
from engine.plugins import PluginError
from engine.problems import Problem
from engine.records.failures import Failure
from engine.storage import StorageError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dougong")
def cli() -> None:
    """Dougong 斗拱: a business platform made of definitions."""


for command in (
    *(check, create, companies, plan, publish, user, login_link, serve, backup, demo),
    *(worker, outbox, cases, people, token, doctor, keys, privacy),
):
    cli.add_command(command)
cli.add_command(simulate_command)
cli.add_command(explain_command)
cli.add_command(replay_command)


def main() -> None:
    """Entry point of the ``dougong`` program. What it writes is for its own user only."""
    os.umask(0o077)
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except (StorageError, Failure) as error:
        problems = [error.problem] if isinstance(error, StorageError) else error.problems
        print_problems(problems)
        sys.exit(1)
    except (PluginError, SampleError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)


__all__ = ["Problem", "cli", "main"]
