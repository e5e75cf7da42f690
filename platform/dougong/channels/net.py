"""The one way out: addresses that people entered are called through here and nowhere else.

A name is looked up once, every address it has must be public, and exactly that address is called,
with the name in the Host header and in TLS. Redirects are answers, not orders.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from engine.hooks import Answer, GiveUp, Retry
from engine.problems import Problem

TIMEOUT: Final = 5.0  # seconds, for connecting and for every read
TOTAL: Final = 10.0  # seconds, for everything
MOST_READ: Final = 64 * 1024
PORTS: Final = {"http": 80, "https": 443}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Beside what is not global: networks that only look so, because they lead to other addresses
# (mapped, translated, tunnelled), and hosts of clouds that hand out their secrets.
DENIED: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("168.63.129.16/32", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
GLOBAL_6: Final = ipaddress.ip_network("2000::/3")  # all else of IPv6 is not the internet


def is_public(address: Address) -> bool:
    """Whether an address is somewhere in the internet, and not a way back inside."""
    if isinstance(address, ipaddress.IPv6Address) and address not in GLOBAL_6:
        return False
    return address.is_global and not any(
        address in network for network in DENIED if network.version == address.version
    )


@dataclass(frozen=True, slots=True)
class Private:
    """The hosts inside that the operator lets be called."""

    everything: bool = False
    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def read(cls, text: str) -> Private:
        """`DOUGONG_PRIVATE_HOSTS`: "1", or names, addresses and networks with commas.

        Raises: ValueError.
        """
        if text.strip() in ("", "0", "1"):
            return cls(everything=text.strip() == "1")
        hosts, networks = set(), []
        for part in filter(None, (one.strip().lower() for one in text.split(","))):
            try:
                networks.append(ipaddress.ip_network(part, strict=False))
            except ValueError:
                if "/" in part or not part.replace("-", "").replace(".", "").isalnum():
                    raise
                hosts.add(part)
        return cls(False, frozenset(hosts), tuple(networks))

    def __bool__(self) -> bool:
        return bool(self.everything or self.hosts or self.networks)

    def allows(self, host: str, address: Address) -> bool:
        """Whether an address that is not public may be called."""
        return (
            self.everything
            or host in self.hosts
            or any(address in one for one in self.networks if one.version == address.version)
        )


class Net:
    """`engine.hooks.Transport`: see the module."""

    def __init__(
        self, allowed: Private | None = None, timeout: float = TIMEOUT, total: float = TOTAL
    ) -> None:
        self._allowed = allowed or Private()
        self._timeout, self._total = timeout, total

    @property
    def private(self) -> bool:
        """Whether any private host may be called."""
        return bool(self._allowed)

    def check(self, url: str) -> Sequence[Problem]:
        """Why the address may not be called, () when it may."""
        found = _parsed(url)
        if isinstance(found, Problem):
            return (found,)
        place = self._resolved(found)
        return (place,) if isinstance(place, Problem) else ()

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """What the address answers. Raises: Retry, GiveUp."""
        parts = _parsed(url)
        if isinstance(parts, Problem):
            raise GiveUp(parts)
        place = self._resolved(parts)
        if isinstance(place, Problem):
            raise (Retry if place.code == "N112" else GiveUp)(place)
        host, address, port = place
        connection = _Pinned(host, port, str(address), self._timeout, parts.scheme == "https")
        path = parts.path or "/"
        target = f"{path}?{parts.query}" if parts.query else path
        # a receiver that sends a byte now and then never lets a timeout of the socket pass
        watch = threading.Timer(self._total, connection.cut)
        watch.daemon = True
        watch.start()
        try:
            connection.request("POST", target, body=body, headers=dict(headers))
            response = connection.getresponse()
            return Answer(response.status, response.read(MOST_READ))
        except (OSError, http.client.HTTPException) as error:
            raise Retry(Problem("N151", {"host": host, "error": type(error).__name__})) from None
        finally:
            watch.cancel()
            connection.close()

    def _resolved(self, parts: SplitResult) -> tuple[str, Address, int] | Problem:
        """Host, the one address to call, port."""
        host = _ascii(parts.hostname or "")
        port = parts.port or PORTS[parts.scheme]
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return Problem("N112", {"host": host}, "/url")
        addresses = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
        if not addresses or not all(
            is_public(one) or self._allowed.allows(host, one) for one in addresses
        ):
            return Problem("N111", {"host": host}, "/url")
        return host, addresses[0], port


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, whatever its host is called."""

    def __init__(self, host: str, port: int, address: str, timeout: float, secure: bool) -> None:
        super().__init__(host, port, timeout=timeout)
        self._address, self._secure = address, secure
        if secure:
            self.default_port = PORTS["https"]

    def connect(self) -> None:
        """Connect to the address that was checked."""
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._secure:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)

    def cut(self) -> None:
        """End it, whatever is under way."""
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)


def _parsed(url: str) -> SplitResult | Problem:
    """The parts of an address that may be called as far as its form goes."""
    bad = Problem("N110", {"value": url[:100].partition("?")[0]}, "/url")
    if not url.isprintable() or len(url) > 2_000 or any(sign in url for sign in " \\"):
        return bad
    try:
        parts = urlsplit(url)
        fine = parts.scheme in PORTS and parts.port != 0 and bool(_ascii(parts.hostname or ""))
    except ValueError:
        return bad
    if not fine or parts.username is not None or parts.password is not None or parts.fragment:
        return bad
    return parts if f"{parts.path}{parts.query}".isascii() else bad


def _ascii(host: str) -> str:
    """The host as it travels. Raises: ValueError (UnicodeError)."""
    if ":" in host:  # an address of IPv6 stands in brackets, which are gone by now
        return host
    return host.encode("idna").decode("ascii").lower()
