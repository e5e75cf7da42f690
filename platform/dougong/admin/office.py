"""The views of the back office and the few things an operator can do there."""

from __future__ import annotations

from typing import Any, ClassVar

import sqlalchemy as sa
from flask import Flask, abort, current_app, flash, g, get_template_attribute, redirect, request
from flask_admin import Admin, AdminIndexView, expose
from flask_admin.model.template import BaseListRowAction
from flask_admin.theme import BootstrapTheme
from flask_babel import gettext, lazy_gettext, ngettext

from dougong.admin.tables import TableView
from dougong.i18n import language
from dougong.origin import origin
from dougong.proving import proven
from dougong.routing import writing
from engine.problems import text
from engine.records.failures import Failure, NotFound
from engine.records.leaving import close_account, open_account
from engine.records.personnel import entrance
from engine.tables import system

_COUNTED = {
    lazy_gettext("Users"): system.USER,
    lazy_gettext("Sessions"): system.SESSION,
    lazy_gettext("History"): system.HISTORY,
    lazy_gettext("Jobs"): system.JOB,
    lazy_gettext("Outbox"): system.OUTBOX,
    lazy_gettext("Running workflows"): system.WF_INSTANCE,
}


class FormAction(BaseListRowAction):
    """A button in each row that posts, drawn by a macro of ``ops/actions.html``."""

    def __init__(self, macro: str) -> None:
        super().__init__()
        self.macro = macro

    def render(self, context: Any, row_id: str, row: Any) -> Any:
        return get_template_attribute("ops/actions.html", self.macro)(self, row_id, row)


class Overview(AdminIndexView):
    """What company this is, which version it runs, how large it is, what to worry about."""

    def is_accessible(self) -> bool:
        """Operators of this company only."""
        actor = g.get("actor")
        return actor is not None and actor.operator

    def inaccessible_callback(self, name: str, **kwargs: Any) -> Any:
        abort(404)

    @expose("/")
    def index(self) -> str:
        """The overview page."""
        company = g.company
        listing = current_app.extensions["installation"].listing(company.key)
        with company.database.read() as connection:
            counts = {
                str(name): connection.execute(
                    sa.select(sa.func.count()).select_from(table)
                ).scalar_one()
                for name, table in _COUNTED.items()
            }
        return self.render(
            "ops/index.html",
            facts={
                gettext("Company"): company.title(language()),
                gettext("Pack"): listing.pack,
                gettext("Database"): company.database.kind,
                gettext("Published version"): company.current.model.hash[:12],
                **counts,
            },
            problems=[text(found, language()) for found in company.database.check()],
        )


class Users(TableView):
    """Accounts: close and open them. Names, roles and departments have their own pages."""

    table = system.USER
    columns = ("login", "name", "email", "language", "is_operator", "seen_at", "disabled_at")
    search = ("login", "name", "email")
    extra: ClassVar[list[BaseListRowAction]] = [FormAction("account")]

    @expose("/close", methods=("POST",))
    @proven
    def close(self) -> Any:
        """Close an account and end its sessions at once, or open it again."""
        user = int(request.form["id"])
        if user == g.actor.id:
            flash(gettext("You cannot close your own account."), "error")
            return redirect(self.get_url(".index_view"))
        try:
            with writing() as unit:
                if request.form["closed"] != "1":
                    open_account(unit, user, origin())
                    return redirect(self.get_url(".index_view"))
                found = close_account(unit, user, origin())
        except NotFound:
            raise
        except Failure as failure:
            flash(" ".join(text(one, language()) for one in failure.problems), "error")
            return redirect(self.get_url(".index_view"))
        if number := found.moved.tasks:
            flash(ngettext("%(num)d open task moved.", "%(num)d open tasks moved.", number))
        for stuck in found.moved.stuck[:5]:
            flash(" ".join(text(one, language()) for one in stuck.problems), "error")
        return redirect(self.get_url(".index_view"))


class Sessions(TableView):
    """Who is logged in where; a revoked session is gone with its next request."""

    table = system.SESSION
    columns = ("user_id", "created_at", "seen_at", "expires_at", "address", "agent")
    newest_first = "seen_at"
    can_view_details = False
    extra: ClassVar[list[BaseListRowAction]] = [FormAction("session")]

    @expose("/revoke", methods=("POST",))
    @proven
    def revoke(self) -> Any:
        """End one session."""
        hash = request.form["id"]
        with writing() as unit:
            whose = sa.select(system.SESSION.c.user_id).where(system.SESSION.c.id_hash == hash)
            if (user := unit.connection.scalar(whose)) is not None:
                entrance.end_session(unit, user, hash, origin())
        return redirect(self.get_url(".index_view"))


