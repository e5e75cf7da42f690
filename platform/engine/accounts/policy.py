"""Which passwords will do: long enough, not what everybody takes, not one's own name.

No rule about capitals and digits, and no expiry: both make people choose worse ones (NIST SP
800-63B). How easily one is guessed is what `zxcvbn` says, with its list of 30,000 passwords that
were seen in the open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

from engine.accounts.passwords import MOST_BYTES, normal, too_long
from engine.problems import Problem

MINIMUM: Final = 10
LEAST_MINIMUM: Final = 8
MOST_MINIMUM: Final = 64
GUESSES: Final = 10**8  # that a password has to stand at least
_LOOKED_AT: Final = 72  # characters; what is as long as that is not guessed by its rest
_SHORTEST_HINT: Final = 3
_REST: Final = 4  # what has to be left of a password beside one's own name
_PARTS: Final = re.compile(r"[\s._@+-]+")
POINTER: Final = "/password"


def weak(password: str, hints: Iterable[str] = (), *, minimum: int = MINIMUM) -> list[Problem]:
    """What is wrong with a new password, each with what to do; [] when it will do.

    `hints`: what anybody knows about the person, such as name, login and e-mail.
    """
    if too_long(password):
        return [Problem("L002", {"most": MOST_BYTES}, POINTER)]
    password = normal(password)
    if len(password) < max(minimum, LEAST_MINIMUM):
        return [Problem("L001", {"minimum": max(minimum, LEAST_MINIMUM)}, POINTER)]
    known = sorted(set(_known(hints)), key=len, reverse=True)
    if _made_of(password.casefold(), known):
        return [Problem("L004", pointer=POINTER)]
    return [Problem("L003", pointer=POINTER)] if _guessed(password, known) else []


def _known(hints: Iterable[str]) -> Iterator[str]:
    for hint in hints:
        text = normal(hint or "").casefold()
        yield from (part for part in (text, *_PARTS.split(text)) if _long(part))


def _long(part: str) -> bool:
    """A name of two Chinese characters is one; two letters may stand anywhere."""
    return len(part) >= (_SHORTEST_HINT if part.isascii() else 2)


def _made_of(password: str, known: Iterable[str]) -> bool:
    """Whether little but digits and signs is left without what is known."""
    rest = password
    for word in known:
        rest = rest.replace(word, "")
    if rest == password:
        return False
    return len(re.sub(r"[\W\d_]", "", rest)) < _REST


def _guessed(password: str, known: list[str]) -> bool:
    from zxcvbn import zxcvbn  # slow to import, and a worker never needs it

    if password.casefold() in _seen():
        return True
    return bool(zxcvbn(password[:_LOOKED_AT], user_inputs=known)["guesses"] < GUESSES)


@cache
def _seen() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])
