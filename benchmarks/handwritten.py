"""The rival: a careful Flask + SQLAlchemy Core application for one customer table, no platform.

It does the work the generated application does for the same request — session, row permission,
validation, version check, history, capped count, bigram search — with statements built once and
nothing that is not needed for this one table.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

import msgspec
import sqlalchemy as sa
from flask import Flask, Response, abort, g, render_template, request

META = sa.MetaData()
SCALE = 100
PHONE = re.compile(r"1[3-9][0-9]{9}")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
LEVELS, STATUSES = ("A", "B", "C"), ("lead", "active", "lost")
COLUMNS = ("code", "name", "level", "status", "city", "owner", "credit_limit", "founded")
SEARCHED = ("code", "name", "phone", "email", "city", "address", "note")
TITLES = ("编号", "名称", "级别", "状态", "城市", "负责人", "信用额度", "成立")

user = sa.Table(
    "user",
    META,
    sa.Column("id", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("department", sa.BigInteger),
    sa.Column("roles", sa.Text),
)
session = sa.Table(
    "session",
    META,
    sa.Column("id_hash", sa.Text, primary_key=True),
    sa.Column("user_id", sa.BigInteger),
    sa.Column("expires_at", sa.Text),
)
customer = sa.Table(
    "customer",
    META,
    sa.Column("id", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("removed_at", sa.Text),
    sa.Column("code", sa.Text),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("level", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("phone", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("city", sa.Text),
    sa.Column("address", sa.Text),
    sa.Column("owner", sa.BigInteger, index=True),
    sa.Column("credit_limit", sa.BigInteger),
    sa.Column("employees", sa.BigInteger),
    sa.Column("founded", sa.Text),
    sa.Column("active", sa.Boolean),
    sa.Column("note", sa.Text),
    sa.Column("created_at", sa.Text),
    sa.Column("created_by", sa.BigInteger),
    sa.Column("updated_at", sa.Text),
    sa.Column("updated_by", sa.BigInteger),
    sa.Index("customer_level", "level", "credit_limit"),
    sa.Index("customer_city", "city"),
    sa.Index("customer_credit", "credit_limit", "id"),
)
sa.Index(
    "customer_code",
    customer.c.code,
    unique=True,
    sqlite_where=customer.c.removed_at.is_(None),
    postgresql_where=customer.c.removed_at.is_(None),
)
history = sa.Table(
    "history",
    META,
    sa.Column("id", sa.BigInteger().with_variant(sa.INTEGER(), "sqlite"), primary_key=True),
    sa.Column("record_id", sa.BigInteger, index=True),
    sa.Column("version", sa.Integer),
    sa.Column("action", sa.Text),
    sa.Column("at", sa.Text),
    sa.Column("by_id", sa.BigInteger),
    sa.Column("changes", sa.Text),
)
FIELDS = [column.name for column in customer.c if column.name != "removed_at"]
INPUT = frozenset(FIELDS) - {
    "id",
    "version",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
}


def bigrams(text: str) -> list[str]:
    """Overlapping pairs of characters as words for the index."""
    squeezed = text.lower()
    return [f"{a}{b}".encode().hex() for a, b in pairwise(squeezed)]


def words_of(row: Mapping[str, Any]) -> list[str]:
    """The pairs of everything a search looks into."""
    return bigrams(" ".join(str(row.get(name) or "") for name in SEARCHED))


def open_engine(place: str) -> sa.Engine:
    """SQLite (a path) with the same safety settings as the platform's, or PostgreSQL (a URL)."""
    if place.startswith("postgresql"):
        return sa.create_engine(place.replace("postgresql:", "postgresql+psycopg:"))
    engine = sa.create_engine(f"sqlite:///{place}", poolclass=sa.pool.QueuePool)

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "foreign_keys=ON",
            "synchronous=FULL",
            "busy_timeout=10000",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        mode = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if mode else "BEGIN")

    return engine


