"""`replay`: the cases of the past in a draft, with the decisions people really gave.

Every case is retraced twice, through the published definition and through the draft, under the
same conditions; what differs between the two is the draft's doing. Nothing is written or sent, and
no more than a batch of cases is held at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any, Final, Literal

import msgspec

from engine.definitions.model import Label, Workflow
from engine.problems import Problem, text
from engine.problems.catalogue import LANGUAGES
from engine.records.failures import Invalid
from engine.records.flows.words import state_title, worded_problem
from engine.records.simulation.past import Habits, Past, batches, count
from engine.records.simulation.track import Track, retrace
from engine.records.simulation.world import World, published_workflow
from engine.records.unit import Unit
from engine.workflow import Chart, compile_chart

EXAMPLES: Final = 20  # records named in a group
MOST: Final = 5_000  # cases of one report
Kind = Literal["more", "fewer", "people", "stalls", "ends", "slower", "faster"]
KINDS: Final[tuple[Kind, ...]] = (
    *("stalls", "ends", "more", "fewer", "people", "slower", "faster"),
)  # fmt: skip
Progress = Callable[[int, int], bool]


@dataclass(slots=True)
class Group:
    """Cases that the draft would change in the same way: how many, some of their records, and for
    each variant (a number of approvers, a reason) how many."""

    count: int = 0
    examples: list[int] = field(default_factory=list)
    variants: dict[str, int] = field(default_factory=dict)
    titles: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class StepChange:
    """A step: the people that the draft asks in addition or no longer, with the number of cases."""

    title: dict[str, str] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """What a draft would have changed.

    `looked` of `total` cases were retraced up to the instance `last`; `complete` when there are no
    more. `rebuilt`: with the values of that time, the others with today's. `unlike`: the published
    definition itself does not lead where the case really went. `earlier`: begun with another
    version. `minutes`: how much longer each finished case would take.
    """

    workflow: str
    entity: str
    since: str
    total: int = 0
    looked: int = 0
    changed: int = 0
    complete: bool = False
    cancelled: bool = False
    last: int = 0
    rebuilt: int = 0
    unlike: int = 0
    earlier: int = 0
    assumed: int = 0
    seconds: float = 0.0
    groups: dict[str, Group] = field(default_factory=dict)
    steps: dict[str, StepChange] = field(default_factory=dict)
    minutes: list[int] = field(default_factory=list)

    @property
    def median_minutes(self) -> int:
        """How much longer the middle one of the cases that take another time would take."""
        other = [one for one in self.minutes if one]
        return round(median(other)) if other else 0

    @property
    def same(self) -> int:
        """Cases that the draft leaves as they were."""
        return self.looked - self.changed

    @property
    def records(self) -> list[int]:
        """Every record that is named."""
        return sorted({id for group in self.groups.values() for id in group.examples})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Report:
        """The report of `to_json`."""
        return msgspec.convert(body, Report)


def replay(
    unit: Unit,
    draft: Workflow,
    since: datetime,
    *,
    progress: Progress | None = None,
    most: int = MOST,
    budget: float | None = None,
    begun: Report | None = None,
) -> Report:
    """The cases begun since, in a draft. `begun`: a report to go on with; `budget`: seconds after
    which to stop for now. `progress` is told (done, of) after every batch and cancels with False.

    Raises: NotFound without a published definition, Invalid for a draft of another entity.
    """
    started = time.perf_counter()
    present = published_workflow(unit, draft.id)
    if present.entity != draft.entity:
        raise Invalid([Problem("M161", {"draft": draft.entity, "entity": present.entity})])
    report = begun or Report(present.id, present.entity, since.isoformat())
    report.total = min(count(unit, present.id, since), most)
    comparing = _Comparing(unit, present, draft, since, report)
    entity = comparing.before.entity
    for batch in batches(unit, entity, present.id, since, report.last):
        for past in batch[: most - report.looked]:
            comparing.one(past)
        if progress is not None and not progress(report.looked, report.total):
            report.cancelled = True
            break
        if report.looked >= most:
            break
        if budget is not None and time.perf_counter() - started > budget:
            report.seconds += time.perf_counter() - started
            return report
    report.complete = not report.cancelled
    report.seconds += time.perf_counter() - started
    return report


class _Comparing:
    """One run: the two worlds and the report that grows."""

    def __init__(
        self, unit: Unit, present: Workflow, draft: Workflow, since: datetime, report: Report
    ) -> None:
        self.unit, self.report = unit, report
        self.before = World.of(unit, present, exact=False)
        self.after = self.before.beside(compile_chart(draft))
        self.habits = Habits(unit, present.id, since)

    def one(self, past: Past) -> None:
        """Retrace a case in both charts and note what differs."""
        report = self.report
        then, now = (retrace(world, past, self.habits) for world in (self.before, self.after))
        report.looked += 1
        report.last = past.instance
        report.rebuilt += past.rebuilt
        report.earlier += past.hash != self.before.chart.hash
        report.unlike += then.state != past.state
        report.assumed += now.assumed > then.assumed
        kinds = dict(self.differences(then, now))
        for kind, (variant, title) in kinds.items():
            self.note(kind, past.record_id, variant, title)
        self.people(then, now)
        report.changed += bool(kinds)
        if then.end == now.end == "finished":
            minutes = (now.elapsed - then.elapsed).total_seconds() / 60
            report.minutes.append(round(minutes))

    def differences(self, then: Track, now: Track) -> list[tuple[Kind, tuple[str, Label]]]:
        """How the draft changes a case: at most one of each kind."""
        found: list[tuple[Kind, tuple[str, Label]]] = []
        if now.end == "stuck" and then.end != "stuck":
            found.append(("stalls", self.reason(now)))
        elif then.end == now.end == "finished" and then.state != now.state:
            found.append(("ends", self.way(then, now)))
        extra = len(now.votes) - len(then.votes)
        others = {person for _, person in now.asked} != {person for _, person in then.asked}
        # two cases that wait in different steps cannot be compared by what was decided so far
        if now.end != "stuck" and (then.end != "open" or then.state == now.state):
            if extra:
                found.append(("more" if extra > 0 else "fewer", (str(abs(extra)), {})))
            elif others:
                found.append(("people", ("", {})))
        elif now.end != "stuck" and now.asked.keys() != then.asked.keys():
            found.append(("people", ("", {})))
        if then.end == now.end == "finished" and then.elapsed != now.elapsed:
            found.append(("slower" if now.elapsed > then.elapsed else "faster", ("", {})))
        return found

    def reason(self, now: Track) -> tuple[str, Label]:
        assert now.why is not None
        problem = worded_problem(self.unit, self.after.chart, self.after.entity, now.why)
        title = {language: text(problem, language) for language in LANGUAGES}
        return title["en"], title

    def way(self, then: Track, now: Track) -> tuple[str, Label]:
        titles = (
            state_title(self.before.chart, then.state),
            state_title(self.after.chart, now.state),
        )
        label = {
            language: " → ".join(_in(one, language) for one in titles) for language in LANGUAGES
        }
        return f"{then.state}>{now.state}", label

    def note(self, kind: Kind, record: int, variant: str, title: Label) -> None:
        group = self.report.groups.setdefault(kind, Group())
        group.count += 1
        if len(group.examples) < EXAMPLES:
            group.examples.append(record)
        if variant:
            group.variants[variant] = group.variants.get(variant, 0) + 1
        if title:
            group.titles[variant] = dict(title)

    def people(self, then: Track, now: Track) -> None:
        """Who is asked in addition, and who no longer, step by step."""
        for state, person in now.asked:
            if (state, person) not in then.asked:
                _add(self.step(self.after.chart, state).added, person)
        if now.end == "stuck":
            return  # whoever would have come later is no difference in the rules
        for state, person in then.asked:
            if (state, person) not in now.asked:
                _add(self.step(self.before.chart, state).removed, person)

    def step(self, chart: Chart, state: str) -> StepChange:
        if state not in self.report.steps:
            self.report.steps[state] = StepChange(dict(state_title(chart, state)))
        return self.report.steps[state]


def _add(counts: dict[str, int], person: int) -> None:
    counts[str(person)] = counts.get(str(person), 0) + 1


def _in(label: Label, language: str) -> str:
    return label.get(language) or next(iter(label.values()), "")


def sentences(report: Report) -> Sequence[Problem]:
    """The report in a few sentences, the gravest first."""
    found: list[Problem] = []
    total = report.looked
    for kind, code in (("stalls", "M180"), ("ends", "M181"), ("fewer", "M183"), ("people", "M184")):
        if group := report.groups.get(kind):
            found.append(Problem(code, {"count": group.count, "total": total}))
    if group := report.groups.get("more"):
        for number, many in sorted(group.variants.items(), key=lambda one: int(one[0])):
            params = {"count": many, "total": total, "number": int(number)}
            found.append(Problem("M182", params))
    if not report.changed:
        found.append(Problem("M185", {"total": total}))
    return found
