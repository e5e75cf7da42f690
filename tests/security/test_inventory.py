"""A0.1 Every address is listed with the right it needs, and strangers and ordinary people get what
the list says and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest
from tests.companies import Served, digest, prepare_small
from tests.security.inventory import addresses, differences, doors
from tests.security.strangers import open_to_people, open_to_strangers

from engine.records import writing
from engine.records.unit import SYSTEM


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an installation with the small company."""
    data = tmp_path_factory.mktemp("small")
    prepare_small(data)
    return data


@pytest.fixture
def served(small: Path, tmp_path: Path) -> Iterator[Served]:
    """The small company; alice sells, zoe reads, root administers and operates."""
    copytree(small, tmp_path / "data")
    found = Served.open(tmp_path / "data")
    yield found
    found.installation.close()


def quiet(served: Served) -> str:
    """The digest of everything, once the session of root is noted as used."""
    served.visitor("small", "root").get("/")
    return digest(served.company("small"))


def test_a0_1_every_address_is_listed(served: Served) -> None:
    wrong = differences(served.app)
    assert not wrong, "\n" + "\n".join(wrong)
    assert len(doors()) > 150


def test_a0_1_every_address_but_a_few_asks_who_you_are(served: Served) -> None:
    wrong = open_to_strangers(served, "small")
    assert not wrong, "\n" + "\n".join(wrong)


def test_a0_1_administration_is_not_there_for_ordinary_people(served: Served) -> None:
    wrong = open_to_people(served, "small", "zoe")
    assert not wrong, "\n" + "\n".join(wrong)
    home = served.visitor("small", "zoe").text("/")
    assert "/ops/" not in home
    assert "/small/admin/" not in home
    root = served.visitor("small", "root").text("/")
    assert "/ops/" in root
    assert "/small/admin/" in root


def test_a12_1_no_address_writes_without_the_token(served: Served) -> None:
    """Another site can make a browser post, with its cookies; it cannot know the token."""
    before, tried = quiet(served), 0
    for client in (served.visitor("small", "root").client, served.app.test_client()):
        for door, path in addresses(served.app):
            if door.method == "GET":
                continue
            tried += 1
            for more in (
                {"data": {"csrf_token": "guess"}},
                {"json": {"name": "Northern"}},
                {"data": "{}", "content_type": "text/plain"},
                {"data": {}, "headers": {"X-CSRF-Token": "guess", "Sec-Fetch-Site": "same-origin"}},
            ):
                answer = client.open(path, method=door.method, **more)
                assert answer.status_code == 400, (door.endpoint, door.method, path)
    assert tried > 50
    assert digest(served.company("small")) == before


def test_a12_3_reading_changes_nothing(served: Served) -> None:
    """A GET that writes could be caused by any link."""
    with served.company("small").unit(SYSTEM, write=True) as unit:
        id = writing.create(unit, "customer", {"name": "Northern"})["id"]
    root, before = served.visitor("small", "root"), quiet(served)
    for door, path in addresses(served.app, id=id):
        if door.method == "GET" and door.endpoint != "auth.login":
            answer = root.client.get(path)
            assert answer.status_code < 500, (path, answer.status_code)
    assert digest(served.company("small")) == before
