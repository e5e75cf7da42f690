"""Why something that runs by itself did not work, as it is kept in a row and told to people.

Only what an administrator may read: our own problems keep their code and are worded in the
reader's language; of a foreign error stays its kind, because its message may hold anything.
"""

from __future__ import annotations

import json
import re
import traceback
from typing import Final

from engine.problems import Problem, codes, text
from engine.records.failures import Failure
from engine.storage import StorageError

LONGEST: Final = 500
_CODED = re.compile(r"([A-Z]\d{3}) (\{.*\})", re.DOTALL)
_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*://)(?:[^\s/@]*@)?([^\s/?#@]*)[^\s]*", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def kept(reason: BaseException | Problem | str) -> str:
    """`reason` as a row keeps it."""
    if isinstance(reason, Failure):
        reason = reason.problems[0]
    elif isinstance(reason, StorageError):
        reason = reason.problem
    elif isinstance(reason, BaseException):
        reason = Problem("Q103", {"kind": type(reason).__name__})
    if isinstance(reason, Problem):
        body = json.dumps(dict(reason.params), ensure_ascii=False, default=str)
        if len(body) <= LONGEST and not reason.message:
            return plain(f"{reason.code} {body}", 2 * LONGEST)
        return plain(text(reason, "en"))
    return plain(reason, 2 * LONGEST)


def told(reason: str, language: str) -> str:
    """What `kept` made, as a sentence."""
    found = _CODED.fullmatch(reason)
    if found is None or found[1] not in codes():
        return reason
    try:
        return text(Problem(found[1], json.loads(found[2])), language)
    except ValueError:
        return reason


def plain(reason: str, longest: int = LONGEST) -> str:
    """One short line; of an address stays the host, the rest of it may be a password."""
    return _CONTROL.sub(" ", _ADDRESS.sub(r"\1\2/…", reason)).strip()[:longest]


def trail(error: BaseException) -> str:
    """Where an error came from, without its message, for the log."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} in {places}"
