"""People are found, invited, given roles and shut out: who may do that to whom."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration import records_world
from tests.integration.records_world import World
from tests.web import KEY, Browser, Site

from dougong import invitations
from dougong.channels.accounts import CHANNEL, AccountMail
from engine.accounts import api_tokens, links, sessions
from engine.accounts.security_log import broken_at
from engine.hooks import Message
from engine.records import leaving, people
from engine.records.failures import Failure, Invalid
from engine.records.outbox import Delivery
from engine.records.personnel import departments, entrance, intake, logs, rules, users
from engine.records.personnel.users import Wanted
from engine.records.unit import SYSTEM, Unit
from engine.storage import Database
from engine.tables import system

Act = Callable[[Unit, int], object]
DOORS: dict[str, Act] = {
    "list": lambda unit, user: users.listing(unit, Wanted()),
    "invite": lambda unit, user: users.invite(unit, "new", {"name": "New"}),
    "change": lambda unit, user: users.change(unit, user, {"name": "Other"}),
    "roles": lambda unit, user: users.give_roles(unit, user, ["auditor"]),
    "link": entrance.make_link,
    "mail": entrance.mail_link,
    "sessions": entrance.sessions_of,
    "end": lambda unit, user: entrance.end_session(unit, user, ""),
    "factor": entrance.reset_factor,
    "tokens": entrance.tokens_of,
    "revoke": lambda unit, user: entrance.revoke_token(unit, user, 1),
    "close": leaving.close_account,
    "open": leaving.open_account,
    "look": lambda unit, user: intake.read(unit, "x,X"),
    "take": lambda unit, user: intake.take(unit, "x,X"),
    "tree": lambda unit, user: departments.tree(unit),
    "add": lambda unit, user: departments.add(unit, "New"),
    "rename": lambda unit, user: departments.change(unit, 1, "New", None),
    "move": lambda unit, user: departments.move(unit, 1, None),
    "shift": lambda unit, user: departments.shift(unit, 1, "up"),
    "remove": lambda unit, user: departments.remove(unit, 1, None),
    "events": lambda unit, user: logs.events(unit, logs.Asked()),
    "looks": lambda unit, user: logs.looks(unit, logs.Asked()),
    "chain": lambda unit, user: logs.chain(unit),
}
TOUCHING = ("change", "roles", "link", "sessions", "end", "factor", "tokens", "revoke", "close")


@pytest.fixture
def world(sqlite_database: Database) -> World:
    """root administers; boss, made here, operates the installation as well."""
    found = records_world.build(sqlite_database)
    with found.write("@system") as unit:
        people.create_user(unit, "boss", "Boss", roles=["admin"], is_operator=True)
    return records_world.opened(sqlite_database)


def person(world: World, login: str) -> int:
    return world.actors[login].id


def code_of(world: World, who: str, act: Act, user: int) -> str:
    """Why somebody may not do something."""
    with pytest.raises(Failure) as caught, world.write(who) as unit:
        act(unit, user)
    return caught.value.code


def told(world: World) -> list[tuple[str, int | None, int | None]]:
    """The security log: kind, who, about whom."""
    with world.company.database.read() as connection:
        rows = connection.execute(sa.select(system.SECURITY).order_by(system.SECURITY.c.id))
        return [(row.kind, row.user_id, row.record_id) for row in rows]


# --- who may ---------------------------------------------------------------------------------


def test_for_everybody_else_none_of_this_exists(world: World) -> None:
    before = world.digest()
    for door, act in DOORS.items():
        for who in ("carol", "alice", "zoe"):
            assert code_of(world, who, act, person(world, "bob")) == "R001", door
    assert world.digest() == before


def test_an_operators_account_is_for_operators_only(world: World) -> None:
    """Whoever makes a link for an account, or changes its address, could become that account."""
    for door in TOUCHING:
        assert code_of(world, "root", DOORS[door], person(world, "boss")) == "U101", door


def test_an_administrator_makes_no_operator(world: World) -> None:
    with world.write("root") as unit:
        made = users.invite(unit, "nina", {"name": "Nina", "is_operator": True})
        users.change(unit, made, {"is_operator": True})
        assert not people.find_user(unit.connection, "nina")["is_operator"]  # type: ignore[index]
    with world.write("boss") as unit:
        users.change(unit, made, {"is_operator": True})
        assert people.find_user(unit.connection, "nina")["is_operator"]  # type: ignore[index]


def test_nobody_raises_himself(world: World) -> None:
    root = person(world, "root")
    more: Act = lambda unit, user: users.give_roles(unit, user, ["admin", "manager"])  # noqa: E731
    assert code_of(world, "root", more, root) == "U103"
    for values in ({"department_id": world.east}, {"manager_id": person(world, "bob")}):
        with pytest.raises(Invalid) as caught, world.write("root") as unit:
            users.change(unit, root, values)
        assert caught.value.code == "U103"
    assert code_of(world, "root", DOORS["link"], root) == "U140"
    assert code_of(world, "root", DOORS["close"], root) == "H141"
    with world.write("root") as unit:  # his name and telephone are his to correct
        assert users.change(unit, root, {"phone": "+86 10 1234"}) == {"phone"}


def test_somebody_who_administers_is_always_left(world: World) -> None:
    root, boss = person(world, "root"), person(world, "boss")
    with world.write("boss") as unit:
        leaving.close_account(unit, root)
        assert users.give_roles(unit, boss, []) == ([], ["admin"])  # an operator still does
    for act in (
        leaving.close_account,
        lambda unit, user: users.change(unit, user, {"is_operator": False}),
    ):
        assert code_of(world, "@system", act, boss) == "U102"
    with world.write("boss") as unit:
        leaving.open_account(unit, root)
    with world.write("@system") as unit:
        users.change(unit, boss, {"is_operator": False})
    assert (
        code_of(world, "root", lambda unit, user: users.give_roles(unit, user, []), root) == "U102"
    )


def test_two_administrators_cannot_put_each_other_out(postgres_database: Database) -> None:
    """At the same moment: one of them stays."""
    world = records_world.build(postgres_database)
    with world.write("@system") as unit:
        people.create_user(unit, "boss", "Boss", roles=["admin"])
    world = records_world.opened(postgres_database)
    barrier, refused = threading.Barrier(2), list[str]()

    def put_out(who: str, whom: str) -> None:
        barrier.wait()
        try:
            with world.write(who) as unit:
                users.give_roles(unit, person(world, whom), [])
        except Failure as failure:
            refused.append(failure.code)

    threads = [
        threading.Thread(target=put_out, args=pair) for pair in (("root", "boss"), ("boss", "root"))
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    with world.read("@system") as unit:
        assert len(rules.administrators(unit)) == 1
        assert broken_at(unit.connection) is None
    assert refused == ["U102"]


# --- what happens ----------------------------------------------------------------------------


def test_an_account_begins_without_a_password_and_with_a_link(world: World) -> None:
    values = {"name": " Nina ", "email": "nina@example.com", "department_id": world.east}
    with world.write("root") as unit:
        nina = users.invite(unit, "nina", {**values, "roles": ["sales", "auditor"]})
        token, purpose = entrance.make_link(unit, nina)
        again, _ = entrance.make_link(unit, nina)
    with world.read("root") as unit:
        row = people.find_user(unit.connection, "NINA")
        assert row is not None
        assert (row["name"], row["password_hash"], row["department_id"]) == (
            "Nina", None, world.east,
        )  # fmt: skip
        assert purpose == "invite"
        assert links.peek_link(unit.connection, token, unit.now) is None  # the newer one counts
        assert links.peek_link(unit.connection, again, unit.now) is not None
        [line] = users.listing(unit, Wanted(text="nina@")).lines
        assert (line.roles, line.status, line.second) == (("sales", "auditor"), "invited", False)
    root = person(world, "root")
    assert told(world)[-3:] == [
        ("user.made", root, nina), ("link.made", root, nina), ("link.made", root, nina),
    ]  # fmt: skip


def test_people_are_found_by_what_they_are(world: World) -> None:
    with world.write("root") as unit:
        inner = departments.add(unit, "Harbour", world.east)
        users.change(unit, person(world, "bob"), {"department_id": inner})
        leaving.close_account(unit, person(world, "erin"))

        def found(**wanted: Any) -> list[str]:
            return [one.login for one in users.listing(unit, Wanted(**wanted)).lines]

        assert found(text="LIC") == ["alice"]
        assert found(text="%") == []
        assert found(department=world.east) == ["alice", "bob", "carol"]
        assert found(role="sales") == ["alice", "bob", "erin"]
        assert found(role="sales", status="disabled") == ["erin"]
        assert found(status="active") == []
        assert len(found(status="invited")) == 6
        page = users.listing(unit, Wanted(), page=2, size=3)
        assert (page.total, [one.login for one in page.lines]) == (7, ["carol", "erin", "root"])


def test_a_change_of_roles_counts_at_once_and_is_written_down(world: World) -> None:
    bob = person(world, "bob")
    with world.write("root") as unit:
        assert users.give_roles(unit, bob, ["auditor"]) == (["auditor"], ["sales"])
        assert users.give_roles(unit, bob, ["auditor"]) == ([], [])
        opened = users.opened(unit, ["auditor"])
        assert opened.seen == {"customer", "contract", "note", "project"}
        assert opened.changed == set()
    actor = records_world.opened(world.company.database).actors["bob"]
    assert actor.roles == {"auditor"}
    assert [kind for kind, *_ in told(world)] == ["role.given", "role.taken"]
    unknown: Act = lambda unit, user: users.give_roles(unit, user, ["king"])  # noqa: E731
    assert code_of(world, "root", unknown, bob) == "R503"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"name": " "}, "U110"),
        ({"name": "A\x00B"}, "U110"),
        ({"email": "nobody"}, "U111"),
        ({"email": "a@b.c\nBcc: x@y.z"}, "U111"),
        ({"phone": "call me"}, "U112"),
        ({"language": "xx"}, "U113"),
        ({"department_id": 999}, "U114"),
        ({"manager_id": 999}, "U115"),
        ({"manager_id": "bob"}, "U116"),
        ({"manager_id": "alice"}, "U116"),
    ],
)
def test_mistakes_in_a_profile_change_nothing(
    world: World, values: dict[str, Any], code: str
) -> None:
    """alice is below bob: he can be neither his own superior nor hers."""
    bob = person(world, "bob")
    with world.write("root") as unit:
        users.change(unit, person(world, "alice"), {"manager_id": bob})
    if isinstance(login := values.get("manager_id"), str):
        values = {"manager_id": person(world, login)}
    before = world.digest()
    assert code_of(world, "root", lambda unit, user: users.change(unit, user, values), bob) == code
    assert world.digest() == before


def test_who_is_shut_out_is_out_everywhere(world: World) -> None:
    bob, database = person(world, "bob"), world.company.database
    now = datetime.now(UTC)
    with database.write() as connection:
        sessions.start_session(connection, bob, now, hours=1)
        token = links.make_link(connection, bob, now)
        wanted = api_tokens.new(bob, "Till", {"*": ["read"]}, 7, now)
        api_tokens.make(database, connection, now, wanted, by=bob)
    with world.write("root") as unit:
        leaving.close_account(unit, bob)
    with database.read() as connection:
        assert sessions.sessions_of(connection, bob, now) == []
        assert links.peek_link(connection, token, now) is None
        assert api_tokens.tokens_of(connection, bob) == []
    assert {"token.revoked", "user.disabled"} <= {kind for kind, *_ in told(world)}
    with world.write("root") as unit:
        leaving.open_account(unit, bob)
        assert api_tokens.tokens_of(unit.connection, bob) == []  # what was revoked stays so


# --- many at once ----------------------------------------------------------------------------

LINES = """登录名,姓名,邮箱,部门,角色
lin,Lin Hua,lin@example.com,East,sales;Auditor
mei,Mei Zhao,,east/harbour,
"""


def test_a_pasted_list_is_taken_all_or_none(world: World) -> None:
    with world.write("root") as unit:
        harbour = departments.add(unit, "Harbour", world.east)
        rows = intake.read(unit, LINES)
    assert [(row.login, row.department, row.roles) for row in rows] == [
        ("lin", world.east, ("sales", "auditor")), ("mei", harbour, ()),
    ]  # fmt: skip
    before = world.digest()
    with pytest.raises(Invalid) as caught, world.write("root") as unit:
        intake.take(unit, LINES + "alice,Alice Again\n")
    assert [(one.code, one.line) for one in caught.value.problems] == [("R501", 4)]
    assert world.digest() == before
    with world.write("root") as unit:
        assert len(intake.take(unit, LINES.replace(",", "\t"))) == 2
        assert people.find_user(unit.connection, "mei")["department_id"] == harbour  # type: ignore[index]


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        ("", {"U130"}),
        ("a b,Name", {"R502"}),
        ("new,", {"U110"}),
        ("new,New,mail", {"U111"}),
        ("new,New,,Nowhere", {"U135"}),
        ("new,New,,Harbour", {"U136"}),
        ("new,New,,,king", {"U137"}),
        ("new,New,,,sales,more", {"U133"}),
        ("ROOT,Root", {"R501"}),
        ("new,New\nNEW,New", {"U134"}),
        ('new,"New', {"U132"}),
        ("\n".join(f"n{at},N" for at in range(501)), {"U131"}),
    ],
)
def test_a_wrong_line_is_told_with_its_number(world: World, line: str, codes: set[str]) -> None:
    with world.write("root") as unit:
        for place in (world.east, world.west):
            departments.add(unit, "Harbour", place)
        try:
            found = {one.code for row in intake.read(unit, line) for one in row.problems}
        except Invalid as failure:
            found = {one.code for one in failure.problems}
    assert found == codes


# --- the pages -------------------------------------------------------------------------------


def page(browser: Browser, path: str) -> str:
    found = browser.get(path)
    assert found.status_code == 200, (path, found.status)
    return found.get_data(as_text=True)


def test_from_an_invitation_to_a_closed_account(site: Site) -> None:
    admin = site.browser("admin", "en")
    sent = {"login": "he.ming", "name": "何明", "role": ["sales"], "email": "he@example.com"}
    made = admin.post("/admin/users/new", sent)
    assert made.status_code == 200, "no mail here: the link is shown"
    found = re.search(rf"/{KEY}/once/([\w-]+)", made.get_data(as_text=True))
    assert found is not None
    with site.company.database.read() as connection:
        assert links.peek_link(connection, found[1], datetime.now(UTC)) is not None
    he = site.person("he.ming")
    words = page(admin, f"/admin/users/{he}")
    assert found[1] not in words, "it was shown once"
    assert "Not joined yet" in words
    assert "何明" in page(admin, "/admin/users?q=HE.MING&status=invited")

    assert admin.post(f"/admin/users/{he}/roles", {"role": ["finance"]}).status_code == 303
    assert "Newly sees:" in page(admin, f"/admin/users/{he}")
    assert "Newly changes:" in page(admin, f"/admin/users/opens?user={he}&role=manager&role=nobody")
    wrong = admin.post(f"/admin/users/{he}", {"name": "", "email": "x"})
    assert wrong.status_code == 422
    assert "no e-mail address" in wrong.get_data(as_text=True)

    token = site.session("he.ming")
    assert "test" in page(admin, f"/admin/users/{he}")
    assert admin.post(f"/admin/users/{he}/sessions", {"all": "1"}).status_code == 303
    with site.company.database.read() as connection:
        assert sessions.sessions_of(connection, he, datetime.now(UTC)) == []
    assert token

    assert "Only close" in page(admin, f"/admin/users/{he}/close")
    assert admin.post(f"/admin/users/{he}/close").status_code == 303
    assert "Open the account" in page(admin, f"/admin/users/{he}")
    assert admin.post(f"/admin/users/{he}/open").status_code == 303
    log = page(admin, f"/admin/logs/security?person={he}")
    for words in ("Account made", "One-time link made", "Role given", "Account closed"):
        assert words in log


class Mailbox:
    """What would have been mailed."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, message: Message, config: object, transport: object) -> None:
        self.sent.append(message)


