"""Where the present request comes from, for the security log."""

from __future__ import annotations

from flask import request

from engine.records.personnel.rules import Origin


def origin() -> Origin:
    """The address and the browser of this request."""
    return Origin(request.remote_addr or "", request.user_agent.string)
