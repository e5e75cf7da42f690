"""What the doors hold against: sizes, slow questions, foreign hosts and pages, unsafe settings.

The numbers are those of the list of threats (A10, A12, A22, A23).
"""

from __future__ import annotations

import http.client
import io
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import sqlalchemy as sa
from tests.companies import Served, digest, dougong, write_small_pack
from tests.listening import listening
from tests.security.inventory import addresses

from dougong import pace
from dougong.app import create_app
from dougong.doctor import Finding, findings, is_loopback, stopping
from dougong.installation import Installation, Listing
from dougong.pace import MOST, SHARE
from dougong.routing import safe_next
from dougong.security import LONGEST_ADDRESS
from dougong.settings import Settings, load_settings
from dougong.setup import create_company
from engine.accounts.security_log import log_event
from engine.records import reading, writing
from engine.records.unit import SYSTEM
from engine.storage import Database, StorageError, patience, postgres
from engine.tables import system

serving = import_module("dougong.commands.serve")
MULTIPART = "multipart/form-data"
FORM = "application/x-www-form-urlencoded"
SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


@pytest.fixture(scope="module")
def still(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The small company, for tests that change nothing."""
    data = tmp_path_factory.mktemp("doors") / "data"
    copytree(small, data)
    data.chmod(0o700)
    found = Served.open(data)
    yield found
    found.installation.close()


@pytest.fixture
def served(small: Path, tmp_path: Path) -> Iterator[Served]:
    copytree(small, tmp_path / "data")
    (tmp_path / "data").chmod(0o700)
    found = Served.open(tmp_path / "data")
    yield found
    found.installation.close()


# --- A10 limits ----------------------------------------------------------------------------------


def test_a10_1_bodies_and_addresses_have_an_end(still: Served) -> None:
    root = still.visitor("small", "root")
    big = "x" * (2 * 2**20 + 1)
    many = {f"f_{at}": "1" for at in range(5_001)}
    file = {"f_name": "N", "file": (io.BytesIO(b"x" * (21 * 2**20)), "big.bin")}
    form = "/e/customer/new"
    for answer, status in (
        (root.api("POST", "/customer", '{"name": "' + big + '"}'), 413),
        (root.send("POST", form, data={"f_name": big}), 413),
        (root.send("POST", form, data={"f_name": big}, content_type=MULTIPART), 413),
        (root.send("POST", form, data=many, content_type=MULTIPART), 413),
        (root.send("POST", form, data=file), 413),
        (root.get(f"/e/customer?q={'x' * LONGEST_ADDRESS}"), 414),
        (root.get(f"/api/v1/customer?q={'x' * LONGEST_ADDRESS}"), 414),
        (root.get(f"/{'x' * LONGEST_ADDRESS}"), 414),
    ):
        assert answer.status_code == status, answer.request
        assert "Traceback" not in answer.get_data(as_text=True)
    assert root.get("/api/v1/customer").status_code == 200


@pytest.fixture(scope="module")
def port(still: Served) -> Iterator[int]:
    """The port of a real server with the limits of `dougong serve`."""
    with listening(still.app, **serving.limits(still.installation.settings)) as port:
        yield port


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Long": "x" * 70_000}, 431),
        ({"Content-Length": str(30 * 2**20)}, 413),
        ({"Host": "evil.example"}, 400),
        ({"Host": "127.0.0.1.evil.example"}, 400),
        ({}, 200),
    ],
)
def test_a10_1_a_real_server(port: int, headers: Mapping[str, str], status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("POST" if "Content-Length" in headers else "GET", "/healthz",
                          skip_host="Host" in headers)  # fmt: skip
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == status
    assert "waitress" not in (answer.getheader("Server") or "").lower() or status >= 400
    connection.close()


@pytest.mark.parametrize("size", ["101", "1000000000", "-1", "0", "1 UNION SELECT", "1e9", "²"])
def test_a10_2_no_page_is_larger_than_a_page(still: Served, size: str) -> None:
    answer = still.visitor("small", "root").get("/api/v1/customer", query_string={"size": size})
    assert answer.status_code == 422


@pytest.mark.parametrize("body", ["[" * 100_000, '{"name":' * 51 + "1" + "}" * 51])
def test_a10_3_nothing_nests_without_end(still: Served, body: str) -> None:
    assert still.visitor("small", "root").api("POST", "/customer", body).status_code == 422


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a10_4_a_statement_that_takes_too_long_ends(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SECONDS", 0.1)
    monkeypatch.setattr(postgres, "SECONDS", 0.1)
    if engine == "sqlite":
        database = Database.sqlite(tmp_path / "slow.sqlite")
    else:  # a pool of its own, which knows the shorter time
        url = request.getfixturevalue("postgres_url")
        database = Database.postgres(url, "doors_slow", prepare_threshold=7)
    try:
        for begin in (database.read, database.write):
            with pytest.raises(StorageError) as caught, begin() as connection:
                connection.exec_driver_sql(SLOW)
            assert caught.value.problem.code == "S015"
        with database.read() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1
        if engine == "sqlite":  # changing tables may take longer than that
            short = SLOW.replace("FROM n)", "FROM n WHERE i < 3000000)", 1)
            found = database.ddl(lambda connection: connection.exec_driver_sql(short).scalar())
            assert found == 3_000_000
    finally:
        database.drop()
        database.close()


@pytest.mark.expects_fault
def test_a10_4_behind_a_pooler_nothing_is_set_for_a_session(postgres_url: str) -> None:
    sign = "&" if "?" in postgres_url else "?"
    database = Database.postgres(f"{postgres_url}{sign}pooler=1", "doors_pooled")
    try:
        with database.read() as connection:
            assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "0"
    finally:
        database.drop()
    plain = Database.postgres(postgres_url, "doors_plain")
    try:
        with plain.read() as connection:
            assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "10s"
    finally:
        plain.drop()


@pytest.mark.expects_fault
def test_a10_4_the_worker_survives_it(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(unit: Any, _query: Any) -> Any:
        unit.connection.connection.driver_connection.clock.limit = 0.05
        return unit.connection.exec_driver_sql(SLOW)

    root = served.visitor("small", "root")
    with monkeypatch.context() as patched:
        patched.setattr(reading, "find", slow)
        answer = root.get("/api/v1/customer")
    assert answer.status_code == 503
    assert answer.json["problems"][0]["code"] == "S015"
    assert root.get("/api/v1/customer").status_code == 200


@pytest.mark.parametrize(
    ("kind", "path"),
    [("suggest", "/search/suggest?q=north"), ("lookup", "/e/customer/lookup/owner?q=a")],
)
def test_a10_7_looking_things_up_has_a_pace(served: Served, kind: str, path: str) -> None:
    pace._served.clear()
    zoe, alice = served.visitor("small", "zoe"), served.visitor("small", "alice")
    company = served.company("small")
    with company.database.write() as connection:  # what other processes have served
        for _ in range(MOST // SHARE - 1):
            connection.execute(
                system.ATTEMPT.insert().values(
                    id=company.database.ids.next(connection),
                    kind=kind,
                    key=str(served.actor("small", "zoe").id),
                    at=datetime.now(UTC),
                )
            )
    statuses = [zoe.get(path).status_code for _ in range(2 * SHARE + 3)]
    assert statuses == [200] * (2 * SHARE - 1) + [429] * 4
    assert zoe.get(path).headers["Retry-After"] == "60"
    assert alice.get(path).status_code == 200
    with company.database.write() as connection:
        connection.execute(
            system.ATTEMPT.update().values(at=datetime.now(UTC) - timedelta(minutes=2))
        )
    assert zoe.get(path).status_code == 200


# --- A12 other sites -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain", FORM, "multipart/form-data", "application/foo+json", "application/ld+json",
        "text/json", "", "application/json;charset=utf-16", "application/json-patch+json",
        "APPLICATION/XML",
    ],
)  # fmt: skip
def test_a12_2_the_api_reads_json_and_nothing_else(still: Served, kind: str) -> None:
    root = still.visitor("small", "root")
    before = digest(still.company("small"))
    for method, path in (("POST", "/customer"), ("PATCH", "/customer/1")):
        assert root.api(method, path, '{"name": "Northern"}', content_type=kind).status_code == 415
    assert digest(still.company("small")) == before


def test_a12_3_asking_with_head_or_options_changes_nothing(still: Served) -> None:
    root = still.visitor("small", "root")
    root.get("/")
    before = digest(still.company("small"))
    asked = {path for _, path in addresses(still.app)}
    for path in asked:
        for method in ("HEAD", "OPTIONS"):
            assert root.client.open(path, method=method).status_code < 500, (method, path)
    assert digest(still.company("small")) == before
    assert len(asked) > 80


def test_a12_3_a_method_is_what_it_says(served: Served) -> None:
    with served.company("small").unit(SYSTEM, write=True) as unit:
        id = writing.create(unit, "customer", {"name": "Northern"})["id"]
    root = served.visitor("small", "root")
    root.text("/account")
    before = digest(served.company("small"))
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        headers = {name: "DELETE", "If-Match": "1"}
        assert root.client.get(f"/small/api/v1/customer/{id}", headers=headers).status_code == 200
        answer = root.send("POST", f"/api/v1/customer/{id}", headers=headers)
        assert answer.status_code == 405
    for where in ("?_method=DELETE", "?X-HTTP-Method-Override=DELETE"):
        assert root.send("GET", f"/api/v1/customer/{id}{where}").status_code == 200
    assert digest(served.company("small")) == before


NEXT = [
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "\\/evil.example",
    "https://evil.example", "https:evil.example", "https:/evil.example", "HTTPS://EVIL.EXAMPLE",
    "/\t/evil.example", "/%09/evil.example", "\t//evil.example", " //evil.example",
    "javascript:alert(1)", "data:text/html,x", "vbscript:x", "//evil.example/small/",
    "/small", "/smaller/", "/other/", "/small/\\evil.example", "/small/\r\nX: 1", "/small/\x00",
    "/small/\u2028", "http://localhost@evil.example/small/", "", "?", "#", "..//evil.example",
]  # fmt: skip


@pytest.mark.parametrize("target", NEXT)
def test_a12_4_nobody_is_sent_away(still: Served, target: str) -> None:
    with still.app.test_request_context("/small/login"):
        still.app.preprocess_request()
        assert safe_next(target) == "/small/"
    page = still.visitor("small", "root").get("/login", query_string={"next": target})
    assert (page.status_code, page.headers["Location"]) == (303, "/small/")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost"])
def test_a12_5_no_other_site_may_read(still: Served, origin: str) -> None:
    root = still.visitor("small", "root")
    asks = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    for method in ("GET", "OPTIONS"):
        for path in ("/small/api/v1/customer", "/small/", "/healthz"):
            answer = root.client.open(path, method=method, headers=asks)
            assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("path", ["/", "/account", "/e/customer", "/api/v1/customer", "/nothing"])
def test_a12_6_what_somebody_sees_is_kept_nowhere(still: Served, path: str) -> None:
    headers = still.visitor("small", "root").get(path).headers
    assert headers["Cache-Control"] == "no-store"
    assert "Cookie" in headers["Vary"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Server" not in headers


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:80",
     "localhost@evil.example", "10.0.0.1", "[::2]", "0.0.0.0", "xn--localhost", "a b"],
)  # fmt: skip
def test_a12_7_an_unknown_host_gets_nothing(still: Served, host: str) -> None:
    client = still.app.test_client()
    for path in ("/small/login", "/small/api/v1/customer", "/healthz"):
        assert client.get(path, headers={"Host": host}).status_code == 400, path


def test_a12_7_with_an_address_of_its_own_it_answers_to_that_alone(still: Served) -> None:
    settings = replace(still.installation.settings, base_url="https://work.example.com")
    client = create_app(Installation(settings)).test_client()
    for host, status in (("work.example.com", 200), ("localhost", 400), ("127.0.0.1", 400)):
        assert client.get("/small/login", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(("proxies", "believed"), [(0, "127.0.0.1"), (1, "10.2.2.2")])
def test_a12_7_a_proxy_is_believed_only_when_there_is_one(
    served: Served, proxies: int, believed: str
) -> None:
    settings = replace(served.installation.settings, proxies=proxies)
    client = create_app(Installation(settings)).test_client()
    forged = {
        "X-Forwarded-For": "10.1.1.1, 10.2.2.2", "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Prefix": "/evil", "X-Forwarded-Port": "1", "X-Real-IP": "10.3.3.3",
        "Forwarded": "for=10.4.4.4;host=evil.example", "Client-IP": "10.5.5.5",
    }  # fmt: skip
    answer = client.get("/small/account", headers=forged)
    assert answer.headers["Location"].startswith("/small/login")
    page = client.get("/small/login", headers=forged).get_data(as_text=True)
    assert "evil" not in page
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    fields = {"login": "alice", "password": "guess", "csrf_token": token}
    client.post("/small/login", data=fields, headers=forged)
    with served.company("small").database.read() as connection:
        seen = connection.scalars(
            sa.select(system.SECURITY.c.address).where(system.SECURITY.c.kind == "login.failed")
        ).all()
    assert seen == [believed]


@pytest.mark.parametrize(("proxies", "believed"), [(0, "127.0.0.1"), (1, "10.2.2.2")])
def test_a12_7_the_real_server_hands_on_what_the_proxy_says(
    served: Served, proxies: int, believed: str
) -> None:
    settings = replace(served.installation.settings, proxies=proxies)
    headers = {"X-Forwarded-For": "10.1.1.1, 10.2.2.2", "Authorization": "Bearer guess"}
    with listening(create_app(Installation(settings)), **serving.limits(settings)) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/small/api/v1/customer", headers=headers)
        assert connection.getresponse().status == 401
        connection.close()
    with served.company("small").database.read() as database:
        assert database.scalars(sa.select(system.ATTEMPT.c.key)).all() == [believed]


# --- A22, A23 the doctor -------------------------------------------------------------------------


def codes(found: list[Finding], level: str = "unsafe") -> set[str]:
    return {one.code for one in found if one.level == level}


def seen_by_the_doctor(served: Served, host: str = "127.0.0.1", **environ: str) -> list[Finding]:
    data = served.installation.settings.data
    settings = load_settings(data, environ=environ)
    return findings(served.installation, settings, host=host, environ=environ)


@pytest.mark.parametrize(
    ("environ", "host", "code"),
    [
        ({}, "0.0.0.0", "T105"),
        ({}, "192.168.1.5", "T105"),
        ({"DOUGONG_BASE_URL": "http://work.example.com"}, "127.0.0.1", "T106"),
        ({"FLASK_DEBUG": "1"}, "127.0.0.1", "T107"),
        ({"DOUGONG_DEV": "1", "DOUGONG_BASE_URL": "https://w.example"}, "127.0.0.1", "T108"),
        ({"DOUGONG_DEV": "1"}, "0.0.0.0", "T108"),
        ({"DOUGONG_PRIVATE_HOSTS": "1"}, "127.0.0.1", "T109"),
        ({"DOUGONG_SMTP_URL": "smtp://mail.example.com"}, "127.0.0.1", "T110"),
        ({"DOUGONG_OIDC_ISSUER": "http://id.example", "DOUGONG_OIDC_CLIENT_ID": "x"}, "::1",
         "T122"),
    ],
)  # fmt: skip
def test_a22_the_doctor_names_what_is_unsafe(
    still: Served, environ: dict[str, str], host: str, code: str
) -> None:
    found = seen_by_the_doctor(still, host, **environ)
    assert code in codes(found)
    for one in found:
        for language in ("zh-CN", "en"):
            assert one.words(language)
            assert "?" not in one.words(language) + one.remedy(language).replace(
                "?starttls", ""
            ).replace("?sslmode", "")


@pytest.mark.parametrize(
    ("environ", "host"),
    [
        ({}, "127.0.0.1"),
        ({"DOUGONG_BASE_URL": "https://work.example.com"}, "127.0.0.1"),
        ({"DOUGONG_BASE_URL": "http://localhost:8000", "FLASK_DEBUG": "0"}, "::1"),
        ({"DOUGONG_SMTP_URL": "smtps://mail.example.com"}, "localhost"),
        ({"DOUGONG_SMTP_URL": "smtp://mail.example.com?starttls"}, "localhost"),
        ({"DOUGONG_SMTP_URL": "smtp://127.0.0.1"}, "localhost"),
        ({"DOUGONG_PRIVATE_HOSTS": "10.0.0.0/8"}, "localhost"),
    ],
)
def test_a22_and_what_is_safe_passes(still: Served, environ: dict[str, str], host: str) -> None:
    # the databases of these tests wait for no disk: that, it does name
    assert codes(seen_by_the_doctor(still, host, **environ)) <= {"T111"}


def test_a22_files_that_others_can_read(served: Served) -> None:
    data = served.installation.settings.data
    (data / "secret").chmod(0o640)
    assert "T102" in codes(seen_by_the_doctor(served))
    (data / "secret").chmod(0o600)
    data.chmod(0o755)
    found = seen_by_the_doctor(served)
    assert "T103" in codes(found)
    (data / "companies" / "small" / "company.json").chmod(0o644)
    assert "T104" in codes(seen_by_the_doctor(served), "advice")
    data.chmod(0o700)
    assert codes(seen_by_the_doctor(served)) <= {"T111"}
    (data / "secret").write_bytes(b"short")
    short = replace(served.installation.settings, secret=b"short")
    assert "T101" in codes(findings(Installation(short)))


def test_a22_people_and_logs(served: Served) -> None:
    company, now = served.company("small"), datetime.now(UTC)
    first = codes(seen_by_the_doctor(served), "advice")
    assert "T115" in first, "root administers without a second factor"
    with company.database.write() as connection:
        for at in range(3):
            log_event(connection, now, "login.ok", user=at)
        connection.execute(
            system.USER.update().where(system.USER.c.login == "root").values(disabled_at=now)
        )
    found = codes(seen_by_the_doctor(served), "advice")
    assert "T114" in found
    assert "T115" not in found
    assert "T118" not in codes(seen_by_the_doctor(served))
    with company.database.write() as connection:
        altered = system.SECURITY.update().where(system.SECURITY.c.id == 2)
        connection.execute(altered.values(user_id=7))
    assert "T118" in codes(seen_by_the_doctor(served))
    assert "T118" not in codes(stopping(served.installation, "127.0.0.1", {})), "it is no setting"


def test_a22_a_database_elsewhere(served: Served, postgres_url: str) -> None:
    remote = Listing("far", "", "small", "postgresql://u:p@db.example.com/d")
    folder = served.installation.settings.data / "companies" / "far"
    folder.mkdir()
    for url, expected in (
        (remote.url, True),
        (remote.url + "?sslmode=prefer", True),
        (remote.url + "?sslmode=verify-full", False),
        ("postgresql://u:p@127.0.0.1:1/d", False),
    ):
        told = {name: getattr(remote, name) for name in Listing.__slots__} | {"url": url}
        (folder / "company.json").write_text(json.dumps(told))
        found = list(_files(served.installation))
        assert ("T113" in codes(found)) is expected, url


def _files(installation: Installation) -> Iterator[Finding]:
    from dougong.doctor.process import file_findings

    return file_findings(installation)


def test_a22_a_server_of_databases_that_may_lose_data(small: Path, postgres_url: str,
                                                     tmp_path: Path) -> None:  # fmt: skip
    from tests.integration import records_world

    installation = Installation(load_settings(tmp_path / "data"))
    listing = Listing("doctor", "", "small", postgres_url)
    create_company(installation, listing, records_world.sources(), "root")
    try:
        found = findings(installation, environ={})
        assert "S009" in codes(found), "the tests' server runs without fsync"
        assert "T124" in codes(found, "advice"), "and we are its superuser"
        assert "S009" in codes(stopping(installation, "127.0.0.1", {}))
    finally:
        installation.drop("doctor")
        installation.close()


def test_a22_the_command_tells_all_of_it(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    data = served.installation.settings.data
    monkeypatch.setenv("DOUGONG_PRIVATE_HOSTS", "1")
    done = dougong("doctor", "--data", data)
    assert done.code == 1
    assert "T109" in done.out
    assert "    → Name the hosts" in done.out
    told = json.loads(dougong("doctor", "--json", "--data", data).out)
    assert {"level", "code", "company", "text", "remedy"} == told[0].keys()
    assert [one["level"] for one in told] == sorted((one["level"] for one in told), reverse=True)


@pytest.mark.parametrize(
    ("words", "environ", "starts"),
    [
        ([], {}, True),
        (["--host", "0.0.0.0"], {}, False),
        (["--host", "0.0.0.0", "--dev"], {}, True),
        ([], {"FLASK_DEBUG": "1"}, False),
        ([], {"DOUGONG_PRIVATE_HOSTS": "1"}, False),
        ([], {"DOUGONG_BASE_URL": "http://work.example.com"}, False),
        ([], {"DOUGONG_BASE_URL": "https://work.example.com"}, True),
    ],
)
def test_a23_no_server_starts_unsafe(
    still: Served,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    environ: dict[str, str],
    starts: bool,
) -> None:
    started: list[str] = []
    monkeypatch.setattr(
        serving, "run_server", lambda _installation, host, *_, **__: started.append(host)
    )
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    done = dougong("serve", "--data", still.installation.settings.data, *words)
    assert bool(started) is starts, done.err
    assert done.code == (0 if starts else 78)
    if not starts:
        assert "→" in done.err
        assert "T128" in done.err
    if not words:
        assert started in ([], ["127.0.0.1"])


def test_a23_a_fresh_installation_is_closed(tmp_path: Path) -> None:
    """As a command makes it, under the usual mask of a shell."""
    packs = write_small_pack(tmp_path / "packs")
    mask = os.umask(0o022)
    try:
        line = ("create", "acme", "--pack", "small", "--packs", packs, "--data")
        assert dougong(*line, tmp_path / "fresh").code == 0
    finally:
        os.umask(mask)
    made = [tmp_path / "fresh", *(tmp_path / "fresh").rglob("*")]
    assert len(made) > 4
    for path in made:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    found = Served.open(tmp_path / "fresh")
    assert not found.app.debug
    settings: Settings = found.installation.settings
    assert (settings.private_hosts, settings.oidc, settings.dev) == ("", None, False)
    with found.company("acme").database.read() as connection:
        people = connection.execute(sa.select(system.USER)).mappings().all()
    assert [one["login"] for one in people] == ["admin"]
    assert people[0]["password_hash"] is None
    client = found.app.test_client()
    for door in ("/console", "/acme/ops/", "/acme/api/v1/customer", "/__debug__"):
        assert client.get(door).status_code in (302, 308, 401, 404), door
    found.installation.close()


def test_a23_the_environment_turns_no_debugger_on(
    still: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    assert not create_app(still.installation).debug


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True),
     ("localhost", True), ("0.0.0.0", False), ("::", False), ("10.0.0.1", False),
     ("localhost.example.com", False), ("", False)],
)  # fmt: skip
def test_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
