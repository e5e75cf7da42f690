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

from dougong.api.body import answer
from dougong.api.records import wire
from dougong.bearer import WRONG
from dougong.failures import body_of, shown, status_of
from dougong.i18n import language
from dougong.refusals import looked, met, note
from dougong.routing import reading
from dougong.security import SAFE_METHODS
from dougong.shell import Shell, shell
from engine.problems import Problem, hint, text
from engine.records.failures import Conflict, Failure, Forbidden, NotFound, Stale
from engine.storage import StorageBusy, StorageError

log = logging.getLogger("dougong")
DENIED: Final = frozenset({401, 403, 404, 429})
_TOKEN: Final = {401: "T001", 429: "T003"}  # what is said about a token
_TOLD: Final = frozenset({"WWW-Authenticate", "Retry-After", "Allow"})


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
    elif isinstance(failure, Forbidden | NotFound):
        looked(failure.code)
    status = status_of(failure)
    if wants_json():
        return answer(body_of(failure, language()) | _current(failure), status)
    problem = failure.problems[0]
    if isinstance(failure, Conflict) and not isinstance(failure, Stale):  # nobody was faster
        more = {"heading": gettext("Not possible now"), "advice": hint(problem, language())}
        return _page(status, text(problem, language()), **more)
    return _page(status, text(problem, language()))


def _current(failure: Failure) -> dict[str, Any]:
    """What somebody else made of the record meanwhile, in wire form like every record."""
    if not isinstance(failure, Stale) or not failure.entity:
        return {}
    with reading() as unit:
        return {"current": wire(unit, unit.entity(failure.entity), failure.current)}


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
    elif request.method in SAFE_METHODS and status in (403, 404):
        looked(str(status))
    if wants_json() or error.description == WRONG:
        problems = [Problem(_TOKEN[status])] if error.description == WRONG else []
        words = text(problems[0], language()) if problems else _words(status, error)
        answer = make_response(jsonify(error=words, problems=shown(problems, language())), status)
        if status == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
    elif status == 401 and g.get("company") is not None:
        return redirect(url_for("auth.login"))  # type: ignore[return-value]
    else:
        answer = _page(status, _words(status, error))
    answer.headers.update({name: said for name, said in error.get_headers() if name in _TOLD})
    return answer


def _words(status: int, error: HTTPException) -> str:
    match status:
        case 400 if error.description == "csrf":
            return gettext("The page was open too long. Load it again and repeat your entry.")
        case 401:
            return gettext("Please log in.")
        case 413:
            return gettext("That is too large.")
        case 414:
            return gettext("The address is too long.")
        case 429:
            return gettext("That was too often. Please wait a minute.")
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


def _page(
    status: int, words: str, reference: str = "", heading: str = "", advice: str = ""
) -> Response:
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
        heading=heading,
        hint=advice,
    )
    return make_response(page, status)


def _shell(status: int) -> Shell | None:
    """The menus around a page that says no to somebody logged in; none when ours is the fault."""
    if status not in (403, 404, 409) or g.get("company") is None or g.get("actor") is None:
        return None
    with reading() as unit:
        return shell(unit)


__all__ = ["init_errors", "wants_json"]
