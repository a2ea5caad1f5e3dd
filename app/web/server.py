"""The web application: one Flask server that carries the API and the Dash pages."""

from __future__ import annotations

import contextlib
import html
import logging
import secrets
import string
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import dash
import flask
from flask import Flask, Response, current_app, g, request
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.http.errors import LimitRequestLine  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.middleware.proxy_fix import ProxyFix

from app.errors import AccessError, BusyError, LocuscopeError
from app.genome.catalogue import Catalogue
from app.genome.check import check_genomes
from app.genome.own_tracks import OwnTracks
from app.inference.explanations import Explanations
from app.inference.jobs import Jobs
from app.inference.mutagenesis import Mutagenesis
from app.inference.predictions import Predictions
from app.inference.store import ResultStore
from app.logs import set_log_fields
from app.settings import Settings
from app.web import describe
from app.web.access import Access
from app.web.api import api
from app.web.clustergram_api import clustergram_api
from app.web.contacts_api import contacts_api
from app.web.edits_api import edits_api
from app.web.effects_api import effects_api
from app.web.export_api import export_api
from app.web.health import health_api
from app.web.ism_api import ism_api
from app.web.junctions_api import junctions_api
from app.web.metrics import Metrics
from app.web.openapi import openapi_api
from app.web.own_api import own_api
from app.web.pages import register_pages
from app.web.security import add_headers, page_policy
from app.web.services import Services
from models import registry

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

log = logging.getLogger("locuscope.web")

ASSETS = Path(__file__).resolve().parents[2] / "assets"
#: Largest body of a request in bytes.
MAX_BODY = 2**20
#: Longest request line in bytes, the most that gunicorn allows.
MAX_REQUEST_LINE = 8190
METHODS = ("GET", "HEAD", "POST")
#: Below this path errors are JSON and requests are logged.
API = "/api/"
#: A request that takes longer is logged as one that failed is; the others for debugging only.
SLOW_MS = 500
SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "What was sent is too large: at most 1 MiB.",
    415: "The body must be JSON, sent as application/json.",
}


def make_services(settings: Settings) -> Services:
    """Opens genomes, cards and stored results; nothing here loads a model.

    Raises:
        BundleError: A genome bundle cannot be used.
    """
    jobs = Jobs(settings)
    store = ResultStore(settings.cache_dir / "results", settings.cache_bytes)
    return Services(
        settings=settings,
        catalogue=Catalogue.load(settings.genome_dirs),
        cards=registry.cards(settings.weights_dirs),
        jobs=jobs,
        store=store,
        predictions=Predictions(settings, jobs, store),
        mutagenesis=Mutagenesis(jobs, store),
        explanations=Explanations(jobs, store),
        own=OwnTracks(settings.cache_dir / "own"),
    )


def create_app(settings: Settings) -> dash.Dash:
    """Makes the application of this process.

    Raises:
        BundleError: A genome bundle cannot be used.
    """
    services = make_services(settings)
    metrics = Metrics(services)
    server = Flask("locuscope", static_folder=None)
    if settings.trusted_proxies:
        proxies = settings.trusted_proxies
        server.wsgi_app = ProxyFix(server.wsgi_app, proxies, proxies, proxies)  # type: ignore[method-assign]
    server.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    server.extensions["locuscope"] = services
    server.before_request(_begin)
    server.after_request(_finish)
    server.register_error_handler(Exception, _show_error)
    server.add_url_rule("/metrics", "metrics", metrics.show)
    server.register_blueprint(health_api)
    server.register_blueprint(api)
    server.register_blueprint(clustergram_api)
    server.register_blueprint(contacts_api)
    server.register_blueprint(edits_api)
    server.register_blueprint(export_api)
    server.register_blueprint(openapi_api)
    server.register_blueprint(own_api)
    server.register_blueprint(effects_api)
    server.register_blueprint(junctions_api)
    server.register_blueprint(ism_api)
    app = dash.Dash(
        "locuscope",
        server=server,  # type: ignore[arg-type]
        assets_folder=str(ASSETS),
        assets_ignore=r".*\.js",  # the index loads them itself, in their order
        update_title="",
        add_log_handler=False,
        suppress_callback_exceptions=True,
        enable_mcp=False,
    )
    register_pages(app, services)
    server.extensions["locuscope-web"] = _Own(Access(settings), metrics, page_policy(app))
    return app


@dataclass(frozen=True)
class _Own:
    """What the application itself works with."""

    access: Access
    metrics: Metrics
    policy: str


