"""The platform's own tables in every company's database.

All ids are 64-bit and given by `Database.ids` unless the key is something else. Only additions are
allowed: `ensure` creates what is missing, tables as well as nullable columns and indexes.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any, Final

import sqlalchemy as sa

from engine.storage.ddl import AddColumn
from engine.storage.ids import ID_BLOCK
from engine.storage.types import JsonText, UtcDateTime, big_integer

METADATA = sa.MetaData()
_SHAPE_KEY: Final = "platform.tables"


def _id() -> sa.Column[int]:
    return sa.Column("id", big_integer(), primary_key=True, autoincrement=False)


def _big(name: str, *more: Any, null: bool = True, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, big_integer(), *more, nullable=null, **options)


def _text(name: str, *, null: bool = False, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=null, **options)


def _at(name: str, *, null: bool = True) -> sa.Column[Any]:
    return sa.Column(name, UtcDateTime(), nullable=null)


def _json(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, JsonText(), nullable=null)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())


def _part(name: str, where: str, *columns: str) -> sa.Index:
    """An index over some of the rows."""
    condition = sa.text(where)
    return sa.Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


def _table(name: str, *parts: Any) -> sa.Table:
    return sa.Table(f"dg_{name}", METADATA, *parts, sqlite_strict=True)


ID_BLOCKS = ID_BLOCK.to_metadata(METADATA)

# --- what the company is -----------------------------------------------------------------------
VERSION = _table(
    "version",
    _id(),
    _text("hash"),
    _text("pack"),
    _json("sources"),
    _json("layout"),
    _at("at", null=False),
    _big("by_id"),
    _text("note", server_default=""),
)
COUNTER = _table("counter", _text("key", primary_key=True), _big("value", null=False))
SETTING = _table("setting", _text("key", primary_key=True), _json("value"))

# --- people ------------------------------------------------------------------------------------
DEPARTMENT = _table(
    "department",
    _id(),
    _text("key", server_default=""),
    _text("name"),
    _big("parent_id", sa.ForeignKey("dg_department.id", name="d1")),
    _text("path", server_default=""),  # "/1/7/": ids from the top down to this one
    _big("manager_id"),
    _big("position", null=False, server_default="0"),
    _at("removed_at"),
    sa.Index("dg_department_parent", "parent_id"),
    sa.Index("dg_department_path", "path"),
)
USER = _table(
    "user",
    _id(),
    _text("login", unique=False),
    _text("name"),
    _text("email", null=True),
    _text("phone", null=True),
    _text("password_hash", null=True),
    _big("department_id", sa.ForeignKey("dg_department.id", name="u1")),
    _big("manager_id", sa.ForeignKey("dg_user.id", name="u2")),
    _text("language", server_default=""),
    _text("timezone", server_default=""),
    _flag("is_operator"),
    _at("created_at", null=False),
    _at("password_at"),
    _at("seen_at"),
    _at("disabled_at"),
    _big("version", null=False, server_default="1"),
    sa.Index("dg_user_login", "login", unique=True),
    sa.Index("dg_user_department", "department_id"),
    sa.Index("dg_user_manager", "manager_id"),
)
USER_ROLE = _table(
    "user_role",
    _big("user_id", sa.ForeignKey("dg_user.id", name="r1"), null=False, primary_key=True),
    _text("role", primary_key=True),
    sa.Index("dg_user_role_role", "role"),
)
SESSION = _table(
    "session",
    _text("id_hash", primary_key=True),
    _big("user_id", sa.ForeignKey("dg_user.id", name="s1"), null=False),
    _at("created_at", null=False),
    _at("seen_at", null=False),
    _at("expires_at", null=False),
    _text("address", server_default=""),
    _text("agent", server_default=""),
    _text("method", server_default="password"),  # password, totp, link, oidc
    _at("proved_at"),  # when the person last proved who he is: sensitive actions ask again
    _at("second_due"),  # the second factor is still to come: the session opens nothing else
    sa.Index("dg_session_user", "user_id"),
    sa.Index("dg_session_expires", "expires_at"),
)
ONCE_LINK = _table(
    "once_link",
    _text("token_hash", primary_key=True),
    _big("user_id", sa.ForeignKey("dg_user.id", name="o1"), null=False),
    _text("purpose"),
    _at("created_at"),
    _at("expires_at", null=False),
    _at("used_at"),
    _text("bound", server_default=""),  # a hash of what it was made for: changed, the link is dead
    _big("by_id"),
    sa.Index("dg_once_link_user", "user_id"),
)
LOGIN_FAILURE = _table(
    "login_failure",
    _id(),
    _text("login"),
    _text("address", server_default=""),
    _at("at", null=False),
    sa.Index("dg_login_failure_login", "login", "at"),
    sa.Index("dg_login_failure_address", "address", "at"),
)
ATTEMPT = _table(  # what is counted to slow somebody down, in all processes together
    "attempt",
    _id(),
    _text("kind"),  # reset, second, prove, duplicate, token …
    _text("key"),  # whom it counts for: a hash of a login, an address, a user's id
    _at("at", null=False),
    sa.Index("dg_attempt_key", "kind", "key", "at"),
    sa.Index("dg_attempt_at", "at"),
)
FACTOR = _table(  # the second factor of a person: a shared secret for one-time codes (RFC 6238)
    "factor",
    _big("user_id", sa.ForeignKey("dg_user.id", name="f1"), null=False, primary_key=True),
    _text("secret"),  # sealed with a key of the installation
    _at("created_at", null=False),
    _at("confirmed_at"),
    _big("last_step"),  # a code works once
)
RECOVERY = _table(
    "recovery",
    _text("code_hash", primary_key=True),
    _big("user_id", sa.ForeignKey("dg_user.id", name="f2"), null=False),
    _at("created_at", null=False),
    _at("used_at"),
    sa.Index("dg_recovery_user", "user_id"),
)
IDENTITY = _table(  # who a person is at an identity provider
    "identity",
    _text("issuer", primary_key=True),
    _text("subject", primary_key=True),
    _big("user_id", sa.ForeignKey("dg_user.id", name="f3"), null=False),
    _text("email", server_default=""),
    _at("created_at", null=False),
    _at("used_at"),
    sa.Index("dg_identity_user", "user_id"),
)
TOKEN = _table(  # for programs that act in a person's name
    "token",
    _id(),
    _text("token_hash"),
    _text("start"),  # its first characters, so that its owner knows it again
    _big("user_id", sa.ForeignKey("dg_user.id", name="f4"), null=False),
    _text("name"),
    _json("scopes"),  # {"customer": ["read", "write"], "*": ["read"]}
    _at("created_at", null=False),
    _big("by_id"),
    _at("expires_at", null=False),
    _at("used_at"),
    _text("used_from", server_default=""),
    _at("revoked_at"),
    sa.Index("dg_token_hash", "token_hash", unique=True),
    sa.Index("dg_token_user", "user_id"),
)

# --- who looked, who was refused ---------------------------------------------------------------
ACCESS = _table(  # who saw what is sensitive, in the clear
    "access",
    _id(),
    _at("at", null=False),
    _big("user_id"),
    _text("action"),  # reveal, open, list, export, print, pool, report
    _text("entity"),
    _big("record_id"),  # None for many
    _json("fields"),  # names
    _big("count", null=False, server_default="1"),
    _text("source", server_default=""),  # page, api, command …
    _text("address", server_default=""),
    _text("note", server_default=""),
    sa.Index("dg_access_record", "entity", "record_id", "at"),
    sa.Index("dg_access_user", "user_id", "at"),
    sa.Index("dg_access_at", "at"),
)
SECURITY = _table(  # logins, refusals, changes of rights: a chain in which nothing can be altered
    "security",
    _id(),
    _at("at", null=False),
    _text("kind"),
    _big("user_id"),
    _text("address", server_default=""),
    _text("agent", server_default=""),
    _text("entity", server_default=""),
    _big("record_id"),
    _json("details"),
    _text("previous", server_default=""),
    _text("hash", server_default=""),
    sa.Index("dg_security_at", "at"),
    sa.Index("dg_security_kind", "kind", "at"),
    sa.Index("dg_security_user", "user_id", "at"),
)
ERASURE = _table(
    "erasure",
    _id(),
    _at("at", null=False),
    _big("by_id"),
    _text("entity"),  # "@user" for somebody of the company
    _big("record_id", null=False),
    _text("reason", server_default=""),
    _json("counts"),
    sa.Index("dg_erasure_record", "entity", "record_id"),
)

# --- rights beside the roles -------------------------------------------------------------------
SHARE = _table(  # one record for a person, or for a department and all below it
    "share",
    _id(),
    _text("entity"),
    _big("record_id", null=False),
    _big("user_id", sa.ForeignKey("dg_user.id", name="h1")),
    _big("department_id", sa.ForeignKey("dg_department.id", name="h2")),
    _text("level", server_default="read"),  # read, write
    _text("until", null=True),  # the last day, as 2026-03-31; None: until it is taken back
    _text("note", server_default=""),
    _big("by_id"),
    _at("at", null=False),
    sa.Index("dg_share_person", "entity", "record_id", "user_id", unique=True),
    sa.Index("dg_share_place", "entity", "record_id", "department_id", unique=True),
    sa.Index("dg_share_user", "user_id", "entity", "record_id"),
    sa.Index("dg_share_department", "department_id", "entity", "record_id"),
)
QUOTA = _table(  # what somebody took from or saw in a pool on a day: each record counts once
    "quota",
    _big("user_id", sa.ForeignKey("dg_user.id", name="h3"), null=False, primary_key=True),
    _text("kind", primary_key=True),  # view, claim
    _text("day", primary_key=True),  # 2026-03-31, in the company's calendar
    _text("entity", primary_key=True),
    _big("record_id", null=False, primary_key=True),
    _at("at", null=False),
)

# --- beside the records ------------------------------------------------------------------------
HISTORY = _table(
    "history",
    _id(),
    _text("entity"),
    _big("record_id", null=False),
    _big("version", null=False),
    _text("action"),
    _at("at", null=False),
    _big("by_id"),
    _big("on_behalf_id"),
    _text("source", server_default=""),
    _json("changes"),
    _text("comment", server_default=""),
    _big("version_id"),  # the published version it was written under
    sa.Index("dg_history_record", "entity", "record_id", "id"),
    sa.Index("dg_history_at", "at"),
    sa.Index("dg_history_by", "by_id", "at"),
)
DRAFT = _table(
    "draft",
    _id(),
    _big("user_id", sa.ForeignKey("dg_user.id", name="a1"), null=False),
    _text("entity"),
    _big("record_id"),
    _big("record_version"),
    _json("body"),
    _at("at", null=False),
    sa.Index("dg_draft_user", "user_id", "entity", "record_id"),
)
FILE = _table(
    "file",
    _id(),
    _text("name"),
    _big("size", null=False),
    _text("mime"),
    _text("sha256"),
    _at("at", null=False),
    _big("by_id"),
    _text("entity", server_default=""),
    _big("record_id"),
    _at("removed_at"),
    sa.Index("dg_file_record", "entity", "record_id"),
    sa.Index("dg_file_sha256", "sha256"),
)
COMMENT = _table(
    "comment",
    _id(),
    _text("entity"),
    _big("record_id", null=False),
    _text("body"),
    _at("at", null=False),
    _big("by_id"),
    _at("removed_at"),
    sa.Index("dg_comment_record", "entity", "record_id", "id"),
)
REQUEST = _table(  # forms that were saved: the same one sent again makes no second record
    "request",
    _text("key", primary_key=True),
    _text("entity"),
    _big("record_id", null=False),
    _at("at", null=False),
    sa.Index("dg_request_at", "at"),
)
SAVED_VIEW = _table(
    "saved_view",
    _id(),
    _text("entity"),
    _text("name"),
    _text("query"),
    _big("user_id", sa.ForeignKey("dg_user.id", name="v1")),  # None: shared with the role
    _text("role", server_default=""),
    _big("position", null=False, server_default="0"),
    sa.Index("dg_saved_view_user", "user_id", "entity"),
    sa.Index("dg_saved_view_entity", "entity"),
)
STAR = _table(
    "star",
    _big("user_id", sa.ForeignKey("dg_user.id", name="t1"), null=False, primary_key=True),
    _text("entity", primary_key=True),
    _big("record_id", null=False, primary_key=True),
    _at("at", null=False),
    sa.Index("dg_star_record", "entity", "record_id"),
)

# --- groups of people across departments --------------------------------------------------------
GROUP = _table(
    "group",
    _id(),
    _text("key"),
    _text("name"),
    _at("removed_at"),
    sa.Index("dg_group_key", "key", unique=True),
)
GROUP_MEMBER = _table(
    "group_member",
    _big("group_id", sa.ForeignKey("dg_group.id", name="g1"), null=False, primary_key=True),
    _big("user_id", sa.ForeignKey("dg_user.id", name="g2"), null=False, primary_key=True),
    sa.Index("dg_group_member_user", "user_id"),
)
HANDOVER = _table(
    "handover",
    _id(),
    _big("from_id", null=False),
    _big("to_id", null=False),
    _big("by_id"),
    _json("moved"),  # {"tasks": 3, "records": {"customer": 12}, …}
    _text("note", server_default=""),
    _at("at", null=False),
    sa.Index("dg_handover_at", "at"),
)

# --- telling people ----------------------------------------------------------------------------
NOTICE = _table(
    "notice",
    _id(),
    _big("user_id", sa.ForeignKey("dg_user.id", name="n1"), null=False),
    _text("key"),  # of the effect that it came from: a person is told once
    _text("kind"),  # approval, copy, remind, escalation, mention, system …
    _text("title"),
    _text("body", server_default=""),
    _text("entity", server_default=""),
    _big("record_id"),
    _big("instance_id"),
    _at("at", null=False),
    _at("read_at"),
    sa.Index("dg_notice_key", "user_id", "key", unique=True),
    sa.Index("dg_notice_unread", "user_id", "read_at", "id"),
)
USER_SETTING = _table(
    "user_setting",
    _big("user_id", sa.ForeignKey("dg_user.id", name="n2"), null=False, primary_key=True),
    _text("key", primary_key=True),
    _json("value"),
)
CHANNEL = _table(
    "channel",
    _id(),
    _text("name"),
    _text("kind"),  # email, webhook, or what a plugin offers
    _json("config"),
    _at("created_at", null=False),
    _at("disabled_at"),
    sa.Index("dg_channel_name", "name", unique=True),
)

# --- work that runs later ----------------------------------------------------------------------
JOB = _table(
    "job",
    _id(),
    _text("kind"),
    _json("body"),
    _text("status", server_default="waiting"),  # waiting, running, done, failed
    _big("progress", null=False, server_default="0"),
    _json("result", null=True),
    _text("error", server_default=""),
    _big("by_id"),
    _at("created_at", null=False),
    _at("due_at", null=False),
    _at("lease_until"),
    _big("attempts", null=False, server_default="0"),
    _at("done_at"),
    sa.Index("dg_job_due", "status", "due_at"),
)
OUTBOX = _table(
    "outbox",
    _id(),
    _text("key"),  # the idempotency key handed to the receiver
    _text("kind"),
    _json("body"),
    _big("instance_id"),
    _at("created_at", null=False),
    _at("next_try"),  # None once it is done or given up
    _at("lease_until"),
    _big("attempts", null=False, server_default="0"),
    _text("error", server_default=""),
    _at("done_at"),
    _at("dead_at"),
    _text("channel", server_default=""),  # "" is the platform's own work
    _big("user_id"),  # whom it reaches, when it is one person
    sa.Index("dg_outbox_key", "key", unique=True),
    sa.Index("dg_outbox_next", "next_try"),
    # most rows are done: what is not is found without them
    _part("dg_outbox_open", "next_try IS NOT NULL", "channel", "next_try"),
    _part("dg_outbox_given_up", "dead_at IS NOT NULL", "id"),
    sa.Index("dg_outbox_dead", "dead_at"),
)

# --- workflows: the instance's body is the truth, tasks and timers are projections of it ---------
WF_DEFINITION = _table(
    "wf_definition",
    _id(),
    _text("workflow"),
    _big("version", null=False),
    _text("hash"),
    _json("body"),
    _at("at"),
    sa.Index("dg_wf_definition_hash", "workflow", "hash", unique=True),
)
WF_INSTANCE = _table(
    "wf_instance",
    _id(),
    _big("definition_id", sa.ForeignKey("dg_wf_definition.id", name="w1"), null=False),
    _text("workflow"),
    _text("entity"),
    _big("record_id", null=False),
    _text("state", server_default=""),
    _json("body"),
    _big("version", null=False, server_default="1"),
    _big("starter_id"),
    _at("started_at", null=False),
    _at("done_at"),
    _big("parent_id"),  # the case whose `call` state began this one
    _text("parent_state", server_default=""),
    _text("parent_key", null=True),  # one child for each key
    sa.Index("dg_wf_instance_parent", "parent_id"),
    sa.Index("dg_wf_instance_parent_key", "parent_key", unique=True),
    sa.Index("dg_wf_instance_running", "workflow", "done_at"),
    sa.Index("dg_wf_instance_record", "entity", "record_id", "id"),
    sa.Index("dg_wf_instance_definition", "definition_id"),
    sa.Index("dg_wf_instance_starter", "starter_id", "done_at"),
)
WF_EVENT = _table(
    "wf_event",
    _id(),
    _big("instance_id", sa.ForeignKey("dg_wf_instance.id", name="w2"), null=False),
    _big("seq", null=False),
    _text("type"),
    _big("actor_id"),
    _big("on_behalf_id"),
    _json("before"),
    _json("after"),
    _json("payload", null=True),
    _json("result", null=True),  # what a repeat with the same key is answered
    _text("idem_key", null=True),
    _text("comment", server_default=""),
    _at("at", null=False),
    sa.Index("dg_wf_event_seq", "instance_id", "seq", unique=True),
    sa.Index("dg_wf_event_idem", "instance_id", "idem_key", unique=True),
)
WF_TASK = _table(
    "wf_task",
    _id(),
    _big("instance_id", sa.ForeignKey("dg_wf_instance.id", name="w3"), null=False),
    _big("number", null=False),  # the task's id within its instance
    _text("entity"),
    _big("record_id", null=False),
    _text("state"),
    _big("round", null=False),
    _text("kind", server_default="vote"),
    _text("status"),
    _text("hold", server_default=""),
    _big("assignee_id"),
    _big("on_behalf_id"),
    _big("decided_by_id"),
    _text("comment", server_default=""),
    _at("opened_at"),
    _at("due_at"),
    _at("decided_at"),
    _at("read_at"),
    _big("signature_id"),  # the file of a hand-written signature
    sa.Index("dg_wf_task_number", "instance_id", "number", unique=True),
    sa.Index("dg_wf_task_inbox", "assignee_id", "status", "id"),
    sa.Index("dg_wf_task_decided", "decided_by_id", "decided_at"),
    sa.Index("dg_wf_task_record", "entity", "record_id"),
    sa.Index("dg_wf_task_signature", "signature_id"),
)
WF_CANDIDATE = _table(
    "wf_candidate",
    _big("task_id", sa.ForeignKey("dg_wf_task.id", name="w4"), null=False, primary_key=True),
    _big("position", null=False, primary_key=True),
    _big("user_id"),
    _text("role", server_default=""),
    sa.Index("dg_wf_candidate_user", "user_id"),
    sa.Index("dg_wf_candidate_role", "role"),
)
WF_COPY = _table(
    "wf_copy",
    _big(
        "instance_id", sa.ForeignKey("dg_wf_instance.id", name="w5"), null=False, primary_key=True
    ),
    _big("user_id", null=False, primary_key=True),
    _at("at", null=False),
    _at("read_at"),
    sa.Index("dg_wf_copy_user", "user_id", "read_at"),
)
WF_TIMER = _table(
    "wf_timer",
    _id(),
    _big("instance_id", sa.ForeignKey("dg_wf_instance.id", name="w6"), null=False),
    _text("name"),
    _text("state", server_default=""),
    _at("due", null=False),
    _text("clock", server_default=""),
    _at("lease_until"),
    _big("attempts", null=False, server_default="0"),
    _text("error", server_default=""),
    sa.Index("dg_wf_timer_name", "instance_id", "name", unique=True),
    sa.Index("dg_wf_timer_due", "due"),
    _part("dg_wf_timer_failed", "lease_until IS NOT NULL", "lease_until"),
)
WF_DELEGATION = _table(
    "wf_delegation",
    _id(),
    _big("user_id", sa.ForeignKey("dg_user.id", name="w7"), null=False),
    _big("agent_id", sa.ForeignKey("dg_user.id", name="w8"), null=False),
    _text("workflow", server_default=""),  # "" for all
    _at("from_at", null=False),
    _at("until_at"),
    _at("created_at"),
    sa.Index("dg_wf_delegation_user", "user_id", "from_at"),
    sa.Index("dg_wf_delegation_agent", "agent_id"),
)

WF_DRAFT = _table(
    "wf_draft",
    _text("workflow", primary_key=True),
    _text("body"),  # canonical JSON text
    _text("base_hash", server_default=""),  # of what it was made from
    _big("by_id"),
    _at("at", null=False),
    _big("version", null=False, server_default="1"),
    _big("step"),  # where it stands among its steps
)
WF_DRAFT_STEP = _table(
    "wf_draft_step",
    _text("workflow", primary_key=True),
    _big("number", null=False, primary_key=True),
    _text("body"),
    _text("what", server_default=""),  # the change that led to it
    _big("by_id"),
    _at("at", null=False),
)
DEFINITION_DRAFT = _table(
    "definition_draft",
    _text("key", primary_key=True),  # path of a file of the company's own layer
    _text("body"),  # canonical JSON text; "": the file goes away
    _big("base_id", null=False),  # the version it was begun on
    _big("by_id"),
    _at("at", null=False),
    _big("version", null=False),  # another number with every change, never one twice
)
WF_MIGRATION = _table(
    "wf_migration",
    _id(),
    _text("workflow"),
    _big("from_id", null=False),  # definitions
    _big("to_id", null=False),
    _json("mapping"),
    _text("note", server_default=""),
    _big("by_id"),
    _at("at", null=False),
    _at("undone_at"),
    _big("undone_by_id"),
    sa.Index("dg_wf_migration_workflow", "workflow", "at"),
)
WF_MIGRATED = _table(
    "wf_migrated",
    _big(
        "migration_id", sa.ForeignKey("dg_wf_migration.id", name="w9"), null=False, primary_key=True
    ),
    _big("instance_id", null=False, primary_key=True),
    _json("before"),  # the body as it was
    _big("version", null=False),  # of the row after the move: undoing needs it unchanged
)
WF_SCHEDULE = _table(
    "wf_schedule",
    _text("workflow", primary_key=True),
    _text("cron"),
    _at("next_at", null=False),
    _at("last_at"),
    _big("after_id"),  # of a run under way: the record it has come to
)


def ensure(connection: sa.Connection) -> None:
    """Create the platform's tables, and whatever a newer version of the platform added to them."""
    options = connection.get_execution_options()
    schema = options.get("schema_translate_map", {}).get(None)
    found = sa.inspect(connection)
    # only ours: SQLite cannot tell of indexes over expressions, and warns
    ours = [name for name in found.get_table_names(schema=schema) if name in METADATA.tables]
    existing = {
        name: {column["name"] for column in columns}
        for (_, name), columns in found.get_multi_columns(schema=schema, filter_names=ours).items()
    }
    indexes = {
        index["name"]
        for listed in found.get_multi_indexes(schema=schema, filter_names=ours).values()
        for index in listed
    }
    METADATA.create_all(
        connection,
        tables=[table for table in METADATA.sorted_tables if table.name not in existing],
        checkfirst=False,
    )
    for table in METADATA.sorted_tables:
        if (known := existing.get(table.name)) is None:
            continue
        for column in table.columns:
            if column.name not in known:
                connection.execute(AddColumn(column))
        for index in table.indexes:
            if index.name not in indexes:
                index.create(connection)
    _mark(connection)


def outdated(connection: sa.Connection) -> bool:
    """Whether an older platform made these tables: `ensure` has to come before anything else. A
    database that nobody published to has no tables yet, and needs none."""
    schema = connection.get_execution_options().get("schema_translate_map", {}).get(None)
    found = sa.inspect(connection)
    if not found.has_table(VERSION.name, schema=schema):
        return False
    if not found.has_table(SETTING.name, schema=schema):
        return True
    same = SETTING.c.key == _SHAPE_KEY
    return connection.scalar(sa.select(SETTING.c.value).where(same)) != _shape()


def _mark(connection: sa.Connection) -> None:
    same = SETTING.c.key == _SHAPE_KEY
    met = connection.execute(sa.update(SETTING).where(same).values(value=_shape()))
    if not met.rowcount:
        connection.execute(sa.insert(SETTING).values(key=_SHAPE_KEY, value=_shape()))


@cache
def _shape() -> str:
    """A hash over all names, so that one look tells whether something is missing."""
    names = [
        [table.name, [c.name for c in table.columns], sorted(str(i.name) for i in table.indexes)]
        for table in METADATA.sorted_tables
    ]
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()
