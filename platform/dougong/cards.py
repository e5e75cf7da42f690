"""The approval card: who decided what, whom it waits for and why, what may be done now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from flask import url_for
from flask_babel import gettext

from dougong.begun import Step, steps_begun
from dougong.moments import due_words
from dougong.present import Reader, ago, clock, lasting
from dougong.waiting import joined, why_waiting
from engine.definitions.model import text_of
from engine.forms import Item
from engine.problems import Problem, text
from engine.records.flows import Flow
from engine.records.flows.inputs import Choice, Input
from engine.workflow import Command
from engine.workflow.tasks import REMIND_EVERY
from engine.workflow.views import Person as Signer
from engine.workflow.views import RoundView

DANGEROUS: Final = frozenset({"withdraw", "cancel", "terminate", "discard", "reject", "void"})
DECISIONS: Final = frozenset({"task.approve", "task.reject"})
PERSON_TYPES: Final = frozenset({"user"})
_DECIDED: Final = {"approved": "approved", "rejected": "rejected", "returned": "rejected"}


@dataclass(frozen=True, slots=True)
class Decider:
    """One line of the card."""

    name: str
    decision: str
    decision_text: str
    at: str
    comment: str
    notes: Sequence[str] = ()
    inner: bool = False  # answers to somebody on the card: an added signer, an opinion
    signature: str = ""  # where the picture of the signature is


@dataclass(frozen=True, slots=True)
class Round:
    """One step of the card."""

    title: str
    mode: str
    state: str
    people: Sequence[Decider]
    due: str = ""
    late: bool = False


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody sent that was refused: shown again at its place, with what was wrong."""

    command: str
    task: int
    values: Mapping[str, Sequence[str]]
    problems: Sequence[Problem]

    def first(self, name: str) -> str:
        """The value of an input as it was typed."""
        return (self.values.get(name) or [""])[0]

    def said(self, language: str) -> list[str]:
        """What was wrong, beyond what stands at a field of the record."""
        return [text(one, language) for one in self.problems]


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to fill in beside the comment. `kind`: person, people, date, datetime, number,
    choice or text."""

    name: str
    title: str
    kind: str
    required: bool = False
    options: Sequence[tuple[str, str]] = ()
    value: str = ""
    chosen: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Decidable:
    """The task that the reader may decide now. `approve` is empty or says why not yet."""

    id: int
    version: int
    approve: bool = True
    reject: bool = True
    why: str = ""
    must: str = ""  # "" nothing, "reject", "always": when a comment has to be written
    signature: bool = False
    items: Sequence[Item] = ()
    entries: Sequence[Entry] = ()

    @property
    def at_once(self) -> bool:
        """Whether approving needs nothing but the button."""
        return not (
            self.why or self.must == "always" or self.signature or self.items or self.entries
        )


@dataclass(frozen=True, slots=True)
class TaskCommand:
    """Something else that may be done; `asks` as in `engine.workflow.Command`."""

    event: str
    title: str
    task: int
    id: int  # of the task's row
    icon: str
    asks: Sequence[str]
    places: Sequence[tuple[str, str]]
    required: bool
    help: str = ""
    off: str = ""  # why it cannot be done just now
    signature: bool = False


@dataclass(frozen=True, slots=True)
class Approval:
    """The approval card."""

    title: str
    state_text: str
    state: str
    why: Sequence[str]
    steps: Sequence[Round]
    ahead: Sequence[str]
    copies: str
    task: Decidable | None
    claim: int | None
    commands: Sequence[TaskCommand] = ()
    phrases: Sequence[str] = ()
    typed: Typed | None = None
    lookup: str = ""
    version: int = 0
    key: str = ""  # of this very page: what is sent twice is done once
    called: Sequence[Step] = ()


@dataclass(frozen=True, slots=True)
class Around:
    """What the card is drawn with beside the case."""

    lookup: str = ""
    phrases: Sequence[str] = ()
    items: Sequence[Item] = ()
    typed: Typed | None = None
    key: str = ""


def approval(reader: Reader, case: Flow, around: Around | None = None) -> Approval | None:
    """The card of a case; None before anything was submitted."""
    card, around = case.card, around or Around()
    if not card.rounds and not case.called:
        return None
    state, said = _state(reader, case)
    claims = [one for one in case.commands if one.event == "task.claim" and one.task]
    return Approval(
        title=text_of(case.title, reader.language),
        state_text=said,
        state=state,
        why=[why_waiting(reader, one) for one in case.waiting],
        steps=[_round(reader, one, _due(case, one)) for one in card.rounds],
        ahead=_ahead(reader, case, state),
        copies=joined([reader.user(one) for one in card.copies], reader.language),
        task=_decidable(reader, case, around),
        claim=case.tasks.get(claims[0].task or 0) if claims else None,
        commands=task_commands(reader, case),
        phrases=around.phrases,
        typed=around.typed,
        lookup=around.lookup,
        version=case.version,
        key=around.key,
        called=steps_begun(reader, case.called),
    )


def _state(reader: Reader, case: Flow) -> tuple[str, str]:
    """How the approval stands: open, done or refused, and the word for it."""
    if not case.card.rounds:  # it only begins other cases
        return ("done" if case.done else "open"), text_of(case.state_title, reader.language)
    last = case.card.rounds[-1].outcome
    state = {"": "open", "approved": "done"}.get(last, "refused")
    words = {
        "open": gettext("In approval"),
        "done": gettext("Approved"),
        "refused": {
            "left": gettext("Withdrawn"),
            "returned": gettext("Sent back"),
        }.get(last, gettext("Rejected")),
    }
    return state, words[state]


def _ahead(reader: Reader, case: Flow, state: str) -> list[str]:
    """The steps that lie ahead as things stand; the ends go without saying."""
    if state != "open" or case.chart is None:
        return []
    states = case.chart.states
    return [
        text_of(step.title, reader.language)
        for step in case.steps
        if step.status == "future" and states[step.state].type != "final"
    ]


# --- rounds ------------------------------------------------------------------------------------
def _due(case: Flow, one: RoundView) -> datetime | None:
    """When an open round is taken out of its people's hands; a reminder does not do that."""
    if one.outcome:
        return None
    for wait in case.waiting:
        if wait.state == one.state:
            acts = [coming.at for coming in wait.coming if coming.kind != "remind"]
            return min(acts, default=one.due)
    return one.due


