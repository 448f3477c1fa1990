"""The AWS that the rig's processes see: moto's tables, buckets and parameters, Invoke, and mail."""

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

from tests.crash_rig.post_office import PostOffice

# A function's name and event to its answer and whether that is an error.
Invoke = Callable[[str, bytes], tuple[bytes, bool]]

_MOTO_URL = "https://{service}.eu-west-1.amazonaws.com{path}"
_SERVICES = {"DynamoDB_20120810": "dynamodb", "AmazonSSM": "ssm"}


class Endpoint:
    """Serves all of it on one port of this machine, for as long as it is entered."""

    def __init__(self, invoke: Invoke, post_office: PostOffice) -> None:
        self._server = _Server(invoke, post_office)
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

    def __init__(self, invoke: Invoke, post_office: PostOffice) -> None:
        self.invoke = invoke
        self.post_office = post_office
        self.moto = BotocoreStubber()
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: Any) -> None:
        """Say nothing: a killed process hangs up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self._body()
        target = self.headers.get("X-Amz-Target")
        if target is not None:
            self._ask_moto(_SERVICES[target.partition(".")[0]], body)
        elif self.path == "/v2/email/outbound-emails":
            self._answer(HTTPStatus.OK, self.server.post_office.take(body), {})
        elif self.path.startswith("/2015-03-31/functions/"):
            self._invoke(body)
        else:
            self._ask_moto("s3", body)

    def do_GET(self) -> None:
        self._ask_moto("s3", self._body())

    def do_HEAD(self) -> None:
        self._ask_moto("s3", self._body())

    def do_PUT(self) -> None:
        self._ask_moto("s3", self._body())

    def do_DELETE(self) -> None:
        self._ask_moto("s3", self._body())

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _ask_moto(self, service: str, body: bytes) -> None:
        headers = HTTPHeaders()
        for name, value in self.headers.items():
            headers[name] = value
        url = _MOTO_URL.format(service=service, path=self.path)
        request = AWSPreparedRequest(self.command, url, headers, body, stream_output=False)
        response = self.server.moto.process_request(request)
        if response is None:
            raise RuntimeError(f"moto knows no {service}")
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
        length = str(len(body))
        for name, value in headers.items():
            if name.lower() not in {"content-length", "date", "server"}:
                self.send_header(name, value)
            elif name.lower() == "content-length" and self.command == "HEAD":
                # Of the object, whose body is not sent.
                length = value
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the rig's own closing line counts the calls."""


@contextlib.contextmanager
def atomic_moto() -> Iterator[None]:
    """Moto, one call at a time: its tables are dictionaries, and its transactions come in parts."""
    lock = threading.Lock()
    process_request = BotocoreStubber.process_request

    def process_alone(self: BotocoreStubber, request: AWSPreparedRequest) -> Any:
        with lock:
            return process_request(self, request)

    BotocoreStubber.process_request = process_alone  # type: ignore[method-assign]
    try:
        with mock_aws():
            yield
    finally:
        BotocoreStubber.process_request = process_request  # type: ignore[method-assign]


def error_body(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()
