"""Fill in the generated parts of the reference: ``python -P scripts/build_docs.py``.

A page under ``docs/`` is written by hand, except what stands between ``<!-- begin NAME -->`` and
``<!-- end NAME -->``: that is made here, from the code itself. A test compares the committed pages
with what the code says, so a reference cannot fall behind.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Any, Final

import click
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from engine.definitions import build_model
from engine.definitions.checking import KINDS, schema
from engine.definitions.reference import reference_markdown
from engine.expressions import FUNCTIONS
from engine.expressions.functions import Function
from engine.fields import TYPES, FieldType, bind
from engine.fields.masks import KINDS as MASKS
from engine.problems.catalogue import codes

ROOT: Final = Path(__file__).resolve().parent.parent
DOCS: Final = ROOT / "docs"
CONFORMANCE: Final = ROOT / "tests" / "conformance" / "workflow"
EXAMPLES: Final = Path(__file__).with_name("field_examples.json")

_BLOCK: Final = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)
_SYSTEM: Final = ("created_at", "created_by", "updated_at", "updated_by")
_AREAS: Final = {
    "D": "Definitions",
    "X": "Expressions",
    "V": "Values of records",
    "A": "Access",
    "W": "Workflows",
    "P": "Publishing",
    "R": "Requests",
    "S": "Storage and installation",
    "C": "Running cases",
    "E": "Workflow editor",
    "H": "People",
    "I": "Approvals",
    "M": "Simulation",
    "N": "Notices and channels",
    "Q": "Deliveries",
    "L": "Accounts and signing in",
    "T": "Tokens and installation",
    "U": "Users and departments",
    "G": "Explaining and comparing rights",
    "K": "Permission matrix",
    "J": "Sharing and the pool",
    "Y": "Privacy",
}
# Evaluated once for a whole statement (or, as `if_`, no function to the database at all).
_FIXED: Final = frozenset({"today", "now", "has_role", "if_", "participant", "shared"})
_NOT_IN_SQL: Final = frozenset({"avg"})


def filled(page: str) -> str:
    """The page with every generated block as the code has it now."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]]().strip()}\n\n{found[3]}", page)


def pages() -> list[Path]:
    """Every page that has a generated block."""
    return [path for path in sorted(DOCS.rglob("*.md")) if _BLOCK.search(path.read_text("utf-8"))]


# --- definitions -------------------------------------------------------------------------------
def definitions() -> str:
    """Every keyword of every kind of file."""
    order = ("pack", "entity", "field", "common", "workflow")
    page = reference_markdown({kind: schema(kind) for kind in order if kind in KINDS})
    return page.partition("\n")[2]


# --- field types -------------------------------------------------------------------------------
def field_types() -> str:
    """A section for each type: what it is, where it lies, what a filter can ask."""
    bound = example_types()
    lines = ["| Type | What it is |", "|---|---|"]
    lines += [f"| [`{name}`](#{name}) | {_first(TYPES[name])} |" for name in bound]
    for name, (kind, shown) in bound.items():
        lines += ["", f"### {name}", "", *_field_section(kind, shown)]
    return "\n".join(lines)


def examples() -> Mapping[str, tuple[Mapping[str, Any], Any]]:
    """Per type: an example definition and a value in wire form."""
    found = json.loads(EXAMPLES.read_text("utf-8"))
    return {name: (definition, value) for name, (definition, value) in found.items()}


def example_types() -> dict[str, tuple[FieldType, Mapping[str, Any] | None]]:
    """Every built-in type, bound to its example; the four stamps have none to write."""
    given = examples()
    sources = _sources({f"{name}_field": said for name, (said, _) in given.items()})
    model, problems = build_model(sources, "example", types=TYPES)
    if model is None:
        message = f"the examples are wrong: {problems}"
        raise click.ClickException(message)
    fields = model.entities["example"].fields
    found: dict[str, tuple[FieldType, Mapping[str, Any] | None]] = {
        name: (bind(fields[f"{name}_field"]), said) for name, (said, _) in given.items()
    }
    return found | {name: (bind(fields[name]), None) for name in _SYSTEM}


