"""What strangers and ordinary people are answered at every address, against the table."""

from __future__ import annotations

import re
from typing import Any

from flask.testing import FlaskClient
from tests.companies import Served
from tests.security.inventory import addresses


def csrf(client: FlaskClient, path: str) -> dict[str, str]:
    """The token that proves that a request comes from a page of ours."""
    page = client.get(path).get_data(as_text=True)
    found = re.search(r'name="csrf-token" content="(\w+)"|name="csrf_token" value="(\w+)"', page)
    assert found is not None
    return {"X-CSRF-Token": found[1] or found[2]}


def open_to_strangers(served: Served, key: str) -> list[str]:
    """Where somebody who has not logged in gets more than the table says: he is led to the login,
    told 401, or finds nothing."""
    stranger = served.app.test_client()
    headers, wrong = csrf(stranger, f"/{key}/login"), []
    for door, path in addresses(served.app, company=key):
        answer = stranger.open(path, method=door.method, headers=headers)
        place, status = answer.headers.get("Location", ""), answer.status_code
        if door.who == "anonymous":
            good = status < 500 and status != 401
        elif door.who == "token":
            good = status in (400, 401, 404)
        elif door.who == "operator":
            good = status == 404
        elif door.method == "GET" and not door.api:
            good = status == 302 and place.startswith(f"/{key}/login")
        else:
            good = status == 401 or (status == 302 and place == f"/{key}/login")
        if not good or b"Northern" in answer.data:
            wrong.append(f"{door.who} {door.method} {path} → {status} {place}")
    return wrong


def open_to_people(served: Served, key: str, login: str) -> list[str]:
    """Where somebody who does not administer gets administration. Not forbidden: not there;
    programs are told 403 or 404."""
    person = served.visitor(key, login).client
    headers, wrong = csrf(person, f"/{key}/account"), []
    for door, path in addresses(served.app, company=key):
        if door.who not in ("administrator", "operator"):
            continue
        body: dict[str, Any] = {"json": {}} if door.api and door.method != "GET" else {}
        answer = person.open(path, method=door.method, headers=headers, **body)
        if answer.status_code not in ((403, 404) if door.api else (404,)):
            wrong.append(f"{door.who} {door.method} {path} → {answer.status_code}")
    return wrong
