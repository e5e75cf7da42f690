"""The doors of an explanation: the page that looks through somebody's eyes, a person's own "why",
the API and the command line. All of them only look, and looks at others are written down."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import sqlalchemy as sa
from tests.companies import Served, dougong

from engine.records import writing
from engine.records.unit import SYSTEM
from engine.tables.system import SECURITY


@pytest.fixture
def served(small: Path, tmp_path: Path) -> Iterator[Served]:
    """The small company; alice and erin sell, zoe reads, root administers."""
    copytree(small, tmp_path / "data")
    found = Served.open(tmp_path / "data")
    yield found
    found.installation.close()


@pytest.fixture
def record(served: Served) -> int:
    """A customer of erin's."""
    owner = served.actor("small", "erin").id
    values = {"name": "Southern Works", "owner": owner, "phone": "13800138000", "cost": "777"}
    with served.company("small").unit(SYSTEM, write=True) as unit:
        return int(writing.create(unit, "customer", values)["id"])


def looks(served: Served) -> list[dict[str, Any]]:
    """What the security log says about looking through others' eyes."""
    with served.company("small").database.read() as connection:
        rows = connection.execute(
            sa.select(SECURITY).where(SECURITY.c.kind == "rights.viewed").order_by(SECURITY.c.id)
        )
        return [dict(row) for row in rows.mappings()]


