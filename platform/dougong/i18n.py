"""Languages of the shell: zh-CN first, English second."""

from __future__ import annotations

from typing import Any

from flask import Flask, g, request
from flask_babel import Babel, get_translations

from engine.records.unit import Actor

LANGUAGES = ("zh-CN", "en")
COOKIE = "dg_lang"


def init_languages(app: Flask) -> None:
    """Bind flask-babel; the language of a request is decided once and kept in ``g.language``."""
    app.config["BABEL_DEFAULT_LOCALE"] = "zh_CN"
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    Babel(app, locale_selector=lambda: language().replace("-", "_"), timezone_selector=_timezone)
    app.jinja_env.globals["language"] = language
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        gettext=lambda text: _catalogue().ugettext(text),
        ngettext=lambda one, many, n: _catalogue().ungettext(one, many, n),
        newstyle=True,
    )


def _catalogue() -> Any:
    """The words of this request's language, looked up once: a page asks for hundreds."""
    if "catalogue" not in g:
        g.catalogue = get_translations()
    return g.catalogue


def language(actor: Actor | None = None) -> str:
    """The language tag of this request, decided once: the cookie's, the person's own, the
    browser's, zh-CN."""
    if "language" not in g:
        g.language = _decide(actor)
    return str(g.language)


def _decide(actor: Actor | None) -> str:
    chosen = request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    if actor is not None and actor.language in LANGUAGES:
        return actor.language
    return request.accept_languages.best_match(LANGUAGES, default=LANGUAGES[0]) or LANGUAGES[0]


def _timezone() -> str | None:
    company = g.get("company")
    return company.current.model.timezone if company is not None else None
