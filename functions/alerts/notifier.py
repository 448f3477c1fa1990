"""Tells Slack what the messages of a batch say, each on its own, and none twice.

Two promises pull at each other: no failure is silent, and none is told twice. Where only one can be
kept (a crash or a lost answer after Slack took the message) the alert is told again.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from functions.alerts import block_kit
from functions.alerts.alert import Alert, JobDeadLetter, alert_from_body
from functions.alerts.alert_queue import Returns, wait_before_retry
from functions.alerts.alert_table import ToldAlerts
from functions.alerts.aws_arn import FunctionVersion
from functions.alerts.fingerprint import fingerprint
from functions.alerts.job_finding import Finding, Situation
from functions.alerts.job_reasons import Reasons
from functions.alerts.notice import Notice, Sightings
from functions.alerts.question_news import QuestionNews
from functions.alerts.settings import Settings
from functions.alerts.slack_webhook import (
    POST_SECONDS,
    Channel,
    ContentRefusedError,
    SlackBusyError,
    SlackDownError,
)
from functions.alerts.wording import Surroundings, notice
from functions.shared.error_name import error_name

logger = logging.getLogger(__name__)

# The dead letter may be quicker than the recorder: so often the row is given time to catch up.
_RECEIVES_UNTIL_SETTLED = 3
_SETTLING_SECONDS = 5.0
# Twice, for a message that Slack refuses and takes in its plain form.
_SECONDS_PER_ALERT = 2 * POST_SECONDS + 2.0
# After this the invocation that holds a lease is gone.
_LEASE_MARGIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the batch, still to be read."""

    message_id: str
    receipt_handle: str
    receives: int
    body: str

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        return cls(
            message_id=record["messageId"],
            receipt_handle=record["receiptHandle"],
            receives=int(record.get("attributes", {}).get("ApproximateReceiveCount", "1")),
            body=record["body"],
        )


class NotToldError(Exception):
    """The alert goes back to the queue; the message says why."""

    def __init__(self, why: str, wait_seconds: float) -> None:
        super().__init__(why)
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """Reads, looks up, claims, tells and remembers."""

    settings: Settings
    reasons: Reasons
    told: ToldAlerts
    channel: Channel
    queue: Returns
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def tell_all(
        self, records: Iterable[Mapping[str, Any]], remaining_seconds: Callable[[], float]
    ) -> list[str]:
        """Tell what can be told; the ids of the messages that must come back."""
        returned: list[str] = []
        # Once Slack is found down it is left alone until the messages come back.
        closed: Exception | None = None
        for message in map(Message.from_record, records):
            try:
                if closed is not None:
                    raise closed  # noqa: TRY301  # one place decides how long a message stays away
                if remaining_seconds() < _SECONDS_PER_ALERT:
                    raise NotToldError("no time left", 1.0)  # noqa: TRY301  # likewise
                self._tell(message, remaining_seconds)
            except Exception as error:  # noqa: BLE001  # each message fails by itself, whatever it is
                if isinstance(error, (SlackDownError, SlackBusyError)):
                    closed = error
                self._give_back(message, error)
                returned.append(message.message_id)
        return returned

    def _tell(self, message: Message, remaining_seconds: Callable[[], float]) -> None:
        alert = alert_from_body(message.body, message.message_id)
        found = self._found(alert, message)
        key = _key(alert, found)
        lease = timedelta(seconds=remaining_seconds() + _LEASE_MARGIN_SECONDS)
        claim = self.told.claim(key, self.now(), lease)
        if claim.is_told:
            logger.info("told before", extra={"key": key})
            return
        if not claim.is_granted:
            # Telling takes a moment; the lease runs out only after a crash.
            wait = min(claim.busy_seconds + 1.0, self._wait(message))
            raise NotToldError("being told by another", wait)
        try:
            self._post(self._notice(alert, found, key), remaining_seconds)
        except Exception:
            self._release(key)
            raise
        logger.info("told", extra={"key": key})
        self._remember(key)

    def _found(self, alert: Alert, message: Message) -> Finding | None:
        if not isinstance(alert, JobDeadLetter):
            return None
        found = self.reasons.find(alert)
        is_early = message.receives < _RECEIVES_UNTIL_SETTLED
        if is_early and found.situation in {Situation.UNSETTLED, Situation.UNSEEN}:
            wait = min(_SETTLING_SECONDS, self.settings.retry_base_seconds)
            raise NotToldError(found.situation.value, wait)
        return found

    def _notice(self, alert: Alert, found: Finding | None, key: str) -> Notice:
        now = self.now()
        function = FunctionVersion.of(found.execution_arn) if found else None
        return notice(
            alert,
            Surroundings(
                stage=self.settings.stage,
                runbook_url=self.settings.runbook_url,
                now=now,
                found=found,
                log_group=self.reasons.log_group(function.name) if function else None,
                sightings=self._count(alert, found, key, now),
            ),
        )

    def _count(
        self, alert: Alert, found: Finding | None, key: str, now: datetime
    ) -> Sightings | None:
        """How often this was seen; a question is no failure, and is not counted as one."""
        if isinstance(alert, QuestionNews):
            return None
        return self.told.count(key, fingerprint(alert, found), now)

    def _post(self, said: Notice, remaining_seconds: Callable[[], float]) -> None:
        try:
            self.channel.post(block_kit.message(said), remaining_seconds)
        except ContentRefusedError:
            # A message that Slack cannot read is our mistake; the failure is told all the same.
            logger.error("blocks refused, telling it in plain text")  # noqa: TRY400  # the traceback says no more
            self.channel.post(block_kit.plain_message(said), remaining_seconds)

    def _release(self, key: str) -> None:
        try:
            self.told.give_back(key)
        except Exception as error:  # noqa: BLE001  # the lease runs out by itself; why it was not told matters more
            logger.warning("claim not given back", extra={"key": key, "why": error_name(error)})

    def _remember(self, key: str) -> None:
        try:
            self.told.mark_told(key, self.now())
        except Exception as error:  # noqa: BLE001  # it is told; going back would tell it again
            logger.error("told but not remembered", extra={"key": key, "why": error_name(error)})  # noqa: TRY400  # a traceback may quote values

    def _wait(self, message: Message) -> float:
        return wait_before_retry(
            message.receives, self.settings.retry_base_seconds, self.settings.retry_max_seconds
        )

    def _give_back(self, message: Message, error: Exception) -> None:
        """Hide the message for as long as its failure asks; else for longer each time."""
        wait = self._wait(message)
        why = error_name(error)
        if isinstance(error, NotToldError):
            wait, why = error.wait_seconds, str(error)
        elif isinstance(error, SlackBusyError):
            wait, why = max(error.retry_after_seconds, 1.0), str(error)
        elif isinstance(error, (SlackDownError, ContentRefusedError)):
            why = str(error)
        logger.warning(
            "not told yet",
            extra={"message_id": message.message_id, "why": why, "receives": message.receives},
        )
        try:
            self.queue.hide(message.receipt_handle, wait)
        except Exception as hiding:  # noqa: BLE001  # then it comes back by the queue's own timeout
            logger.warning("not hidden", extra={"why": error_name(hiding)})


def _key(alert: Alert, found: Finding | None) -> str:
    """One key per failure; a start turned away has its own."""
    if (
        isinstance(alert, JobDeadLetter)
        and found is not None
        and found.situation in {Situation.REFUSED, Situation.UNSETTLED}
    ):
        return alert.refusal_key
    return alert.key
