"""What a person, an htmx call or an API client sees when a request cannot be served."""

from __future__ import annotations

import logging
import secrets
from typing import Any, Final

from flask import (
    Flask,
    Response,
    g,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_babel import gettext
from werkzeug.exceptions import HTTPException

from dougong.failures import body_of, shown, status_of
from dougong.i18n import language
from dougong.refusals import met, note
from dougong.routing import reading
from dougong.security import SAFE_METHODS
from dougong.shell import Shell, shell
from engine.problems import text
from engine.records.failures import Failure
from engine.storage import StorageBusy, StorageError

log = logging.getLogger("dougong")
DENIED: Final = frozenset({401, 403, 404})


def init_errors(app: Flask) -> None:
    """Install the handlers; in development unknown errors keep their traceback."""
    app.register_error_handler(Failure, _failure)
    app.register_error_handler(StorageError, _storage)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unknown)


def wants_json() -> bool:
    """Whether the client is a program: under ``/api/``, or it says so."""
    return "/api/" in request.path or request.accept_mimetypes.best == "application/json"


def _failure(failure: Failure) -> Response:
    if request.method not in SAFE_METHODS:
        met(failure)
    status = status_of(failure)
    if wants_json():
        return make_response(jsonify(body_of(failure, language())), status)
    return _page(status, text(failure.problems[0], language()))


def _storage(error: StorageError) -> Response:
    busy = isinstance(error, StorageBusy)
    if not busy:
        log.error("storage: %s", error)
    status = 503
    if wants_json():
        body = {
            "error": text(error.problem, language()),
            "problems": shown([error.problem], language()),
        }
        return make_response(jsonify(body), status)
    return _page(status, text(error.problem, language()))


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if isinstance(error.get_response(), Response) and 300 <= status < 400:
        return error.get_response()  # type: ignore[return-value]
    csrf = error.description == "csrf"
    if request.endpoint and request.method not in SAFE_METHODS and (csrf or status in DENIED):
        note("csrf" if csrf else str(status))
    if wants_json():
        return make_response(jsonify(error=_words(status, error), problems=[]), status)
    if status == 401 and g.get("company") is not None:
        return redirect(url_for("auth.login"))  # type: ignore[return-value]
    return _page(status, _words(status, error))


def _words(status: int, error: HTTPException) -> str:
    match status:
        case 400 if error.description == "csrf":
            return gettext("The page was open too long. Load it again and repeat your entry.")
        case 401:
            return gettext("Please log in.")
        case 413:
            return gettext("That is too large.")
        case 403 | 404:
            return ""
        case _:
            return str(error.name)


def _unknown(_error: Exception) -> Response:
    """Ours to mend: the log has the traceback under the number the person is shown."""
    reference = secrets.token_hex(4)
    log.exception("request failed, reference %s", reference)
    if wants_json():
        problem: dict[str, Any] = {"error": gettext("Something went wrong"), "reference": reference}
        return make_response(jsonify(problem), 500)
    return _page(500, "", reference)


def _page(status: int, words: str, reference: str = "") -> Response:
    company = g.get("company")
    page = render_template(
        "error.html",
        shell=_shell(status),
        title=str(status),
        company=company.title(language()) if company is not None else "",
        code=status,
        text=words,
        reference=reference,
        home=url_for("home.index") if company is not None else "/",
        who="",
    )
    return make_response(page, status)


def _shell(status: int) -> Shell | None:
    """The menus around a page that says no to somebody logged in; none when ours is the fault."""
    if status not in (403, 404, 409) or g.get("company") is None or g.get("actor") is None:
        return None
    with reading() as unit:
        return shell(unit)


__all__ = ["init_errors", "wants_json"]
