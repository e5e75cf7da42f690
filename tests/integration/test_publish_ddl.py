"""Plans carried out on both databases, with data in place."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.models import entity, field, lines, model

from engine.definitions.model import Field, Model
from engine.fields.registry import bind
from engine.storage import Database, violation
from engine.tables import Plan, PlanRefused, Tables, apply, build_tables, plan, system


class Company:
    """A database with what was published to it last."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.last: Plan | None = None
        self.model: Model | None = None
        self.tables: Tables

    def publish(self, new: Model) -> Plan:
        found = plan(self.last.layout if self.last else None, self.model, new, bind)
        assert found.problems == ()
        tables = build_tables(new, found.layout, bind)
        self.database.ddl(lambda connection: apply(connection, found, tables))
        self.last, self.model, self.tables = found, new, tables
        return found

    def insert(self, name: str, /, **values: Any) -> int:
        table = self.tables.of(name)
        with self.database.write() as connection:
            id = self.database.ids.next(connection)
            row = {"version": 1} if "version" in table.table.c else {}
            row |= {table.column(key).name: value for key, value in values.items()}
            connection.execute(table.table.insert(), {"id": id, **row})
        return id

    def rows(self, name: str, /, *fields: str) -> list[Any]:
        table = self.tables.of(name)
        with self.database.read() as connection:
            statement = sa.select(*(table.column(one) for one in fields)).order_by(table.id)
            return [tuple(row) for row in connection.execute(statement)]


@pytest.fixture
def company(database: Database) -> Company:
    return Company(database)


def customer(*fields: Field, **more: Any) -> Model:
    return model(entity("customer", field("name"), field("code"), *fields, **more))


def test_fields_come_and_go_while_records_stay(company: Company) -> None:
    company.publish(customer())
    company.insert("customer", name="恒泰", code="A")
    company.publish(
        customer(
            field("amount", "money", default="12.50"),
            field("active", "boolean", default=True),
            field("level", "choice", default="it's"),
            field("labels", "tags", default=["a", "b"]),
            field("since", "date", default="2024-02-29"),
            field("partner", "ref", to="customer"),
            field("owner", "user"),
        )
    )
    assert company.rows("customer", "name", "amount", "active", "level", "labels", "partner") == [
        ("恒泰", Decimal("12.50"), True, "it's", ["a", "b"], None)
    ]
    company.insert("customer", name="B")  # the default was for the rows that were there
    company.publish(customer())
    company.publish(customer(field("amount", "money")))
    assert company.rows("customer", "amount")[0] == (Decimal("12.50"),)


def test_new_lines_links_and_entities_on_a_living_company(company: Company) -> None:
    company.publish(customer(unique=(("code",),)))
    one, two = company.insert("customer", name="A"), company.insert("customer", name="B")
    company.publish(
        model(
            entity(
                "customer",
                field("name"),
                field("code"),
                field("friends", "refs", to="customer"),
                field("staff", "users"),
                field("main", "ref", to="deal"),
                lines("contacts", field("name"), field("via", "ref", to="deal"), owner="customer"),
            ),
            entity("deal", field("name"), field("customer", "ref", to="customer")),
        )
    )
    deal = company.insert("deal", name="D", customer=one)
    table = company.tables.of("customer")
    contacts = table.lines["contacts"]
    with company.database.write() as connection:
        connection.execute(
            contacts.table.insert(),
            {
                "id": 900,
                contacts.parent_id.name: one,
                contacts.position.name: 0,
                contacts.column("name").name: "张",
                contacts.column("via").name: deal,
            },
        )
        connection.execute(
            table.links["friends"].insert(), {"left_id": one, "right_id": two, "position": 0}
        )
        connection.execute(table.table.update().values({table.column("main").name: deal}))
    with pytest.raises(sa.exc.IntegrityError) as caught:
        company.insert("deal", name="E", customer=4711)
    assert violation(caught.value).kind == "foreign"
    with pytest.raises(sa.exc.IntegrityError), company.database.write() as connection:
        connection.execute(
            table.links["friends"].insert(), {"left_id": one, "right_id": 4711, "position": 1}
        )


