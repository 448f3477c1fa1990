"""An API of the web as pipelines meet one: records in pages, and a box for those posted to it."""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass
class WebApi:
    """Serves on one port of this machine for as long as it is entered.

    All is by path: the *pages* that are read there, the ids of records that are *refused*, how many
    *refusals* there are before they are taken after all, and what was *posted* and taken, by the
    record's key.
    """

    pages: dict[str, Sequence[Sequence[Mapping[str, Any]]]] = field(default_factory=dict)
    refused: dict[str, frozenset[str]] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    posted: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def page(self, path: str, cursor: str) -> bytes:
        pages = self.pages[path]
        number = int(cursor)
        following = str(number + 1) if number + 1 < len(pages) else None
        return json.dumps({"items": pages[number], "next": following}).encode()

    def take(self, path: str, body: bytes) -> bool:
        """Take all of the posted records or none."""
        records = json.loads(body)["records"]
        ids = [each["record"]["id"] for each in records]
        with self._lock:
            left = self.refusals.get(path, 0)
            if left and not self.refused.get(path, frozenset()).isdisjoint(ids):
                self.refusals[path] = left - 1
                return False
            box = self.posted.setdefault(path, {})
            for each in records:
                box.setdefault(each["key"], []).append(json.dumps(each["record"]))
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, api: WebApi) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: Any) -> None:
        """Say nothing: a killed process hangs up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        [cursor] = parse_qs(address.query).get("cursor", ["0"])
        self._answer(self.server.api.page(address.path, cursor))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        is_taken = self.server.api.take(urlsplit(self.path).path, body)
        self._answer(b"{}", HTTPStatus.OK if is_taken else HTTPStatus.UNPROCESSABLE_ENTITY)

    def _answer(self, body: bytes, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the trace of a job tells what was posted."""
