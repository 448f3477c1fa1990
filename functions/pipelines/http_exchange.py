"""One exchange with an endpoint, bounded in time and size.

No redirect is followed and no proxy of the environment is used: either would bring the token to
where no operator sent it. Answers are never quoted; they are the data of others.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import urllib3

from functions.pipelines.endpoints import Endpoint, Endpoints
from functions.shared.errors import PermanentError, TransientError

CONNECT_TIMEOUT_SECONDS = 3.0
# Between two blocks of an answer; a whole one may take this long, with a second try for a token
# that was rotated. The last block may come late: an exchange is over READ_TIMEOUT_SECONDS after it.
READ_TIMEOUT_SECONDS = 30.0
EXCHANGE_SECONDS = 120.0
# Of records that are sent: an answer of a few bytes, for which a chunk spares `SPARE_SECONDS`.
POST_SECONDS = 45.0
BODY_BYTES = 16 * 1024 * 1024
_BLOCK_BYTES = 64 * 1024
LONGEST_PAUSE_SECONDS = 24 * 60 * 60.0
# A reset that is later than this since 1970 is a moment, and else a number of seconds.
_MOMENTS_SINCE = 1_000_000_000

_TOKEN_REFUSED = frozenset({401, 403})
TOO_MANY_REQUESTS = 429
UNAVAILABLE = 503
SERVER_ERROR = 500
OK = range(200, 300)
# The server had no time or asks for another try: RFC 9110, 15.5.9, and RFC 8470, 5.2.
TRY_AGAIN = frozenset({408, 425})


class EndpointBusyError(TransientError):
    """The endpoint gave no answer, or failed."""


class AnswerTooLargeError(PermanentError):
    """An answer is larger than a function wants to hold; ask for smaller pages."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the names of *headers* are compared without their case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def pause_seconds(self, now: datetime) -> float | None:
        """What `Retry-After` asks for, a day at most: RFC 9110, 10.2.3."""
        text = (self.headers.get("Retry-After") or "").strip()
        if not text:
            return None
        if text.isascii() and text.isdigit():
            return min(float(text), LONGEST_PAUSE_SECONDS)
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return None
        return _until(until if until.tzinfo else until.replace(tzinfo=UTC), now)

    def rate_limit_pause_seconds(self, now: datetime) -> float | None:
        """How long until the next request, where this one was the last of its window."""
        if self.headers.get("X-RateLimit-Remaining", "").strip() != "0":
            return None
        text = self.headers.get("X-RateLimit-Reset", "").strip()
        if not (text.isascii() and text.isdigit()) or len(text) > len("99999999999"):
            return None
        reset = int(text)
        if reset < _MOMENTS_SINCE:
            return min(float(reset), LONGEST_PAUSE_SECONDS)
        return _until(datetime.fromtimestamp(reset, UTC), now)


class HttpExchange:
    """Asks endpoints; a token that is refused is read anew, once."""

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        http: urllib3.PoolManager | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoints = endpoints
        self._clock = clock
        # urllib3 looks at no variable of the environment for a proxy; `requests` would.
        self._http = http or urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=READ_TIMEOUT_SECONDS),
            retries=False,
        )

    def find(self, name: str) -> Endpoint:
        return self._endpoints.find(name)

    def get(self, endpoint: Endpoint, url: str) -> Answer:
        """What *url*, which is of *endpoint*, answers.

        Raises:
            EndpointBusyError: Nothing, or not all of it.
            AnswerTooLargeError: More than 16 MiB.
        """
        return self._ask(endpoint, "GET", url, {}, None, EXCHANGE_SECONDS)

    def post(self, endpoint: Endpoint, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send JSON to *endpoint*; raises as `get` does."""
        typed = {"Content-Type": "application/json", **headers}
        return self._ask(endpoint, "POST", endpoint.url, typed, body, POST_SECONDS)

    def _ask(
        self,
        endpoint: Endpoint,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        seconds: float,
    ) -> Answer:
        until = self._clock() + seconds
        token = self._endpoints.token(endpoint)
        answer = self._once(method, url, _with_token(headers, token), body, until)
        if token is not None and answer.status in _TOKEN_REFUSED:
            # Rotated, perhaps: once with what the secret says now.
            fresh = self._endpoints.token(endpoint, is_refused=True)
            if fresh != token:
                answer = self._once(method, url, _with_token(headers, fresh), body, until)
        return answer

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, until: float
    ) -> Answer:
        if self._clock() > until:
            raise EndpointBusyError("the endpoint took too long to refuse the token")
        try:
            response = self._http.request(
                method, url, body=body, headers=dict(headers), redirect=False, preload_content=False
            )
            try:
                content = self._content(response, until)
            except BaseException:
                # What was not read to its end is no connection for the next one.
                response.close()
                raise
            response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            # `from None`: the cause quotes the address.
            name = type(error).__name__
            raise EndpointBusyError(f"the endpoint gave no whole answer: {name}") from None
        return Answer(response.status, response.headers, content)

    def _content(self, response: urllib3.BaseHTTPResponse, until: float) -> bytes:
        content = bytearray()
        # What is there is taken: whoever sends byte after byte must not keep the function for ever.
        while block := response.read1(_BLOCK_BYTES):
            content += block
            if len(content) > BODY_BYTES:
                raise AnswerTooLargeError(
                    f"an answer of the endpoint has more than {BODY_BYTES // 1024**2} MiB"
                )
            if self._clock() > until:
                raise EndpointBusyError("the endpoint took too long for its answer")
        return bytes(content)


def _with_token(headers: Mapping[str, str], token: str | None) -> dict[str, Any]:
    asked = {"Accept": "application/json", **headers}
    return asked if token is None else {**asked, "Authorization": f"Bearer {token}"}


def _until(moment: datetime, now: datetime) -> float:
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_PAUSE_SECONDS)
