"""Drafts, files, lookups, duplicates, stars, saved views and totals, on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.worlds import company_of

from engine.lists import Query, parse_query
from engine.records import bulk, files, people, reading, writing
from engine.records.actor import SYSTEM, Actor
from engine.records.company import Company
from engine.records.drafts import draft_of, drop_draft, keep_draft
from engine.records.failures import Busy, Failure, Invalid, NotFound
from engine.records.lookups import Choice, duplicates, lookup
from engine.records.removing import remove
from engine.records.saved_views import (
    MOST,
    delete_view,
    save_view,
    saved_views,
    star,
    starred,
    stars,
)
from engine.storage import Database
from engine.tables import system
from engine.testing import acting

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000049")
PDF = b"%PDF-1.7\n1 0 obj\n"


def field(title: str, kind: str = "", base: str = "string", /, **more: Any) -> dict[str, Any]:
    return {"type": [base, "null"], "title": title, **({"x-type": kind} if kind else {}), **more}


def many(title: str, kind: str, **more: Any) -> dict[str, Any]:
    items = {"type": "integer"}
    return {"type": "array", "title": title, "x-type": kind, "default": [], "items": items, **more}


def link(to: str, inverse: str, where: str = "") -> dict[str, Any]:
    reference = {"to": to, "inverse": inverse, **({"where": where} if where else {})}
    return {"x-ref": reference}


HIDDEN = {"x-access": {"clerk": {"read": False, "write": False}}}
OWN = {"read": "own", "write": "own", "create": True, "delete": "own"}
ALL = {"read": True, "write": True, "create": True, "delete": True}


def rows(**properties: Any) -> dict[str, Any]:
    items = {"type": "object", "unevaluatedProperties": False, "properties": properties}
    return {"type": "array", "title": "Rows", "x-type": "lines", "default": [], "items": items}


DEAL = {
    "name": {"type": "string", "title": "Name", "maxLength": 60},
    "amount": field("Amount", "money", "number"),
    "pieces": field("Pieces", "", "integer"),
    "margin": field("Margin", "money", "number", **HIDDEN),
    "bonus": field("Bonus", "money", "number", **{"x-access": {"clerk": {"read": "pieces > 1"}}}),
    "double": field(
        "Double",
        "money",
        "number",
        readOnly=True,
        **{"x-compute": {"expr": "amount * 2", "store": False}},
    ),
    "owner": field("Owner", "user", "integer", **{"x-ui": {"default": "me"}}),
    "helpers": many("Helpers", "users"),
    "team": field("Team", "department", "integer"),
    "client": field("Client", "ref", "integer", **link("client", "deals")),
    "product": field(
        "Product", "ref", "integer", **link("product", "deals", "active and price <= record.amount")
    ),
    "extras": many("Extras", "refs", **link("product", "extra_of")),
    "paper": field("Paper", "file", "integer"),
    "photo": field("Photo", "image", "integer"),
    "scans": many("Scans", "file"),
    "secret": field("Secret", "file", "integer", **HIDDEN),
    "items": rows(
        product=field("Product", "ref", "integer", **link("product", "deal_items")),
        proof=field("Proof", "file", "integer"),
    ),
}
CLIENT = {
    "name": {"type": "string", "title": "Name", "maxLength": 60},
    "phone": field("Phone", "phone"),
    "note": field("Note", **HIDDEN),
    "owner": field("Owner", "user", "integer", **{"x-ui": {"default": "me"}}),
}
PRODUCT = {
    "name": {"type": "string", "title": "Name", "maxLength": 60},
    "active": {"type": "boolean", "title": "Active", "default": True},
    "price": field("Price", "money", "number"),
}


def entity(name: str, properties: dict[str, Any], access: Any, **more: Any) -> dict[str, Any]:
    return {
        "$schema": "https://dougong.dev/schema/entity-1.json",
        "x-entity": {"name": name, "plural": name.title(), "label": "{name}"},
        "title": name.title(),
        "type": "object",
        "required": ["name"],
        "unevaluatedProperties": False,
        "properties": properties,
        "x-access": access,
        **more,
    }


ENTITIES = [
    entity("deal", DEAL, {"clerk": OWN, "head": ALL}),
    entity(
        "client",
        CLIENT,
        {"clerk": OWN, "head": ALL, "reader": {"read": False}},
        **{"x-keys": {"duplicate": [["name"], ["phone"], ["note"]]}},
    ),
    entity("product", PRODUCT, {"clerk": {"read": True}, "head": ALL, "reader": {"read": True}}),
]
PACK = {
    "$schema": "https://dougong.dev/schema/pack-1.json",
    "name": "side",
    "title": "Side",
    "version": "1.0.0",
    "languages": ["en"],
    "currency": "CNY",
    "timezone": "Asia/Shanghai",
    "roles": {
        "boss": {"title": "Boss", "admin": True},
        "head": {"title": "Head"},
        "clerk": {"title": "Clerk"},
        "reader": {"title": "Reader"},
    },
}


class Desk:
    """The company and two clerks, a head, a reader."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.ann = acting(company, "ann", "clerk")
        self.bob = acting(company, "bob", "clerk")
        self.eve = acting(company, "eve", "head")
        self.roy = acting(company, "roy", "reader")

    def make(self, who: Actor, name: str, /, **values: Any) -> dict[str, Any]:
        with self.company.unit(who, write=True) as unit:
            return writing.create(unit, name, values)

    def upload(self, who: Actor, name: str, content: bytes, **more: Any) -> int:
        with self.company.unit(who, write=True) as unit:
            return files.store_upload(unit, name, BytesIO(content), **more)

    def open(self, who: Actor, id: int) -> tuple[files.StoredFile, bytes]:
        with self.company.unit(who) as unit:
            found, path = files.open_file(unit, id)
            return found, path.read_bytes()

    def refused(self, who: Actor, id: int) -> bool:
        with self.company.unit(who) as unit, pytest.raises(NotFound):
            files.open_file(unit, id)
        return True

    def look(self, who: Actor, path: str, text: str = "", **more: Any) -> list[str]:
        with self.company.unit(who) as unit:
            name, _, place = path.partition("/")
            return [found.label for found in lookup(unit, name, place, text, **more)]


