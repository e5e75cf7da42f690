"""Messages to a group of DingTalk (钉钉) by its robot.

The robot's address is ``https://oapi.dingtalk.com/robot/send?access_token=…``; with the security
setting 加签 a timestamp and its signature are added. It takes twenty messages a minute, is silent
for ten minutes when it gets more, and answers ``{"errcode": 0, "errmsg": "ok"}``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from engine.hooks import (
    ChannelKind,
    GiveUp,
    Label,
    Message,
    Pace,
    Retry,
    Setting,
    Transport,
    implement,
)
from engine.problems import Problem

SERVER = "https://oapi.dingtalk.com"
LONGEST = 18_000  # bytes; the robot takes 20,000 with everything around
WAIT = timedelta(minutes=10)
TOO_FAST = frozenset({130101, 410100, 90018})
BUSY = frozenset({-1})
TOKEN = re.compile(r"[A-Za-z0-9_-]{8,128}")
TOKEN_TITLE = {"zh-CN": "机器人令牌", "en": "Robot token"}


class DingTalk(ChannelKind):
    """A robot in a group of DingTalk."""

    name = "dingtalk"
    title: ClassVar[Label] = {"zh-CN": "钉钉群机器人", "en": "DingTalk group robot"}
    help: ClassVar[Label] = {
        "zh-CN": "在群里添加自定义机器人，安全设置选“加签”，把地址和密钥贴到这里。",
        "en": "Add a custom robot to the group, choose signing (加签) as its security setting, "
        "and paste its address and secret.",
    }
    icon = "message-circle"
    settings = (
        Setting(
            "token",
            TOKEN_TITLE,
            {
                "zh-CN": "整个 Webhook 地址，或 access_token= 后面的部分。",
                "en": "The whole webhook address, or what follows access_token=.",
            },
            kind="secret",
            required=True,
        ),
        Setting(
            "secret",
            {"zh-CN": "加签密钥", "en": "Signing secret"},
            {
                "zh-CN": "以 SEC 开头；没有选“加签”则留空。",
                "en": "It begins with SEC; leave it empty without 加签.",
            },
            kind="secret",
        ),
    )

    def __init__(self) -> None:
        self._pace = Pace(20, 60)

    def validate(self, config: Mapping[str, Any], transport: Transport) -> Sequence[Problem]:
        """The token must look like one."""
        del transport
        if TOKEN.fullmatch(_token(config)):
            return ()
        return (Problem("N124", {"value": "…", "field": TOKEN_TITLE}, "/token"),)

    def send(self, message: Message, config: Mapping[str, Any], transport: Transport) -> None:
        """Say it in the group. Raises: Retry, GiveUp."""
        token = _token(config)
        self._pace.take(token)
        server = str(config.get("server", SERVER)) if transport.private else SERVER
        query = urlencode({"access_token": token})
        if secret := str(config.get("secret", "")):
            stamp = int(time.time() * 1000)
            query += f"&timestamp={stamp}&sign={sign(secret, stamp)}"
        body = {"msgtype": "markdown", "markdown": content(message)}
        answer = transport.post(
            f"{server}/robot/send?{query}",
            json.dumps(body, ensure_ascii=False).encode(),
            {"Content-Type": "application/json; charset=utf-8"},
        )
        if answer.status >= 500 or answer.status == 429:
            raise Retry(Problem("N152", {"status": answer.status}))
        if answer.status != 200:
            raise GiveUp(Problem("N152", {"status": answer.status}))
        code = answer.json().get("errcode")
        if code == 0:
            return
        if code in TOO_FAST:
            raise Retry(Problem("N161", {"code": code}), WAIT)
        if code in BUSY or not isinstance(code, int):
            raise Retry(Problem("N161", {"code": code if isinstance(code, int) else "?"}))
        raise GiveUp(Problem("N160", {"code": code}))


def sign(secret: str, stamp: int) -> str:
    """The signature of a timestamp in milliseconds, ready for the address."""
    made = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
    return quote(base64.b64encode(made), safe="")


def content(message: Message) -> dict[str, str]:
    """The message as markdown, as long as the robot takes it. The link is never cut."""
    opens = "打开" if message.language.startswith("zh") else "Open"
    link = f"\n\n[{opens}]({message.link})" if message.link else ""
    lines = [f"#### {plain(message.title)}"]
    lines += [f"> {plain(line)}" for line in message.text.splitlines() if line.strip()]
    text = "\n\n".join(lines).encode()[: LONGEST - len(link.encode())]
    return {"title": plain(message.title), "text": text.decode(errors="ignore") + link}


def plain(text: str) -> str:
    """Words without markdown: what records hold shall not make links or pictures."""
    return text.translate(str.maketrans("<>[]`", "＜＞［］'"))


def _token(config: Mapping[str, Any]) -> str:
    """The token, also where the whole address was pasted."""
    given = str(config.get("token", "")).strip()
    found = re.search(r"[?&]access_token=([^&\s]+)", given)
    return found[1] if found else given


@implement
def channels() -> Iterable[ChannelKind]:
    """The kind `dingtalk`."""
    return (DingTalk(),)
