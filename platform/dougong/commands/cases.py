"""``dougong cases``: what runs on which version, and what administrators do about it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from dougong.commands.options import company_of, with_installation
from dougong.commands.report import command_language, print_problems
from dougong.installation import Installation
from engine.definitions.model import Label, text_of
from engine.problems import Problem, text
from engine.records.administration import commands as by_hand
from engine.records.administration.migrations import Progress, undo_migration
from engine.records.administration.migrations import migrate as migrate_cases
from engine.records.administration.moves import CaseMove, Preview, choices, preview_migration
from engine.records.administration.versions import FlowCases, counted, running
from engine.records.company import Company
from engine.records.failures import Invalid
from engine.records.people import actor_of, find_user
from engine.records.unit import SYSTEM, Actor

_WORDS: Final[dict[str, Label]] = {
    "nothing": {"zh-CN": "没有进行中的流程。", "en": "No case runs."},
    "version": {"zh-CN": "第 {version} 版", "en": "version {version}"},
    "present": {"zh-CN": "现行", "en": "published"},
    "older": {"zh-CN": "旧版", "en": "older"},
    "late": {"zh-CN": "{count} 个超时", "en": "{count} overdue"},
    "stuck": {"zh-CN": "{count} 个卡住", "en": "{count} stuck"},
    "total": {
        "zh-CN": "{total} 个实例，将迁移 {moved} 个，{refused} 个保持原版本。",
        "en": "Of {total} running: {moved} would move, {refused} would stay.",
    },
    "first": {"zh-CN": "（预演了前 {count} 个）", "en": "(the first {count} were tried)"},
    "moved": {
        "zh-CN": "迁移 {number}：已迁移 {moved} 个，{refused} 个保持原版本。",
        "en": "Migration {number}: {moved} moved, {refused} stayed.",
    },
    "undone": {
        "zh-CN": "已恢复 {restored} 个；{left} 个在此之后有变动，保持现状。",
        "en": "{restored} put back; {left} touched since and left as they are.",
    },
    "done": {"zh-CN": "完成。", "en": "Done."},
}


class _Cases(click.Group):
    """``dougong cases COMPANY`` without a command tells the counts."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command before a company's key."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["counts", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Cases)
def cases() -> None:
    """See running cases and help them on: `dougong cases COMPANY` counts them."""


by_option = click.option(
    "--by", default="", help="Login of the administrator who acts  [default: the platform]"
)
reason_option = click.option("--reason", required=True, help="Why; kept in the case's history")


@cases.command()
@with_installation
@click.argument("key")
def counts(installation: Installation, key: str) -> None:
    """Running cases of the company KEY by workflow, version and state."""
    company = company_of(installation, key)
    with company.unit(SYSTEM, source="command") as unit:
        found = [flow for flow in running(unit) if flow.count]
    for flow in found:
        _print_flow(flow)
    if not found:
        click.echo(_said("nothing"))


def _print_flow(flow: FlowCases) -> None:
    language = command_language()
    click.echo(f"{flow.workflow}\t{text_of(flow.title, language)}\t{flow.count}")
    for one in flow.versions:
        states = ", ".join(text_of(label, language) for label in counted(one.states))
        trouble = [
            _said(name, count=count)
            for name, count in (("late", one.overdue), ("stuck", one.stuck))
            if count
        ]
        about = [_said("present" if one.present else "older"), str(one.count), states, *trouble]
        click.echo("\t".join([f"  {_said('version', version=one.version)}", *about]))


@cases.command()
@with_installation
@click.argument("key")
@click.argument("workflow")
@click.option("--map", "pairs", multiple=True, help="OLD=NEW: where the cases in a state go")
@click.option("--dry-run", is_flag=True, help="Only show what would happen")
@click.option("--reason", default="", help="Why; kept in the history of every case")
@by_option
def migrate(
    installation: Installation,
    key: str,
    workflow: str,
    pairs: tuple[str, ...],
    dry_run: bool,
    reason: str,
    by: str,
) -> None:
    """Move the running cases of WORKFLOW in the company KEY to its published version.

    A state that is there in both needs no --map. What cannot be moved stays on its version.
    """
    company = company_of(installation, key)
    actor = _actor(company, by)
    with company.unit(actor, source="command") as unit:
        given = _mapping(pairs)
        proposed = {one.state: one.target for one in choices(unit, workflow) if one.target}
        mapping = {**proposed, **given}
        if dry_run:
            _print_preview(preview_migration(unit, workflow, None, mapping))
            return
    done = migrate_cases(company, actor, workflow, None, mapping, reason, told=_print_refused)
    numbers = {"number": done.migration, "moved": done.moved, "refused": len(done.refused)}
    click.echo(_said("moved", **numbers))
    sys.exit(1 if done.refused else 0)