class SqliteSearch:
    """Pairs of characters in a contentless full-text table."""

    CREATE = ("CREATE VIRTUAL TABLE customer_search USING fts5(grams, content='', detail=none)",)
    _ADD = "INSERT INTO customer_search(rowid, grams) VALUES (?, ?)"

    def add(self, db: sa.Connection, rows: list[tuple[int, Mapping[str, Any]]]) -> None:
        """Index new rows."""
        db.exec_driver_sql(self._ADD, [(id, " ".join(words_of(row))) for id, row in rows])

    def change(
        self, db: sa.Connection, id: int, old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> None:
        """Take the old words out and put the new ones in."""
        db.exec_driver_sql(
            "INSERT INTO customer_search(customer_search, rowid, grams) VALUES ('delete', ?, ?)",
            (id, " ".join(words_of(old))),
        )
        self.add(db, [(id, new)])

    def matches(self, term: str) -> sa.ColumnElement[bool]:
        """The rows that have all pairs of the term."""
        asked = " AND ".join(f'"{word}"' for word in bigrams(term))
        found = sa.text("SELECT rowid FROM customer_search WHERE customer_search MATCH :grams")
        return customer.c.id.in_(found.bindparams(grams=asked).columns(sa.column("rowid")))


class PostgresSearch:
    """Pairs of characters in an array with a GIN index."""

    CREATE = (
        "CREATE TABLE customer_search (id bigint PRIMARY KEY, grams text[] NOT NULL)",
        "CREATE INDEX customer_search_g ON customer_search USING gin (grams)",
    )
    _ADD = (
        "INSERT INTO customer_search (id, grams) VALUES (%s, %s)"
        " ON CONFLICT (id) DO UPDATE SET grams = excluded.grams"
    )

    def add(self, db: sa.Connection, rows: list[tuple[int, Mapping[str, Any]]]) -> None:
        """Index rows."""
        db.exec_driver_sql(self._ADD, [(id, words_of(row)) for id, row in rows])

    def change(
        self, db: sa.Connection, id: int, _old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> None:
        """Index a changed row."""
        self.add(db, [(id, new)])

    def matches(self, term: str) -> sa.ColumnElement[bool]:
        """The rows that have all pairs of the term."""
        found = sa.text("SELECT id FROM customer_search WHERE grams @> :grams")
        return customer.c.id.in_(found.bindparams(grams=bigrams(term)).columns(sa.column("id")))


def search_of(engine: sa.Engine) -> SqliteSearch | PostgresSearch:
    """The search of this database."""
    return SqliteSearch() if engine.dialect.name == "sqlite" else PostgresSearch()


def prepare(place: str, rows: Any, users: int) -> str:
    """Create and fill the database; returns a session token of user 1."""
    engine = open_engine(place)
    search = search_of(engine)
    META.create_all(engine)
    now = datetime.now(UTC).isoformat()
    token = secrets.token_urlsafe(32)
    with engine.execution_options(write=True).begin() as db:
        for statement in search.CREATE:
            db.exec_driver_sql(statement)
        db.execute(
            user.insert(),
            [
                {"id": n, "name": f"用户{n}", "department": 1, "roles": "sales"}
                for n in range(1, users + 1)
            ],
        )
        db.execute(
            session.insert(),
            {
                "id_hash": hashlib.sha256(token.encode()).hexdigest(),
                "user_id": 1,
                "expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
            },
        )
        batch = [
            {
                **row,
                "version": 1,
                "credit_limit": int(row["credit_limit"] * SCALE),
                "founded": row["founded"].isoformat(),
                "created_at": now,
                "created_by": 1,
                "updated_at": now,
                "updated_by": 1,
            }
            for row in rows
        ]
        db.execute(customer.insert(), batch)
        search.add(db, [(row["id"], row) for row in batch])
        db.exec_driver_sql("ANALYZE")
        if engine.dialect.name != "sqlite":  # the rows came with their ids
            db.exec_driver_sql(
                "SELECT setval(pg_get_serial_sequence('customer', 'id'), max(id)) FROM customer"
            )
    return token


_actor = (
    sa.select(user, session.c.expires_at)
    .join(session, session.c.user_id == user.c.id)
    .where(session.c.id_hash == sa.bindparam("hash"))
)

_visible = sa.and_(
    customer.c.removed_at.is_(None),
    sa.or_(
        customer.c.owner == sa.bindparam("me"),
        # one look-up per candidate: as `owner IN (SELECT …)` SQLite walks the index on owner for
        # everybody of the department, and a count takes four times as long
        sa.select(user.c.department).where(user.c.id == customer.c.owner).scalar_subquery()
        == sa.bindparam("dept"),
    ),
)
_get = sa.select(*[customer.c[name] for name in FIELDS]).where(
    customer.c.id == sa.bindparam("id"), _visible
)


def make_app(place: str) -> Flask:
    """The application over the database at `place`."""
    engine = open_engine(place)
    search = search_of(engine)
    writer = engine.execution_options(write=True)
    if engine.dialect.name != "sqlite":  # reading without BEGIN and COMMIT saves two trips
        engine = engine.execution_options(isolation_level="AUTOCOMMIT")
    app = Flask(__name__, template_folder="templates")

    def actor(db: sa.Connection) -> sa.Row[Any]:
        token = request.cookies.get("sid", "")
        row = db.execute(_actor, {"hash": hashlib.sha256(token.encode()).hexdigest()}).first()
        if row is None or row.expires_at < datetime.now(UTC).isoformat():
            abort(401)
        g.actor = row
        return row

    def find(db: sa.Connection, me: sa.Row[Any]) -> tuple[list[dict[str, Any]], int]:
        wanted: list[sa.ColumnElement[bool]] = [_visible]
        for name in ("level", "status", "city"):
            if value := request.args.get(name):
                wanted.append(customer.c[name] == value)
        if term := request.args.get("q"):
            wanted.append(search.matches(term))
            wanted.append(
                sa.or_(*(customer.c[name].icontains(term, autoescape=True) for name in SEARCHED))
            )
        named = {"me": me.id, "dept": me.department}
        query = (
            sa.select(customer.c.id, customer.c.version, *[customer.c[name] for name in COLUMNS])
            .where(*wanted)
            .order_by(customer.c.credit_limit.desc(), customer.c.id.desc())
            .limit(26)
        )
        capped = sa.select(sa.func.count()).select_from(
            sa.select(customer.c.id).where(*wanted).limit(1001).subquery()
        )
        rows = [dict(row) for row in db.execute(query, named).mappings()]
        return rows[:25], db.execute(capped, named).scalar_one()

    def owners(db: sa.Connection, rows: list[dict[str, Any]]) -> dict[int, str]:
        ids = {row["owner"] for row in rows if row["owner"]}
        return dict(db.execute(sa.select(user.c.id, user.c.name).where(user.c.id.in_(ids))).all())

    @app.get("/customer/<int:id>")
    def read(id: int) -> Response:
        with engine.begin() as db:
            me = actor(db)
            row = (
                db.execute(_get, {"id": id, "me": me.id, "dept": me.department}).mappings().first()
            )
        if row is None:
            abort(404)
        return answer(shown(dict(row)))

    @app.get("/customer")
    def listing() -> Response:
        with engine.begin() as db:
            rows, count = find(db, actor(db))
        return answer({"items": [shown(row) for row in rows], "count": count})

    @app.get("/page")
    def page() -> str:
        with engine.begin() as db:
            rows, count = find(db, actor(db))
            names = owners(db, rows)
        return render_template(
            "handwritten.html",
            rows=rows,
            count=count,
            names=names,
            columns=COLUMNS,
            titles=TITLES,
            levels=LEVELS,
            statuses=STATUSES,
            actor=g.actor,
            args=request.args,
        )

    @app.post("/customer")
    def create() -> Response:
        values, problems = check(json.loads(request.data, parse_float=Decimal), {})
        if problems:
            return answer({"problems": problems}, 422)
        now = datetime.now(UTC).isoformat()
        with writer.begin() as db:
            me = actor(db)
            values |= {
                "version": 1,
                "created_at": now,
                "created_by": me.id,
                "updated_at": now,
                "updated_by": me.id,
                "owner": values.get("owner") or me.id,
            }
            key = db.execute(customer.insert().values(values)).inserted_primary_key
            assert key is not None
            log(db, key[0], 1, "create", {k: [None, v] for k, v in values.items()}, me.id, now)
            search.add(db, [(key[0], values)])
            row = (
                db.execute(_get, {"id": key[0], "me": me.id, "dept": me.department})
                .mappings()
                .one()
            )
        return answer(shown(dict(row)), 201)

    @app.patch("/customer/<int:id>")
    def update(id: int) -> Response:
        given = json.loads(request.data, parse_float=Decimal)
        version = given.pop("version", None)
        if version is None:
            abort(428)
        now = datetime.now(UTC).isoformat()
        with writer.begin() as db:
            me = actor(db)
            named = {"id": id, "me": me.id, "dept": me.department}
            found = db.execute(_get, named).mappings().first()
            if found is None:
                abort(404)
            old = dict(found)
            if old["version"] != version:
                abort(409)
            values, problems = check(given, old)
            if problems:
                return answer({"problems": problems}, 422)
            changed = {k: v for k, v in values.items() if old.get(k) != v and k in INPUT}
            values = {**changed, "version": version + 1, "updated_at": now, "updated_by": me.id}
            done = db.execute(
                customer.update()
                .where(customer.c.id == id, customer.c.version == version)
                .values(values)
            )
            if done.rowcount != 1:
                abort(409)
            if changed.keys() & set(SEARCHED):
                search.change(db, id, old, old | changed)
            log(
                db,
                id,
                version + 1,
                "change",
                {k: [old[k], v] for k, v in changed.items()},
                me.id,
                now,
            )
            row = db.execute(_get, named).mappings().one()
        return answer(shown(dict(row)))

    return app


def log(
    db: sa.Connection, id: int, version: int, action: str, changes: Any, by: int, at: str
) -> None:
    """One history row."""
    db.execute(
        history.insert().values(
            record_id=id,
            version=version,
            action=action,
            at=at,
            by_id=by,
            changes=json.dumps(changes, ensure_ascii=False),
        )
    )


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON: money as an exact string."""
    if row.get("credit_limit") is not None:
        row["credit_limit"] = f"{row['credit_limit'] // SCALE}.{row['credit_limit'] % SCALE:02d}"
    return row


def answer(body: Any, status: int = 200) -> Response:
    """A JSON response."""
    return Response(msgspec.json.encode(body), status, content_type="application/json")


def check(
    given: dict[str, Any], old: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The merged record in storage form, and what is wrong with it."""
    problems: list[dict[str, str]] = []

    def wrong(field: str, text: str) -> None:
        problems.append({"field": field, "text": text})

    for name in given.keys() - INPUT:
        wrong(name, "未知字段")
    values: dict[str, Any] = {name: old.get(name) for name in INPUT} | {
        k: v for k, v in given.items() if k in INPUT
    }
    if "credit_limit" in given or not old:
        try:
            amount = Decimal(str(given.get("credit_limit", 0)))
            if not amount.is_finite() or amount < 0 or amount * SCALE != int(amount * SCALE):
                raise InvalidOperation
            values["credit_limit"] = int(amount * SCALE)
        except InvalidOperation:
            wrong("credit_limit", "金额不正确")
            values["credit_limit"] = 0
    for name, most in (("code", 20), ("city", 40), ("address", 200), ("note", 500), ("name", 100)):
        value = values[name]
        if value is not None and (not isinstance(value, str) or len(value) > most):
            wrong(name, f"最多 {most} 个字")
    if not isinstance(values["name"], str) or len(values["name"]) < 2:
        wrong("name", "必填，至少 2 个字")
    values["level"] = values["level"] or "C"
    values["status"] = values["status"] or "lead"
    if values["level"] not in LEVELS:
        wrong("level", "不在选项中")
    if values["status"] not in STATUSES:
        wrong("status", "不在选项中")
    if values["phone"] and not PHONE.fullmatch(values["phone"]):
        wrong("phone", "手机号不正确")
    if values["email"] and not EMAIL.fullmatch(values["email"]):
        wrong("email", "邮箱不正确")
    if values["employees"] is not None and (
        not isinstance(values["employees"], int) or values["employees"] < 0
    ):
        wrong("employees", "须为非负整数")
    if values["founded"]:
        try:
            date.fromisoformat(values["founded"])
        except (TypeError, ValueError):
            wrong("founded", "日期不正确")
    values["active"] = True if values["active"] is None else bool(values["active"])
    if values["level"] != "A" and values["credit_limit"] > 500_000 * SCALE:
        wrong("credit_limit", "只有 A 级可以超过 50 万")
    return values, problems
