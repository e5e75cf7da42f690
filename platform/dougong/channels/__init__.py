"""Channels: how what the outbox holds for the world outside gets there.

A `ChannelSender` finds a delivery's channel, its secrets and its person when it is sent, never
before, and hands the message to the kind of the channel: e-mail and webhook here, others from
plugins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from dougong.channels.accounts import CHANNEL, AccountMail
from dougong.channels.email import Email, MailServer, is_sender
from dougong.channels.net import Net, Private
from dougong.channels.webhook import Webhook
from dougong.settings import Settings
from engine.hooks import CHANNELS, ChannelKind, GiveUp, Message, Retry, Transport, register_channel
from engine.problems import Problem
from engine.records import outbox
from engine.records.actor import SYSTEM
from engine.records.company import Company
from engine.records.notices.company_channels import Channel, channel_named
from engine.records.outbox import Delivery, Sender
from engine.records.outbox.reasons import kept
from engine.storage import StorageError
from engine.tables.system import USER

__all__ = ["ChannelSender", "kinds", "senders", "transport"]


def transport(settings: Settings) -> Transport:
    """The way out, with the operator's exceptions. Raises: StorageError."""
    try:
        return Net(Private.read(settings.private_hosts))
    except ValueError:
        raise StorageError("N142", value=settings.private_hosts) from None


def kinds(settings: Settings) -> Mapping[str, ChannelKind]:
    """All kinds of channels, the mail server being that of `settings`. Raises: StorageError."""
    if settings.mail_from and not is_sender(settings.mail_from):
        raise StorageError("N141", value=settings.mail_from)
    try:
        server = MailServer.read(settings.smtp_url, settings.mail_from)
    except ValueError:
        raise StorageError("N140") from None  # its text may hold a password
    mail = Email(server, settings.base_url)
    hook = Webhook()
    register_channel(hook)
    register_channel(mail)
    return {mail.name: mail, hook.name: hook} | {
        name: kind for name, kind in CHANNELS.items() if name not in (mail.name, hook.name)
    }


def senders(settings: Settings) -> Mapping[str, Sender]:
    """Who sends for which kind of channel: for the outbox. Raises: StorageError."""
    sender = ChannelSender.of(settings)
    found: dict[str, Sender] = dict.fromkeys(sender.kinds, sender)
    mail = sender.kinds[Email.name]
    return found | {CHANNEL: AccountMail(mail, sender.out, settings.base_url)}


class ChannelSender:
    """Sends deliveries of the companies' channels."""

    def __init__(self, kinds: Mapping[str, ChannelKind], out: Transport, base_url: str) -> None:
        self.kinds, self.out, self._base_url = kinds, out, base_url

    @classmethod
    def of(cls, settings: Settings) -> ChannelSender:
        """The sender of an installation. Raises: StorageError."""
        return cls(kinds(settings), transport(settings), settings.base_url)

    def send(self, company: Company, delivery: Delivery) -> None:
        """Hand a delivery over. Raises: outbox.Retry, outbox.GiveUp."""
        try:
            channel, person = self._look_up(company, delivery)
            message = self._message(company, delivery, channel, person)
            self.hand_over(channel, message)
        except Retry as error:
            raise outbox.Retry(kept(error.reason), error.after) from None
        except GiveUp as error:
            raise outbox.GiveUp(kept(error.reason)) from None

    def hand_over(self, channel: Channel, message: Message) -> None:
        """Send one message by a channel. Raises: Retry, GiveUp."""
        kind = self.kinds.get(channel.kind)
        if kind is None:
            raise GiveUp(Problem("N159", {"kind": channel.kind}))
        kind.send(message, channel.config, self.out)

    def trial(
        self, company: Company, channel: Channel, stamp: str, words: tuple[str, str], to: str
    ) -> Message:
        """A message that tries a channel out: title and text, and the administrator's address."""
        return Message(
            key=f"test:{company.key}:{channel.id}:{stamp}",
            title=words[0],
            text=words[1],
            to=to,
            link=self._link(company, {"page": "notifications"}),
            settings_link=self._link(company, {"page": "notifications/settings"}),
        )

    def _look_up(self, company: Company, delivery: Delivery) -> tuple[Channel, Any]:
        with company.unit(SYSTEM, source="job") as unit:
            channel = channel_named(unit.connection, delivery.channel)
            if channel is None or not channel.enabled:
                raise GiveUp(Problem("N150", {"channel": delivery.channel}))
            person = None
            if delivery.user is not None:
                person = unit.connection.execute(
                    sa.select(USER).where(USER.c.id == delivery.user)
                ).first()
                if person is None or person.disabled_at is not None:
                    raise GiveUp(Problem("N158"))
        return channel, person

    def _message(
        self, company: Company, delivery: Delivery, channel: Channel, person: Any
    ) -> Message:
        body = delivery.body
        kind = self.kinds.get(channel.kind)
        address = kind.address if kind else "email"
        return Message(
            key=delivery.key,
            title=str(body.get("title", "")),
            text=str(body.get("text", "")),
            link=self._link(company, body),
            language=str(body.get("language") or "zh-CN"),
            to=str(getattr(person, address)) if person is not None else "",
            name=person.name if person is not None else "",
            delivery=str(delivery.id),
            settings_link=self._link(company, {"page": "notifications/settings"}),
            payload=body.get("payload"),
        )

    def _link(self, company: Company, body: Mapping[str, Any]) -> str:
        """A page of the company, under the address that the operator set; "" without one."""
        if not self._base_url:
            return ""
        payload = body.get("payload") or {}
        entity = str(body.get("entity") or payload.get("entity") or "")
        record = body.get("record") or payload.get("record")
        page = str(body.get("page", "record"))
        if page == "record":
            page = f"e/{quote(entity)}/{record}" if entity and record else ""
        return f"{self._base_url}/{company.key}/{page}"
