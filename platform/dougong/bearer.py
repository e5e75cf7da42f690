"""``Authorization: Bearer dg_…``: a program that acts in a person's name, on the API only.

Cookies are ignored where there is a token, and so no token of a form is asked for: what another
site makes a browser send never carries this header.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from flask import g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import TooManyRequests, Unauthorized

from dougong.i18n import language
from dougong.refusals import note
from engine.problems import Problem
from engine.records.actor import Actor
from engine.records.bearers import BRAKE, bearer_of, guessed, touched
from engine.records.company import Company
from engine.records.failures import Failure

IN_ADDRESS: Final = ("token", "access_token")
"""Where other systems take a token from the address, which logs and histories keep."""

WRONG: Final = "token"
"""The description of a refusal because of a token."""


def is_api() -> bool:
    """Whether the request is for the API of a company."""
    _, _, rest = request.path.strip("/").partition("/")
    return rest == "api" or rest.startswith("api/")


def given() -> str | None:
    """The token that the request carries; None for a request without one."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


def bearer_actor(company: Company, text: str) -> Actor:
    """Who acts by the token `text`; `g.token` is its number then.

    Aborts with 401 for a token that does not hold (and anywhere but on the API), 429 when too many
    came from one address.
    """
    now, address = datetime.now(UTC), request.remote_addr or ""
    refused = Unauthorized(WRONG, www_authenticate=WWWAuthenticate("bearer"))
    if not is_api():
        raise refused
    if (found := bearer_of(company.database, text, now)) is not None:
        touched(company.database, found, now, address)
        g.token = found.token
        return replace(found.actor, language=language(found.actor))
    note("token")
    if not guessed(company.database, now, address):
        raise TooManyRequests(WRONG, retry_after=int(BRAKE.window.total_seconds()))
    raise refused


def refuse_in_address() -> None:
    """A token in the address is refused before anybody looks at it.

    Raises: Failure (400).
    """
    if is_api() and any(name in request.args for name in IN_ADDRESS):
        raise Failure([Problem("T002")])


__all__ = ["WRONG", "bearer_actor", "given", "is_api", "refuse_in_address"]