def _sources(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    titled = {name: {"title": name.capitalize(), **said} for name, said in fields.items()}
    entity = {
        "x-entity": {"name": "example", "label": "{text_field}"},
        **{"title": "Example", "type": "object", "properties": titled},
    }
    pack = {"name": "example", "title": "Example", "version": "1"}
    return {
        "entity_defs/example/pack.json": json.dumps(pack),
        "entity_defs/example/example.json": json.dumps(entity),
    }


def _field_section(kind: FieldType, definition: Mapping[str, Any] | None) -> Iterator[str]:
    yield _doc(type(kind))
    yield ""
    if definition is None:
        yield "Every entity has it; it is never written by hand."
    else:
        yield "```json"
        yield json.dumps({"title": "…", **definition}, ensure_ascii=False)
        yield "```"
    yield ""
    yield f"- Column: {_column(kind)}"
    if kind.name in examples():
        value = examples()[kind.name][1]
        yield f"- In JSON: `{json.dumps(value, ensure_ascii=False)}`"
        shown = kind.mask(kind.parse(value))
        yield f"- Masked: `{json.dumps(shown, ensure_ascii=False)}`"
    yield f"- Filters: {', '.join(f'`{op}`' for op in kind.operators)}"
    said = [
        *(["sortable"] if kind.sortable else []),
        *(["found by the search box"] if kind.searchable else []),
    ]
    if said:
        yield f"- In lists: {', '.join(said)}"


def _column(kind: FieldType) -> str:
    if kind.name == "lines":
        return "a table of its own, one row per line"
    if not kind.stored:
        return "a link table"
    lite, post = (_ddl(kind, dialect) for dialect in (sqlite.dialect(), postgresql.dialect()))  # type: ignore[no-untyped-call]
    return f"`{lite}` on SQLite, `{post}` on PostgreSQL" if lite != post else f"`{lite}`"


def _ddl(kind: FieldType, dialect: Dialect) -> str:
    return str(kind.column_type().compile(dialect=dialect))


def _doc(of: Any) -> str:
    """The docstring as Markdown: lines joined, code in single back-ticks."""
    paragraphs = cleandoc(of.__doc__ or "").replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(part.split()) for part in paragraphs)


def _first(of: type[FieldType]) -> str:
    return _doc(of).partition("\n")[0].partition(". ")[0].rstrip(".").replace("|", "\\|")


def masks() -> str:
    """The kinds of masks."""
    samples = {
        "all": "Anna Lindner",
        "phone": "13800138000",
        "name": "张小北",
        "idcard": "11010519491231002X",
        "bankcard": "6222026233473479575",
        "email": "anna@example.com",
    }
    lines = ["| `mask` | Value | What is shown |", "|---|---|---|"]
    lines += [f"| `{kind}` | {samples[kind]} | `{MASKS[kind](samples[kind])}` |" for kind in MASKS]
    return "\n".join(lines)


# --- expressions -------------------------------------------------------------------------------
def functions() -> str:
    """The one table of functions."""
    lines = ["| Function | Gives | Meaning | In permissions |", "|---|---|---|---|"]
    for function in FUNCTIONS.values():
        gives = str(function.gives) if function.gives else "as its arguments"
        form = function.form.replace("|", "\\|")
        lines.append(f"| `{form}` | {gives} | {function.en} | {_in_sql(function)} |")
    return "\n".join(lines)


def _in_sql(function: Function) -> str:
    known = function.sql is not None or function.kind == "rows" or function.name in _FIXED
    return "yes" if known and function.name not in _NOT_IN_SQL else "no"


# --- problems ----------------------------------------------------------------------------------
def problems() -> str:
    """Every code, both languages."""
    english, chinese = codes("en"), codes("zh-CN")
    lines: list[str] = []
    for letter, area in _AREAS.items():
        lines += [
            f"## {letter} · {area}",
            "",
            "| Code | What is wrong | What to do |",
            "|---|---|---|",
        ]
        for code in sorted(one for one in english if one.startswith(letter)):
            what = f"{_plain(english[code]['text'])}<br>{_plain(chinese[code]['text'])}"
            hints = (found[code].get("hint", "") for found in (english, chinese))
            lines.append(f"| {code} | {what} | {'<br>'.join(map(_plain, filter(None, hints)))} |")
        lines.append("")
    return "\n".join(lines)


