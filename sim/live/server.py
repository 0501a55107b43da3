"""The page and its server, for this machine and this user alone.

It listens on 127.0.0.1. Every request needs the token that is in the address which is printed, and
comes from the page itself: other names of this machine (DNS rebinding) and other pages are refused.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import re
import secrets
import struct
import sys
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from sim.errors import AngiosimError, InputError
from sim.live.stage import Stage
from sim.version import __version__

logger = logging.getLogger(__name__)

POLL_S: Final = 5.0
"""A page waits no longer for the next picture."""
LONGEST: Final = 64 * 1024
"""Bytes of a command."""
IDLE_S: Final = 60.0
"""A connection without a request is closed after this."""


@cache
def page() -> bytes:
    """Return the page."""
    text = files("sim.live").joinpath("page.html").read_text(encoding="utf-8")
    return text.replace("{version}", __version__).encode()


@cache
def policy() -> str:
    """Return the content-security policy: only the script and the style of the page itself."""
    allowed = {}
    for tag in ("script", "style"):
        content = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), page(), re.DOTALL)
        hashes = [base64.b64encode(hashlib.sha256(one).digest()).decode() for one in content]
        allowed[tag] = " ".join(f"'sha256-{one}'" for one in hashes)
    return (
        f"default-src 'none'; script-src {allowed['script']}; style-src {allowed['style']}; "
        "img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


class Server(ThreadingHTTPServer):
    """Serves a stage until the process ends.

    Parameters
    ----------
    stage : Stage
        It has been started.
    port : int
        0 for one that is free.

    Raises
    ------
    InputError
        If the port cannot be used.
    """

    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # elsewhere it would share a port that is in use

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self.stage, self.token = stage, secrets.token_urlsafe(24)
        self.code = secrets.token_urlsafe(24)  # for one use
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise InputError(f"--port {port}: {reason}; choose another, or leave it out") from error
        self.port = int(self.server_address[1])

    @property
    def url(self) -> str:
        """The address of the page, with its token."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    @property
    def first_url(self) -> str:
        """An address that leads to it once: others can read with what a browser is started."""
        return f"http://127.0.0.1:{self.port}/?once={self.code}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong; a page that has gone is no error."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            logger.error("unexpected error", exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "angiosim", ""
    timeout = IDLE_S

    def do_GET(self) -> None:
        """Answer the page, or what it asks for."""
        where = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(where.query).items()}
        if where.path == "/" and "once" in query:
            return self._open(query["once"])
        if not self._allowed(query.get("token")):
            return
        if where.path == "/":
            self._answer(page(), "text/html; charset=utf-8")
        elif where.path == "/about":
            self._json(self.server.stage.about)
        elif where.path == "/next":
            try:
                version, epoch, known = (int(query[name]) for name in ("version", "epoch", "rows"))
            except (KeyError, ValueError):
                return self._refuse("next: needs version, epoch and rows, whole numbers", 400)
            try:
                snapshot = self.server.stage.newer(version, POLL_S)
            except AngiosimError as error:
                return self._refuse(str(error), 500)
            head = _as_json(snapshot.answer(epoch, max(0, known)))
            self._answer(struct.pack("<I", len(head)) + head + b"".join(snapshot.pictures))
        else:
            self._refuse("there is nothing here", 404)

    def do_POST(self) -> None:
        """Do what a page asks for."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LONGEST:
            return self._refuse(f"a command needs a Content-Length of at most {LONGEST}", 413)
        body = self.rfile.read(int(length))
        if not self._allowed(None):
            return
        if self.headers.get_content_type() != "application/json":
            return self._refuse("a command must be application/json", 415)
        if urlsplit(self.path).path != "/do":
            return self._refuse("there is nothing here", 404)
        try:
            command = json.loads(body)
        except (ValueError, RecursionError):
            return self._refuse("a command must be valid JSON", 400)
        try:
            result = self.server.stage.ask(command)
        except AngiosimError as error:
            return self._refuse(str(error), 400)
        if result is None:
            self._answer(b"", status=204)
        else:
            self._json(result)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""

    def _open(self, code: str) -> None:
        """Give the address with the token to the browser that was started here, and to no other."""
        if self._allowed(code, self.server.code):
            self.server.code = ""
            self._answer(b"", status=303, location=f"/?token={self.server.token}")

    def _allowed(self, token: str | None, wanted: str | None = None) -> bool:
        """Whether a request comes from the page of this user; else it has been refused."""
        port, headers = self.server.port, self.headers
        wanted = self.server.token if wanted is None else wanted
        hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        origins = {f"http://{host}" for host in hosts}
        given = (token or headers.get("X-Token") or "").encode()
        if headers.get("Host") not in hosts:
            self._refuse("this address is not that of the live view", 403)
        elif headers.get("Origin", next(iter(origins))) not in origins or (
            headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
        ):
            what = "requests of other pages are refused: paste the address into the browser"
            self._refuse(what, 403)
        elif not given or not secrets.compare_digest(given, wanted.encode()):
            self._refuse("the token is missing or wrong: open the address that was printed", 403)
        else:
            return True
        return False

    def _refuse(self, what: str, status: int) -> None:
        if status in (403, 413):
            self.close_connection = True
        self._json({"error": what}, status)

    def _json(self, content: Any, status: int = 200) -> None:
        self._answer(_as_json(content), "application/json", status)

    def _answer(
        self,
        body: bytes,
        kind: str = "application/octet-stream",
        status: int = 200,
        location: str = "",
    ) -> None:
        self.send_response(HTTPStatus(status))
        headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": policy(),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        if status != 204:
            headers |= {"Content-Type": kind, "Content-Length": str(len(body))}
        if location:
            headers["Location"] = location
        if self.close_connection:
            headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _as_json(content: Any) -> bytes:
    return json.dumps(content, allow_nan=False, ensure_ascii=False).encode()