def plain(page: str) -> str:
    """The page's words on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


# --- the page ------------------------------------------------------------------------------------
def test_an_administrator_sees_what_somebody_sees(served: Served, record: int) -> None:
    root, alice = served.visitor("small", "root"), served.actor("small", "alice").id
    assert "Whose eyes?" in root.text("/admin/view-as")
    assert looks(served) == []
    menu = plain(root.text(f"/admin/view-as?user={alice}"))
    assert "As Alice sees it" in menu
    assert re.search(r"Customer 0 of 1", menu)
    listed = plain(root.text(f"/admin/view-as?user={alice}&entity=customer&q=Southern"))
    assert "Southern Works does not see it" in listed
    page = plain(root.text(f"/admin/view-as?user={alice}&entity=customer&record={record}"))
    assert "No: Alice may not see Customer." in page
    assert "Owner is not Alice (Owner: Erin)" in page
    assert "Give Alice the role “Auditor”." in page
    kinds = [(one["entity"], one["record_id"], one["details"]["login"]) for one in looks(served)]
    assert kinds == [
        ("", None, "alice"),
        ("customer", None, "alice"),
        ("customer", record, "alice"),
    ]


def test_cell_by_cell_with_what_decides(served: Served, record: int) -> None:
    root, zoe = served.visitor("small", "root"), served.actor("small", "zoe").id
    page = root.text(f"/admin/view-as?user={zoe}&entity=customer&record={record}")
    cells = re.findall(r"<li[^>]*><span class=\"seen-name\">(.*?)</li>", page, re.S)
    found = {plain(cell.split("</span>")[0]).strip(): plain(cell) for cell in cells}
    assert "masked" in found["Phone"]
    assert "13800138000" not in found["Phone"]
    assert "777" in found["Cost"]
    assert "reads" in found["Name"]
    assert "is calculated" in found["Signed"]
    erin = served.actor("small", "erin").id
    hidden = root.text(f"/admin/view-as?user={erin}&entity=customer&record={record}")
    assert "777" not in hidden  # erin does not see the cost; looking as erin one does not either


def test_why_one_cell(served: Served, record: int) -> None:
    root, zoe = served.visitor("small", "root"), served.actor("small", "zoe").id
    about = f"user={zoe}&entity=customer&record={record}&action=read&field=phone"
    page = plain(root.text(f"/admin/view-as?{about}"))
    assert "Only masked: Zoe may not see Customer · Phone in the clear." in page
    assert "/properties/phone/x-access/auditor/read" in page


def test_the_page_is_for_administrators_and_changes_nothing(served: Served, record: int) -> None:
    alice = served.visitor("small", "alice")
    assert alice.get("/admin/view-as").status_code == 404
    root = served.visitor("small", "root")
    root.text("/admin/view-as?user=3")
    for query in (
        "user=x",
        "user=999999",
        "user=3&entity=nothing",
        "user=3&entity=customer&record=99",
    ):
        assert root.get(f"/admin/view-as?{query}").status_code == 404, query
    assert root.send("POST", "/admin/view-as").status_code == 405
    logged = len(looks(served))
    root.text(f"/admin/view-as?user=3&entity=customer&record={record}")
    assert len(looks(served)) == logged + 1


# --- one's own -----------------------------------------------------------------------------------
def test_the_record_leads_to_why_it_cannot_be_changed(served: Served, record: int) -> None:
    zoe = served.visitor("small", "zoe")
    page = zoe.text(f"/e/customer/{record}")
    assert f'href="/small/e/customer/{record}/why"' in page
    assert f"/small/e/customer/{record}/why?action=read&amp;field=phone" in page
    why = plain(zoe.text(f"/e/customer/{record}/why"))
    assert "No: you may not change Customer." in why
    assert "Role “Auditor” may not change Customer." in why
    masked = plain(zoe.text(f"/e/customer/{record}/why?action=read&field=phone"))
    assert "Only masked" in masked
    assert "x-access" not in masked  # definitions are not for everybody
    assert looks(served) == []


def test_nobody_is_told_about_what_is_not_there_for_him(served: Served, record: int) -> None:
    alice, erin = served.visitor("small", "alice"), served.visitor("small", "erin")
    assert alice.get(f"/e/customer/{record}/why").status_code == 404
    assert alice.get("/e/customer/999999/why").status_code == 404
    assert erin.get(f"/e/customer/{record}/why").status_code == 200
    assert erin.get(f"/e/customer/{record}/why?field=cost").status_code == 404
    assert erin.get(f"/e/customer/{record}/why?field=nothing").status_code == 404
    assert erin.get(f"/e/customer/{record}/why?action=nothing").status_code == 404


# --- the API and the command line ----------------------------------------------------------------
def test_the_api_explains(served: Served, record: int) -> None:
    root, alice = served.visitor("small", "root"), served.visitor("small", "alice")
    about = f"entity=customer&record={record}&action=read"
    found = root.get(f"/api/v1/explain?{about}&user=alice").get_json()
    assert (found["allowed"], found["level"]) == (False, "hidden")
    assert found["text"] == "No: Alice may not see Customer."
    assert found["reasons"][0]["role"] == "sales"
    assert {one["kind"] for one in found["remedies"]} == {"record", "role", "definition"}
    assert [one["record_id"] for one in looks(served)] == [record]
    # oneself, without a name; others not at all
    assert alice.get("/api/v1/explain?entity=customer&action=create").get_json()["allowed"]
    assert alice.get(f"/api/v1/explain?{about}").status_code == 404
    erin = served.actor("small", "erin").id
    assert alice.get(f"/api/v1/explain?{about}&user={erin}").status_code == 403
    assert alice.get(f"/api/v1/explain?{about}&user=erin").status_code == 404
    assert alice.get("/api/v1/explain?entity=customer&action=read&record=x").status_code == 404
    assert served.app.test_client().get(f"/small/api/v1/explain?{about}").status_code == 401


def test_the_command_line_explains(served: Served, record: int) -> None:
    data = served.installation.settings.data
    done = dougong("explain", "--data", data, "small", "zoe", "customer", record, "write")
    assert done.code == 1
    assert done.out.splitlines()[0] == "No: Zoe may not change Customer."
    assert "1. Give Zoe the role “Admin”." in done.out
    told = dougong(
        "explain", "--data", data, "small", "zoe", "customer", record, "--field", "phone", "--json"
    )
    assert told.code == 1
    assert '"level": "masked"' in told.out
    assert dougong("explain", "--data", data, "small", "zoe", "customer", "read").code == 0
    assert dougong("explain", "--data", data, "small", "nobody", "customer").code != 0
    assert len(looks(served)) == 3