def _plain(text: str) -> str:
    """A catalogue's text: parameters in italics, nothing that Markdown would take for its own."""
    text = text.replace("[[", "").replace("]]", "")  # a part that is left out when it has nothing
    text = re.sub(r"([\\`*_|<>\[\]])", r"\\\1", text)
    text = re.sub(r"(?<!{){([\w.\\]+)}(?!})", r"*\1*", text)
    return text.replace("{{", "{").replace("}}", "}").replace("\n", " ")


# --- commands ----------------------------------------------------------------------------------
def commands() -> str:
    """The help of every command, as the program prints it."""
    from dougong.commands import cli

    lines: list[str] = []
    shape: dict[str, Any] = {"terminal_width": 96, "max_content_width": 96, **cli.context_settings}
    with click.Context(cli, info_name="dougong", **shape) as above:
        for name, command in cli.commands.items():
            inner = click.Context(command, info_name=name, parent=above)
            lines += [f"## dougong {name}", "", "```text", command.get_help(inner), "```", ""]
    return "\n".join(lines)


# --- the JSON API ------------------------------------------------------------------------------
def routes() -> str:
    """Every address of the API with the first sentence about it."""
    from flask import Flask

    from dougong.api import init_api

    app = Flask("reference")
    init_api(app)
    lines = ["| Method | Address | What it does |", "|---|---|---|"]
    for rule in app.url_map.iter_rules():
        if rule.endpoint == "static":
            continue
        said = _doc(app.view_functions[rule.endpoint])
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            address = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            lines.append(f"| `{method}` | `{address}` | {said.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


# --- icons -------------------------------------------------------------------------------------
def icons() -> str:
    """The icons that are part of the build."""
    names = json.loads((ROOT / "frontend" / "src" / "icons.json").read_text("utf-8"))
    return ", ".join(f"`{name}`" for name in sorted(names))


# --- what the workflow engine is held to -------------------------------------------------------
def suites() -> str:
    """The public suites, how much of them passes, and why the rest is left out."""
    manifest = json.loads((CONFORMANCE / "manifest.json").read_text("utf-8"))
    lines = ["| suite | from | tests | pass | left out, with the reason |", "|---|---|---|---|---|"]
    for name, suite in manifest["suites"].items():
        out = {reason: len(names) for reason, names in suite["left_out"].items()}
        count, passed = len(suite["passed"]) + sum(out.values()), len(suite["passed"])
        why = ", ".join(f"{reason} ({number})" for reason, number in out.items())
        lines.append(f"| {name} | `{suite['package']}` | {count} | {passed} | {why} |")
    return "\n".join(lines)


def cases() -> str:
    """Failures of other systems in production, and the tests that keep ours from them."""
    known = json.loads((CONFORMANCE / "cases.json").read_text("utf-8"))
    parts = []
    for title, group in (("Failures", known["cases"]), ("Attacks", known["attacks"])):
        parts += [f"### {title}", "", "| | what goes wrong elsewhere | here | tests |"]
        parts.append("|---|---|---|---|")
        for key, case in group.items():
            parts.append(f"| {key} | {case['title']} | {case['promise']} | {len(case['tests'])} |")
        parts.append("")
    return "\n".join(parts)


def proof(block: str) -> str:
    """A part of the proof of security, counted from the tests themselves."""
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    found: Mapping[str, Callable[[], str]] = import_module("tests.security.proof").BLOCKS
    return found[block]()


def security(block: str) -> str:
    """What the security tests count of themselves."""
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))  # tests are no part of what is installed
    found: str = import_module("tests.security.proof").BLOCKS[block]()
    return found


BLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    "definitions": definitions,
    "field_types": field_types,
    "masks": masks,
    "functions": functions,
    "problems": problems,
    "commands": commands,
    "routes": routes,
    "icons": icons,
    "suites": suites,
    "cases": cases,
    **{
        f"security_{block}": partial(proof, f"security_{block}")
        for block in ("harnesses", "holes", "lists")
    },
}


def main() -> None:
    """Rewrite the pages whose generated parts are out of date and name them."""
    for path in pages():
        old = path.read_text("utf-8")
        if (new := filled(old)) != old:
            path.write_text(new, "utf-8")
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")


__all__ = ["filled", "main", "pages"]

if __name__ == "__main__":
    main()