@pytest.fixture
def desk(tmp_path: Path, database: Database) -> Iterator[Desk]:
    folder = tmp_path / "entity_defs" / "side"
    folder.mkdir(parents=True)
    for one in ENTITIES:
        (folder / f"{one['x-entity']['name']}.json").write_text(json.dumps(one))
    (folder / "pack.json").write_text(json.dumps(PACK))
    with company_of("side", database, roots=[tmp_path]) as company:
        yield Desk(company)


def code(failure: pytest.ExceptionInfo[Failure]) -> str:
    return failure.value.code


# --- drafts ------------------------------------------------------------------------------------
def test_a_draft_is_one_per_person_and_form(desk: Desk) -> None:
    deal = desk.make(desk.ann, "deal", name="One")
    with desk.company.unit(desk.ann, write=True) as unit:
        keep_draft(unit, "deal", None, {"f_name": ["first"]}, None)
        keep_draft(unit, "deal", None, {"f_name": ["second\x00"], "f_tags": ["a", "b"]}, None)
        keep_draft(unit, "deal", deal["id"], {"f_name": ["of one"]}, 1)
    with desk.company.unit(desk.ann) as unit:
        new, old = draft_of(unit, "deal", None), draft_of(unit, "deal", deal["id"])
        assert new is not None
        assert old is not None
        assert new.body == {"f_name": ["second"], "f_tags": ["a", "b"]}
        assert (new.version, old.version, old.body) == (None, 1, {"f_name": ["of one"]})
        assert draft_of(unit, "client", None) is None
    with desk.company.unit(desk.eve) as unit:
        assert draft_of(unit, "deal", deal["id"]) is None
    with desk.company.unit(desk.ann, write=True) as unit:
        drop_draft(unit, "deal", None)
        assert draft_of(unit, "deal", None) is None
        assert draft_of(unit, "deal", deal["id"]) is not None


