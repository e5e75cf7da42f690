"""Addresses that people enter lead to the internet and nowhere else."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import pytest

from dougong.channels.net import Net, Private, is_public
from engine.hooks import GiveUp, Retry

INSIDE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://0.0.0.0:8000/",
    "http://①②⑦.⓪.⓪.①/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://100.100.100.200/latest/meta-data/",
    "http://168.63.129.16/metadata",
    "http://192.0.0.192/opc/v2/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://localhost/",
]
MALFORMED = [
    "",
    "example.com",
    "//example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "ftp://example.com/",
    "javascript:alert(1)",
    "http://",
    "http:///path",
    "http://user:pw@example.com/",
    "http://example.com@127.0.0.1/",
    "http://example.com\\@127.0.0.1/",
    "http://exa mple.com/",
    "http://example.com/\r\nHost: x",
    "http://example.com:0/",
    "http://example.com:99999/",
    "http://example.com/#fragment",
    "http://[::1",
    "http://" + "a" * 70 + ".com/",
    "http://example.com/" + "a" * 3000,
]


@pytest.mark.parametrize("url", INSIDE)
def test_no_way_leads_inside(url: str) -> None:
    net = Net()
    (problem,) = net.check(url)
    # a resolver that does not know the spelling at all is as good
    assert problem.code in {"N111", "N112"}
    with pytest.raises((GiveUp, Retry)):
        net.post(url, b"", {})


@pytest.mark.parametrize("url", MALFORMED)
def test_only_whole_addresses_of_the_web_are_called(url: str) -> None:
    (problem,) = Net().check(url)
    assert problem.code == "N110"
    with pytest.raises(GiveUp):
        Net().post(url, b"", {})


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "223.5.5.5", "2400:3200::1"])
def test_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


def _answers(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[tuple[Any, ...]]:
    asked: list[tuple[Any, ...]] = []

    def found(*args: Any, **_: Any) -> list[Any]:
        asked.append(args)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, args[1])) for one in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    return asked


def test_every_address_of_a_name_must_be_public(monkeypatch: pytest.MonkeyPatch) -> None:
    _answers(monkeypatch, "8.8.8.8", "127.0.0.1")
    assert [one.code for one in Net().check("https://two.example/")] == ["N111"]
    _answers(monkeypatch, "8.8.8.8", "1.1.1.1")
    assert not Net().check("https://two.example/")


def test_a_name_is_looked_up_once_and_that_address_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = _answers(monkeypatch, "8.8.8.8")
    called: list[Any] = []

    def connect(place: Any, _timeout: float) -> socket.socket:
        called.append(place)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(Retry) as caught:
        Net().post("http://rebind.example:8080/", b"", {})
    assert len(asked) == 1
    assert called == [("8.8.8.8", 8080)]
    assert caught.value.reason.code == "N151"  # type: ignore[union-attr]


def test_the_operator_may_open_hosts_inside() -> None:
    url = "http://127.0.0.1:9/"
    assert not Net(Private.read("1")).check(url)
    assert not Net(Private.read("127.0.0.0/8")).check(url)
    assert not Net(Private.read("127.0.0.1, intranet.example")).check(url)
    assert Net(Private.read("10.0.0.0/8")).check(url)
    assert Net(Private.read("0")).check(url)
    assert not Private.read("")
    with pytest.raises(ValueError, match="300"):
        Private.read("10.0.0.0/300")


def test_a_receiver_that_trickles_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            guest, _ = server.accept()
            with guest, suppress(OSError):
                while True:
                    guest.sendall(b"H")
                    time.sleep(0.02)

        threading.Thread(target=trickle, daemon=True).start()
        begun = time.monotonic()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(Retry):
            Net(Private.read("1"), timeout=2, total=0.2).post(url, b"", {})
        assert time.monotonic() - begun < 1.5


def test_no_more_is_read_than_the_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def flood() -> None:
            guest, _ = server.accept()
            with guest, suppress(OSError):
                guest.recv(4096)
                guest.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000)

        threading.Thread(target=flood, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        answer = Net(Private.read("1")).post(url, b"{}", {})
        assert (answer.status, len(answer.body)) == (200, 64 * 1024)
