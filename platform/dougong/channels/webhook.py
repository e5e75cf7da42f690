"""Webhooks: what happened, told to a program as a signed JSON post."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Final

from engine.hooks import ChannelKind, GiveUp, Label, Message, Retry, Setting, Transport
from engine.problems import Problem

GONE: Final = frozenset(
    {400, 401, 403, 404, 405, 410, 413, 415, 422}
)  # another try changes nothing
TOO_MANY: Final = 429


class Webhook(ChannelKind):
    """A post to an address of one's own, signed with a secret that both sides know."""

    name = "webhook"
    title: ClassVar[Label] = {"zh-CN": "Webhook", "en": "Webhook"}
    help: ClassVar[Label] = {
        "zh-CN": "向自己的程序发送 JSON，用密钥签名。流程动作 webhook 和通知都可以用它。",
        "en": "Posts JSON to a program of yours, signed with a secret. For the workflow action "
        "webhook, and for notices.",
    }
    icon = "webhook"
    settings = (
        Setting(
            "url",
            {"zh-CN": "地址", "en": "Address"},
            {
                "zh-CN": "https://… 由公网可以访问。",
                "en": "https://…, reachable in the internet.",
            },
            kind="url",
            required=True,
        ),
        Setting(
            "secret",
            {"zh-CN": "签名密钥", "en": "Signing secret"},
            {
                "zh-CN": "接收方用它核对 Dougong-Signature。",
                "en": "With it the receiver checks Dougong-Signature.",
            },
            kind="secret",
            required=True,
        ),
    )

    def validate(self, config: Mapping[str, Any], transport: Transport) -> Sequence[Problem]:
        """The address must be one that may be called."""
        return transport.check(str(config.get("url", "")))

    def send(self, message: Message, config: Mapping[str, Any], transport: Transport) -> None:
        """Post the payload. Raises: Retry, GiveUp."""
        payload = message.payload or {
            "key": message.key,
            "event": "notice",
            "title": message.title,
            "text": message.text,
        }
        body = json.dumps(
            {**payload, "link": message.link}, ensure_ascii=False, separators=(",", ":")
        ).encode()
        stamp = str(int(time.time()))
        answer = transport.post(
            str(config["url"]),
            body,
            {
                "Content-Type": "application/json; charset=utf-8",
                "User-Agent": "Dougong-Webhook/1",
                "Idempotency-Key": header(message.key),
                "Dougong-Delivery": header(message.delivery or message.key),
                "Dougong-Timestamp": stamp,
                "Dougong-Signature": "v1=" + signature(str(config["secret"]), stamp, body),
            },
        )
        if 200 <= answer.status < 300:
            return
        problem = Problem("N152", {"status": answer.status})
        if answer.status == TOO_MANY:
            raise Retry(problem, timedelta(minutes=1))
        if answer.status in GONE or 300 <= answer.status < 400:
            raise GiveUp(problem)
        raise Retry(problem)


def signature(secret: str, stamp: str, body: bytes) -> str:
    """HMAC-SHA256 over ``<timestamp>.<body>``, in hexadecimal digits."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def header(text: str) -> str:
    """A value that no line of a header can be smuggled in with."""
    return "".join(sign if sign.isascii() and sign.isprintable() else "?" for sign in text)