def test_unique_keys_ignore_case_empty_parts_and_removed_records(company: Company) -> None:
    company.publish(customer(unique=(("code",), ("name", "code"))))
    company.insert("customer", name="A", code="x")
    company.insert("customer", name="A")
    company.insert("customer", name="A")
    with pytest.raises(sa.exc.IntegrityError) as caught:
        company.insert("customer", name="B", code="X")
    found = violation(caught.value)
    assert company.tables.violated(found) == ("customer", ("code",))
    table = company.tables.of("customer")
    with company.database.write() as connection:
        removed = {table.removed_at.name: datetime(2026, 1, 1, tzinfo=UTC)}
        connection.execute(table.table.update().where(table.column("code") == "x").values(removed))
    company.insert("customer", name="B", code="X")


def test_unique_numbers_are_named_too(company: Company) -> None:
    company.publish(model(entity("room", field("number", "integer"), unique=(("number",),))))
    company.insert("room", number=7)
    with pytest.raises(sa.exc.IntegrityError) as caught:
        company.insert("room", number=7)
    assert company.tables.violated(violation(caught.value)) == ("room", ("number",))


def test_a_unique_key_over_duplicates_is_refused_with_examples(company: Company) -> None:
    active = field("active", "boolean")
    company.publish(customer(active))
    for code in ("x", "X", "x", "y", "y", "z", None, None):
        company.insert("customer", code=code, active=True)
    for key, values in (("code",), ["x (3)", "y (2)"]), (("code", "active"), ["x / True (3)"]):
        new = customer(active, unique=(key,))
        assert company.last
        found = plan(company.last.layout, company.model, new, bind)
        tables = build_tables(new, found.layout, bind)
        with pytest.raises(PlanRefused) as caught:
            company.database.ddl(partial(apply, plan=found, tables=tables))
        (problem,) = caught.value.problems
        assert problem.code == "P003"
        assert problem.params["examples"][: len(values)] == values
    assert len(company.rows("customer", "code")) == 8


def test_the_plan_is_all_or_nothing(company: Company) -> None:
    company.publish(customer())
    before = introspect(company.database)
    new = customer(field("more"), unique=(("code",),))
    assert company.last
    found = plan(company.last.layout, company.model, new, bind)

    def fail(connection: sa.Connection) -> None:
        apply(connection, found, build_tables(new, found.layout, bind))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        company.database.ddl(fail)
    assert introspect(company.database) == before


def test_the_platforms_tables_grow_without_loss(database: Database) -> None:
    with database.write() as connection:
        system.ensure(connection)
        name = f"{database.schema}.dg_job" if database.schema else "dg_job"
        connection.exec_driver_sql(f"ALTER TABLE {name} DROP COLUMN done_at")
        connection.execute(system.STAR.delete())
        system.STAR.drop(connection)
        connection.execute(sa.schema.DropIndex(next(iter(system.FILE.indexes))))
    with database.write() as connection:
        system.ensure(connection)
        system.ensure(connection)
        connection.execute(sa.select(system.JOB.c.done_at)).all()
        connection.execute(sa.select(system.STAR.c.at)).all()
    for table in system.METADATA.tables.values():
        assert table.primary_key.columns, table.name
        assert all(len(str(index.name)) < 50 for index in table.indexes)


# --- the law -----------------------------------------------------------------------------------


def introspect(database: Database) -> dict[str, Any]:
    """Tables with their columns, foreign keys and indexes, as the database tells them."""
    schema = database.schema or None
    with database.read() as connection:
        found = sa.inspect(connection)
        names = [name for name in found.get_table_names(schema=schema) if "_w" not in name]
        return {
            name: {
                "columns": {
                    column["name"]: (str(column["type"]), column["nullable"])
                    for column in found.get_columns(name, schema=schema)
                },
                "primary": found.get_pk_constraint(name, schema=schema)["constrained_columns"],
                "foreign": {
                    (
                        *key["constrained_columns"],
                        key["referred_table"],
                        key["options"].get("ondelete"),
                    )
                    for key in found.get_foreign_keys(name, schema=schema)
                },
                "indexes": {
                    (index["name"], bool(index["unique"]))
                    for index in _indexes(found, name, schema)
                },
            }
            for name in names
        }


def _indexes(found: sa.Inspector, name: str, schema: str | None) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLite: "skipped unsupported reflection of expression"
        listed = found.get_indexes(name, schema=schema)
    yield from listed


def expected(tables: Tables, other: Database) -> dict[str, Any]:
    """What an empty database looks like after these tables were made in it."""
    with other.write() as connection:
        system.METADATA.create_all(connection)
        tables.metadata.create_all(connection)
    return introspect(other)


