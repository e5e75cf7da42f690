"""What is said to pages, formulas, files and logs: families of hostile texts, and a company whose
every name and value is one of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from unittest import mock
from urllib.parse import quote

import sqlalchemy as sa
from markupsafe import escape
from tests.security import world as made
from tests.security.world import PACK, World

from engine.packs import load_company
from engine.records.groups import create_group
from engine.records.saved_views import save_view
from engine.tables import system

SCRIPTS: Final[Mapping[str, str]] = {  # short, so that several fit into one name
    "script": "<script>x</script>",
    "image out of an attribute": '"><img src=x>',
    "vector out of a single quote": "'><svg onload=x>",
    "comment": "--><b>",
    "handler in an attribute": '" onfocus="x',
    "handler in a single quote": "' onclick='x",
    "end of a script": "</script><u>",
    "end of a title and a text area": "</title></textarea><s>",
    "address": "javascript:x//",
    "entities": "&lt;i&gt;&#60;",
    "template": "{{7*7}}<template>",
    "escapes of JSON": "\\u003cb\\u003e<!--",
}
FOUR: Final = 4


def together() -> Mapping[str, str]:
    """All of the scripts, four to a text."""
    found, names = {}, list(SCRIPTS)
    for start in range(0, len(names), FOUR):
        part = names[start : start + FOUR]
        found[", ".join(part)] = "".join(SCRIPTS[name] for name in part)
    return found


ESCAPES: Final = (  # of expressions and templates
    "''.__class__.__mro__[1].__subclasses__()",
    "().__class__.__base__.__subclasses__()",
    "name.__class__",
    "me.__class__.__init__.__globals__",
    "record._sa_instance_state.session.bind.url",
    "record.delete()",
    "config",
    "self.__init__.__globals__",
    "('a{0.__class__}'.format)(1)",
    "'{0.__class__}'.format(name)",
    "f'{name}'",
    "name|attr('__class__')",
    "__import__('os').system('id')",
    "eval('1')",
    "exec('import os')",
    "open('/etc/passwd').read()",
    "getattr(name, '__class__')",
    "(lambda: 1)()",
    "[x for x in (1, 2)]",
    "(x := 1)",
    "9**9**9**9",
    "'a' * 1000000000",
    "name.upper()",
    "name[0]",
    "globals()",
    "vars(me)",
    "type(name)",
    "breakpoint()",
    "await name",
    "*name",
    "print(name)",
    "1 if True else (yield)",
)

LINES: Final[Mapping[str, str]] = {  # of logs
    "line feed": "x\n2026-11-22 10:00:00 dougong.refused admin logged in",
    "carriage return": "x\r\nSet-Cookie: a=b",
    "colours": "\x1b[2J\x1b[31mx",
    "other line ends": "x\u2028y\u0085z\x0bq\x0c",
    "right to left": "x\u202etxt.exe",
    "format": "%s%s%n{0}{a.__class__}${jndi:ldap://x}",
    "a megabyte": "A" * 2**20,
    "nul": "x\x00y",
}

TITLES: Final = frozenset({"title", "plural", "message", "placeholder", "description"})
URLS: Final = frozenset({"href", "src", "action", "formaction", "data", "xlink:href", "hx-get"})


def plain(text: str) -> str:
    """A harmless text of the same length."""
    return re.sub(r"[^A-Za-z0-9 /]", "x", text)


# --- the shape of a page -----------------------------------------------------------------------
class Shape(HTMLParser):
    """Elements and the names of their attributes, comments, and addresses that run something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element."""
        names = ",".join(sorted(name for name, _ in attrs))
        self.found[f"<{tag} {names}>"] += 1
        for name, value in attrs:
            scheme = re.sub(r"[\x00-\x20]", "", value or "").partition(":")[0].lower()
            if name in URLS and scheme in ("javascript", "vbscript", "data"):
                self.found[f"{name}={scheme}:"] += 1
            if name.startswith("on") or name in ("srcdoc", "style"):
                self.found[f"{name}={value}"] += 1

    def handle_comment(self, data: str) -> None:
        """A comment."""
        self.found["<!--"] += 1

    def handle_decl(self, decl: str) -> None:
        """A doctype."""
        self.found[f"<!{decl}"] += 1


# --- a company that consists of one text -------------------------------------------------------
WORDS: Final[Mapping[str, tuple[str, ...]]] = {  # where the platform keeps what somebody wrote
    "dg_file": ("name",), "dg_notice": ("title", "body"), "dg_token": ("name", "used_from"),
    "dg_session": ("address", "agent"), "dg_channel": ("name",), "dg_history": ("comment",),
    "dg_wf_event": ("comment",), "dg_wf_task": ("comment",), "dg_version": ("note",),
    "dg_outbox": ("error",), "dg_share": ("note",), "dg_access": ("address", "note"),
    "dg_comment": ("body",), "dg_security": ("address", "agent"), "dg_user": ("name",),
    "dg_department": ("name",), "dg_group": ("name",), "dg_saved_view": ("name",),
    "dg_handover": ("note",), "dg_wf_draft_step": ("what",), "dg_identity": ("subject", "email"),
}  # fmt: skip


@cache
def _sources() -> Mapping[str, str]:
    sources = load_company([PACK], "w1")[1]
    return dict(sources)


def dressed(said: str) -> dict[str, str]:
    """The pack with `said` in every word that it shows."""
    found = {}
    for path, text in _sources().items():
        whole = json.loads(text)
        if path.endswith("/customer.json"):
            fields = whole["properties"]
            fields["region"]["x-ui"] = {"placeholder": "for example", "group": "a group"}
            fields["remark"]["description"] = "what else"
            fields["credit_score"]["x-ui"] = {"unit": "points"}
            whole["x-form"] = [
                {"tab": "First", "rows": [[name] for name in fields if "compute" not in name]}
            ]
        found[path] = re.sub(
            r'"maxLength": (60|80|100)\b',
            '"maxLength": 200',
            json.dumps(_dressed(whole, said), ensure_ascii=False),
        )
    return found


def _dressed(value: Any, said: str) -> Any:
    if isinstance(value, list):
        return [_dressed(one, said) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _worded(one, said) if key in TITLES and _words(one) else _dressed(one, said)
        for key, one in value.items()
    }


def _words(value: Any) -> bool:
    return isinstance(value, str) or (set(value) <= {"en", "zh-CN"} and bool(value))


def _worded(value: Any, said: str) -> Any:
    if isinstance(value, dict):
        return {language: _worded(one, said) for language, one in value.items()}
    return f"{value} {said}"


@dataclass
class Dressed:
    """The standard world with `said` in every text that a person or a pack can write."""

    world: World
    said: str
    pages: dict[str, tuple[int, Counter[str]]] = field(default_factory=dict)
    echoed: int = 0  # pages that showed it

    @classmethod
    def make(cls, data: Path, said: str, keys: Mapping[str, int]) -> Dressed:
        """A company of its own in the folder `data`; the records have the ids that `keys` tell."""

        def words(key: str, value: Any) -> Any:
            if isinstance(value, list):
                return [words(key, one) for one in value]
            if isinstance(value, dict):
                return {name: words(key, one) for name, one in value.items()}
            is_text = isinstance(value, str) and value.startswith("CNRY")
            return f"{key} {said}" if is_text else value

        def vary(_entity: str, key: str, values: dict[str, Any]) -> dict[str, Any]:
            return {name: words(key, value) for name, value in values.items()}

        sources = dressed(said)
        with mock.patch.object(made, "load_company", return_value=(1, sources, [])):
            made.prepare(data, tenants=("t1",), vary=vary)
        world = World.open(data)
        world.keys = dict(keys)
        found = cls(world, said)
        found._beside()
        return found

    def _beside(self) -> None:
        """Everything that the platform itself keeps is called so."""
        company, said = self.world.served.company("t1"), self.said
        self.world.served.visitor("t1", "admin")
        with company.unit(self.world.served.actor("t1"), write=True) as unit:
            create_group(unit, "some", "group")
            for entity in ("customer", "contract", "note"):
                save_view(unit, entity, "view", f"q={quote(said)}")
            for number, kind in enumerate(("webhook", "email"), 8_000_000):
                row = {"id": number, "name": kind, "kind": kind, "config": {"url": said},
                       "created_at": unit.now}  # fmt: skip
                unit.connection.execute(sa.insert(system.CHANNEL).values(row))
            row = {"id": 8_100_000, "token_hash": "x", "start": "dg_", "user_id": unit.actor.id,
                   "name": "t", "scopes": {"*": ["read"]}, "created_at": unit.now,
                   "expires_at": unit.now + timedelta(days=9)}  # fmt: skip
            unit.connection.execute(sa.insert(system.TOKEN).values(row))
        self.drench()

    def drench(self) -> None:
        """Whatever lies in the tables, however it came there."""
        with self.world.served.company("t1").database.write() as connection:
            for table in system.METADATA.sorted_tables:
                for name in WORDS.get(table.name, ()):
                    new = sa.cast(table.primary_key.columns[0], sa.Text()) + f" {self.said}"
                    connection.execute(sa.update(table).values({name: new}))

    def ids(self, table: sa.Table) -> list[int]:
        """The ids in one of the platform's tables."""
        with self.world.served.company("t1").database.read() as connection:
            return sorted(connection.scalars(sa.select(table.c.id)))

    def look(self, name: str, answer: Any) -> None:
        """Remember the shape of an answer."""
        if answer.mimetype == "text/html":
            page = answer.get_data(as_text=True)
            self.pages[name] = (answer.status_code, Shape(page).found)
            self.echoed += escape(self.said) in page
        else:
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            self.pages[name] = (answer.status_code, Counter())
