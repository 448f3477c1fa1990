"""The webhook against a scripted Slack on loopback: real sockets, real timeouts, no Internet."""

import json
import logging
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import urllib3

from functions.alerts.slack_webhook import (
    POST_SECONDS,
    ContentRefusedError,
    SlackBusyError,
    SlackDownError,
    SlackWebhook,
)

SECRET_PATH = "/services/T000/B000/"  # noqa: S105  # planted, to be looked for


@dataclass
class ScriptedSlack:
    """Answers as it was told, one entry for each call, then with 200."""

    server: ThreadingHTTPServer
    script: list[Any] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    stop_hanging: threading.Event = field(default_factory=threading.Event)

    def url(self, token: str = "first") -> str:  # noqa: S107  # a made-up one
        return f"http://127.0.0.1:{self.server.server_port}{SECRET_PATH}{token}"


@pytest.fixture
def slack() -> Iterator[ScriptedSlack]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the base class's name
            scripted.calls.append(self.path.removeprefix(SECRET_PATH))
            scripted.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            answer = scripted.script.pop(0) if scripted.script else 200
            if answer == "hang":
                scripted.stop_hanging.wait(10)
                return
            if answer == "reset":
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                return
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scripted = ScriptedSlack(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield scripted
    scripted.stop_hanging.set()
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class FakeSecrets:
    """Secrets Manager with one secret."""

    url: str
    reads: int = 0

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803  # AWS's name
        del SecretId
        self.reads += 1
        return {"SecretString": f"{self.url}\n"}


@dataclass
class Clock:
    """Time that passes only by sleeping."""

    seconds: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def secrets(slack: ScriptedSlack) -> FakeSecrets:
    return FakeSecrets(slack.url())


@pytest.fixture
def webhook(secrets: FakeSecrets, clock: Clock) -> Iterator[SlackWebhook]:
    client: Any = secrets
    http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=1, read=0.3), retries=False)
    yield SlackWebhook(client, "any-arn", http=http, clock=clock.now, sleep=clock.sleep)
    http.clear()


def post(webhook: SlackWebhook, *, seconds: float = 60) -> None:
    webhook.post({"text": "any"}, lambda: seconds)


def test_a_message_reaches_the_channel(webhook: SlackWebhook, slack: ScriptedSlack) -> None:
    post(webhook)

    assert slack.bodies == [{"text": "any"}]


def test_messages_are_a_second_apart(
    webhook: SlackWebhook, slack: ScriptedSlack, clock: Clock
) -> None:
    for _ in range(3):
        post(webhook)

    assert len(slack.calls) == 3
    assert clock.slept == [1.0, 1.0]


@pytest.mark.parametrize("answer", [500, 503, 302, "hang", "reset"])
def test_a_slack_that_does_not_work_is_called_down_at_once(
    webhook: SlackWebhook, slack: ScriptedSlack, answer: Any
) -> None:
    slack.script = [answer]

    with pytest.raises(SlackDownError):
        post(webhook)

    assert len(slack.calls) == 1


def test_a_slack_that_cannot_be_reached_is_down(
    webhook: SlackWebhook, secrets: FakeSecrets
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        secrets.url = f"http://127.0.0.1:{free.getsockname()[1]}{SECRET_PATH}x"

        with pytest.raises(SlackDownError):
            post(webhook)


def test_a_pause_that_fits_is_waited_out(
    webhook: SlackWebhook, slack: ScriptedSlack, clock: Clock
) -> None:
    slack.script = [(429, {"Retry-After": "7"})]

    post(webhook, seconds=POST_SECONDS + 8)

    assert clock.slept == [7.0]
    assert len(slack.calls) == 2


@pytest.mark.parametrize(
    ("header", "seconds"), [("90", 90), ("", 30), ("soon", 30), ("nan", 30), ("-5", 30)]
)
def test_a_pause_that_does_not_fit_is_handed_on(
    webhook: SlackWebhook, slack: ScriptedSlack, header: str, seconds: float
) -> None:
    slack.script = [(429, {"Retry-After": header})]

    with pytest.raises(SlackBusyError) as busy:
        post(webhook, seconds=20)

    assert busy.value.retry_after_seconds == seconds


@pytest.mark.parametrize("refusal", [403, 404, 410])
def test_a_rotated_webhook_is_read_anew_and_used_at_once(
    webhook: SlackWebhook, slack: ScriptedSlack, secrets: FakeSecrets, refusal: int
) -> None:
    post(webhook)
    secrets.url = slack.url("second")
    slack.script = [refusal]

    post(webhook)

    assert slack.calls == ["first", "first", "second"]
    assert secrets.reads == 2


def test_a_webhook_refused_twice_is_down(webhook: SlackWebhook, slack: ScriptedSlack) -> None:
    slack.script = [403, 403]

    with pytest.raises(SlackDownError):
        post(webhook)

    assert len(slack.calls) == 2


def test_the_secret_is_kept_for_five_minutes_and_no_longer(
    webhook: SlackWebhook, secrets: FakeSecrets, clock: Clock
) -> None:
    post(webhook)
    clock.seconds += 299
    post(webhook)
    assert secrets.reads == 1
    clock.seconds += 2

    post(webhook)

    assert secrets.reads == 2


def test_a_message_slack_cannot_read_is_told_from_a_slack_that_is_down(
    webhook: SlackWebhook, slack: ScriptedSlack
) -> None:
    slack.script = [400]

    with pytest.raises(ContentRefusedError):
        post(webhook)


@pytest.mark.parametrize("secret", ["", "not an address", "ftp://example.com"])
def test_a_secret_that_is_no_address_is_said_to_be_none_without_being_shown(
    webhook: SlackWebhook, secrets: FakeSecrets, secret: str
) -> None:
    secrets.url = secret

    with pytest.raises(SlackDownError, match="does not hold a webhook's address"):
        post(webhook)


@pytest.mark.parametrize("answer", [200, 500, 403, "hang", "reset"])
def test_the_webhook_is_in_no_error_and_no_log_line(
    webhook: SlackWebhook,
    slack: ScriptedSlack,
    caplog: pytest.LogCaptureFixture,
    answer: Any,
) -> None:
    caplog.set_level(logging.DEBUG)
    slack.script = [answer, answer]
    shown = []

    try:
        post(webhook)
    except SlackDownError as error:
        # Its traceback goes into the captured log as well.
        logging.getLogger("any").exception("down")
        shown += [repr(error), repr(error.__cause__)]

    assert bool(shown) == (answer != 200)
    assert SECRET_PATH not in caplog.text
    assert SECRET_PATH not in "".join(shown)


def test_an_address_that_cannot_be_parsed_is_not_quoted(
    webhook: SlackWebhook, secrets: FakeSecrets
) -> None:
    secrets.url = f"http://127.0.0.1:99999{SECRET_PATH}first"

    with pytest.raises(SlackDownError) as down:
        post(webhook)

    assert SECRET_PATH not in str(down.value)