def without_retired(found: dict[str, Any], done: Plan) -> dict[str, Any]:
    """The same without what the layout remembers as retired."""
    layout = done.layout
    tables = {rest.table.name for rest in layout.retired}
    tables |= {f"s{name[1:]}" for name in tables}
    columns = {
        (table.name, rest.column.name) for table in layout.tables.values() for rest in table.retired
    }
    gone = {column for _, column in columns}
    return {
        name: {
            **shape,
            "columns": {k: v for k, v in shape["columns"].items() if (name, k) not in columns},
            "foreign": {
                key
                for key in shape["foreign"]
                if key[0] not in gone or (name, key[0]) not in columns
            },
        }
        for name, shape in found.items()
        if name not in tables
    }


SIMPLE = ("text", "integer", "money", "date", "boolean", "tags", "user", "department")


FORMS = ("simple", "simple", "simple", "ref", "refs", "lines")


@st.composite
def histories(draw: st.DrawFn, most: int) -> list[Model]:
    """Models that follow each other. A field mostly keeps its type, so that most are published."""
    usual = {
        name: (draw(st.sampled_from(FORMS)), draw(st.sampled_from(SIMPLE))) for name in "pqrstu"
    }
    return [draw(models(usual)) for _ in range(draw(st.integers(2, most)))]


@st.composite
def models(draw: st.DrawFn, usual: dict[str, tuple[str, str]]) -> Model:
    names = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True))
    return model(*(draw(entities(name, usual)) for name in names))


@st.composite
def entities(draw: st.DrawFn, name: str, usual: dict[str, tuple[str, str]]) -> Any:
    names = draw(st.lists(st.sampled_from(list(usual)), min_size=1, max_size=4, unique=True))
    fields = [draw(one_field(at, name, usual[at])) for at in names]
    plain = [one.name for one in fields if one.type in SIMPLE and one.type != "tags"]
    keys = draw(st.lists(st.sampled_from(plain), max_size=2, unique=True)) if plain else []
    indexed = draw(st.lists(st.sampled_from(plain), max_size=2, unique=True)) if plain else []
    return entity(
        name,
        *fields,
        unique=(tuple(keys),) if keys else (),
        index=(tuple(indexed),) if indexed else (),
        was=draw(st.sampled_from([(), ("a",), ("b", "c")])),
    )


@st.composite
def one_field(draw: st.DrawFn, at: str, owner: str, usual: tuple[str, str]) -> Field:
    was = draw(st.sampled_from([(), (), ("p",), ("q", "r"), ("s",)]))
    odd = draw(st.integers(0, 9)) == 0
    form, type = (draw(st.sampled_from(FORMS)), draw(st.sampled_from(SIMPLE))) if odd else usual
    if form == "simple":
        return field(at, type, was=was)
    if form == "lines":
        inner = [field("x"), field("y", "ref", to=owner), field("z", "refs", to=owner)]
        kept = draw(st.permutations(inner))[: draw(st.integers(1, 3))]
        return lines(at, *kept, owner=owner, was=was)
    return field(at, form, to=owner, was=was)


@contextmanager
def fresh() -> Iterator[Database]:
    with tempfile.TemporaryDirectory() as folder:
        database = Database.sqlite(Path(folder) / "law.db")
        yield database
        database.close()


def holds_the_law(history: list[Model], database: Database, other: Database) -> None:
    company = Company(database)
    done: Plan | None = None
    for new in history:
        step = plan(done.layout if done else None, company.model, new, bind)
        if step.problems:
            assert {problem.code for problem in step.problems} <= {"P001", "P004"}
            continue
        done = company.publish(new)
        again = plan(done.layout, new, new, bind)
        assert again.operations == ()
        assert again.layout == done.layout
    if done:
        found, wanted = without_retired(introspect(database), done), expected(company.tables, other)
        assert found.keys() == wanted.keys()
        for name, shape in found.items():
            assert shape == wanted[name], name


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories(5))
def test_publishing_leads_to_the_tables_of_the_new_model_on_sqlite(history: list[Model]) -> None:
    with fresh() as database, fresh() as other:
        holds_the_law(history, database, other)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories(3))
def test_publishing_leads_to_the_tables_of_the_new_model_on_postgresql(
    postgres_url: str, history: list[Model]
) -> None:
    database = Database.postgres(postgres_url, "law_one")
    other = Database.postgres(postgres_url, "law_two")
    try:
        holds_the_law(history, database, other)
    finally:
        database.drop()
        other.drop()