def test_a_draft_has_limits(desk: Desk) -> None:
    deal = desk.make(desk.ann, "deal", name="One")
    with desk.company.unit(desk.ann, write=True) as unit:
        with pytest.raises(Invalid) as large:
            keep_draft(unit, "deal", None, {"f_name": ["字" * 70_000]}, None)
        assert code(large) == "R812"
        keep_draft(unit, "deal", None, {"f_name": ["x" * 190_000]}, None)
        with pytest.raises(NotFound):
            keep_draft(unit, "nothing", None, {}, None)
    with desk.company.unit(desk.bob, write=True) as unit, pytest.raises(NotFound):
        keep_draft(unit, "deal", deal["id"], {}, 1)


# --- files -------------------------------------------------------------------------------------
def test_an_upload_is_the_uploaders_until_a_record_claims_it(desk: Desk) -> None:
    id = desk.upload(desk.ann, "../a/合同.pdf", PDF)
    found, content = desk.open(desk.ann, id)
    assert (found.name, found.size, found.mime) == ("合同.pdf", len(PDF), "application/pdf")
    assert content == PDF
    assert not found.inline
    assert desk.refused(desk.eve, id)
    assert desk.refused(desk.bob, id)
    with pytest.raises(Invalid):  # somebody else's upload cannot be claimed
        desk.make(desk.eve, "deal", name="Theft", paper=id)
    desk.make(desk.ann, "deal", name="Mine", paper=id)
    assert desk.open(desk.ann, id)[1] == PDF
    assert desk.open(desk.eve, id)[1] == PDF  # sees all deals
    assert desk.refused(desk.bob, id)


def test_a_file_is_read_through_the_field_that_holds_it(desk: Desk) -> None:
    hidden = desk.upload(desk.eve, "plan.pdf", PDF)
    first, second = (desk.upload(desk.eve, f"{n}.pdf", PDF + n.encode()) for n in "12")
    proof = desk.upload(desk.eve, "proof.png", PNG)
    deal = desk.make(
        desk.eve,
        "deal",
        name="Hers",
        owner=desk.ann.id,
        secret=hidden,
        scans=[first, second],
        items=[{"proof": proof}],
    )
    assert desk.open(desk.eve, hidden)
    assert desk.refused(desk.ann, hidden)  # the record is hers, the field is not for her
    for id in (first, second, proof):
        assert desk.open(desk.ann, id)
        assert desk.refused(desk.bob, id)
    with desk.company.unit(desk.eve, write=True) as unit:
        writing.change(unit, "deal", deal["id"], {"scans": [second]}, deal["version"])
    assert desk.refused(desk.ann, first)  # stands in no field any more
    assert desk.open(desk.ann, second)
    with desk.company.unit(desk.eve, write=True) as unit:
        remove(unit, "deal", deal["id"], deal["version"] + 1)
    assert desk.refused(desk.ann, second)
    assert desk.refused(desk.ann, 999_999)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("page.html", b"<script>alert(1)</script>", "R303"),
        ("x.svg", b"<svg onload='alert(1)'/>", "R303"),
        ("run.exe", b"MZ\x90\x00", "R303"),
        ("pdf", PDF, "R303"),
        ("x.png", b"<html><script>alert(1)</script>", "R811"),
        ("x.pdf", PNG, "R811"),
        ("x.docx", PDF, "R811"),
        ("x.txt", b"\x00\x01\x02", "R811"),
        ("x.pdf", b"", "R302"),
        ("x.pdf", PDF + b"x" * 2_000_000, "R301"),
    ],
)
def test_what_is_not_accepted_leaves_nothing_behind(
    desk: Desk, name: str, content: bytes, expected: str
) -> None:
    with pytest.raises(Invalid) as refused:
        desk.upload(desk.ann, name, content, largest=1 << 20)
    assert code(refused) == expected
    folder = desk.company.files
    assert folder is not None
    assert not [path for path in folder.rglob("*") if path.is_file()]
    with desk.company.unit(desk.ann) as unit:
        assert not unit.connection.execute(sa.select(system.FILE)).all()


