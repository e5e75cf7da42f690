"""E-mail by SMTP. Where to and from whom is the operator's setting; links come from the address of
the installation and from nowhere else, and lead to pages that only show."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from html import escape
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, unquote, urlsplit

from dougong.channels.clock import utc_now
from engine.hooks import ChannelKind, GiveUp, Label, Message, Retry, Transport
from engine.problems import Problem

TIMEOUT: Final = 10.0
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}")
_KEY: Final = re.compile(r"[^A-Za-z0-9._-]+")
WHY: Final = {
    "zh-CN": "您可以在“通知设置”里选择接收哪些邮件：",
    "en": "Choose which mails you want in your notification settings:",
}
OPEN: Final = {"zh-CN": "打开", "en": "Open"}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over. `mode`: plain, starttls or tls."""

    host: str
    port: int
    mode: str
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""  # "Dougong <work@example.com>"

    @classmethod
    def read(cls, url: str, sender: str) -> MailServer | None:
        """From ``smtp://user:password@host:port?starttls`` or ``smtps://…``; None for "".

        Raises: ValueError.
        """
        if not url:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError(parts.scheme)
        wanted = "starttls" in parse_qs(parts.query, keep_blank_values=True)
        mode = "tls" if parts.scheme == "smtps" else "starttls" if wanted else "plain"
        port = parts.port or {"tls": 465, "starttls": 587, "plain": 25}[mode]
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(parts.hostname, port, mode, user, password, sender)


def is_address(text: str) -> bool:
    """Whether mail can be sent there: one plain address and nothing else."""
    return bool(_ADDRESS.fullmatch(text))


def is_sender(text: str) -> bool:
    """Whether `text` is an address, with or without a name."""
    return text.isprintable() and is_address(parseaddr(text)[1])


class Email(ChannelKind):
    """Mail to single people."""

    name = "email"
    title: ClassVar[Label] = {"zh-CN": "电子邮件", "en": "E-mail"}
    help: ClassVar[Label] = {
        "zh-CN": "给每个人发邮件；邮件服务器由运维用 DOUGONG_SMTP_URL 设定。",
        "en": "Mails to single people; the operator names the server in DOUGONG_SMTP_URL.",
    }
    icon = "mail"
    personal = True
    address = "email"

    def __init__(self, server: MailServer | None, base_url: str) -> None:
        self._server, self._base_url = server, base_url

    @property
    def trouble(self) -> Problem | None:
        """Why nothing can be sent, None when it can."""
        if self._server is None:
            return Problem("N153", {"setting": "DOUGONG_SMTP_URL"})
        if not self._server.sender:
            return Problem("N153", {"setting": "DOUGONG_MAIL_FROM"})
        return None if self._base_url else Problem("N153", {"setting": "DOUGONG_BASE_URL"})

    def send(self, message: Message, config: Mapping[str, Any], transport: Transport) -> None:
        """Hand one mail to the server. Raises: Retry, GiveUp."""
        del config, transport  # the operator's own server is not an address that users entered
        if (trouble := self.trouble) is not None:
            raise GiveUp(trouble)
        assert self._server is not None
        if not is_address(message.to):
            raise GiveUp(Problem("N154"))
        host = urlsplit(self._base_url).hostname or "localhost"
        mail = written(message, self._server.sender, host)
        try:
            self._hand_over(mail, message.to)
        except smtplib.SMTPRecipientsRefused as refused:
            code = next(iter(refused.recipients.values()))[0]
            raise _verdict(code) from None
        except smtplib.SMTPResponseException as refused:
            raise _verdict(refused.smtp_code) from None
        except (OSError, smtplib.SMTPException) as error:
            raise Retry(Problem("N155", {"error": type(error).__name__})) from None

    def _hand_over(self, mail: EmailMessage, to: str) -> None:
        server = self._server
        assert server is not None
        context = ssl.create_default_context()
        if server.mode == "tls":
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=TIMEOUT, context=context
            )
        else:
            client = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT)
        with client:
            if server.mode == "starttls":
                client.starttls(context=context)
            if server.user:
                client.login(server.user, server.password)
            client.send_message(mail, parseaddr(server.sender)[1], [to])


def written(message: Message, sender: str, host: str) -> EmailMessage:
    """The mail: text and HTML that say the same. Raises: GiveUp for a name with a line break."""
    if not (message.name.isprintable() and sender.isprintable()):
        raise GiveUp(Problem("N156"))
    mail = EmailMessage()
    name, address = parseaddr(sender)
    mail["From"] = Address(name, addr_spec=address)
    mail["To"] = Address(_literal(message.name), addr_spec=message.to)
    mail["Subject"] = _literal(" ".join(message.title.split()))
    mail["Date"] = format_datetime(utc_now())
    mail["Message-ID"] = f"<{_KEY.sub('-', message.key)}@{host}>"
    mail["Auto-Submitted"] = "auto-generated"
    why = WHY.get(message.language, WHY["en"])
    settings = message.settings_link
    text = [message.title, "", message.text, "", message.link]
    if settings:  # a mail about an account is not chosen
        text += ["", "-- ", f"{why} {settings}"]
    mail.set_content("\n".join(text))
    mail.add_alternative(_html(message, why, settings), subtype="html")
    return mail


def _literal(text: str) -> str:
    """The text as it was written: "=?…?=" in it would be decoded, and line breaks that were
    encoded so would become headers of their own."""
    return text.replace("=?", "= ?")


def _html(message: Message, why: str, settings: str) -> str:
    body = escape(message.text).replace("\n", "<br>")
    link = escape(message.link, quote=True)
    opens = escape(OPEN.get(message.language, OPEN["en"]))
    small = "color:#5b6472;font-size:12px"
    end = escape(settings, quote=True)
    below = f'<p style="{small}">{escape(why)} <a href="{end}">{end}</a></p>' if settings else ""
    return (
        f'<!doctype html><html lang="{escape(message.language)}"><body>'
        f'<p style="font-size:16px"><strong>{escape(message.title)}</strong></p>'
        f'<p>{body}</p><p><a href="{link}">{opens}</a></p>{below}</body></html>'
    )


def _verdict(code: int) -> Retry | GiveUp:
    """4xx passes, 5xx does not."""
    problem = Problem("N157", {"status": code})
    return GiveUp(problem) if code >= 500 else Retry(problem)
