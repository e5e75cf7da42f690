"""Languages of the shell: zh-CN first, English second."""

from __future__ import annotations

from functools import lru_cache

from flask import Flask, g, request
from flask_babel import Babel, gettext
from markupsafe import Markup

from engine.records.unit import Actor

LANGUAGES = ("zh-CN", "en")
COOKIE = "dg_lang"


def init_languages(app: Flask) -> None:
    """Bind flask-babel; the language of a request is decided once and kept in ``g.language``."""
    app.config["BABEL_DEFAULT_LOCALE"] = "zh_CN"
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    Babel(app, locale_selector=lambda: language().replace("-", "_"), timezone_selector=_timezone)
    app.jinja_env.globals["language"] = language
    app.jinja_env.globals["_"] = say


def say(text: str, **values: object) -> Markup:
    """A sentence of a template in the reader's language; values are escaped."""
    said = _said(language(), text)
    return said % values if values or "%" in said else said


@lru_cache(maxsize=4_000)
def _said(_language: str, text: str) -> Markup:
    """The words of one language, looked up once: a page asks for hundreds."""
    return Markup(gettext(text))  # noqa: S704 - the catalogues are ours


def language(actor: Actor | None = None) -> str:
    """The language tag of this request, decided once: the cookie's, the person's own, the
    browser's, zh-CN."""
    found: str | None = g.get("language")
    if found is None:
        found = g.language = _decide(actor)
    return found


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
