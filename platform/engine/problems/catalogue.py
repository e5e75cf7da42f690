"""Problem texts: ``<language>.json`` beside this file maps a code to its text and hint.

Entries are ``{"text": "… {name} …", "hint": "…"}``; what stands in ``[[…]]`` is left out when a
parameter in it is empty, and ``{count:record|records}`` is the word that goes with the number.
Every code stands in every catalogue (a test holds that). Codes: D definitions, X expressions,
V values of records, A access, W workflows, P publishing, R requests, S storage and start-up,
C running cases, E workflow editor, H people, I approvals, M simulation, N notices, Q deliveries,
L accounts, T tokens and installation, U users and departments, G explaining rights, K matrix of
rights, J sharing, Y privacy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from engine.problems.problem import Problem

LANGUAGES = ("zh-CN", "en")
_OPTIONAL = re.compile(r"\[\[(.*?)\]\]")
_WORD = re.compile(r"\{(\w+):([^|{}]*)\|([^{}]*)\}")
_NAME = re.compile(r"\{(\w+)\}")


@cache
def _catalogue(language: str) -> Mapping[str, Mapping[str, str]]:
    """All `*.json` files of one language's folder as one mapping; two files with one code clash."""
    folder = resources.files("engine.problems") / "texts" / language
    merged: dict[str, Mapping[str, str]] = {}
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if not entry.name.endswith(".json"):
            continue
        found = json.loads(entry.read_text(encoding="utf-8"))
        if clash := merged.keys() & found.keys():
            message = f"problem codes worded twice: {sorted(clash)} ({entry.name})"
            raise ValueError(message)
        merged |= found
    return merged


def codes(language: str = "en") -> Mapping[str, Mapping[str, str]]:
    """All codes of a catalogue with their text and hint."""
    return _catalogue(language if language in LANGUAGES else LANGUAGES[0])


def text(problem: Problem, language: str) -> str:
    """The problem as one sentence in `language`."""
    if own := problem.message.get(language) or next(iter(problem.message.values()), ""):
        return own
    return _filled(codes(language)[problem.code]["text"], problem, language)


def hint(problem: Problem, language: str) -> str:
    """How to mend it, "" when the text says it already."""
    return _filled(codes(language)[problem.code].get("hint", ""), problem, language)


def _filled(template: str, problem: Problem, language: str) -> str:
    shown = _Shown(problem.params, language)
    template = _OPTIONAL.sub(
        lambda part: part[1] if all(shown.get(name) for name in _NAME.findall(part[1])) else "",
        template,
    )
    template = _WORD.sub(
        lambda word: word[2] if problem.params.get(word[1]) == 1 else word[3], template
    )
    return template.format_map(shown).strip()


class _Shown(dict[str, str]):
    """Parameters as text: lists joined, labels in the reader's language."""

    def __init__(self, params: Mapping[str, object], language: str) -> None:
        super().__init__({key: self._show(value, language) for key, value in params.items()})

    def __missing__(self, key: str) -> str:
        return "?"

    @classmethod
    def _show(cls, value: object, language: str) -> str:
        match value:
            case Mapping():
                return str(value.get(language) or next(iter(value.values()), ""))
            case list() | tuple() | set() | frozenset():
                return ("、" if language.startswith("zh") else ", ").join(
                    cls._show(item, language) for item in value
                )
            case _:
                return str(value)
