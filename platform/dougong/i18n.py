"""Languages of the shell: zh-CN first, English second."""

from __future__ import annotations

from functools import lru_cache

from flask import Flask, g, request
from flask_babel import Babel, gettext
from markupsafe import Markup

from engine.records.unit import Actor

LANGUAGES = ("zh-CN", "en")
COOKIE = "dg_lang"
NAMES = {"zh-CN": "中文", "en": "English"}  # each in its own words


def init_languages(app: Flask) -> None:
    """Bind flask-babel; the language of a request is decided once and kept in ``g.language``."""
    app.config["BABEL_DEFAULT_LOCALE"] = "zh_CN"
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    Babel(app, locale_selector=lambda: language().replace("-", "_"), timezone_selector=_timezone)
    app.jinja_env.globals["language"] = language
    app.jinja_env.globals["other_languages"] = other_languages
    app.jinja_env.globals["_"] = say


def say(text: str, /, **values: object) -> Markup:
    """A sentence of a template in the reader's language; values are escaped."""
    said = _said(language(), text)
    return said % values if values or "%" in said else said


@lru_cache(maxsize=4_000)
def _said(_language: str, text: str) -> Markup:
    """The words of one language, looked up once: a page asks for hundreds."""
    return Markup(gettext(text))  # noqa: S704 - the catalogues are ours


def offered() -> tuple[str, ...]:
    """The languages to choose from: those of the company's packs that the shell speaks too."""
    company = g.get("company")
    if company is None:
        return LANGUAGES
    return tuple(tag for tag in company.current.model.languages if tag in LANGUAGES) or LANGUAGES


def other_languages() -> list[tuple[str, str]]:
    """What the language switch offers: tag and name."""
    return [(tag, NAMES[tag]) for tag in offered() if tag != language()]


def language(actor: Actor | None = None) -> str:
    """The language tag of this request, decided once: the cookie's, the person's own, the
    browser's, the packs' first; never one that the packs do not have."""
    found: str | None = g.get("language")
    if found is None:
        found = g.language = _decide(actor)
    return found


def _decide(actor: Actor | None) -> str:
    known = offered()
    chosen = request.cookies.get(COOKIE, "")
    if chosen in known:
        return chosen
    if actor is not None and actor.language in known:
        return actor.language
    return request.accept_languages.best_match(known, default=known[0]) or known[0]


def _timezone() -> str | None:
    company = g.get("company")
    return company.current.model.timezone if company is not None else None
