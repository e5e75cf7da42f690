"""Logging in by an identity provider: OpenID Connect, code flow with PKCE.

What comes from the provider is checked here and nowhere else: issuer, audience, expiry, nonce and
signature. Whatever does not check out ends in `Refused`, whose code says why; nothing of the
provider's words is ever shown. Needs the extra ``dougong[oidc]``.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from dougong.doctor.process import is_loopback
from dougong.settings import Provider
from engine.accounts.identities import LONGEST, Claimed

SCOPE: Final = "openid email profile"
TIMEOUT: Final = 5.0
LEEWAY: Final = 60  # seconds that clocks may differ
KEPT: Final = 600.0  # seconds that what a provider publishes is kept
LARGEST: Final = 512 * 1024
ALGORITHMS: Final = frozenset(
    f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512)
) | {"EdDSA", "Ed25519"}
# Of RFC 8176: what one knows, has, is. Two kinds are two factors, one of them alone is one.
KINDS: Final = (
    frozenset({"pwd", "pin", "kba"}),
    frozenset({"otp", "hwk", "swk", "sc", "pop", "sms", "tel"}),
    frozenset({"face", "fpt", "iris", "retina", "vbm"}),
)
_METHODS: Final = ("client_secret_basic", "client_secret_post")


class Refused(Exception):
    """No login; `code` is the number of the sentence to show."""

    def __init__(self, code: str, why: str = "") -> None:
        super().__init__(f"{code} {why}")
        self.code, self.why = code, why


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a login that is under way has to come back with."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)

    @classmethod
    def fresh(cls) -> Ticket:
        """A new one: three secrets of 256 bits."""
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))


class Client:
    """The installation's one client of its provider; safe for threads."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Any]] = {}

    def begin(self, ticket: Ticket, callback: str) -> str:
        """The address of the provider to send the browser to. Raises: Refused."""
        with self._session(callback) as session:
            url, _ = session.create_authorization_url(
                self._endpoint("authorization_endpoint"),
                state=ticket.state,
                nonce=ticket.nonce,
                code_verifier=ticket.verifier,
            )
        return str(url)

    def finish(self, ticket: Ticket, callback: str, given: Mapping[str, str]) -> Claimed:
        """Who came back with the arguments `given`. Raises: Refused."""
        state = given.get("state", "")
        if not hmac.compare_digest(state.encode(), ticket.state.encode()):
            raise Refused("T160", "state")
        self._from_us(given.get("iss"))
        if "error" in given or not given.get("code"):
            raise Refused("T162", given.get("error", "")[:60])
        with self._session(callback) as session:
            try:
                tokens = session.fetch_token(
                    self._endpoint("token_endpoint"),
                    grant_type="authorization_code",
                    code=given["code"],
                    code_verifier=ticket.verifier,
                    allow_redirects=False,
                )
            except OAuthError as error:
                raise Refused("T163", f"token: {error.error}"[:60]) from error
            except requests.RequestException as error:
                raise Refused("T161", type(error).__name__) from error
            except (ValueError, TypeError, KeyError) as error:
                raise Refused("T163", "token") from error
            claims = self._claims(ticket, tokens)
            return _claimed(claims, self._profile(session, claims, tokens))

    # --- checking ------------------------------------------------------------------------------
    def _from_us(self, issuer: str | None) -> None:
        """The answer is from our provider and not from another one (RFC 9207)."""
        said = self._metadata().get("authorization_response_iss_parameter_supported")
        if issuer != self.provider.issuer if issuer is not None else bool(said):
            raise Refused("T163", "iss")

    def _claims(self, ticket: Ticket, tokens: Mapping[str, Any]) -> Mapping[str, Any]:
        """The claims of the ID token, all of them checked."""
        text = tokens.get("id_token")
        if not isinstance(text, str):
            raise Refused("T163", "id_token")
        offered = self._metadata().get("id_token_signing_alg_values_supported") or ["RS256"]
        allowed = sorted(ALGORITHMS.intersection(map(str, offered)))
        options: Any = {
            "iss": {"essential": True, "value": self.provider.issuer},
            "aud": {"essential": True, "value": self.provider.client_id},
        }
        params = {
            "nonce": ticket.nonce,
            "client_id": self.provider.client_id,
            "access_token": tokens.get("access_token"),
        }
        try:
            token = self._opened(text, allowed)
            claims = CodeIDToken(token.claims, token.header, options, params)
            claims.validate(int(time.time()), LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise Refused("T163", type(error).__name__) from error
        if not isinstance(claims.get("sub"), str) or not 0 < len(claims["sub"]) <= LONGEST:
            raise Refused("T163", "sub")
        return dict(claims)

    def _opened(self, text: str, allowed: list[str]) -> jwt.Token:
        """The token, its signature checked; by fresh keys when the kept ones do not fit."""
        try:
            return jwt.decode(text, self._keys(), allowed)
        except (JoseError, ValueError):
            return jwt.decode(text, self._keys(fresh=True), allowed)

    def _profile(
        self, session: OAuth2Session, claims: Mapping[str, Any], tokens: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Address and name: many providers tell them only when asked with the access token."""
        if "email" in claims or "userinfo_endpoint" not in self._metadata():
            return claims
        session.token = dict(tokens)
        try:
            told = _json(
                session.get(self._endpoint("userinfo_endpoint"), allow_redirects=False, stream=True)
            )
        except (requests.RequestException, OAuthError) as error:
            raise Refused("T161", type(error).__name__) from error
        if told.get("sub") != claims["sub"]:
            raise Refused("T163", "userinfo")
        return told

    # --- what the provider publishes -----------------------------------------------------------
    def _metadata(self) -> Mapping[str, Any]:
        issuer = self.provider.issuer
        found = self._published(issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise Refused("T161", "issuer")
        return found

    def _endpoint(self, name: str) -> str:
        url = self._metadata().get(name)
        if not isinstance(url, str) or not _fine(url, self.provider.issuer):
            raise Refused("T161", name)
        return url

    def _keys(self, *, fresh: bool = False) -> KeySet:
        found = self._published(self._endpoint("jwks_uri"), fresh=fresh)
        return KeySet.import_key_set(dict(found))  # type: ignore[arg-type]

    def _published(self, url: str, *, fresh: bool = False) -> Mapping[str, Any]:
        with self._lock:
            until, found = self._kept.get(url, (0.0, None))
            if found is None or fresh or time.monotonic() > until:
                try:
                    with self._plain() as session:
                        found = _json(
                            session.get(url, timeout=TIMEOUT, allow_redirects=False, stream=True)
                        )
                except requests.RequestException as error:
                    raise Refused("T161", type(error).__name__) from error
                self._kept[url] = (time.monotonic() + KEPT, found)
            return dict(found)

    def _plain(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = not is_loopback(urlsplit(self.provider.issuer).hostname or "")
        return session

    def _session(self, callback: str) -> OAuth2Session:
        offered = self._metadata().get("token_endpoint_auth_methods_supported") or _METHODS[:1]
        method = next((one for one in _METHODS if one in offered), _METHODS[0])
        session = OAuth2Session(
            self.provider.client_id,
            self.provider.client_secret or None,
            token_endpoint_auth_method=method if self.provider.client_secret else "none",
            scope=SCOPE,
            redirect_uri=callback,
            code_challenge_method="S256",
            default_timeout=TIMEOUT,
        )
        session.trust_env = not is_loopback(urlsplit(self.provider.issuer).hostname or "")
        return session


def _claimed(claims: Mapping[str, Any], profile: Mapping[str, Any]) -> Claimed:
    email, name = profile.get("email"), profile.get("name")
    return Claimed(
        issuer=str(claims["iss"]),
        subject=str(claims["sub"]),
        email=email[:LONGEST] if isinstance(email, str) else "",
        verified=profile.get("email_verified") is True,
        name=name[:100] if isinstance(name, str) else "",
        strong=_strong(claims.get("amr")),
    )


def _strong(amr: Any) -> bool:
    """Whether the provider says that it asked for two factors. `acr` is not looked at: what its
    values mean is between it and whoever set it up."""
    if not isinstance(amr, list):
        return False
    said = {str(one) for one in amr}
    return "mfa" in said or sum(not said.isdisjoint(kind) for kind in KINDS) > 1


def _json(response: requests.Response) -> Mapping[str, Any]:
    """The object in an answer that is not too large. Raises: Refused, RequestException."""
    with response:
        if response.status_code != requests.codes.ok:
            raise Refused("T161", str(response.status_code))
        raw = response.raw.read(LARGEST + 1, decode_content=True)
    if len(raw) > LARGEST:
        raise Refused("T161", "size")
    try:
        found = json.loads(raw)
    except ValueError as error:
        raise Refused("T161", "JSON") from error
    if not isinstance(found, dict):
        raise Refused("T161", "JSON")
    return found


def _fine(url: str, issuer: str) -> bool:
    """Whether a published address is as safe as the issuer's own."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return True
    inside = is_loopback(parts.hostname or "") and is_loopback(urlsplit(issuer).hostname or "")
    return parts.scheme == "http" and inside
