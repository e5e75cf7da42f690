"""What a review of the rights found: each hole has its test, named after it."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import sqlalchemy as sa
from tests import worlds
from tests.companies import Served, prepare_small
from tests.integration import ownership_world, records_world
from tests.integration.accounts_world import (
    PASSWORD,
    events,
    fill,
    inside,
    log_in,
    rules,
    small_company,
    with_factor,
    with_password,
)
from tests.integration.ownership_world import PACK, customer, customers
from tests.integration.records_world import CONTRACT, CUSTOMER, NOTE, World
from tests.integration.test_api_tokens import program
from tests.integration.test_encryption import raw

from dougong.app import create_app
from dougong.installation import Installation
from dougong.oidc import Ticket
from dougong.settings import Provider, load_settings
from engine.accounts import attempts
from engine.accounts.attempts import Brake
from engine.accounts.changing import Wanted
from engine.lists import Query
from engine.packs import check_sources
from engine.records import flows, pool, reading, sharing, writing
from engine.records.explaining.seeing import cells
from engine.records.explaining.subject import Subject
from engine.records.failures import Forbidden, NotFound
from engine.records.flows import cards, inbox
from engine.records.people import create_user
from engine.records.privacy.erasure import erase, preview
from engine.records.privacy.report import report
from engine.records.publish import WHATEVER, publish
from engine.records.unit import SYSTEM
from engine.storage import Database
from engine.storage.keys import keyring, new_key
from engine.tables import system

RARE = "鑫靐龘"  # a name, and both of the pairs that the search keeps of it
PAIRS = (RARE[:2], RARE[1:])


@pytest.fixture(scope="session")
def small() -> Path:
    """The folder of an installation with the small company, nobody using it."""
    return worlds.folder("small", prepare_small)


@pytest.fixture
def served(small: Path, tmp_path: Path) -> Iterator[Served]:
    """The small company; alice sells, zoe reads, root administers and operates."""
    yield from small_company(small, tmp_path)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[World]:
    """The company with a pool, shares and grades."""
    (tmp_path / "db").mkdir()
    database = Database.sqlite(tmp_path / "db" / "company.db")
    yield ownership_world.build(database, tmp_path / "files")
    database.close()


def put(world: World, **changes: Any) -> None:
    """Publish the small company with grades, and with some entities of other words."""
    sources = records_world.sources(**changes)
    sources["entity_defs/small/pack.json"] = json.dumps(PACK)
    publish(world.company, sources, "small", check=check_sources, acknowledged=WHATEVER)


def people_with_notes(world: World) -> None:
    """Customers are human beings, and as secret as they are the notes about them."""
    person, note = customers(), copy.deepcopy(NOTE)
    person["x-entity"]["person"] = True
    person["properties"]["name"]["x-privacy"] = ["personal"]
    note["x-entity"]["grade"] = "secrecy"
    note["properties"]["secrecy"] = person["properties"]["secrecy"]
    note["properties"]["body"]["x-privacy"] = ["personal"]
    put(world, customer=person, note=note)


# --- grades of secrecy ---------------------------------------------------------------------------


def test_the_report_on_a_person_keeps_to_the_grade_of_who_makes_it(local: World) -> None:
    people_with_notes(local)
    secret = customer(local, "alice", secrecy="secret")
    with local.read("root") as unit:
        assert not reading.visible(unit, "customer", [secret["id"]])
    with local.write("root") as unit, pytest.raises(NotFound):
        report(unit, "customer", secret["id"])
    with pytest.raises(NotFound):
        preview(local.company, local.actors["root"], "customer", secret["id"])
    with pytest.raises(NotFound):
        erase(local.company, local.actors["root"], "customer", secret["id"])


def test_the_report_leaves_out_what_points_at_the_person_from_above_the_grade(local: World) -> None:
    people_with_notes(local)
    known = customer(local, "alice")
    for grade in ("open", "secret"):
        local.create("@system", "note", body=f"{grade} words", customer=known["id"], secrecy=grade)
    with local.write("root") as unit:
        told = json.dumps(report(unit, "customer", known["id"]).to_json())
    assert "open words" in told
    assert "secret words" not in told


def test_being_asked_does_not_open_what_is_above_ones_grade(local: World) -> None:
    contract = copy.deepcopy(CONTRACT)
    contract["x-entity"]["grade"] = "customer.secrecy"
    put(local, customer=customers(), contract=contract)
    tasks = {}
    for grade in ("open", "secret"):
        about = customer(local, "alice", secrecy=grade)["id"]
        items = [{"what": "hush", "price": "5"}]
        made = local.create("@system", "contract", title=grade, customer=about, items=items)
        with local.write("@system") as unit:
            flows.fire(unit, "contract", made["id"], "submit", {})
            wanted = sa.select(system.WF_TASK.c.id).where(system.WF_TASK.c.record_id == made["id"])
            tasks[grade] = unit.connection.execute(wanted).scalar_one()
    with local.read("carol") as unit:
        assert [one.label for one in inbox.my_tasks(unit)] == ["open"]
        assert cards.open_task(unit, tasks["open"]).label == "open"
        with pytest.raises(NotFound):
            cards.open_task(unit, tasks["secret"])
    with local.write("carol") as unit, pytest.raises(NotFound):
        flows.decide(unit, tasks["secret"], "approve")


# --- sharing -------------------------------------------------------------------------------------


def test_the_same_share_twice_at_once_is_one(postgres_database: Database, tmp_path: Path) -> None:
    world = ownership_world.build(postgres_database, tmp_path)
    made, start = customer(world, "alice")["id"], threading.Barrier(4)

    def give(_: int) -> int:
        start.wait()
        with world.write("alice") as unit:
            wish = sharing.Wish(user=world.actors["bob"].id)
            return sharing.share(unit, "customer", made, wish)

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(give, range(4)))) == 1


# --- tokens --------------------------------------------------------------------------------------


def test_a_token_that_only_reads_takes_nothing_out_of_the_pool(local: World) -> None:
    free, own = customer(local, None), customer(local, "alice")
    alice = replace(local.actors["alice"], scopes=frozenset({("customer", "read")}))
    with local.company.unit(alice, write=True) as unit, pytest.raises(Forbidden):
        pool.claim(unit, "customer", free["id"], free["version"])
    with local.company.unit(alice, write=True) as unit, pytest.raises(Forbidden):
        pool.claim_many(unit, "customer", [(free["id"], free["version"])])
    with local.company.unit(alice, write=True) as unit, pytest.raises(Forbidden):
        pool.release(unit, "customer", own["id"], own["version"])


def test_a_refusal_tells_which_token_was_refused(served: Served) -> None:
    assert program(served, "zoe").status("POST", "/customer", {"name": "Western"}) == 403
    ((_, _, made),) = events(served, "token.made")
    ((_, _, refused),) = events(served, "refused.A001")
    assert refused["token"] == made["token"]


# --- signing in ----------------------------------------------------------------------------------


def test_a_new_password_proves_no_second_factor(served: Served) -> None:
    phone, _ = with_factor(served, with_password(served, "alice"))
    client = served.app.test_client()
    log_in(client, "alice")
    fill(client, "/login/second", code=phone.now())
    with served.company("small").database.write() as connection:
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        connection.execute(sa.update(system.SESSION).values(proved_at=long_ago))
    new = "another horse battery"
    fields = {"current": PASSWORD, "password": new, "repeated": new}
    assert fill(client, "/account", "/account/password", **fields).status_code == 303
    answer = fill(client, "/account", "/account/factor/remove")
    assert "/prove" in answer.headers["Location"]


def test_who_works_all_the_time_is_never_idle(served: Served) -> None:
    with_password(served, "alice")
    rules(served, idle=5)
    client = served.app.test_client()
    log_in(client, "alice")
    for _ in range(4):
        with served.company("small").database.write() as connection:
            seen = connection.execute(sa.select(system.SESSION.c.seen_at)).scalar_one()
            earlier = seen - timedelta(minutes=2)
            connection.execute(sa.update(system.SESSION).values(seen_at=earlier))
        assert inside(client)


def test_a_long_key_is_braked_too(local: World) -> None:
    brake, now, database = Brake("guess", 2), datetime.now(UTC), local.company.database
    with database.write() as connection:
        taken = [
            attempts.take(connection, database.ids, now, brake, "k" * 300 + end) for end in "abc"
        ]
    assert taken == [True, True, False]


def test_a_stranger_does_not_fill_the_security_log(small: Path, tmp_path: Path) -> None:
    copytree(small, tmp_path / "data")
    provider = Provider("http://127.0.0.1:9", "us", "secret", "Example")
    installation = Installation(replace(load_settings(tmp_path / "data"), oidc=provider))
    company = installation.company("small")
    assert company is not None
    client = create_app(installation).test_client()
    for _ in range(60):
        assert client.get("/small/login/oidc/callback").status_code == 403
    with company.database.read() as connection:
        count = sa.select(sa.func.count()).select_from(system.SECURITY)
        assert connection.execute(count).scalar_one() <= 30
    installation.close()


def test_what_holds_a_secret_does_not_show_it(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    assert repr(settings.secret) not in repr(settings)
    assert "CANARY" not in repr(Wanted("CANARY", "CANARY", "CANARY"))
    assert "CANARY" not in repr(Ticket("CANARY", "CANARY", "CANARY"))


# --- looking as somebody else --------------------------------------------------------------------


def test_viewing_as_somebody_uncovers_no_mask_of_ones_own(served: Served) -> None:
    company, alice = served.company("small"), served.actor("small", "alice")
    with company.unit(SYSTEM, write=True) as unit:
        create_user(unit, "op", "Op", roles=["auditor"], is_operator=True)
        given = {"name": "N.N.", "owner": str(alice.id), "phone": "13900139000", "level": "B"}
        made = writing.create(unit, "customer", given)
    with company.unit(served.actor("small", "op")) as unit:
        assert unit.administers
        found = {one.field.name: one for one in cells(unit, Subject(alice), "customer", made["id"])}
    assert "13900139000" not in str(found["phone"].value)


# --- what is erased, what is encrypted -----------------------------------------------------------


def held(world: World) -> int:
    """How often the rare name, or a part of it, stands in the database's files."""
    files = raw(world.company.database).encode("latin-1")
    return sum(files.count(pair.encode()) for pair in PAIRS)