@pytest.mark.parametrize(
    ("name", "content", "mime"),
    [
        ("照片.PNG", PNG, "image/png"),
        ("a.csv", "姓名,金额\n".encode("gb18030"), "text/csv"),
        ("b.csv", "a\tb".encode("utf-16"), "text/csv"),
        ("c.xlsx", b"PK\x03\x04" + bytes(40), None),
        ("d.xls", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "application/vnd.ms-excel"),
    ],
)
def test_kinds_come_from_name_and_content(
    desk: Desk, name: str, content: bytes, mime: str | None
) -> None:
    found, kept = desk.open(desk.ann, desk.upload(desk.ann, name, content))
    assert kept == content
    assert found.mime == mime or mime is None
    assert found.inline is (mime == "image/png")


def test_an_image_field_takes_pictures_only(desk: Desk) -> None:
    photo = desk.company.current.model.entities["deal"].fields["photo"]
    with pytest.raises(Invalid) as refused:
        desk.upload(desk.ann, "x.pdf", PDF, field=photo)
    assert code(refused) == "R303"
    assert refused.value.problems[0].pointer == "/photo"
    assert desk.upload(desk.ann, "x.png", PNG, field=photo)


def test_the_same_content_is_kept_once_and_access_stays_apart(desk: Desk) -> None:
    one, two = desk.upload(desk.ann, "a.pdf", PDF), desk.upload(desk.bob, "b.pdf", PDF)
    assert desk.company.files is not None
    (kept,) = [path for path in desk.company.files.rglob("*") if path.is_file()]
    assert [part.name for part in (kept.parent.parent, kept.parent)] == [
        kept.name[:2],
        kept.name[2:4],
    ]
    assert desk.refused(desk.ann, two)
    assert desk.refused(desk.bob, one)


def test_uploads_that_no_record_took_are_cleared(desk: Desk) -> None:
    taken, left = desk.upload(desk.ann, "a.pdf", PDF), desk.upload(desk.ann, "b.png", PNG)
    both = desk.upload(desk.ann, "c.pdf", PDF)
    desk.make(desk.ann, "deal", name="Kept", paper=taken)
    later = datetime.now(UTC) + timedelta(hours=1)
    with desk.company.unit(SYSTEM, write=True) as unit:
        assert files.clear_uploads(unit, later - timedelta(days=1)) == 0
        assert files.clear_uploads(unit, later) == 2
    assert desk.open(desk.ann, taken)[1] == PDF  # the content was shared with `both`
    assert desk.refused(desk.ann, left)
    assert desk.refused(desk.ann, both)
    assert desk.company.files is not None
    assert len([path for path in desk.company.files.rglob("*") if path.is_file()]) == 1


def test_a_full_disk_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Busy):
        desk.upload(desk.ann, "a.pdf", PDF)
    assert desk.company.files is not None
    assert not [path for path in desk.company.files.rglob("*") if path.is_file()]


# --- lookups -----------------------------------------------------------------------------------
def test_records_are_found_by_what_they_contain(desk: Desk) -> None:
    for name in ("恒泰信贸易", "上海恒泰", "Other"):
        desk.make(desk.ann, "client", name=name)
    desk.make(desk.bob, "client", name="恒泰别人的")
    assert desk.look(desk.ann, "deal/client", "恒泰") == ["恒泰信贸易", "上海恒泰"]
    assert desk.look(desk.ann, "deal/client", "海") == ["上海恒泰"]
    assert desk.look(desk.ann, "deal/client", " oTHer ") == ["Other"]
    assert desk.look(desk.ann, "deal/client", "%") == []
    assert len(desk.look(desk.eve, "deal/client", "恒泰")) == 3
    assert len(desk.look(desk.eve, "deal/client", "恒泰", size=2)) == 2


