"""The filter builder finds people and records by name."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.web import Site


def offered(page: str) -> dict[str, Any]:
    """The fields that the page hands to the filter builder."""
    found = re.search(r"data-fields>(.*?)</script>", page, re.S)
    assert found is not None
    return {one["name"]: one for one in json.loads(found[1])}


def test_the_builder_gets_names_and_an_address_to_search(site: Site) -> None:
    wang = site.person("wang")
    where = json.dumps({"or": [["owner", "eq", str(wang)], ["name", "eq", "A"]]})
    answer = site.browser("li").get("/e/customer", query_string={"where": where})
    fields = offered(answer.text)
    assert fields["owner"]["options"] == [[str(wang), "王敏"]]
    assert fields["owner"]["lookup"] == "/acme/e/customer/lookup/owner?any=1"
    assert fields["name"]["lookup"] == ""
    choice = next(one for one in fields.values() if one["kind"] == "choice")
    assert choice["options"]
    assert choice["lookup"] == ""


def test_people_are_found_by_their_initials(site: Site) -> None:
    browser = site.browser("li")
    found = browser.get("/e/customer/lookup/owner?any=1&q=wm").json
    assert found == {
        "items": [{"value": site.person("wang"), "label": "王敏", "hint": "wang · 销售一部"}]
    }
    assert browser.get("/e/customer/lookup/name?any=1&q=w").status_code == 404
    assert browser.get("/e/customer/lookup/created_by?any=1&q=wang").json == found
