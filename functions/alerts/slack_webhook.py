"""Posts to the Slack channel behind an incoming webhook.

The webhook's address is a secret: whoever has it can write into the channel. It comes from Secrets
Manager, stays in memory for minutes, and is in no log line and no error raised here; HTTP errors
quote addresses, so they are told by their class only.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from functions.shared.error_name import error_name

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

# On DEBUG these write addresses and answers, the secret's among them.
for noisy in ("urllib3", "botocore.parsers", "botocore.endpoint"):
    logging.getLogger(noisy).setLevel(logging.INFO)

# A rotated webhook is used after this at the latest, without a redeployment.
SECRET_KEPT_SECONDS = 300.0
# One message a second into a channel: https://docs.slack.dev/apis/web-api/rate-limits
POST_INTERVAL_SECONDS = 1.0
# The queue brings the message back, so a slow Slack should fail fast.
CONNECT_TIMEOUT_SECONDS = 3.0
READ_TIMEOUT_SECONDS = 5.0
# What a post may take at most, pause before it and a re-read secret included.
POST_SECONDS = 2 * (CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS) + POST_INTERVAL_SECONDS
_DEFAULT_RETRY_AFTER_SECONDS = 30.0

_OK = 200
_BAD_REQUEST = 400
_CONTENT_REFUSED = frozenset({_BAD_REQUEST, 413, 422})
# https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
_WEBHOOK_REFUSED = frozenset({401, 403, 404, 410})
_RATE_LIMITED = 429


class SlackDownError(Exception):
    """Slack, or the way to it, does not work; another message would fare no better."""


class SlackBusyError(Exception):
    """Slack asks for a pause before the next message."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(f"asked to wait {retry_after_seconds:g} s")
        self.retry_after_seconds = retry_after_seconds


class ContentRefusedError(Exception):
    """Slack does not take this message as it is."""


class Channel(Protocol):
    """Where people are told."""

    def post(self, message: Mapping[str, Any], remaining_seconds: Callable[[], float]) -> None: ...


class SlackWebhook:
    """An incoming webhook, at most one message a second."""

    def __init__(
        self,
        secrets: "SecretsManagerClient",
        secret_arn: str,
        *,
        http: urllib3.PoolManager | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._secrets = secrets
        self._secret_arn = secret_arn
        self._http = http or urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=READ_TIMEOUT_SECONDS),
            retries=False,
        )
        self._clock = clock
        self._sleep = sleep
        self._url: str | None = None
        self._url_read_at = 0.0
        self._posted_at: float | None = None

    def post(self, message: Mapping[str, Any], remaining_seconds: Callable[[], float]) -> None:
        """Post *message*; waits as Slack asks where *remaining_seconds* allows it.

        Raises:
            SlackBusyError: The pause that Slack asks for does not fit.
            ContentRefusedError: Slack does not take this message.
            SlackDownError: No message gets through now.
        """
        status, retry_after = self._post_paced(message)
        if status in _WEBHOOK_REFUSED:
            # Rotated, perhaps: once with what the secret says now.
            self._url = None
            status, retry_after = self._post_paced(message)
        if status == _RATE_LIMITED:
            if retry_after + POST_SECONDS > remaining_seconds():
                raise SlackBusyError(retry_after)
            self._sleep(retry_after)
            status, retry_after = self._post_paced(message)
        if status == _OK:
            return
        if status == _RATE_LIMITED:
            raise SlackBusyError(retry_after)
        if status in _CONTENT_REFUSED:
            raise ContentRefusedError(f"Slack answered {status}")
        raise SlackDownError(f"Slack answered {status}")

    def _post_paced(self, message: Mapping[str, Any]) -> tuple[int, float]:
        """The answer's status, and for how long it asks to wait."""
        url = self._webhook_url()
        if self._posted_at is not None:
            pause = self._posted_at + POST_INTERVAL_SECONDS - self._clock()
            if pause > 0:
                self._sleep(pause)
        self._posted_at = self._clock()
        try:
            answer = self._http.request(
                "POST",
                url,
                body=json.dumps(message).encode(),
                headers={"Content-Type": "application/json"},
                redirect=False,
            )
        except (urllib3.exceptions.HTTPError, ValueError, OSError) as error:
            # `from None`: the cause quotes the address.
            raise SlackDownError(f"Slack gave no answer: {type(error).__name__}") from None
        return answer.status, _seconds(answer.headers.get("Retry-After"))

    def _webhook_url(self) -> str:
        if self._url is None or self._clock() - self._url_read_at > SECRET_KEPT_SECONDS:
            try:
                secret = self._secrets.get_secret_value(SecretId=self._secret_arn)
            except (BotoCoreError, ClientError) as error:
                raise SlackDownError(f"webhook not readable: {error_name(error)}") from None
            url = secret.get("SecretString", "").strip()
            if not url.startswith(("https://", "http://")):
                raise SlackDownError("the Slack secret does not hold a webhook's address")
            self._url = url
            self._url_read_at = self._clock()
        return self._url


def _seconds(retry_after: str | None) -> float:
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return _DEFAULT_RETRY_AFTER_SECONDS
    # Not a number and infinity are floats, too.
    return seconds if 0 <= seconds < 24 * 3600 else _DEFAULT_RETRY_AFTER_SECONDS