def _round(reader: Reader, one: RoundView, ends: datetime | None) -> Round:
    title = text_of(one.title, reader.language)
    if one.number > 1:
        title = gettext("%(title)s (round %(number)s)", title=title, number=one.number)
    state = {"": "current", "approved": "done"}.get(one.outcome, "refused")
    due, late = "", False
    if ends is not None:
        late = ends < reader.now
        due = due_words(ends, reader.now, reader.names.zone, reader.language)
    people = [_decider(reader, person) for person in one.people]
    return Round(title, mode_of(one), state, people, due, late)


def mode_of(one: RoundView) -> str:
    """How many have to agree; nothing to say about a single person."""
    if sum(1 for person in one.people if person.kind == "vote") < 2:
        return ""
    if one.order == "sequential":
        return gettext("one after the other")
    match one.quorum.kind:
        case "any":
            return gettext("one of them")
        case "percent":
            return f"{one.quorum.number}%"
        case "count":
            return gettext("%(number)s of them", number=one.quorum.number)
        case "perGroup":
            return gettext("one of each group")
        case _:
            return gettext("all of them")


def _decider(reader: Reader, person: Signer) -> Decider:
    users = (person.user,) if person.user else person.candidates
    name = joined([reader.user(user) for user in users], reader.language) or gettext("System")
    if person.on_behalf_of:
        name = gettext("%(name)s for %(other)s", name=name, other=reader.user(person.on_behalf_of))
    words = {
        "approved": gettext("Approved"),
        "rejected": gettext("Rejected"),
        "returned": gettext("Sent back"),
        "cancelled": gettext("not needed"),
        "open": gettext("waiting") if person.user else gettext("to be claimed"),
        "waiting": gettext("later"),
    }
    return Decider(
        name=name,
        decision=_DECIDED.get(person.status, ""),
        decision_text=words.get(person.status, ""),
        at=clock(person.at, reader.language, reader.names) if person.at else "",
        comment=person.comment,
        notes=_notes(reader, person),
        inner=person.parent is not None,
        signature=url_for("approvals.signature", file=person.signature) if person.signature else "",
    )


