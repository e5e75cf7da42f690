"""The entries of the logs in words, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from flask_babel import gettext

from dougong.i18n import language
from dougong.studio.user_words import role_title, scope_words
from dougong.views.tokens import right_titles
from engine.records.personnel.rules import PERSON, PLACE
from engine.records.unit import Unit

Named = Callable[[str, int], str]  # what sort it is and its number: a name
_BARE: Final = frozenset({"roles", "what", "method", "step", "way"})  # need no word before them
# numbers of what the line names anyway, and what programmers call a page
_SILENT: Final = frozenset({"person", "token", "place"})


def areas() -> list[tuple[str, str]]:
    """What may be asked for as a whole: the beginning of kinds, and its name."""
    return [
        ("login.", gettext("Logins")),
        ("refused.", gettext("Refusals")),
        ("user.", gettext("Accounts")),
        ("role.", gettext("Roles of people")),
        ("department.", gettext("Departments")),
        ("password.", gettext("Passwords")),
        ("factor.", gettext("Second factor")),
        ("session.", gettext("Sessions")),
        ("link.", gettext("One-time links")),
        ("token.", gettext("API tokens")),
        ("oidc.", gettext("Single sign-on")),
        ("share.", gettext("Sharing")),
        ("privacy.", gettext("Personal data")),
        ("key.", gettext("Keys")),
        ("publish.", gettext("Publishing")),
        ("rules.", gettext("Sign-in rules")),
        ("rights.", gettext("View as")),
    ]


def kind_words(kind: str) -> str:
    """What happened; the kind itself when nobody has given it words."""
    return _kinds(language()).get(kind) or _other(kind)


def bad(kind: str) -> bool:
    """Whether it is something to look at."""
    return kind.startswith("refused.") or kind in {"login.failed", "login.blocked"}


@cache
def _kinds(_language: str) -> Mapping[str, str]:
    """One table for each language."""
    return {
        "login.ok": gettext("Logged in"),
        "login.failed": gettext("Login failed"),
        "login.blocked": gettext("Logins blocked for a while"),
        "logout": gettext("Logged out"),
        "password.changed": gettext("Password changed"),
        "factor.added": gettext("Second factor set up"),
        "factor.removed": gettext("Second factor removed"),
        "session.ended": gettext("Session ended"),
        "link.made": gettext("One-time link made"),
        "link.asked": gettext("One-time link sent by mail"),
        "link.used": gettext("One-time link used"),
        "token.made": gettext("API token made"),
        "token.revoked": gettext("API token revoked"),
        "oidc.linked": gettext("Linked with single sign-on"),
        "oidc.unlinked": gettext("Link with single sign-on removed"),
        "user.made": gettext("Account made"),
        "user.changed": gettext("Account changed"),
        "user.disabled": gettext("Account closed"),
        "user.enabled": gettext("Account opened again"),
        "role.given": gettext("Role given"),
        "role.taken": gettext("Role taken away"),
        "department.changed": gettext("Department changed"),
        "share.given": gettext("Record shared"),
        "share.taken": gettext("Sharing taken back"),
        "privacy.report": gettext("Personal data reported"),
        "privacy.erased": gettext("Personal data erased"),
        "privacy.limit": gettext("Limit of uncovering changed"),
        "key.rotated": gettext("Keys changed"),
        "publish.rights": gettext("Rights changed by publishing"),
        "rules.changed": gettext("Sign-in rules changed"),
        "rights.viewed": gettext("Looked with somebody else's eyes"),
        "refused.many": gettext("Further refusals, only counted"),
        "refused.csrf": gettext("Form without proof of where it comes from"),
        "refused.401": gettext("Asked without being logged in"),
        "refused.403": gettext("Asked for something forbidden"),
        "refused.404": gettext("Asked for something that is not there"),
        "refused.429": gettext("Asked too often"),
        "refused.R001": gettext("Asked for a record that is not there for him"),
        "refused.A001": gettext("Tried what he may not do"),
        "refused.A002": gettext("Sent a field that he may not change"),
        "refused.A003": gettext("Sent a field that is locked in this step"),
        "refused.R202": gettext("Sent a field that the system keeps"),
        "refused.W102": gettext("Tried a step that is not possible here"),
        "refused.W105": gettext("Sent an internal event"),
        "refused.W113": gettext("Tried a command that is not allowed here"),
        "refused.L010": gettext("Not proven afresh who he is"),
    }


def _other(kind: str) -> str:
    area, _, what = kind.partition(".")
    if area == "refused":
        return gettext("Refused (%(code)s)", code=what)
    return kind


def told(unit: Unit, kind: str, details: Mapping[str, Any], named: Named) -> str:
    """The details of an entry as one line; `named` knows people and departments by number."""
    found: list[str] = []
    for name, value in details.items():
        if value in (None, "", [], False) or name in _SILENT:
            continue
        words = _value(unit, kind, name, value, named)
        if name in _BARE:
            found.insert(0 if name == "method" else len(found), words)
        else:
            found.append(gettext("%(name)s: %(value)s", name=_names().get(name, name), value=words))
    return " · ".join(found)


def _value(unit: Unit, kind: str, name: str, value: Any, named: Named) -> str:
    match name:
        case "roles" if isinstance(value, list):
            return gettext(", ").join(role_title(unit, str(one)) for one in value)
        case "fields" if isinstance(value, list):
            return gettext(", ").join(_fields().get(str(one), str(one)) for one in value)
        case "scopes" if isinstance(value, list):
            return scope_words(unit, frozenset(_scopes(value)))
        case "action" if kind == "rights.viewed":
            return right_titles().get(str(value), str(value))
        case "by":
            return named(PERSON, value) if isinstance(value, int) else _ways().get(value, value)
        case "from" | "to" if isinstance(value, int) and kind.startswith("department."):
            return named(PLACE, value)
        case "method" | "step" | "way":
            return _ways().get(str(value), str(value))
        case "what" | "purpose" | "source":
            return _what().get(str(value), str(value))
    if isinstance(value, list):
        return gettext(", ").join(str(one) for one in value)
    return gettext("yes") if value is True else str(value)


def _scopes(lines: Iterable[object]) -> Iterator[tuple[str, str]]:
    """What a token may do, from the lines of the log: “customer: read write”."""
    for line in lines:
        entity, _, rights = str(line).partition(": ")
        yield from ((entity, right) for right in rights.split())


def _ways() -> Mapping[str, str]:
    return {
        "password": gettext("Password"),
        "totp": gettext("Second factor"),
        "second": gettext("Second factor"),
        "GET": gettext("when opening a page"),
        "POST": gettext("when sending a form"),
        "recovery": gettext("Recovery code"),
        "link": gettext("One-time link"),
        "oidc": gettext("Single sign-on"),
        "command": gettext("command line"),
        "mail": gettext("mail"),
        "account": gettext("own page"),
        "import": gettext("Import"),
        "prove": gettext("Proof before a sensitive step"),
    }


def _what() -> Mapping[str, str]:
    return {
        "made": gettext("made"),
        "changed": gettext("was changed"),
        "moved": gettext("moved"),
        "removed": gettext("was removed"),
        "login": gettext("Log in"),
        "password": gettext("New password"),
        "invite": gettext("Invitation"),
        "command": gettext("command line"),
    }


def _names() -> Mapping[str, str]:
    return {
        "login": gettext("Login name"),
        "action": gettext("Action"),
        "field": gettext("Field"),
        "operator": gettext("System operator"),
        "fields": gettext("Fields"),
        "tasks": gettext("Open tasks moved"),
        "count": gettext("Count"),
        "purpose": gettext("Purpose"),
        "people": gettext("People moved"),
        "name": gettext("Name"),
        "from": gettext("From"),
        "to": gettext("To"),
        "since": gettext("Since"),
        "by": gettext("By"),
        "token": gettext("Token"),
        "start": gettext("First characters"),
        "scopes": gettext("Rights"),
        "unknown": gettext("Unknown name"),
        "locked": gettext("Blocked already"),
        "event": gettext("Event"),
        "source": gettext("Source"),
        "method": gettext("Method"),
        "version": gettext("Version"),
        "id": gettext("Number"),
        "level": gettext("Level"),
        "why": gettext("Reason"),
        "recovery": gettext("Recovery codes"),
        "changes": gettext("Changes"),
        "key": gettext("Key"),
    }


def _fields() -> Mapping[str, str]:
    return {
        "name": gettext("Name"),
        "email": gettext("E-mail"),
        "phone": gettext("Phone"),
        "language": gettext("Language"),
        "department_id": gettext("Department"),
        "manager_id": gettext("Superior"),
        "manager": gettext("Head"),
        "is_operator": gettext("System operator"),
    }


def action_words(action: str) -> str:
    """How somebody came to see what is sensitive."""
    words = {
        "reveal": gettext("Revealed a masked value"),
        "open": gettext("Opened the record"),
        "list": gettext("Listed"),
        "export": gettext("Exported"),
        "print": gettext("Printed"),
        "pool": gettext("Looked into the pool"),
        "report": gettext("Personal-data report"),
        "history": gettext("Read the history"),
        "api": gettext("By the API"),
    }
    return words.get(action, action)