def test_with_mail_the_link_is_made_when_it_is_sent(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in no table, no page and no answer of ours: only in the mail."""
    monkeypatch.setattr(invitations, "mails", lambda: True)
    admin = site.browser("admin", "en")
    sent = {"login": "he", "name": "何明", "email": "he@example.com"}
    assert admin.post("/admin/users/new", sent).status_code == 303
    with site.company.database.read() as connection:
        assert connection.execute(sa.select(system.ONCE_LINK)).all() == []
        rows = sa.select(system.OUTBOX).where(system.OUTBOX.c.channel == CHANNEL)
        [row] = connection.execute(rows).mappings()
    box: Any = Mailbox()
    mail = AccountMail(box, box, "https://crm.example.com")
    same = ("id", "key", "kind", "body", "channel", "attempts", "created_at")
    what: Any = {name: row[name] for name in same}
    mail.send(site.company, Delivery(**what, user=row["user_id"], instance=None))
    [message] = box.sent
    assert message.to == "he@example.com"
    assert "邀请您加入" in message.title
    token = message.link.rpartition("/")[2]
    with site.company.database.read() as connection:
        found = links.peek_link(connection, token, datetime.now(UTC) + timedelta(days=6))
    assert found is not None
    assert found.purpose == "invite"


def test_an_administrator_helps_who_lost_his_telephone_and_ends_a_token(site: Site) -> None:
    admin, wang = site.browser("admin", "en"), site.person("wang")
    now, database = datetime.now(UTC), site.company.database
    with database.write() as connection:
        factor = {"user_id": wang, "secret": "sealed", "created_at": now, "confirmed_at": now}
        connection.execute(system.FACTOR.insert().values(factor))
        wanted = api_tokens.new(wang, "Till", {"customer": ["read"]}, 7, now)
        api_tokens.make(database, connection, now, wanted, by=wang)
        [token] = api_tokens.tokens_of(connection, wang)
    words = page(admin, f"/admin/users/{wang}")
    assert "Till" in words
    assert "sealed" not in words
    assert admin.post(f"/admin/users/{wang}/factor").status_code == 303
    assert admin.post(f"/admin/users/{wang}/factor").status_code == 404
    other = {"id": str(token.id)}
    assert admin.post(f"/admin/users/{site.person('li')}/tokens", other).status_code == 404
    assert admin.post(f"/admin/users/{wang}/tokens", other).status_code == 303
    with database.read() as connection:
        assert api_tokens.tokens_of(connection, wang) == []
        assert connection.execute(sa.select(system.FACTOR)).all() == []


def test_a_list_is_looked_at_before_it_is_taken(site: Site) -> None:
    admin = site.browser("admin", "en")
    lines = {"lines": "hu,胡静,hu@example.com,销售一部,sales\nluo,罗平,,,"}
    looked = admin.post("/admin/users/import", lines)
    assert looked.status_code == 200
    assert "总经理办公室 / 销售一部" in looked.get_data(as_text=True)
    with pytest.raises(AssertionError):
        site.person("hu")
    wrong = admin.post("/admin/users/import", {"lines": "hu,胡静,,火星", "sure": "1"})
    assert wrong.status_code == 422
    assert "火星" in wrong.get_data(as_text=True)
    done = admin.post("/admin/users/import", {**lines, "sure": "1", "links": "1"})
    assert done.get_data(as_text=True).count(f"/{KEY}/once/") == 2
    assert site.person("luo")


def test_whoever_did_not_prove_himself_lately_is_asked_first(site: Site) -> None:
    admin, wang = site.browser("admin", "en"), site.person("wang")
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    page(admin, "/account")
    with site.company.database.write() as connection:
        connection.execute(system.SESSION.update().values(proved_at=long_ago))
    for path, data in (
        (f"/admin/users/{wang}", {"name": "王敏二"}),
        (f"/admin/users/{wang}/roles", {"role": "admin"}),
        (f"/admin/users/{wang}/link", {}),
        ("/admin/users/new", {"login": "new", "name": "New"}),
        ("/admin/departments/new", {"name": "New"}),
    ):
        asked = admin.post(path, data)
        assert asked.status_code == 303, path
        assert "/prove" in asked.location
    with site.company.database.read() as connection:
        row = people.find_user(connection, "wang")
        assert row is not None
        assert row["name"] == "王敏"


PAGES = (
    *("users", "users/new", "users/import", "users/1", "users/1/close", "departments"),
    *("departments/new", "departments/1", "departments/1/move", "departments/1/remove"),
    *("logs/security", "logs/access"),
)


def test_the_pages_do_not_exist_for_others(site: Site) -> None:
    chen = site.browser("chen")
    for path in PAGES:
        assert chen.get(f"/admin/{path}").status_code == 404, path


def test_names_are_shown_as_text(site: Site) -> None:
    """Whatever somebody is called, a page only ever says it."""
    evil = "<img src=x onerror=alert(1)>"
    with site.company.unit(SYSTEM, write=True) as unit:
        users.change(unit, site.person("wang"), {"name": evil})
        departments.add(unit, evil)
    admin = site.browser("admin", "en")
    for path in (f"users/{site.person('wang')}", "users", "departments", "logs/security"):
        assert "<img src=x" not in page(admin, f"/admin/{path}")
