"""Bringing a company to life: catalogue entry, first version, first administrator."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from dougong.installation import Installation, Listing
from engine.accounts.links import BY_HAND, Purpose, make_link
from engine.accounts.security_log import log_event
from engine.records.company import Company
from engine.records.people import close_logins, create_user, find_user
from engine.records.publish import publish
from engine.records.unit import SYSTEM
from engine.storage import StorageError

DEFAULT_BASE = "http://127.0.0.1:8000"


def create_company(
    installation: Installation, listing: Listing, sources: Mapping[str, str], admin: str = "admin"
) -> Company:
    """A running company with its first version published and one administrator, who has no
    password: only a link lets him in.

    Raises: StorageError for the key or the place, Failure for definitions that cannot be published.
    """
    company = installation.create(listing)
    try:
        publish(company, sources, listing.pack, SYSTEM, "first version")
        roles = [role.name for role in company.current.model.roles.values() if role.admin]
        with company.unit(SYSTEM, write=True, source="command") as unit:
            create_user(unit, admin, admin.title(), roles=roles, is_operator=True)
    except BaseException:
        installation.drop(listing.key)  # a company without a version is of no use to anybody
        raise
    return company


def make_login_link(
    installation: Installation, company: Company, login: str, purpose: Purpose, base: str = ""
) -> str:
    """The address of a fresh one-time link for an operator to hand over: it works for a day, an
    invitation for a week. Raises: StorageError for an unknown login."""
    with company.database.write() as connection:
        found = find_user(connection, login)
        if found is None:
            guess = close_logins(connection, login)
            raise StorageError("S106", key=company.key, login=login, guess=guess)
        now, valid = datetime.now(UTC), None if purpose == "invite" else BY_HAND
        token = make_link(connection, found["id"], now, purpose, valid=valid)
        told = {"purpose": purpose, "by": "command"}
        log_event(connection, now, "link.made", about=("@user", found["id"]), details=told)
    base = base or installation.settings.base_url or DEFAULT_BASE
    return f"{base}/{company.key}/once/{token}"