def test_the_index_of_words_forgets_who_was_erased(local: World) -> None:
    people_with_notes(local)
    made = local.create("@system", "customer", name=RARE, level="B")
    assert held(local)
    erase(local.company, local.actors["root"], "customer", made["id"])
    with local.read("root") as unit:
        assert not reading.find(unit, Query("customer", text=RARE)).rows
    assert not held(local)


def test_the_index_of_words_forgets_what_was_encrypted(local: World) -> None:
    local.company.database.keys = keyring(new_key("k1"))
    about = copy.deepcopy(CUSTOMER)
    about["properties"]["alias"] = records_world.text("Alias")
    put(local, customer=about)
    local.create("@system", "customer", name="Plain", alias=RARE, level="B")
    assert held(local)
    about["properties"]["alias"]["x-privacy"] = ["personal", "encrypted"]
    put(local, customer=about)
    assert not held(local)


def test_what_removed_fields_still_hold_of_a_person_is_erased_too(local: World) -> None:
    about = customers()
    about["x-entity"]["person"] = True
    about["properties"]["alias"] = records_world.text("Alias")
    rows = about["properties"]["contacts"]
    put(local, customer=about)
    lines = [{"name": "CanaryLine"}]
    given = {"name": "Plain", "level": "B", "alias": "CanaryOne", "contacts": lines}
    made = local.create("@system", "customer", **given)
    local.change("@system", "customer", made, alias="CanaryTwo")
    del about["properties"]["alias"], about["properties"]["contacts"]
    put(local, customer=about)
    erase(local.company, local.actors["root"], "customer", made["id"])
    assert "Canary" not in raw(local.company.database)
    about["properties"] |= {"alias": records_world.text("Alias"), "contacts": rows}
    put(local, customer=about)
    found = local.get("@system", "customer", made["id"])
    assert (found["name"], found["alias"], found["contacts"]) == ("Plain", None, [])