def test_what_was_used_last_comes_first(desk: Desk) -> None:
    made = [desk.make(desk.eve, "product", name=f"P{n}", price=1)["id"] for n in range(5)]
    desk.make(desk.ann, "deal", name="D", items=[{"product": made[1]}], extras=[made[3]])
    assert desk.look(desk.ann, "deal/extras")[0] == "P3"
    assert desk.look(desk.ann, "deal/items.product")[0] == "P1"
    assert sorted(desk.look(desk.ann, "deal/extras")) == [f"P{n}" for n in range(5)]
    assert desk.look(desk.ann, "deal/extras", size=2) == ["P3", "P4"]


def test_only_what_meets_the_condition_is_offered(desk: Desk) -> None:
    for n in range(120):  # more than a page that may not be chosen
        desk.make(desk.eve, "product", name=f"Off {n}", active=n < 2, price=n)
    given = {"amount": Decimal(5)}
    assert sorted(desk.look(desk.ann, "deal/product", record=given)) == ["Off 0", "Off 1"]
    assert desk.look(desk.ann, "deal/product", "Off", record={"amount": Decimal(0)}) == ["Off 0"]
    assert desk.look(desk.ann, "deal/product", record={}) == []
    assert len(desk.look(desk.ann, "deal/product", size=10)) == 10  # a filter asks for all
    assert len(desk.look(desk.ann, "deal/extras", size=10)) == 10


def test_the_few_that_meet_the_condition_are_found_among_thousands(desk: Desk) -> None:
    desk.make(desk.eve, "product", name="Old one", active=True, price=1)
    with desk.company.unit(desk.eve, write=True) as unit:
        others = ({"name": f"Off {n}", "active": False, "price": 1} for n in range(1_200))
        bulk.create_many(unit, "product", others)
    assert desk.look(desk.ann, "deal/product", record={"amount": Decimal(5)}) == ["Old one"]
    assert desk.look(desk.ann, "deal/product", "one", record={"amount": Decimal(5)}) == ["Old one"]
    assert desk.look(desk.ann, "deal/product", record={"amount": Decimal(0)}) == []


def test_people_are_found_by_name_login_and_sound(desk: Desk) -> None:
    with desk.company.unit(SYSTEM, write=True) as unit:
        top = people.create_department(unit, "总部")
        sales = people.create_department(unit, "销售部", top)
        wei = people.create_user(unit, "u17", "张伟", department=sales)
        gone = people.create_user(unit, "u18", "张三")
        people.change_user(unit, gone, disabled_at=unit.now)
        people.create_user(unit, "shan", "单明")
    with desk.company.unit(desk.ann) as unit:
        assert lookup(unit, "deal", "owner", "zw") == [Choice(wei, "张伟", "u17 · 销售部")]
        assert lookup(unit, "deal", "team", "xsb") == [Choice(sales, "销售部", "总部")]
    for text in ("张", "伟", "zhangw", "wei", "U17"):
        assert desk.look(desk.ann, "deal/owner", text) == ["张伟"], text
    for path in ("deal/helpers", "deal/created_by", "deal/updated_by", "client/owner"):
        assert desk.look(desk.ann, path, "shan") == ["单明"], path
    assert desk.look(desk.ann, "deal/owner", "dm") == ["单明"]
    assert desk.look(desk.ann, "deal/owner", "张三") == []
    assert desk.look(desk.ann, "deal/team") == ["总部", "销售部"]


def test_people_used_last_come_first(desk: Desk) -> None:
    desk.make(desk.ann, "deal", name="D", helpers=[desk.roy.id])
    assert desk.look(desk.ann, "deal/helpers")[0] == "Roy"
    assert desk.look(desk.bob, "deal/helpers")[0] == "Ann"


def test_fields_that_point_nowhere_or_are_hidden(desk: Desk) -> None:
    for path in ("deal/name", "deal/nothing", "deal/paper", "deal/secret", "deal/items.what",
                 "nothing/x", "deal/items", "deal/name.x"):  # fmt: skip
        with pytest.raises(NotFound):
            desk.look(desk.ann, path)
    with pytest.raises(NotFound):
        desk.look(desk.roy, "deal/client")