def _mapping(pairs: Sequence[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        old, sign, new = pair.partition("=")
        if not (sign and old.strip() and new.strip()):
            raise Invalid([Problem("C158", {"text": pair[:100]})])
        found[old.strip()] = new.strip()
    return found


def _print_preview(found: Preview) -> None:
    for (before, after), count in found.ways.items():
        arrow = f"{_titles(found.old, before)} → {_titles(found.new, after)}"
        click.echo(f"{count}\t{arrow}")
    for one in found.refused:
        _print_case(found, one)
    numbers = {"total": len(found.cases), "refused": len(found.refused)}
    told = _said("total", **numbers, moved=len(found.cases) - len(found.refused))
    more = _said("first", count=len(found.cases)) if found.total > len(found.cases) else ""
    click.echo(f"{told}{more}")


def _print_case(found: Preview, one: CaseMove) -> None:
    why = text(one.problems[0], command_language())
    click.echo(f"{one.instance}\t{one.label}\t{_titles(found.old, one.before)}\t{why}")


def _print_refused(step: Progress) -> None:
    for id, problem in step.refused:
        click.echo(f"{id}\t{text(problem, command_language())}", err=True)


def _titles(labels: Any, states: Sequence[str]) -> str:
    language = command_language()
    return " + ".join(text_of(labels.get(one, {"": one}), language) for one in states)


@cases.command()
@with_installation
@click.argument("key")
@click.argument("migration", type=click.IntRange(1, 2**53))
@reason_option
@by_option
def undo(installation: Installation, key: str, migration: int, reason: str, by: str) -> None:
    """Put back the cases of MIGRATION that nobody has touched since."""
    company = company_of(installation, key)
    done = undo_migration(company, _actor(company, by), migration, reason)
    click.echo(_said("undone", restored=len(done.restored), left=len(done.left)))
    for id in done.left:
        click.echo(str(id))


@cases.command()
@with_installation
@click.argument("key")
@click.argument("case", type=click.IntRange(1, 2**53))
@reason_option
@by_option
def terminate(installation: Installation, key: str, case: int, reason: str, by: str) -> None:
    """End the running CASE: nobody is asked any more, the record is free."""
    _carry_out(installation, key, by, lambda unit: by_hand.terminate(unit, case, reason))


@cases.command()
@with_installation
@click.argument("key")
@click.argument("case", type=click.IntRange(1, 2**53))
@click.argument("state")
@reason_option
@by_option
def jump(installation: Installation, key: str, case: int, state: str, reason: str, by: str) -> None:
    """Put the running CASE into STATE."""
    _carry_out(installation, key, by, lambda unit: by_hand.jump(unit, case, state, reason))


@cases.command("wake-up")
@with_installation
@click.argument("key")
@click.argument("case", type=click.IntRange(1, 2**53))
@click.argument("state")
@reason_option
@by_option
def wake_up(
    installation: Installation, key: str, case: int, state: str, reason: str, by: str
) -> None:
    """Let the CASE that has ended go on in STATE."""
    _carry_out(installation, key, by, lambda unit: by_hand.wake_up(unit, case, state, reason))


@cases.command()
@with_installation
@click.argument("key")
@click.argument("case", type=click.IntRange(1, 2**53))
@reason_option
@by_option
def retry(installation: Installation, key: str, case: int, reason: str, by: str) -> None:
    """Try again what has failed in the CASE."""
    company = company_of(installation, key)
    failed = by_hand.retry(company, _actor(company, by), case, reason)
    print_problems(failed)
    if failed:
        sys.exit(1)
    click.echo(_said("done"))


def _carry_out(
    installation: Installation, key: str, by: str, command: Callable[[Any], None]
) -> None:
    company = company_of(installation, key)
    with company.unit(_actor(company, by), write=True, source="command") as unit:
        command(unit)
    click.echo(_said("done"))


def _actor(company: Company, login: str) -> Actor:
    """Who acts: the platform, or the administrator of that login."""
    if not login:
        return SYSTEM
    with company.unit(SYSTEM, source="command") as unit:
        row = find_user(unit.connection, login)
        found = actor_of(unit.connection, row["id"], unit.app.model) if row else None
    if found is None:
        raise Invalid([Problem("C151")])
    return found


def _said(name: str, **params: Any) -> str:
    return text_of(_WORDS[name], command_language()).format(**params)
