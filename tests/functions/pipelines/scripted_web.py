"""An endpoint on loopback that answers as it is told: real sockets, no Internet."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import urllib3

from functions.pipelines.endpoints import Endpoints
from functions.pipelines.http_exchange import HttpExchange

PATH = "/durable-jobs/test/endpoints"
NAME = "shop"


@dataclass(frozen=True, slots=True)
class Said:
    """One answer; *drips* sends its body byte after byte, *breaks_off* ends in its middle."""

    status: int = 200
    body: bytes = b"[]"
    headers: Mapping[str, str] = field(default_factory=dict)
    drips: bool = False
    breaks_off: bool = False
    hangs: bool = False
    resets: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def said(content: Any, status: int = 200, **headers: str) -> Said:
    """JSON; in the names of *headers* `_` stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said(status, json.dumps(content).encode(), named)


class ScriptedWeb:
    """Says what the script says, one entry per request; then empty lists, or nothing to POST."""

    def __init__(self) -> None:
        self.script: list[Said] = []
        self.asked: list[Asked] = []
        self.stopped = threading.Event()
        self.connections = 0
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def targets(self) -> list[str]:
        return [asked.target for asked in self.asked]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass
class Operators:
    """SSM and Secrets Manager in memory, and how often they were asked."""

    parameters: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    now: float = 0.0

    class exceptions:  # noqa: N801  # botocore's name
        class ParameterNotFound(Exception):  # noqa: N818  # likewise
            pass

    def get_parameter(self, Name: str) -> Any:  # noqa: N803  # botocore's name
        self.asked.append(Name)
        if Name not in self.parameters:
            raise self.exceptions.ParameterNotFound
        return {"Parameter": {"Value": self.parameters[Name]}}

    def get_secret_value(self, SecretId: str) -> Any:  # noqa: N803  # botocore's name
        self.asked.append(SecretId)
        token = self.tokens[SecretId]
        if isinstance(token, Exception):
            raise token
        return {"SecretString": token}

    def add(
        self, url: str, *, name: str = NAME, token: str | None = None, purpose: str = "source"
    ) -> None:
        secret = f"{PATH.lstrip('/')}/{name}"
        fields = {"url": url, "for": purpose} | ({} if token is None else {"secret": secret})
        self.parameters[f"{PATH}/{name}"] = json.dumps(fields)
        self.tokens[secret] = token

    @property
    def endpoints(self) -> Endpoints:
        me: Any = self
        return Endpoints(PATH, lambda: me, lambda: me, clock=lambda: self.now)

    def exchange(
        self,
        *,
        timeout_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        endpoints: Endpoints | None = None,
    ) -> HttpExchange:
        http = urllib3.PoolManager(timeout=timeout_seconds, retries=False)
        return HttpExchange(endpoints or self.endpoints, http=http, clock=clock)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, web: ScriptedWeb) -> None:
        self.web = web
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: Any) -> None:
        """Say nothing: a client hangs up where a test wants it to."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.web.connections += 1

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self) -> None:
        web = self.server.web
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        web.asked.append(Asked(self.command, self.path, headers, body))
        otherwise = Said() if self.command == "GET" else Said(body=b"")
        answer = web.script.pop(0) if web.script else otherwise
        if answer.hangs:
            web.stopped.wait(10)
        if answer.resets or answer.hangs:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self._send(answer)

    def _send(self, answer: Said) -> None:
        if answer.breaks_off:
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.close_connection = True
        elif answer.drips:
            for place in range(len(answer.body)):
                self.wfile.write(answer.body[place : place + 1])
                self.server.web.stopped.wait(0.01)
        else:
            self.wfile.write(answer.body)