class History(TableView):
    """Every change of every record."""

    table = system.HISTORY
    columns = ("at", "by_id", "entity", "record_id", "version", "action", "source", "changes")
    search = ("entity", "action")
    newest_first = "at"


class Versions(TableView):
    """What was published, by whom, when and why."""

    table = system.VERSION
    columns = ("id", "pack", "hash", "at", "by_id", "note")
    newest_first = "id"


class Jobs(TableView):
    """Background work."""

    table = system.JOB
    columns = ("id", "kind", "status", "progress", "attempts", "created_at", "due_at", "error")
    newest_first = "created_at"


class Outbox(TableView):
    """Effects on their way out: delivered, waiting, given up."""

    table = system.OUTBOX
    columns = (
        "id",
        "kind",
        "key",
        "created_at",
        "attempts",
        "next_try",
        "done_at",
        "dead_at",
        "error",
    )
    newest_first = "created_at"


class LoginFailures(TableView):
    """Wrong passwords, by name and address."""

    table = system.LOGIN_FAILURE
    columns = ("at", "login", "address")
    search = ("login", "address")
    newest_first = "at"
    can_view_details = False


class Factors(TableView):
    """Who has a second factor; its secret is nowhere to be seen."""

    table = system.FACTOR
    columns = ("user_id", "created_at", "confirmed_at")
    newest_first = "created_at"
    can_view_details = False


class Tokens(TableView):
    """Tokens of programs, by their first characters."""

    table = system.TOKEN
    columns = (
        *("id", "user_id", "name", "start", "created_at", "by_id", "expires_at"),
        *("used_at", "used_from", "revoked_at"),
    )
    search = ("name", "start")
    newest_first = "created_at"


class Identities(TableView):
    """Who is whom at the identity provider."""

    table = system.IDENTITY
    columns = ("user_id", "issuer", "email", "created_at", "used_at")
    search = ("email",)
    newest_first = "created_at"
    can_view_details = False


class Security(TableView):
    """The security log; administrators read it in words under Administration."""

    table = system.SECURITY
    columns = (
        *("id", "at", "kind", "user_id", "address", "entity", "record_id", "details", "hash"),
    )
    search = ("kind", "address")
    newest_first = "id"


class Accesses(TableView):
    """Who saw what is sensitive: names of fields, never their values."""

    table = system.ACCESS
    columns = (
        *("at", "user_id", "action", "entity", "record_id", "fields", "count"),
        *("source", "address"),
    )
    search = ("entity", "action")
    newest_first = "at"


class Shares(TableView):
    """Records shared by hand."""

    table = system.SHARE
    columns = (
        *("entity", "record_id", "user_id", "department_id", "level", "until", "by_id", "at"),
    )
    search = ("entity",)
    newest_first = "at"


class Erasures(TableView):
    """Whose personal data was erased."""

    table = system.ERASURE
    columns = ("at", "by_id", "entity", "record_id", "reason")
    newest_first = "at"


VIEWS = (
    (Users, lazy_gettext("Users"), "ops_users"),
    (Sessions, lazy_gettext("Sessions"), "ops_sessions"),
    (History, lazy_gettext("History"), "ops_history"),
    (Versions, lazy_gettext("Versions"), "ops_versions"),
    (Jobs, lazy_gettext("Jobs"), "ops_jobs"),
    (Outbox, lazy_gettext("Outbox"), "ops_outbox"),
    (LoginFailures, lazy_gettext("Failed logins"), "ops_failures"),
    (Security, lazy_gettext("Security log"), "ops_security"),
    (Accesses, lazy_gettext("Access log"), "ops_accesses"),
    (Factors, lazy_gettext("Second factors"), "ops_factors"),
    (Tokens, lazy_gettext("API tokens"), "ops_tokens"),
    (Identities, lazy_gettext("Single sign-on"), "ops_identities"),
    (Shares, lazy_gettext("Shared records"), "ops_shares"),
    (Erasures, lazy_gettext("Erasures"), "ops_erasures"),
)


def init_admin(app: Flask) -> None:
    """Mount the back office under ``/<company>/ops/``."""
    admin = Admin(
        app,
        name="Dougong",
        index_view=Overview(name=lazy_gettext("Overview"), endpoint="ops", url="/<company>/ops"),
        theme=BootstrapTheme(folder="bootstrap4", base_template="ops/base.html", fluid=True),
        endpoint="ops",
        url="/<company>/ops",
    )
    for view, name, endpoint in VIEWS:
        admin.add_view(view(name, endpoint))
