"""Mails with a link into an account: the link is made when the mail is sent, and stands nowhere.

Its address begins with the one that the operator set (`DOUGONG_BASE_URL`), never with what a
request said about itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from dougong.channels.clock import utc_now
from engine.accounts.links import BY_HAND, VALID, Purpose, make_link
from engine.accounts.security_log import log_event
from engine.hooks import ChannelKind, GiveUp, Message, Retry, Transport
from engine.problems import Problem
from engine.records import outbox
from engine.records.company import Company
from engine.records.outbox import Delivery
from engine.records.outbox.reasons import kept
from engine.records.sign_in import CHANNEL
from engine.tables.system import USER

Words = Mapping[str, tuple[str, str]]  # language: title and text
INVITED: Final = {
    "zh-CN": (
        "邀请您加入：{company}",
        "{name}，您好！\n\n管理员为您开通了账号，登录名是 {login}。"
        "请在 7 天内打开下面的链接并设置密码；链接只能使用一次。",
    ),
    "en": (
        "You are invited: {company}",
        "Hello {name},\n\nan administrator has made an account for you; your login name is "
        "{login}. Open the link within seven days and choose a password. It works once.",
    ),
}
RENEWED: Final = {
    "zh-CN": (
        "设置新密码：{company}",
        "{name}，您好！\n\n管理员请您为账号 {login} 设置新密码。"
        "请在一天内打开下面的链接；链接只能使用一次。",
    ),
    "en": (
        "A new password: {company}",
        "Hello {name},\n\nan administrator asks you to choose a new password for the account "
        "{login}. Open the link within a day; it works once.",
    ),
}
WORDS: Final = {
    "zh-CN": (
        "重设密码：{company}",
        "{name}，您好！\n\n有人（应该是您本人）申请重设账号 {login} 的密码。"
        "请在 30 分钟内打开下面的链接；链接只能使用一次。\n\n"
        "如果不是您本人申请，请忽略此邮件，密码不会改变。",
    ),
    "en": (
        "A new password: {company}",
        "Hello {name},\n\nsomebody, probably you, asked for a new password for the account "
        "{login}. Open the link within 30 minutes; it works once.\n\n"
        "If it was not you, ignore this mail: nothing changes.",
    ),
}


class AccountMail:
    """Sends links to the people they are for; the sender of the channel `CHANNEL`."""

    def __init__(self, mail: ChannelKind, out: Transport, base_url: str) -> None:
        self._mail, self._out, self._base_url = mail, out, base_url

    def send(self, company: Company, delivery: Delivery) -> None:
        """Hand a mail over. Raises: outbox.Retry, outbox.GiveUp."""
        try:
            self._mail.send(self._message(company, delivery), {}, self._out)
        except Retry as error:
            raise outbox.Retry(kept(error.reason), error.after) from None
        except GiveUp as error:
            raise outbox.GiveUp(kept(error.reason)) from None

    def _message(self, company: Company, delivery: Delivery) -> Message:
        by = delivery.body.get("by")  # an administrator, who made it for somebody else
        purpose: Purpose = "invite" if delivery.body.get("purpose") == "invite" else "password"
        valid = BY_HAND if by and purpose == "password" else VALID[purpose]
        if utc_now() - delivery.created_at > valid:
            raise GiveUp(Problem("L025"))  # whoever waited for it has long asked again
        with company.database.write() as connection:
            person = connection.execute(sa.select(USER).where(USER.c.id == delivery.user)).first()
            if person is None or person.disabled_at is not None:
                raise GiveUp(Problem("N158"))
            token = make_link(connection, person.id, utc_now(), purpose, by=by, valid=valid)
            log_event(
                connection,
                utc_now(),
                "link.made",
                user=by,
                about=("@user", person.id),
                details={"purpose": purpose, "by": "mail"},
            )
        words = INVITED if purpose == "invite" else RENEWED if by else WORDS
        return self._written(company, delivery, person, f"/{company.key}/once/{token}", words)

    def _written(
        self, company: Company, delivery: Delivery, person: Any, path: str, words: Words
    ) -> Message:
        model = company.current.model
        language = person.language or model.default_language
        title, text = words.get(language, words["en"])
        told = {"name": person.name, "login": person.login, "company": company.title(language)}
        return Message(
            key=delivery.key,
            title=title.format_map(told),
            text=text.format_map(told),
            link=f"{self._base_url}{path}",
            language=language,
            to=person.email or "",
            name=person.name,
            delivery=str(delivery.id),
            settings_link="",
        )


__all__ = ["CHANNEL", "AccountMail"]
