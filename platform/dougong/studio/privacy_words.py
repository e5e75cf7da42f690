"""Words for reports on personal data and for erasure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from flask_babel import gettext, lazy_gettext

from dougong.i18n import language
from dougong.moments import exact
from dougong.studio.log_words import action_words, kind_words
from dougong.studio.user_words import device_words, role_title
from engine.definitions.model import Entity, text_of
from engine.records.unit import Unit

_WHY: Final[Mapping[str, Any]] = {
    "case": lazy_gettext("A case is under way: it stays until the case has ended."),
    "person": lazy_gettext("A person of its own: its data stays until it is erased itself."),
    "remarks": lazy_gettext(
        "Remarks on records that point at the person: read them and remove what names the person."
    ),
    "sent": lazy_gettext("Mails and messages that were sent already are out of reach."),
    "backups": lazy_gettext("Backups keep what they hold until they are thrown away."),
    "log": lazy_gettext("The security log keeps addresses: a chain from which nothing is taken."),
}
_COUNTED: Final[Mapping[str, Any]] = {
    "records": lazy_gettext("Records"),
    "fields": lazy_gettext("Fields"),
    "history": lazy_gettext("Lines of the history"),
    "comments": lazy_gettext("Comments"),
    "files": lazy_gettext("Files"),
    "drafts": lazy_gettext("Drafts"),
    "notices": lazy_gettext("Notices"),
    "deliveries": lazy_gettext("Deliveries"),
    "cases": lazy_gettext("Steps of cases"),
    "sessions": lazy_gettext("Sessions"),
    "tokens": lazy_gettext("Tokens"),
    "factors": lazy_gettext("Second factors"),
    "recovery codes": lazy_gettext("Recovery codes"),
    "identities": lazy_gettext("Identities"),
    "links": lazy_gettext("Login links"),
    "roles": lazy_gettext("Roles"),
    "groups": lazy_gettext("Groups"),
    "settings": lazy_gettext("Settings"),
    "saved views": lazy_gettext("Saved views"),
    "stars": lazy_gettext("Records kept at hand"),
    "shares": lazy_gettext("Shares"),
}
_SECTIONS: Final[Mapping[str, Any]] = {
    **_COUNTED,
    "record": lazy_gettext("Record"),
    "account": lazy_gettext("Account"),
    "pointing": lazy_gettext("On other records"),
    "history": lazy_gettext("Changes"),
    "changes": lazy_gettext("What the person changed"),
    "cases": lazy_gettext("Cases"),
    "events": lazy_gettext("Steps of cases"),
    "decisions": lazy_gettext("Decisions"),
    "looks": lazy_gettext("Who looked"),
    "seen": lazy_gettext("What the person saw"),
    "security": lazy_gettext("Security log"),
    "erasures": lazy_gettext("Erasures"),
    "field": lazy_gettext("Field"),
    "personal": lazy_gettext("Personal"),
    "value": lazy_gettext("Value"),
    "kind": lazy_gettext("Kind"),
    "label": lazy_gettext("Name"),
    "name": lazy_gettext("Name"),
    "entity": lazy_gettext("Kind"),
    "at": lazy_gettext("When"),
    "by": lazy_gettext("Who"),
    "to": lazy_gettext("To"),
    "what": lazy_gettext("What was done"),
    "old": lazy_gettext("Before"),
    "new": lazy_gettext("After the change"),
    "comment": lazy_gettext("Comment"),
    "text": lazy_gettext("Text"),
    "title": lazy_gettext("Title"),
    "bytes": lazy_gettext("Bytes"),
    "removed": lazy_gettext("Removed"),
    "workflow": lazy_gettext("Workflow"),
    "state": lazy_gettext("State"),
    "step": lazy_gettext("Step"),
    "status": lazy_gettext("Status"),
    "begun": lazy_gettext("Begun"),
    "ended": lazy_gettext("Ended"),
    "level": lazy_gettext("Level"),
    "until": lazy_gettext("Until"),
    "fields": lazy_gettext("Fields"),
    "reason": lazy_gettext("Reason"),
    "address": lazy_gettext("Network address"),
    "agent": lazy_gettext("Browser"),
    "made": lazy_gettext("Made"),
    "used": lazy_gettext("Used"),
    "issuer": lazy_gettext("Provider"),
    "subject": lazy_gettext("Identity"),
    "count": lazy_gettext("How many"),
    "first": lazy_gettext("First"),
    "last": lazy_gettext("Last"),
}


_HELD: Final[Mapping[str, Any]] = {
    "login": lazy_gettext("Login name"),
    "name": lazy_gettext("Name"),
    "email": lazy_gettext("E-mail"),
    "phone": lazy_gettext("Phone"),
    "department": lazy_gettext("Department"),
    "manager": lazy_gettext("Superior"),
    "roles": lazy_gettext("Roles"),
    "language": lazy_gettext("Language"),
    "timezone": lazy_gettext("Time zone"),
    "created": lazy_gettext("Account made"),
    "seen": lazy_gettext("Last seen"),
    "disabled": lazy_gettext("Account closed"),
}
_DONE: Final[Mapping[str, Any]] = {
    "create": lazy_gettext("created"),
    "change": lazy_gettext("was changed"),
    "remove": lazy_gettext("was removed"),
    "restore": lazy_gettext("restored"),
    "erase": lazy_gettext("erased personal data"),
    "claim": lazy_gettext("taken from the pool"),
    "release": lazy_gettext("given back to the pool"),
    "handover": lazy_gettext("handed over"),
    "flow": lazy_gettext("Workflow"),
    "approval": lazy_gettext("Approval"),
    "import": lazy_gettext("Import"),
}
_LEVELS: Final[Mapping[str, Any]] = {
    "read": lazy_gettext("May see"),
    "write": lazy_gettext("May change"),
}
_MOMENTS: Final = frozenset(
    {"at", "begun", "ended", "made", "used", "first", "last", "until", "removed", "seen"}
)


def why_words(why: str) -> str:
    """Why something stays."""
    return str(_WHY[why])


def counted(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """What goes, in words, with how many."""
    return [(str(_COUNTED.get(name, name)), number) for name, number in counts.items()]


def section_words(key: str) -> str:
    """The title of a section or of a column."""
    return str(_SECTIONS.get(key, key))


def column_words(column: str) -> str:
    """The title of a column."""
    return gettext("Last seen") if column == "seen" else section_words(column)


def cell_words(unit: Unit, section: str, entity: Entity | None, column: str, value: Any) -> str:
    """What a line of the report says in one column. `entity`: whose record it is, if any."""
    if value in (None, False, "", []):
        return ""
    if value is True:
        return gettext("yes")
    if isinstance(value, str):
        return _said(unit, section, column, value)
    if isinstance(value, list):
        if section == "account":
            return gettext(", ").join(role_title(unit, str(one)) for one in value)
        fields = entity.fields if entity and column == "fields" else {}
        told = [text_of(fields[one].title, language()) if one in fields else one for one in value]
        return gettext(", ").join(str(one) for one in told)
    return str(value) if isinstance(value, int) else json.dumps(value, ensure_ascii=False)


def _said(unit: Unit, section: str, column: str, value: str) -> str:
    if column in _MOMENTS or (section == "account" and column == "value"):
        return _moment(unit, value)
    if column == "field" and section == "account":
        return str(_HELD.get(value, value))
    if column == "entity" and value in unit.app.model.entities:
        return text_of(unit.app.model.entities[value].plural, language())
    if column == "agent":
        return device_words(value) or value
    if column == "level":
        return str(_LEVELS.get(value, value))
    if column == "what":
        if section == "security":
            return kind_words(value)
        return str(_DONE[value]) if value in _DONE else action_words(value)
    return value


def _moment(unit: Unit, value: str) -> str:
    """A moment on the reader's clock; anything else as it is."""
    if "T" not in value:
        return value
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return value
    return exact(found.astimezone(unit.zone), language()) if found.tzinfo else value