def _notes(reader: Reader, person: Signer) -> list[str]:
    """How this person came to be on the card, and why nobody decided."""
    notes = []
    if person.kind == "opinion" and person.added_by:
        notes.append(gettext("asked for an opinion by %(name)s", name=reader.user(person.added_by)))
    elif person.added_by:
        notes.append(gettext("added by %(name)s", name=reader.user(person.added_by)))
    if person.passed_on:
        names = joined([reader.user(one) for one in person.passed_on], reader.language)
        notes.append(gettext("passed on by %(name)s", name=names))
    if person.auto:
        notes.append(gettext("approved before, so counted by itself"))
    holds = {
        "before": gettext("waits for the added signers"),
        "after": gettext("approved; waits for the added signers"),
        "delegate": gettext("waits for the opinion"),
        "order": gettext("waits for its turn"),
    }
    if person.status == "waiting" and person.hold in holds:
        notes.append(holds[person.hold])
    why = {
        "decided": gettext("the step was decided without it"),
        "escalated": gettext("passed to a superior"),
        "removed": gettext("taken off"),
    }
    if person.status == "cancelled" and person.note in why:
        notes.append(why[person.note])
    return notes


# --- what may be done --------------------------------------------------------------------------
def _decidable(reader: Reader, case: Flow, around: Around) -> Decidable | None:
    """The task that the reader may decide now."""
    own = [one for one in case.commands if one.event in DECISIONS and one.task in case.tasks]
    if not own:
        return None
    number = own[0].task or 0
    by_event = {one.event: one for one in own if one.task == number}
    approve, reject = by_event.get("task.approve"), by_event.get("task.reject")
    must = "always" if approve and approve.comment == "required" else ""
    if not must and reject and reject.comment == "required":
        must = "reject"
    previous = [one for one in case.choices if one.by == "previous"]
    return Decidable(
        id=case.tasks[number],
        version=case.version,
        approve=approve is not None,
        reject=reject is not None,
        why=_still(reader, approve, around),
        must=must,
        signature=case.signature,
        items=around.items,
        entries=[choice_entry(reader, one, around.typed) for one in previous] if approve else (),
    )


def _still(reader: Reader, approve: Command | None, around: Around) -> str:
    """Why it cannot be approved yet; fields that stand on the card speak for themselves."""
    if approve is None or approve.why is None or around.items:
        return ""
    return text(approve.why, reader.language)


ICONS: Final = {
    "task.transfer": "user-share",
    "task.delegate": "message-circle",
    "task.addsign": "user-plus",
    "task.removesign": "user-minus",
    "task.return": "arrow-back-up",
    "task.recall": "arrow-back",
    "task.cc": "send",
    "task.remind": "bell",
    "task.claim": "hand-stop",
}


def task_commands(reader: Reader, case: Flow) -> list[TaskCommand]:
    """What may be done with tasks beside deciding them; with the name of whose task it is where
    the same can be done with several."""
    given = [
        one
        for one in case.commands
        if one.event.startswith("task.") and one.event not in DECISIONS and one.task in case.tasks
    ]
    whose = {person.task: person.user for round_ in case.card.rounds for person in round_.people}
    found = []
    for one in given:
        if one.event == "task.claim" or one.task is None:
            continue  # a button of its own
        title = text_of(one.title, reader.language)
        if sum(1 for other in given if other.event == one.event) > 1 and whose.get(one.task):
            title = f"{title} · {reader.user(whose[one.task])}"
        found.append(
            TaskCommand(
                event=one.event,
                title=title,
                task=one.task,
                id=case.tasks[one.task],
                icon=ICONS.get(one.event, "arrow-right"),
                asks=one.asks,
                places=[(state, _place(reader, case, state)) for state in one.places],
                required=one.comment == "required",
                help=_help(case, one),
                off=text(one.why, reader.language) if one.why else _off(reader, case, one),
                signature="signature" in one.asks,
            )
        )
    return found


