"""A company's definitions from the disk to the checked model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from engine.definitions import Model, Sources, build_model, read_sources
from engine.definitions.layers import stack
from engine.fields import TYPES
from engine.packs.checks import check_model
from engine.problems import Problem, Severity


def load_company(
    roots: Sequence[Path], pack: str, *, icons: Collection[str] = ()
) -> tuple[Model | None, Sources, list[Problem]]:
    """Reads `pack` and its bases below `roots` and checks everything that can be checked; `icons`
    are the names that can be drawn, where somebody knows them.

    Returns: the model (None when a problem is an error), the sources it came from, all problems.
    """
    sources, unreadable = read_sources(roots, pack)
    model, problems = check_sources(sources, pack, icons=icons)
    failed = any(one.severity is Severity.ERROR for one in unreadable)
    return (None if failed else model), sources, [*unreadable, *problems]


def check_sources(
    sources: Sources, pack: str, *, icons: Collection[str] = ()
) -> tuple[Model | None, list[Problem]]:
    """The model of `sources`, with expressions typed and workflows linted; publishing asks this.

    Expressions are looked at only when the definitions themselves are sound: a missing field would
    otherwise be told once where it is missing and again at every place that names it.
    """
    model, problems = build_model(sources, pack, types=TYPES)
    if model is None:
        return None, problems
    problems += check_model(model, stack(sources, pack), icons)
    failed = any(one.severity is Severity.ERROR for one in problems)
    return (None if failed else model), problems