# --- duplicates --------------------------------------------------------------------------------
def test_a_duplicate_is_told_and_hidden_from_strangers(desk: Desk) -> None:
    mine = desk.make(desk.ann, "client", name="Acme", phone="13800138000")
    with desk.company.unit(desk.ann) as unit:
        (found,) = duplicates(unit, "client", {"name": "ACME", "phone": None})
        assert (found.id, found.label, found.owner) == (mine["id"], "Acme", "Ann")
        assert duplicates(unit, "client", {"name": "Acme"}, mine["id"]) == []
        assert duplicates(unit, "client", {"name": "Acm"}) == []
        assert duplicates(unit, "client", {"name": "", "phone": ""}) == []
    with desk.company.unit(desk.bob) as unit:
        (found,) = duplicates(unit, "client", {"name": "other", "phone": "13800138000"})
        assert (found.fields, found.id, found.label, found.owner) == (("phone",), None, "", "A**")


def test_duplicates_do_not_answer_guesses(desk: Desk) -> None:
    made = desk.make(desk.eve, "client", name="Acme", note="secret")
    with desk.company.unit(desk.ann) as unit:
        assert (
            duplicates(unit, "client", {"note": "secret"}) == []
        )  # hers neither to read nor write
    with desk.company.unit(desk.eve) as unit:
        assert duplicates(unit, "client", {"note": "secret"})[0].id == made["id"]
    with desk.company.unit(desk.roy) as unit:
        with pytest.raises(NotFound):
            duplicates(unit, "client", {"name": "Acme"})
        assert duplicates(unit, "product", {"name": "P"}) == []
    with desk.company.unit(desk.eve, write=True) as unit:
        remove(unit, "client", made["id"], made["version"])
        assert duplicates(unit, "client", {"name": "Acme"}) == []


# --- totals ------------------------------------------------------------------------------------
def test_totals_are_exact_and_the_readers_own(desk: Desk) -> None:
    for amount in ("0.1", "0.2", "-0.01"):
        desk.make(desk.ann, "deal", name="a", amount=amount, pieces=1, owner=desk.ann.id)
    big = "9999999999999.99"
    for _ in range(3):
        desk.make(desk.bob, "deal", name="b", amount=big, pieces=2**40, owner=desk.bob.id)
    everything = Query("deal")
    with desk.company.unit(desk.ann) as unit:
        assert reading.total(unit, everything, "amount") == Decimal("0.29")
        assert reading.total(unit, everything, "double") == Decimal("0.58")
        asked, problems = parse_query("f.amount.lt=0", unit.entity("deal"), unit.access("deal"))
        assert not problems
        assert reading.total(unit, asked, "amount") == Decimal("-0.01")
    with desk.company.unit(desk.eve) as unit:
        assert reading.total(unit, everything, "amount") == Decimal("30000000000000.26")
        pieces = reading.total(unit, everything, "pieces")
        assert (pieces, type(pieces)) == (3 * 2**40 + 3, int)
        asked, _ = parse_query("f.amount.lt=-5", unit.entity("deal"), unit.access("deal"))
        assert reading.total(unit, asked, "amount") is None
        assert reading.total(unit, everything, "margin") is None


def test_totals_go_beyond_64_bits(desk: Desk) -> None:
    table = desk.company.current.tables.of("deal")
    for _ in range(4):
        desk.make(desk.ann, "deal", name="big", pieces=-3)
    with desk.company.unit(SYSTEM, write=True) as unit:
        column = table.columns["pieces"]
        unit.connection.execute(sa.update(table.table).values({column: -(2**62) - 1}))
    with desk.company.unit(desk.eve) as unit:
        assert reading.total(unit, Query("deal"), "pieces") == 4 * (-(2**62) - 1)