def _place(reader: Reader, case: Flow, state: str) -> str:
    found = case.chart.states.get(state) if case.chart else None
    title = text_of(found.title, reader.language) if found and found.title else state
    if case.chart and case.steps and state == case.steps[0].state and case.starter:
        return f"{title} · {reader.user(case.starter)}"
    return title


def _help(case: Flow, command: Command) -> str:
    """What the command does, in a sentence."""
    match command.event.removeprefix("task."):
        case "transfer":
            return gettext("Somebody else decides instead of you.")
        case "delegate":
            return gettext("Somebody gives an opinion; then it comes back to you to decide.")
        case "addsign":
            return gettext("More people have to agree.")
        case "removesign":
            return gettext("The signer that you added is not asked any more.")
        case "cc":
            return gettext("These people are told and may look; nobody waits for them.")
        case "remind":
            return gettext("Everybody who still has to decide is reminded.")
        case "recall":
            return gettext("Your decision is taken back, and you decide again.")
        case "return":
            policy = case.chart.states[command.state].policy if case.chart else None
            if policy is not None and policy.resubmit == "direct":
                return gettext("Once it is submitted again it comes straight back to this step.")
            return gettext("Once it is submitted again it goes through all steps anew.")
    return ""


def _off(reader: Reader, case: Flow, command: Command) -> str:
    """Reminding is possible once in a while only."""
    last = case.reminded.get(command.state) if command.event == "task.remind" else None
    if last is None or reader.now - last >= REMIND_EVERY:
        return ""
    left: timedelta = last + REMIND_EVERY - reader.now
    return gettext(
        "Reminded %(when)s; again in %(time)s.",
        when=ago(last, reader.now, reader.language),
        time=lasting(reader.now - left, reader.now, reader.language),
    )


# --- inputs ------------------------------------------------------------------------------------
def event_entries(reader: Reader, case: Flow, event: str, first: bool) -> list[Entry]:
    """What an author's event asks for; the first one of the starter also for the people that he
    picks for later steps."""
    found = [_entry(reader, one) for one in case.inputs.get(event, ())]
    if first and event not in DANGEROUS:
        found += [choice_entry(reader, one) for one in case.choices if one.by == "starter"]
    return found


def _entry(reader: Reader, one: Input) -> Entry:
    title = text_of(one.title, reader.language)
    field_ = one.field
    kind = "person" if one.person or (field_ and field_.type in PERSON_TYPES) else "text"
    options: list[tuple[str, str]] = []
    if field_ is not None and field_.options:
        kind = "choice"
        options = [(str(o.value), text_of(o.title, reader.language)) for o in field_.options]
    elif field_ is not None and field_.type in ("date", "datetime"):
        kind = field_.type
    elif field_ is not None and field_.type in ("number", "integer", "money", "percent"):
        kind = "number"
    return Entry(f"i_{one.name}", title, kind, one.required, options)


def choice_entry(reader: Reader, one: Choice, typed: Typed | None = None) -> Entry:
    """People to pick for a later step."""
    title = gettext("Approvers of “%(step)s”", step=text_of(one.title, reader.language))
    name = f"chosen.{one.state}"
    kept = [int(v) for v in (typed.values.get(name, ()) if typed else ()) if v.isdecimal()]
    chosen = [(str(id), reader.user(id)) for id in kept or one.chosen]
    if one.people is None:
        return Entry(name, title, "people", True, chosen=chosen)
    options = [(str(id), reader.user(id)) for id in one.people]
    return Entry(name, title, "some", True, options, chosen=chosen)


def payload(form: Any, case_inputs: Mapping[str, Sequence[Input]], event: str) -> dict[str, str]:
    """The inputs of an author's event as they were posted."""
    return {one.name: form.get(f"i_{one.name}", "") for one in case_inputs.get(event, ())}


def picked(form: Any) -> dict[str, list[int]]:
    """The people picked for later steps."""
    return {
        key.removeprefix("chosen."): [int(one) for one in form.getlist(key) if one.isdecimal()]
        for key in form
        if key.startswith("chosen.")
    }


__all__ = [
    "Approval",
    "Around",
    "Decidable",
    "Entry",
    "Typed",
    "approval",
    "event_entries",
    "payload",
    "picked",
]
