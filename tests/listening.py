"""An application behind a real server, in a thread of the test's own process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from flask import Flask
from waitress.server import create_server


@contextmanager
def listening(app: Flask, **limits: Any) -> Iterator[int]:
    """The port on loopback at which `app` answers."""
    server = create_server(app, host="127.0.0.1", port=0, threads=2, **limits)

    def run() -> None:
        with suppress(OSError):  # its sockets are closed under it: that is how it ends
            server.run()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield int(server.effective_port)
    finally:
        server.close()
        with suppress(OSError):
            server.trigger.pull_trigger()
        thread.join(5)