def test_totals_leave_out_what_may_not_be_read(desk: Desk) -> None:
    for pieces in (1, 2, 3):
        desk.make(
            desk.eve,
            "deal",
            name="x",
            bonus=10 * pieces,
            pieces=pieces,
            owner=desk.ann.id,
            margin=7,
        )
    with desk.company.unit(desk.ann) as unit:
        assert reading.total(unit, Query("deal"), "bonus") == Decimal(50)
        for name in ("margin", "nothing"):
            with pytest.raises(Invalid) as refused:
                reading.total(unit, Query("deal"), name)
            assert code(refused) == "R101"
        for name in ("name", "owner", "helpers", "items"):
            with pytest.raises(Invalid) as refused:
                reading.total(unit, Query("deal"), name)
            assert code(refused) == "R813"
    with desk.company.unit(desk.roy) as unit, pytest.raises(NotFound):
        reading.total(unit, Query("deal"), "amount")


# --- stars and saved views ---------------------------------------------------------------------
def test_stars_are_ones_own(desk: Desk) -> None:
    one, two = (desk.make(desk.ann, "deal", name=name)["id"] for name in ("One", "Two"))
    with desk.company.unit(desk.ann, write=True) as unit:
        star(unit, "deal", one, on=True)
        star(unit, "deal", one, on=True)
        star(unit, "deal", two, on=True)
        assert starred(unit, "deal", [one, two]) == {one, two}
        assert stars(unit, "deal") == [two, one]
        star(unit, "deal", one, on=False)
        assert starred(unit, "deal", [one, two]) == {two}
        assert starred(unit, "deal", []) == frozenset()
    with desk.company.unit(desk.bob, write=True) as unit:
        with pytest.raises(NotFound):
            star(unit, "deal", two, on=True)
        assert starred(unit, "deal", [two]) == frozenset()
    with desk.company.unit(desk.eve, write=True) as unit:
        star(unit, "deal", two, on=True)
        writing.change(unit, "deal", two, {"owner": desk.eve.id}, 1)
    with desk.company.unit(desk.ann, write=True) as unit:
        assert stars(unit, "deal") == []  # no longer hers to see
        star(unit, "deal", two, on=False)


def test_views_are_kept_by_name(desk: Desk) -> None:
    with desk.company.unit(desk.ann, write=True) as unit:
        save_view(unit, "deal", " Big  ones ", "f.amount.gt=5")
        id = save_view(unit, "deal", "Big ones", "f.amount.gt=9")
        (found,) = saved_views(unit, "deal")
        assert (found.id, found.name, found.query, found.own) == (
            id, "Big ones", "f.amount.gt=9", True
        )  # fmt: skip
        for name in ("", "  ", "x" * 101, "a\x00b"):
            with pytest.raises(Invalid) as refused:
                save_view(unit, "deal", name, "")
            assert code(refused) == "R601"
        with pytest.raises(NotFound):
            save_view(unit, "nothing", "x", "")
    with desk.company.unit(desk.bob, write=True) as unit:
        assert saved_views(unit, "deal") == []
        with pytest.raises(NotFound):
            delete_view(unit, id)
    with desk.company.unit(desk.ann, write=True) as unit:
        delete_view(unit, id)
        assert saved_views(unit, "deal") == []


def test_views_are_shared_with_roles_and_limited(desk: Desk) -> None:
    with desk.company.unit(SYSTEM, write=True) as unit:
        for at, role in enumerate(("", "clerk", "head")):
            unit.connection.execute(
                sa.insert(system.SAVED_VIEW).values(
                    id=10_000 + at, entity="deal", name=role or "all", query="", role=role
                )
            )
    with desk.company.unit(desk.ann, write=True) as unit:
        assert [(view.name, view.own) for view in saved_views(unit, "deal")] == [
            ("all", False), ("clerk", False)
        ]  # fmt: skip
        with pytest.raises(NotFound):
            delete_view(unit, 10_001)
        for at in range(MOST):
            save_view(unit, "deal", f"v{at}", "")
        save_view(unit, "deal", "v0", "sort=name")
        with pytest.raises(Invalid) as refused:
            save_view(unit, "deal", "one more", "")
        assert code(refused) == "R814"
