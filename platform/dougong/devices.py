"""Which browser and system an agent string speaks of: only what is plain from it, and no guess.

Programs say what they like in it, so this is for people to recognise their own devices by.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_BROWSERS: Final = (  # the first that is named: later ones are claimed by those before them
    ("MicroMessenger/", "WeChat"),
    ("DingTalk/", "DingTalk"),
    ("Lark/", "Lark"),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("QQBrowser/", "QQ Browser"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("HarmonyOS", "HarmonyOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
_SMALL: Final = re.compile(r"iPhone|Android|Mobile|HarmonyOS")


@dataclass(frozen=True, slots=True)
class Device:
    """`browser` and `system` are "" when the string does not say."""

    browser: str
    system: str
    small: bool  # a telephone or a tablet


def device_of(agent: str) -> Device:
    """What an agent string tells."""
    return Device(_first(_BROWSERS, agent), _first(_SYSTEMS, agent), bool(_SMALL.search(agent)))


def _first(known: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((name for mark, name in known if mark in agent), "")