def _own() -> _Own:
    return cast(_Own, current_app.extensions["locuscope-web"])


def _begin() -> None:
    g.started = time.perf_counter()
    g.id = secrets.token_hex(6)
    set_log_fields(request=g.id)
    # Bytes that no browser sends unquoted would fail where the query is decoded.
    request.query_string = quote(request.query_string, safe=string.printable).encode()
    if request.method not in METHODS:
        raise MethodNotAllowed(METHODS)
    _own().access.check()


def _finish(response: Response) -> Response:
    own = _own()
    add_headers(response, own.policy)
    if request.path.startswith("/assets/") and "m" in request.args and response.status_code == 200:
        # The address names the version of the file, so the browser need not ask again.
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    seconds = time.perf_counter() - g.started
    own.metrics.count(response, seconds)
    response.headers["X-Request-Id"] = g.id
    if request.path.startswith(API):
        entry = {
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "bytes": response.calculate_content_length(),
            "ms": round(1000 * seconds, 1),
        }
        noteworthy = response.status_code >= 400 or entry["ms"] > SLOW_MS
        log.log(logging.INFO if noteworthy else logging.DEBUG, "answered", extra=entry)
    return response


def _show_error(error: Exception) -> ResponseReturnValue:
    """Turns whatever goes wrong into a sentence: JSON for the API, else a page."""
    shown, status = _explain(error)
    headers = {}
    if isinstance(shown, BusyError):
        headers["Retry-After"] = str(shown.retry_after)
    if isinstance(shown, AccessError):
        headers["WWW-Authenticate"] = 'Basic realm="Locuscope", charset="UTF-8"'
    if request.path.startswith(API):
        return {"error": describe.error(shown)}, status, headers
    return error_page(shown.message), status, headers


def _explain(error: Exception) -> tuple[LocuscopeError, int]:
    if isinstance(error, LocuscopeError):
        return error, error.status
    if isinstance(error, HTTPException):
        status = error.code or 500
        return LocuscopeError(SENTENCES.get(status, "This request cannot be read.")), status
    log.exception("%s %s failed", request.method, request.path, exc_info=error)
    with contextlib.suppress(LocuscopeError):  # it is in the log, whatever the broker says
        what = f"{request.method} {request.path[:60]} failed: {type(error).__name__}, see the log."
        cast(Services, current_app.extensions["locuscope"]).jobs.note("web", what)
    return LocuscopeError("Locuscope failed on this request. The server's log says why."), 500


def error_page(message: str) -> str:
    """Returns a small page that says what went wrong and leads back."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Locuscope</title></head>'
        '<body style="font: 15px system-ui, sans-serif; margin: 3em">'
        f'<p>{html.escape(message)}</p><p><a href="/">Start here</a></p></body></html>'
    )


class _Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker, with a sentence for people whose link is too long."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ANN401
        if not isinstance(exc, LimitRequestLine):
            super().handle_error(req, client, addr, exc)
            return
        page = error_page(
            f"This link is longer than the {MAX_REQUEST_LINE:,} characters that can be read. "
            "Open the page without it and choose the view there."
        ).encode()
        client.sendall(
            b"HTTP/1.1 414 URI Too Long\r\nConnection: close\r\n"
            b"Content-Type: text/html; charset=utf-8\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(page), page)
        )


class _Log(Logger):  # type: ignore[misc]
    """Hands gunicorn's messages to the handler that all others of this process go to."""

    def setup(self, cfg: Any) -> None:  # noqa: ANN401
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class _Application(BaseApplication):  # type: ignore[misc]
    """gunicorn, set up from here rather than from a command line."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        options = {
            "bind": f"{self.settings.host}:{self.settings.port}",
            "workers": 1,
            "threads": 8,
            "worker_class": _Worker,
            "logger_class": _Log,
            "loglevel": "warning",
            "limit_request_line": MAX_REQUEST_LINE,
            "control_socket_disable": True,
            "graceful_timeout": 5,
            "timeout": 120,
            "keepalive": 30,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> flask.Flask:
        server: flask.Flask = create_app(self.settings).server
        return server


def run_web(settings: Settings) -> None:
    """Serves the pages and the API until SIGTERM or SIGINT.

    Raises:
        BundleError: A genome bundle cannot be used.
    """
    check_genomes(settings.genome_dirs)  # a bad bundle ends here, with a sentence
    _Application(settings).run()
