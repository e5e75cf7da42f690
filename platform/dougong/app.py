"""The Flask application of one installation."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from flask import Flask, g
from werkzeug.middleware.proxy_fix import ProxyFix

from dougong import errors, i18n, security
from dougong.admin import init_admin
from dougong.api import init_api
from dougong.assets import init_assets
from dougong.channels import ChannelSender
from dougong.installation import Installation
from dougong.refused_log import init_refused_log
from dougong.routing import init_companies
from dougong.settings import Settings
from dougong.shell import init_shell
from dougong.startup import start_plugins
from dougong.studio import (
    calendar,
    cases,
    channels,
    deliveries,
    departments,
    flow_release,
    flows,
    groups,
    handover,
    logs,
    permission_release,
    permission_roles,
    permissions,
    privacy,
    sign_in,
    simulation,
    user_entrance,
    user_import,
    users,
    view_as,
)
from dougong.views import (
    account,
    approvals,
    auth,
    boards,
    delegation,
    factor,
    forgot,
    forms,
    home,
    lists,
    notifications,
    oidc,
    pages,
    pool,
    prove,
    records,
    reveal,
    second,
    sharing,
    tokens,
    why,
)

VIEWS = (
    *(home, auth, lists, boards, forms, records, approvals, pages),
    *(notifications, delegation, tokens, oidc),
    *(account, factor, forgot, prove, second),
    *(reveal, why, sharing, pool),
)
STUDIO = (
    *(flows, flow_release, simulation, cases, deliveries, channels),
    *(handover, groups, calendar, sign_in),
    *(permissions, permission_roles, permission_release),
    *(users, user_entrance, user_import, departments, logs),
    *(view_as, privacy),
)


LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def create_app(installation: Installation) -> Flask:
    """The application that serves the companies of `installation`."""
    start_plugins()
    settings = installation.settings
    app = Flask("dougong", static_folder=None, template_folder="templates")
    app.debug = False  # whatever FLASK_DEBUG says
    app.config.update(
        SECRET_KEY=settings.secret,
        SECRET_BYTES=settings.secret,
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.session_hours),
        MAX_CONTENT_LENGTH=settings.upload_mb * 2**20,
        MAX_FORM_MEMORY_SIZE=2 * 2**20,
        MAX_FORM_PARTS=5_000,
        TEMPLATES_AUTO_RELOAD=settings.dev,
    )
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.jinja_options = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
    app.extensions |= {"installation": installation, "channels": ChannelSender.of(settings)}
    i18n.init_languages(app)
    init_assets(app)
    init_shell(app)
    init_refused_log(app)
    init_companies(app, installation)
    security.init_security(app)
    errors.init_errors(app)
    for views in (*VIEWS, *STUDIO):
        app.register_blueprint(views.blueprint)
    oidc.init_oidc(app)
    init_api(app)
    init_admin(app)
    _face_outside(app, settings)

    @app.get("/healthz")
    def healthz() -> dict[str, object]:
        """Whether the process answers and its companies' databases do."""
        for key in installation.companies():
            company = installation.company(key)
            assert company is not None
            with company.database.read() as connection:
                connection.exec_driver_sql("SELECT 1")
        return {"ok": True, "companies": len(installation.companies())}

    @app.context_processor
    def _names() -> dict[str, object]:
        return {"actor": g.get("actor")}

    return app


def _face_outside(app: Flask, settings: Settings) -> None:
    """Which names we answer to, and whom we believe where a request comes from."""
    # another name in the address is somebody's who points his own at us: he gets nothing
    base = urlsplit(settings.base_url).hostname
    app.config["TRUSTED_HOSTS"] = [base] if base else [*LOOPBACK]
    if settings.proxies:  # they tell the client's address; nobody else is believed
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies
        )
