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
from dougong.routing import init_companies
from dougong.shell import init_shell
from dougong.startup import start_plugins
from dougong.studio import (
    calendar,
    cases,
    channels,
    deliveries,
    flow_release,
    flows,
    groups,
    handover,
    simulation,
)
from dougong.views import (
    approvals,
    auth,
    boards,
    delegation,
    forms,
    home,
    lists,
    notifications,
    pages,
    records,
)

VIEWS = (
    *(home, auth, lists, boards, forms, records, approvals, pages),
    *(notifications, delegation),
)
STUDIO = (
    *(flows, flow_release, simulation, cases, deliveries, channels),
    *(handover, groups, calendar),
)


def create_app(installation: Installation) -> Flask:
    """The application that serves the companies of `installation`."""
    start_plugins()
    settings = installation.settings
    app = Flask("dougong", static_folder=None, template_folder="templates")
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
    init_companies(app, installation)
    security.init_security(app)
    errors.init_errors(app)
    for views in (*VIEWS, *STUDIO):
        app.register_blueprint(views.blueprint)
    init_api(app)
    init_admin(app)
    if settings.base_url:  # behind a proxy that tells the client's address
        app.config["TRUSTED_HOSTS"] = [urlsplit(settings.base_url).hostname]
        app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]

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
