"""``dougong outbox``: what waits to be done or sent, what was given up, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from dougong.commands.options import company_of, with_installation
from dougong.commands.report import command_language
from dougong.installation import Installation
from engine.records import outbox as box
from engine.records.company import Company
from engine.records.unit import SYSTEM, Unit

MOST = 100


@click.group()
def outbox() -> None:
    """See, send again and discard what the platform does after a commit."""


@outbox.command("list")
@with_installation
@click.argument("key")
@click.option("--all", "every", is_flag=True, help="Also what waits for its first try")
def list_(installation: Installation, key: str, every: bool) -> None:
    """Counts, dead letters and failing timers of the company KEY."""
    company, language = company_of(installation, key), command_language()
    states: Sequence[box.State] = ("waiting", "failing", "dead") if every else ("failing", "dead")
    with company.unit(SYSTEM, source="command") as unit:
        found = box.counts(unit)
        letters = box.letters(unit, states=states, size=MOST)
        timers = box.failing_timers(unit, size=MOST)
    click.echo(
        f"{found.waiting} waiting, {found.failing} failing, {found.dead} dead, "
        f"{found.timers} failing timers"
    )
    for one in letters:
        where = one.channel or "-"
        head = f"{one.id}\t{one.state}\t{one.kind}\t{where}\t{one.attempts}x\t{_at(one.next_try)}"
        click.echo(f"{head}\t{one.reason(language)}")
    for timer in timers:
        about = f"{timer.workflow} {timer.entity}/{timer.record} {timer.name}"
        head = f"timer {timer.id}\t{about}\t{timer.attempts}x\t{_at(timer.next_try)}"
        click.echo(f"{head}\t{timer.reason(language)}")


@outbox.command()
@with_installation
@click.argument("key")
@click.argument("ids", nargs=-1, type=click.IntRange(1, 2**53))
@click.option("--all", "every", is_flag=True, help="All dead letters and failing timers")
def retry(installation: Installation, key: str, ids: tuple[int, ...], every: bool) -> None:
    """Try the rows IDS of the company KEY again, now."""
    company = _asked(installation, key, ids, every)
    with company.unit(SYSTEM, write=True, source="command") as unit:
        timers = _try_all(unit) if every else 0
        count = box.send_again(unit, _dead(unit) if every else ids)
    click.echo(f"{count} to be tried again" + (f", {timers} timers" if timers else ""))


@outbox.command()
@with_installation
@click.argument("key")
@click.argument("ids", nargs=-1, type=click.IntRange(1, 2**53))
@click.option("--all", "every", is_flag=True, help="All dead letters")
@click.option("--note", default="", help="Why; kept in the history")
def discard(
    installation: Installation, key: str, ids: tuple[int, ...], every: bool, note: str
) -> None:
    """Never try the rows IDS of the company KEY again."""
    company = _asked(installation, key, ids, every)
    with company.unit(SYSTEM, write=True, source="command") as unit:
        count = box.discard(unit, _dead(unit) if every else ids, note)
    click.echo(f"{count} discarded")


def _asked(installation: Installation, key: str, ids: Sequence[int], every: bool) -> Company:
    if bool(ids) == every:
        message = "name the rows by their numbers, or all of them by --all"
        raise click.UsageError(message)
    return company_of(installation, key)


def _dead(unit: Unit) -> list[int]:
    return [one.id for one in box.dead_letters(unit, size=10_000)]


def _try_all(unit: Unit) -> int:
    return box.try_timers(unit, [one.id for one in box.failing_timers(unit, size=10_000)])


def _at(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else "-"
