"""``dougong worker``: the background work in a process of its own, any number of them."""

from __future__ import annotations

import logging
import signal
import time
from datetime import UTC, datetime, timedelta
from types import FrameType

import click

from dougong.channels import senders
from dougong.commands.options import company_of, with_installation
from dougong.installation import Installation
from dougong.runner import Runner
from dougong.startup import start_plugins

LOOK: float = 2.0  # seconds: other processes' commits cannot wake this one


@click.command()
@with_installation
@click.option("--companies", default="", help="Only these, separated by commas")
@click.option("--once", is_flag=True, help="Do what is due now, then end")
@click.option(
    "--every",
    default=LOOK,
    show_default=True,
    type=click.FloatRange(0.1, 60),
    help="Seconds between two looks for new work",
)
def worker(installation: Installation, companies: str, once: bool, every: float) -> None:
    """Fire timers and send what waits, beside servers and other workers."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    only = [key.strip() for key in companies.split(",") if key.strip()]
    for key in only:
        company_of(installation, key)
    start_plugins()
    runner = Runner(
        installation,
        timedelta(seconds=every),
        senders=senders(installation.settings),
        only=only,
        telling=logging.INFO,
    )
    if once:
        click.echo(str(runner.everything(datetime.now(UTC))) or "nothing was due")
    else:
        _run(runner)


def _run(runner: Runner) -> None:
    """Work until asked to stop; what is under way ends first."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    with runner:
        try:
            while runner.alive:
                time.sleep(1)
        except KeyboardInterrupt:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    click.echo("stopped", err=True)
