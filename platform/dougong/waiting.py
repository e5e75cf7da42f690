"""Why a case waits, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flask_babel import gettext

from dougong.moments import due_words
from dougong.present import Reader
from engine.definitions.model import text_of
from engine.records.flows.waiting import Coming, Pending

NAMED: Final = 5  # people by name; the rest are counted


def joined(names: Sequence[str], language: str) -> str:
    """Names in a row: "A, B and C"."""
    names = [name for name in names if name]
    if len(names) > NAMED + 1:
        rest = len(names) - NAMED
        shown = _comma(language).join(names[:NAMED])
        return gettext("%(names)s and %(count)s more", names=shown, count=rest)
    if len(names) < 2:
        return names[0] if names else ""
    first = _comma(language).join(names[:-1])
    return gettext("%(names)s and %(last)s", names=first, last=names[-1])


def _comma(language: str) -> str:
    return "、" if language.startswith("zh") else ", "


def why_waiting(reader: Reader, one: Pending) -> str:
    """Whom a step waits for, how many have to agree, until when, and what comes then."""
    chinese = reader.language.startswith("zh")
    names = joined([reader.user(id) for id in one.people], reader.language)
    if one.claim:
        who = gettext("Waits until one of %(names)s takes it up", names=names)
    elif names:
        who = gettext("Waits for %(names)s", names=names)
    else:
        who = gettext("Nobody is asked at present")
    rule, clock = _rule(one), _clock(reader, one.coming)
    sentence = who
    if rule:
        sentence += ("：" if chinese else ": ") + rule
    if clock:
        sentence += ("；" if chinese else "; ") + clock
    return sentence + ("。" if chinese else ".")


def _rule(one: Pending) -> str:
    """How many have to agree; nothing to say where there is one person."""
    if one.total < 2:
        return ""
    told = {"needed": one.needed, "total": one.total, "agreed": one.agreed}
    if one.sequential:
        return gettext("one after the other, %(agreed)s of %(total)s agreed so far", **told)
    if one.per_group:
        return gettext("one of each group must agree, %(agreed)s did so far", **told)
    if one.needed == one.total:
        return gettext("all %(total)s must agree, %(agreed)s did so far", **told)
    if one.needed == 1:
        return gettext("one of %(total)s is enough", **told)
    return gettext("%(needed)s of %(total)s must agree, %(agreed)s did so far", **told)


def _clock(reader: Reader, coming: Sequence[Coming]) -> str:
    """What comes by itself first, reminders only when nothing else does."""
    if not coming:
        return ""
    acts = [one for one in coming if one.kind != "remind"] or list(coming)
    first = acts[0]
    when = due_words(first.at, reader.now, reader.names.zone, reader.language)
    together = [_then(reader, one) for one in acts if one.at == first.at]
    joint = "、" if reader.language.startswith("zh") else ", "
    return gettext("due %(when)s, then %(what)s", when=when, what=joint.join(together))


def _then(reader: Reader, one: Coming) -> str:
    names = joined([reader.user(id) for id in one.to], reader.language)
    match one.kind, one.mode:
        case "remind", _:
            return gettext("a reminder is sent")
        case "escalate", "replace":
            return gettext("it passes to %(names)s", names=names or gettext("the superior"))
        case "escalate", "add":
            return gettext("%(names)s is asked too", names=names or gettext("the superior"))
        case "escalate", _:
            return gettext("%(names)s is told", names=names or gettext("the superior"))
        case "decide", _:
            if one.outcome == "approved":
                return gettext("it counts as approved")
            return gettext("it counts as rejected")
        case "move", _:
            step = text_of(one.target or {}, reader.language)
            return gettext("it goes on to “%(step)s”", step=step)
    return gettext("the platform acts by itself")
