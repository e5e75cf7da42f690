"""Messages to a group of WeCom (企业微信) by its robot.

The robot's address is ``https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…``; it takes twenty
messages a minute, and answers ``{"errcode": 0, "errmsg": "ok"}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import quote

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

SERVER = "https://qyapi.weixin.qq.com"
LONGEST = 4096  # bytes of a markdown message
WAIT = timedelta(minutes=1)
TOO_FAST = frozenset({45009, 45033})
BUSY = frozenset({-1, 6000})
KEY = re.compile(r"[A-Za-z0-9_-]{8,128}")
KEY_TITLE = {"zh-CN": "机器人密钥", "en": "Robot key"}


class WeCom(ChannelKind):
    """A robot in a group of WeCom."""

    name = "wecom"
    title: ClassVar[Label] = {"zh-CN": "企业微信群机器人", "en": "WeCom group robot"}
    help: ClassVar[Label] = {
        "zh-CN": "在群里添加机器人，把它的 Webhook 地址或其中的 key 贴到这里。",
        "en": "Add a robot to the group and paste its webhook address, or the key in it.",
    }
    icon = "message-dots"
    settings = (
        Setting(
            "key",
            KEY_TITLE,
            {
                "zh-CN": "整个 Webhook 地址，或 key= 后面的部分。",
                "en": "The whole webhook address, or what follows key=.",
            },
            kind="secret",
            required=True,
        ),
    )

    def __init__(self) -> None:
        self._pace = Pace(20, 60)

    def validate(self, config: Mapping[str, Any], transport: Transport) -> Sequence[Problem]:
        """The key must look like one."""
        del transport
        if KEY.fullmatch(_key(config)):
            return ()
        return (Problem("N124", {"value": "…", "field": KEY_TITLE}, "/key"),)

    def send(self, message: Message, config: Mapping[str, Any], transport: Transport) -> None:
        """Say it in the group. Raises: Retry, GiveUp."""
        key = _key(config)
        self._pace.take(key)
        server = str(config.get("server", SERVER)) if transport.private else SERVER
        body = {"msgtype": "markdown", "markdown": {"content": content(message)}}
        answer = transport.post(
            f"{server}/cgi-bin/webhook/send?key={quote(key, safe='')}",
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


def content(message: Message) -> str:
    """The message as markdown, as long as the robot takes it. The link is never cut."""
    opens = "打开" if message.language.startswith("zh") else "Open"
    link = f"\n[{opens}]({message.link})" if message.link else ""
    lines = [f"**{plain(message.title)}**"]
    lines += [f"> {plain(line)}" for line in message.text.splitlines() if line.strip()]
    text = "\n".join(lines).encode()[: LONGEST - len(link.encode())]
    return text.decode(errors="ignore") + link


def plain(text: str) -> str:
    """Words without markdown: what records hold shall not make links or call everybody."""
    return text.translate(str.maketrans("<>[]`", "＜＞［］'"))


def _key(config: Mapping[str, Any]) -> str:
    """The key, also where the whole address was pasted."""
    given = str(config.get("key", "")).strip()
    found = re.search(r"[?&]key=([^&\s]+)", given)
    return found[1] if found else given


@implement
def channels() -> Iterable[ChannelKind]:
    """The kind `wecom`."""
    return (WeCom(),)
