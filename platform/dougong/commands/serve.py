"""``dougong serve``."""

from __future__ import annotations

import logging
import signal
import sys
from contextlib import ExitStack
from types import FrameType
from typing import Any

import click
from waitress.server import create_server

from dougong.app import create_app
from dougong.channels import senders
from dougong.commands.doctor import UNSAFE, tell
from dougong.commands.options import with_installation
from dougong.commands.report import print_problems
from dougong.doctor import is_loopback, stopping
from dougong.installation import Installation
from dougong.runner import Runner
from dougong.settings import Settings
from engine.problems import Problem
from engine.storage import ServerLock

THREADS = 8
HEADERS = 64 * 1024  # bytes of a request's line and headers


@click.command()
@with_installation
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--worker/--no-worker", default=True, help="Do the background work here  [default: yes]"
)
@click.option("--dev", is_flag=True, help="Development: start with unsafe settings too")
def serve(installation: Installation, host: str, port: int, worker: bool, dev: bool) -> None:
    """Serve all companies of the data folder; with unsafe settings it does not start."""
    found = stopping(installation, host)
    tell(found, err=True)
    if found and not (dev or installation.settings.dev):
        print_problems([Problem("T128")])
        sys.exit(UNSAFE)
    run_server(installation, host, port, worker=worker)


def limits(settings: Settings) -> dict[str, Any]:
    """What the server itself refuses, before the application is asked."""
    return {
        "ident": None,
        "max_request_header_size": HEADERS,
        "max_request_body_size": (settings.upload_mb + 1) * 2**20,
        # it would drop what our own proxy says of the client; without a proxy it shall
        "clear_untrusted_proxy_headers": not settings.proxies,
    }


def run_server(installation: Installation, host: str, port: int, *, worker: bool = True) -> None:
    """Serve until asked to stop; requests under way are answered first. Without `worker`, timers
    and the outbox are left to ``dougong worker``.

    Raises: StorageError when another server runs on the same data folder.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with ServerLock(installation.settings.data), ExitStack() as stack:
        # the application first: it loads the plugins, which may do work of the outbox
        settings, app = installation.settings, create_app(installation)
        if not settings.base_url and not is_loopback(host):
            app.config["TRUSTED_HOSTS"] = None  # development: under whatever name we are reached
        server = create_server(
            app,
            host=host,
            port=port,
            threads=THREADS,
            **limits(settings),
        )
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
