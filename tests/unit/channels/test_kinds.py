"""What the kinds of channels say, to the byte."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email import policy
from email.parser import BytesParser
from typing import Any

import pytest

from dougong.channels.email import MailServer, is_address, is_sender, written
from dougong.channels.webhook import header, signature
from dougong.startup import start_plugins
from engine.hooks import CHANNELS, Answer, ChannelKind, GiveUp, Message, Pace, Retry
from engine.problems import Problem

MESSAGE = Message(
    "1:2:3", "合同已批准：[点我](http://evil) <@all>", "金额 `1`\n\n第二行", "https://w/a"
)


@dataclass
class Recorder:
    """A way out that leads nowhere."""

    answer: Answer = field(default_factory=lambda: Answer(200, b'{"errcode": 0}'))
    private: bool = False
    posts: list[tuple[str, bytes, Mapping[str, str]]] = field(default_factory=list)

    def check(self, url: str) -> Sequence[Problem]:
        return ()

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.posts.append((url, body, headers))
        return self.answer


def plugin(name: str) -> Any:
    start_plugins()
    return importlib.import_module(f"dougong_plugins.{name}")


def fresh(name: str) -> ChannelKind:
    start_plugins()
    return type(CHANNELS[name])()


# --- signatures, against values computed with another program ----------------------------------
def test_dingtalks_signature() -> None:
    found = plugin("dingtalk").sign("this is secret", 1577262236757)
    assert found == "hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D"


def test_the_webhooks_signature() -> None:
    assert signature("topsecret", "1760000000", b'{"a":1}') == (
        "3b064320fe5b08b28257671969247208575745253b24e55bd1a78bd30639557f"
    )


def test_headers_stay_on_their_line() -> None:
    assert header("1:2\r\nEvil: 3订") == "1:2??Evil: 3?"


# --- group robots ------------------------------------------------------------------------------
def test_wecom_says_it_in_markdown_without_foreign_links() -> None:
    out = Recorder()
    fresh("wecom").send(MESSAGE, {"key": "693a91f6-7xxx-4bc4", "server": "http://evil"}, out)
    ((url, body, _),) = out.posts
    assert url == "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-7xxx-4bc4"
    assert body.decode() == (
        '{"msgtype": "markdown", "markdown": {"content": '
        "\"**合同已批准：［点我］(http://evil) ＜@all＞**\\n> 金额 '1'\\n> 第二行\\n[打开](https://w/a)\"}}"
    )


def test_dingtalk_signs_when_it_has_a_secret() -> None:
    out = Recorder()
    kind = fresh("dingtalk")
    address = "https://oapi.dingtalk.com/robot/send?access_token=abcdef123456"
    kind.send(MESSAGE, {"token": address}, out)
    kind.send(MESSAGE, {"token": "abcdef123456", "secret": "SEC1"}, out)
    assert out.posts[0][0] == address
    assert out.posts[1][0].startswith(address + "&timestamp=")
    assert "&sign=" in out.posts[1][0]
    assert "SEC1" not in out.posts[1][0]


@pytest.mark.parametrize(("name", "setting"), [("wecom", "key"), ("dingtalk", "token")])
def test_a_bad_key_is_found_before_it_is_used(name: str, setting: str) -> None:
    kind = fresh(name)
    assert not kind.validate({setting: "abcdef123456"}, Recorder())
    (problem,) = kind.validate({setting: "not a key!"}, Recorder())
    assert (problem.code, problem.pointer) == ("N124", f"/{setting}")
    assert "not a key" not in repr(problem)


@pytest.mark.parametrize(
    ("name", "body", "kind", "after"),
    [
        ("wecom", b'{"errcode": 45009}', Retry, timedelta(minutes=1)),
        ("wecom", b'{"errcode": -1}', Retry, None),
        ("wecom", b"<html>", Retry, None),
        ("wecom", b'{"errcode": 93000}', GiveUp, None),
        ("dingtalk", b'{"errcode": 130101}', Retry, timedelta(minutes=10)),
        ("dingtalk", b'{"errcode": 410100}', Retry, timedelta(minutes=10)),
        ("dingtalk", b'{"errcode": 310000}', GiveUp, None),
        ("dingtalk", b'{"errcode": 300001}', GiveUp, None),
    ],
)
def test_errors_of_the_robots(
    name: str, body: bytes, kind: type[Exception], after: timedelta | None
) -> None:
    config = {"key": "abcdef123456", "token": "abcdef123456"}
    with pytest.raises(kind) as caught:
        fresh(name).send(MESSAGE, config, Recorder(Answer(200, body)))
    assert getattr(caught.value, "after", None) == after
    for status, expected in ((503, Retry), (429, Retry), (404, GiveUp)):
        with pytest.raises(expected):
            fresh(name).send(MESSAGE, config, Recorder(Answer(status, b"")))


@pytest.mark.parametrize("name", ["wecom", "dingtalk"])
def test_twenty_messages_a_minute(name: str) -> None:
    kind, out = fresh(name), Recorder()
    config = {"key": "abcdef123456", "token": "abcdef123456"}
    for _ in range(20):
        kind.send(MESSAGE, config, out)
    with pytest.raises(Retry) as caught:
        kind.send(MESSAGE, config, out)
    assert caught.value.after is not None
    assert timedelta(seconds=50) < caught.value.after <= timedelta(minutes=1)
    assert len(out.posts) == 20
    kind.send(MESSAGE, {"key": "another12345", "token": "another12345"}, out)  # not its fault


def test_a_pace_forgets() -> None:
    pace = Pace(2, 60)
    for moment in (0, 30, 61, 95):
        pace.take("a", moment)
    with pytest.raises(Retry):
        pace.take("a", 96)


@pytest.mark.parametrize("name", ["wecom", "dingtalk"])
def test_long_messages_are_cut_between_characters_and_keep_their_link(name: str) -> None:
    long = Message("k", "题", "很长" * 10_000, "https://w/a")
    made = plugin(name).content(long)
    text = made if isinstance(made, str) else made["text"]
    assert len(text.encode()) <= plugin(name).LONGEST
    assert text.endswith("[打开](https://w/a)")


# --- mail --------------------------------------------------------------------------------------
def mail(**more: Any) -> Any:
    words = {"key": "7:3:task:12:1", "title": "等您处理", "to": "li@example.com", "name": "李强"}
    made = written(Message(**{**words, **more}), "斗拱 <work@example.com>", "work.example.com")
    return BytesParser(policy=policy.default).parsebytes(bytes(made))


def test_a_mail_says_the_same_in_text_and_html() -> None:
    found = mail(text="<b>金额</b>", link="https://w/acme/e/contract/1?a=1&b=2")
    assert found["To"] == "李强 <li@example.com>"
    assert found["From"] == "斗拱 <work@example.com>"
    assert found["Subject"] == "等您处理"
    assert found["Message-ID"] == "<7-3-task-12-1@work.example.com>"
    assert found["List-Unsubscribe"] is None
    plain, html = (found.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "<b>金额</b>" in plain
    assert "&lt;b&gt;金额&lt;/b&gt;" in html
    assert "https://w/acme/e/contract/1?a=1&amp;b=2" in html


def test_no_header_is_smuggled_in() -> None:
    assert mail(title="a\r\nBcc: x@example.com")["Bcc"] is None
    with pytest.raises(GiveUp):
        mail(name="a\r\nBcc: x@example.com")
    for bad in ("a@b\r\nc", "a,b@example.com", "<a@example.com>", "a b@example.com", ""):
        assert not is_address(bad)
    assert is_sender("Dougong <work@example.com>")
    assert not is_sender("Dougong <work@example.com>\r\nBcc: x@example.com")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("smtp://mail.example.com", ("mail.example.com", 25, "plain", "", "")),
        ("smtp://u:p%40ss@h:2525?starttls", ("h", 2525, "starttls", "u", "p@ss")),
        ("smtps://u:pa55@h", ("h", 465, "tls", "u", "pa55")),
    ],
)
def test_the_address_of_the_mail_server(url: str, found: tuple[Any, ...]) -> None:
    server = MailServer.read(url, "")
    assert server is not None
    assert (server.host, server.port, server.mode, server.user, server.password) == found
    assert not server.password or server.password not in repr(server)


@pytest.mark.parametrize("url", ["http://mail", "smtp://", "mail.example.com:25"])
def test_what_is_no_mail_server(url: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        MailServer.read(url, "")
    assert MailServer.read("", "") is None
