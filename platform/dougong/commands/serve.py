"""``dougong serve``."""

from __future__ import annotations

import logging
import signal
import sys
from contextlib import ExitStack
from types import FrameType

import click
from waitress.server import create_server

from dougong.app import create_app
from dougong.channels import senders
from dougong.commands.options import with_installation
from dougong.installation import Installation
from dougong.runner import Runner
from engine.storage import ServerLock

THREADS = 8


@click.command()
@with_installation
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--worker/--no-worker", default=True, help="Do the background work here  [default: yes]"
)
def serve(installation: Installation, host: str, port: int, worker: bool) -> None:
    """Serve all companies of the data folder."""
    run_server(installation, host, port, worker=worker)


def run_server(installation: Installation, host: str, port: int, *, worker: bool = True) -> None:
    """Serve until asked to stop; requests under way are answered first. Without `worker`, timers
    and the outbox are left to ``dougong worker``.

    Raises: StorageError when another server runs on the same data folder.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with ServerLock(installation.settings.data), ExitStack() as stack:
        # the application first: it loads the plugins, which may do work of the outbox
        server = create_server(create_app(installation), host=host, port=port, threads=THREADS)
        if worker:
            stack.enter_context(Runner(installation, senders=senders(installation.settings)))

        def stop(_signal: int, _frame: FrameType | None) -> None:
            # waitress lets its running tasks finish when the loop is left this way
            raise KeyboardInterrupt

        signal.signal(signal.SIGTERM, stop)
        click.echo(f"http://{host}:{server.effective_port}", err=True)
        try:
            server.run()
        finally:
            server.close()
            sys.stdout.flush()
