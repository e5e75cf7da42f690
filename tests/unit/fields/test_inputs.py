"""Forms: what was posted becomes values; what was wrong is shown again with its problems."""

from __future__ import annotations

from typing import Any

from tests.unit.fields.making import CONTACTS, bound, make
from werkzeug.datastructures import MultiDict
from wtforms import Form

from engine.fields import bind
from engine.fields.inputs import TypedInput


def filled(posted: list[tuple[str, str]], data: Any = None, **fields: Any) -> dict[str, TypedInput]:
    unbound = {name: kind.form_field("zh-CN") for name, kind in fields.items()}
    form = type("Made", (Form,), unbound)(MultiDict(posted) if posted else None, data=data)
    form.validate()
    return dict(form._fields)


def test_values_and_mistakes() -> None:
    found = filled(
        [("amount", "1,000.5"), ("day", "tomorrow"), ("when", "2026-01-02T12:30")],
        amount=bound("money"),
        day=bound("date"),
        when=bound("datetime"),
    )
    assert str(found["amount"].data) == "1000.50"
    assert found["day"].shown == "tomorrow"
    assert found["day"].problems[0].code == "V022"
    assert "日期" in found["day"].errors[0]
    assert found["when"].data.isoformat() == "2026-01-02T04:30:00+00:00"


def test_lists_boxes_and_addresses() -> None:
    found = filled(
        [("tags", ""), ("tags", "a"), ("tags", "b"), ("box", ""), ("box", "on"),
         ("home.region", "110105"), ("home.detail", "1 号"), ("none", "")],
        tags=bound("tags"), box=bound("boolean"), home=bound("address"), none=bound("tags"),
    )  # fmt: skip
    assert found["tags"].data == ["a", "b"]
    assert found["box"].data is True
    assert found["home"].data["region"] == "110105"
    assert found["none"].data == []


def test_rows() -> None:
    found = filled(
        [("contacts-0.name", "李"), ("contacts-0.id", "4"), ("contacts-0.main", ""),
         ("contacts-7.name", ""), ("contacts-7.email", ""), ("contacts-9.name", "王")],
        contacts=bind(CONTACTS),
    )["contacts"]  # fmt: skip
    assert found.data == [{"name": "李", "main": None, "id": 4}, {"name": "王"}]


def test_a_page_shows_the_record_when_nothing_was_posted() -> None:
    found = filled([], {"amount": bound("money").parse("5")}, amount=bound("money"))
    assert found["amount"].shown == "5.00"
    assert found["amount"].data is not None


def test_a_field_that_is_not_in_the_form_keeps_its_value() -> None:
    kind = bind(make("text", required=True))
    found = filled([("other", "x")], {"f": "kept"}, f=kind)["f"]
    assert found.data == "kept"
    assert found.flags.required
