"""Ways out of the company: what a kind of channel is, for the platform's own and for plugins'.

A kind validates its settings and hands one message to somebody outside. It keeps nothing: queueing,
waiting and trying again are the outbox's business, which it tells by `Retry` and `GiveUp`.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Final, Literal, Protocol

from engine.problems import Problem

Label = Mapping[str, str]


class Retry(Exception):
    """It did not work this time; `after` is how long to wait at least. The reason is shown to
    administrators and holds no secret."""

    def __init__(self, reason: str | Problem, after: timedelta | None = None) -> None:
        super().__init__(str(reason))
        self.reason, self.after = reason, after


class GiveUp(Exception):
    """It will never work like this. The reason is shown to administrators and holds no secret."""

    def __init__(self, reason: str | Problem) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a channel. `secret`: written once, never shown again."""

    name: str
    title: Label
    help: Label = field(default_factory=dict)
    kind: Literal["text", "url", "secret"] = "text"
    required: bool = False

    @property
    def secret(self) -> bool:
        """Whether nobody may see it again."""
        return self.kind == "secret"


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be said. `key` is the same for every try of the same message; `to` and `name` are
    set for channels that reach single people; `payload` is what a program is told instead."""

    key: str
    title: str
    text: str = ""
    link: str = ""
    language: str = "zh-CN"
    to: str = ""
    name: str = ""
    delivery: str = ""  # the number of the delivery
    settings_link: str = ""  # where the person chooses what he gets
    payload: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, cut off where it gets too long."""

    status: int
    body: bytes

    def json(self) -> Mapping[str, Any]:
        """The body as a JSON object; {} when it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class Transport(Protocol):
    """The only way a kind may call an address: to public hosts only, without redirects, for a
    limited time. Raises `Retry` when nothing answers and `GiveUp` for an address that may not be
    called."""

    @property
    def private(self) -> bool:
        """Whether the operator lets private hosts be called."""

    def check(self, url: str) -> Sequence[Problem]:
        """Why the address may not be called."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """What the address answers."""


class Pace:
    """At most so many messages in a span of time, to each receiver: groups' robots are shut off for
    minutes when they are told too much. Counts in this process only; what gets past it is refused
    by the receiver, which is a `Retry` too."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._sent: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def take(self, receiver: str, now: float | None = None) -> None:
        """One message more. Raises: Retry when it has to wait."""
        now = time.monotonic() if now is None else now
        with self._lock:
            sent = self._sent.setdefault(receiver, deque())
            while sent and sent[0] <= now - self._seconds:
                sent.popleft()
            if len(sent) >= self._most:
                wait = timedelta(seconds=sent[0] + self._seconds - now)
                raise Retry(Problem("N161", {"code": f"{self._most}/{self._seconds:g} s"}), wait)
            sent.append(now)


class ChannelKind:
    """One kind of channel. Subclass it, and offer an instance with the hook `channels`."""

    name: ClassVar[str]
    title: ClassVar[Label]
    help: ClassVar[Label] = {}
    icon: ClassVar[str] = "plug"
    personal: ClassVar[bool] = False  # reaches single people, who may choose it for themselves
    address: ClassVar[Literal["email", "phone", "login"]] = "email"  # of a person, where it does
    settings: ClassVar[Sequence[Setting]] = ()

    def validate(self, config: Mapping[str, Any], transport: Transport) -> Sequence[Problem]:
        """What is wrong with the settings; pointers name them: "/url"."""
        del config, transport
        return ()

    def send(self, message: Message, config: Mapping[str, Any], transport: Transport) -> None:
        """Hand over one message. Raises: Retry, GiveUp."""
        raise NotImplementedError


class DuplicateChannel(ValueError):
    """Two classes claim one name."""


CHANNELS: Final[dict[str, ChannelKind]] = {}


def register_channel(kind: ChannelKind) -> None:
    """Make a kind known under its name; the same class may come again.

    Raises: TypeError for something else, DuplicateChannel when the name is taken.
    """
    if not isinstance(kind, ChannelKind):
        msg = f"{kind!r} is no ChannelKind"
        raise TypeError(msg)
    known = CHANNELS.setdefault(kind.name, kind)
    same = type(known).__qualname__ == type(kind).__qualname__
    if not (same and type(known).__module__ == type(kind).__module__):
        msg = f"channel {kind.name!r} is taken"
        raise DuplicateChannel(msg)
