"""``dougong doctor``: is this installation safe to run?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

import click

from dougong.commands.options import with_installation
from dougong.commands.report import command_language
from dougong.doctor import Finding, findings
from dougong.installation import Installation

UNSAFE = 78  # EX_CONFIG: a server that refuses to start because of its settings


@click.command()
@with_installation
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the server listens")
@click.option("--json", "as_json", is_flag=True, help="For programs")
def doctor(installation: Installation, host: str, as_json: bool) -> None:
    """Name every unsafe setting and state, with a remedy; ends with 1 when there is one."""
    found = findings(installation, host=host)
    language = command_language()
    if as_json:
        click.echo(json.dumps([_told(one, language) for one in found], ensure_ascii=False))
    else:
        tell(found)
        if not found:
            click.echo({"zh-CN": "没有发现问题。", "en": "Nothing was found."}[language])
    sys.exit(1 if any(one.level == "unsafe" for one in found) else 0)


def tell(found: Iterable[Finding], *, err: bool = False) -> None:
    """One block per finding."""
    language = command_language()
    marks = {"unsafe": ("不安全", "unsafe", "red"), "advice": ("建议", "advice", "yellow")}
    for one in found:
        zh, en, colour = marks[one.level]
        mark = click.style(zh if language == "zh-CN" else en, fg=colour, bold=True)
        place = f"{one.company}: " if one.company else ""
        click.echo(f"{mark} {one.code} {place}{one.words(language)}", err=err)
        click.echo(f"    → {one.remedy(language)}", err=err)


def _told(one: Finding, language: str) -> dict[str, str]:
    return {
        "level": one.level,
        "code": one.code,
        "company": one.company,
        "text": one.words(language),
        "remedy": one.remedy(language),
    }
