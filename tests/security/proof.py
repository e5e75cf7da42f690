"""The figures of `docs/security-proof.md`: counted, never typed.

`lists()`, `harnesses()` and `holes()` are the page's generated blocks. What is counted is the tests
themselves: how many cases stand under each id of the list, here and in the other folders.
"""

from __future__ import annotations

import importlib
import inspect
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.security import payloads
from tests.security.inventory import doors

HERE: Final = Path(__file__).parent
TESTS: Final = HERE.parent
NAMED: Final = re.compile(r"def test_(a\d+)_\d+", re.ASCII)


@dataclass(frozen=True)
class Line:
    """One list of threats."""

    title: str
    files: tuple[str, ...] = ()  # tests elsewhere that hold it under names of their own
    open: str = ""  # what there is no door for yet


LISTS: Final[Mapping[str, Line]] = {
    "A0": Line("the generic harnesses"),
    "A1": Line(
        "names, operators and values of queries",
        ("unit/lists/test_lists.py", "integration/test_bad_input.py"),
        "grouping, dashboards and reports",
    ),
    "A2": Line(
        "rows, at every door",
        ("integration/test_records_secrets.py", "integration/test_case_doors.py"),
        "export, print, pivot, charts, merging, bulk editing",
    ),
    "A3": Line(
        "fields, at every door",
        ("integration/test_reveal.py", "unit/access/test_compile_access.py"),
        "export, print, import templates",
    ),
    "A4": Line(
        "mass assignment and shapes of values",
        ("integration/test_three_doors.py", "integration/test_sent_ids.py"),
        "import",
    ),
    "A5": Line(
        "workflows and approvals",
        ("conformance/workflow/test_*.py", "integration/test_case_*.py", "unit/workflow/test_*.py"),
        "import, merging",
    ),
    "A6": Line(
        "expressions, templates, plugins",
        (
            "unit/expressions/test_*.py",
            "integration/test_expressions_sql.py",
            "unit/plugins/test_plugins.py",
            "unit/definitions/test_notice_texts.py",
        ),
        "print templates",
    ),
    "A7": Line(
        "output, scripts in pages",
        (
            "integration/test_bad_input.py",
            "integration/test_records_side.py",
            "unit/fields/test_faces.py",
        ),
        "CSV, XLSX and PDF",
    ),
    "A8": Line(
        "files, archives, packs",
        (
            "integration/test_records_side.py",
            "unit/packs/test_checks.py",
            "unit/definitions/test_load.py",
        ),
        "uploaded archives and packs",
    ),
    "A9": Line(
        "hostile definitions",
        (
            "unit/definitions/test_limits.py",
            "unit/definitions/test_patterns.py",
            "unit/definitions/test_mistakes.py",
            "unit/definitions/test_mutations.py",
            "integration/test_live_publish.py",
        ),
    ),
    "A10": Line("limits and fairness", ("integration/test_doors.py",), "export"),
    "A11": Line(
        "logging in, sessions, tokens",
        (
            "integration/test_accounts.py",
            "integration/test_sessions.py",
            "integration/test_second_factor.py",
            "integration/test_reset_links.py",
            "integration/test_api_tokens.py",
            "integration/test_oidc.py",
        ),
        "public forms",
    ),
    "A12": Line("forged requests, redirects, headers", ("integration/test_accounts.py",)),
    "A13": Line(
        "what goes out",
        ("unit/channels/test_net.py", "unit/channels/test_kinds.py", "integration/test_outbox.py"),
    ),
    "A14": Line(
        "errors, logs, audit",
        (
            "integration/test_security_log.py",
            "integration/test_privacy.py",
            "integration/test_encryption.py",
        ),
    ),
    "A15": Line("two companies, caches", (), "export files"),
    "A16": Line(
        "two people at one moment",
        (
            "integration/test_workflow_races.py",
            "integration/test_money_invariants.py",
            "integration/test_case_processes.py",
        ),
    ),
    "A17": Line(
        "exact data",
        ("unit/fields/test_values.py", "unit/tables/test_sorting.py", "integration/test_tables.py"),
    ),
    "A18": Line("import and export", (), "all of it"),
    "A19": Line(
        "new versions of definitions and product",
        (
            "integration/test_publish_ddl.py",
            "unit/tables/test_plan.py",
            "integration/test_renewed_platform.py",
        ),
    ),
    "A20": Line("faults", ("faults/test_kill.py",)),
    "A21": Line(
        "jobs",
        (
            "integration/test_worker.py",
            "integration/test_runner.py",
            "integration/test_timers_and_schedules.py",
        ),
    ),
    "A22": Line(
        "operations", ("integration/test_commands.py", "integration/test_doors.py"), "restore drill"
    ),
    "A23": Line("defaults", ("integration/test_doors.py", "integration/test_commands.py")),
}


