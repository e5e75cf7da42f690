"""How the command line tells of problems: where, what, and how to mend it."""

from __future__ import annotations

import os
from collections.abc import Iterable

import click

from engine.problems import Problem, Severity, hint, text


def command_language() -> str:
    """The language of the terminal: English when the locale says so, else Chinese."""
    locale = (
        os.environ.get("DOUGONG_LANG") or os.environ.get("LC_ALL") or os.environ.get("LANG", "")
    )
    return "zh-CN" if locale.lower().startswith("zh") else "en"


def print_problems(problems: Iterable[Problem]) -> None:
    """One block per problem on the standard error stream."""
    language = command_language()
    for problem in problems:
        place = ":".join(str(part) for part in (problem.file, problem.line) if part)
        pointer = f" {problem.pointer}" if problem.pointer else ""
        colour = "red" if problem.severity is Severity.ERROR else "yellow"
        head = click.style(f"{problem.code}", fg=colour, bold=True)
        click.echo(f"{place}{pointer} {head} {text(problem, language)}".lstrip(), err=True)
        if remedy := hint(problem, language):
            click.echo(f"    → {remedy}", err=True)
