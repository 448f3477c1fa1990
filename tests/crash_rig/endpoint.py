"""The AWS that the rig's processes see: DynamoDB out of moto, and Lambda's Invoke."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber
from moto.dynamodb.responses import DynamoHandler

# A function's name and event to its answer and whether that is an error.
Invoke = Callable[[str, bytes], tuple[bytes, bool]]

_MOTO_URL = "https://dynamodb.eu-west-1.amazonaws.com/"


class Endpoint:
    """Serves both on one port of this machine, for as long as it is entered."""

    def __init__(self, invoke: Invoke) -> None:
        self._server = _Server(invoke)
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, invoke: Invoke) -> None:
        self.invoke = invoke
        self.moto = BotocoreStubber()
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: Any) -> None:
        """Say nothing: a killed process hangs up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "X-Amz-Target" in self.headers:
            self._dynamodb(body)
        else:
            self._invoke(body)

    def _dynamodb(self, body: bytes) -> None:
        headers = HTTPHeaders()
        for name, value in self.headers.items():
            headers[name] = value
        request = AWSPreparedRequest("POST", _MOTO_URL, headers, body, stream_output=False)
        response = self.server.moto.process_request(request)
        if response is None:
            raise RuntimeError("moto knows no DynamoDB")
        status, answer_headers, answer = response
        self._answer(
            HTTPStatus(status),
            answer.encode() if isinstance(answer, str) else answer,
            {name: str(value) for name, value in answer_headers.items()},
        )

    def _invoke(self, event: bytes) -> None:
        # /2015-03-31/functions/NAME:QUALIFIER/invocations
        function = unquote(self.path.split("/")[3]).partition(":")[0]
        answer, is_error = self.server.invoke(function, event)
        self._answer(
            HTTPStatus.OK, answer, {"X-Amz-Function-Error": "Unhandled"} if is_error else {}
        )

    def _answer(self, status: HTTPStatus, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in {"content-length", "date", "server"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the rig's own closing line counts the calls."""


@contextlib.contextmanager
def atomic_dynamodb() -> Iterator[None]:
    """Moto, one call at a time: its tables are dictionaries, and its transactions come in parts."""
    lock = threading.Lock()
    call_action = DynamoHandler.call_action

    def call_alone(handler: DynamoHandler) -> Any:
        with lock:
            return call_action(handler)

    DynamoHandler.call_action = call_alone  # type: ignore[method-assign]
    try:
        with mock_aws():
            yield
    finally:
        DynamoHandler.call_action = call_action  # type: ignore[method-assign]


def error_body(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()