def cases() -> dict[str, int]:
    """How many cases stand under each list in this folder."""
    found: Counter[str] = Counter()
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(f"tests.security.{path.stem}")
        for name, test in inspect.getmembers(module, inspect.isfunction):
            if match := re.match(r"test_(a\d+)_", name):
                found[match[1].upper()] += _runs(test)
    return dict(found)


def _runs(test: Any) -> int:
    marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
    databases = 2 if {"tried", "database"} & inspect.signature(test).parameters.keys() else 1
    if any("database" in str(mark.args[0]) for mark in marks):
        databases = 1
    return math.prod(len(mark.args[1]) for mark in marks) * databases


def elsewhere() -> dict[str, tuple[int, list[str]]]:
    """How many tests the other folders have for each list, and in which files: those that bear its
    id, and all of the files that LISTS names."""
    named: dict[str, Counter[str]] = {key: Counter() for key in LISTS}
    for path in sorted(TESTS.rglob("test_*.py")):
        if HERE in path.parents:
            continue
        place, text = str(path.relative_to(TESTS)), path.read_text("utf-8")
        for match in NAMED.finditer(text):
            named[match[1].upper()][place] += 1
        whole = len(re.findall(r"^def test_", text, re.MULTILINE))
        for key, line in LISTS.items():
            if any(path.relative_to(TESTS).match(pattern) for pattern in line.files):
                named[key][place] = whole
    return {key: (sum(found.values()), sorted(found)) for key, found in named.items()}


def lists() -> str:
    """The lists of threats, and what holds each of them."""
    here, others = cases(), elsewhere()
    lines = [
        "| | about | cases here | tests elsewhere | where | no door yet |",
        "|---|---|---|---|---|---|",
    ]
    for key, line in LISTS.items():
        number, files = others[key]
        count = f"{here[key]:,}" if key in here else ""
        where = ", ".join(f"`{place}`" for place in _short(files))
        lines.append(f"| {key} | {line.title} | {count} | {number or ''} | {where} | {line.open} |")
    return "\n".join(lines)


def _short(files: list[str]) -> Iterator[str]:
    """Folders with many of the files are named once."""
    groups = Counter(re.sub(r"/[^/]*$", "", place) for place in files)
    for place in files:
        folder = re.sub(r"/[^/]*$", "", place)
        if groups[folder] > 6:
            if place == next(one for one in files if one.startswith(folder + "/")):
                yield f"{folder}/ ({groups[folder]} files)"
        else:
            yield place


def harnesses() -> str:
    """What the harnesses go through."""
    who = Counter(door.who for door in doors())
    shared = [
        ("addresses in the inventory", len(doors())),
        *((f"… for {name}", number) for name, number in who.items()),
        ("reading and writing doors of records", _records()),
        ("SQL payloads in names and values", len(payloads.SQL)),
        ("values that break texts", len(payloads.VALUES)),
        ("names of entities that are none", len(payloads.NAMES)),
        ("fields of the platform that nobody sets", len(payloads.SYSTEM_FIELDS)),
        ("names that are nearly names", len(payloads.VARIANTS)),
        ("shapes of bodies that are none", len(payloads.JSON)),
        *_ways(),
        ("holes that were torn on purpose", len(list(torn()))),
    ]
    lines = ["| | |", "|---|---|"]
    return "\n".join([*lines, *(f"| {title} | {number:,} |" for title, number in shared)])


def _records() -> int:
    return len(
        [door for door in doors() if door.who == "person" and door.kind in ("reads", "writes")]
    )


def _ways() -> Iterator[tuple[str, int]]:
    fields = importlib.import_module("tests.security.test_a3_fields")
    ways = len(fields.REFUSED) + len(fields.ABSENT)
    yield "ways to use a field", ways + len(fields.WRITTEN)
    yield (
        "hidden and masked fields × ways",
        (len(fields.HIDDEN) + len(fields.MASKED)) * ways + len(fields.HIDDEN) * len(fields.WRITTEN),
    )


def torn() -> Iterator[tuple[str, str]]:
    """The holes, each with the harness that finds it."""
    found = importlib.import_module("tests.security.test_holes")
    for harness, hole in found.HOLES:
        yield harness, inspect.cleandoc(hole.__doc__ or "")
    for hole, _ in found.TWINS:
        yield "A0.4", inspect.cleandoc(hole.__doc__ or "")


def holes() -> str:
    """The holes as a table."""
    lines = ["| harness | the hole that it found |", "|---|---|"]
    return "\n".join([*lines, *(f"| {one} | {text} |" for one, text in sorted(torn()))])


BLOCKS: Final = {
    "security_harnesses": harnesses, "security_holes": holes, "security_lists": lists,
}  # fmt: skip
