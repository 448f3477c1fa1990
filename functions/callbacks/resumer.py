"""Wakes the jobs that wait for people, when a question's record says that they may go on.

The record has decided already; this only carries the decision to the callback at which the job
waits. A callback that is closed is no trouble: the job has gone on by itself, and finds the answer
in the record. The id of a callback is worth an answer, so no log ever shows one.
"""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from functions.callbacks.question_stream import QuestionChange, work_through
from functions.shared import names
from functions.shared.dead_letters import DeadLetters
from functions.shared.question import Decision, Question, QuestionStatus


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once per cold start, so a missing variable fails at import."""

    dead_letter_topic_arn: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(dead_letter_topic_arn=environ[names.DEAD_LETTER_TOPIC_ARN])


# What Lambda answers of a callback that has its result, has timed out, or whose execution is gone.
# https://docs.aws.amazon.com/lambda/latest/api/API_SendDurableExecutionCallbackSuccess.html
_CLOSED = frozenset(
    {
        "CallbackTimeoutException",
        "InvalidParameterValueException",
        "ResourceNotFoundException",
    }
)

logger = logging.getLogger(__name__)
settings = Settings.from_environ(os.environ)
_config = Config(
    connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)
lambda_client = boto3.client("lambda", config=_config)
dead_letters = DeadLetters(boto3.client("sns", config=_config), settings.dead_letter_topic_arn)


def handler(event: dict[str, Any], context: Any) -> dict[str, list[dict[str, str]]]:
    """Carry what was decided, and signs of life, to the jobs that wait."""
    return work_through(event, context, carry, dead_letters)


def carry(change: QuestionChange) -> None:
    """Send what a change means to the callback; sent again, it finds the callback closed."""
    question, before = change.after, change.before
    if question.decision is not None and (before is None or before.decision is None):
        _send(question, question.decision)
    elif question.status is QuestionStatus.OPEN and _has_new_heartbeat(change):
        _send(question, None)


def _has_new_heartbeat(change: QuestionChange) -> bool:
    before = change.before and change.before.heartbeat_at
    return change.after.heartbeat_at is not None and change.after.heartbeat_at != before


def _send(question: Question, decision: Decision | None) -> None:
    """The decision as the callback's result; without one a sign of life."""
    ref = question.ref
    about = {"job_id": ref.job_id, "attempt": ref.attempt, "question": ref.name}
    try:
        if decision is None:
            lambda_client.send_durable_execution_callback_heartbeat(CallbackId=question.callback_id)
        else:
            lambda_client.send_durable_execution_callback_success(
                CallbackId=question.callback_id, Result=_result(decision)
            )
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        if code not in _CLOSED:
            raise
        logger.info("callback closed before", extra={**about, "code": code})
        return
    logger.info("job told", extra={**about, "of": "decision" if decision else "heartbeat"})


def _result(decision: Decision) -> bytes:
    """As letters, not as escapes: twenty long comments would come near to what a callback holds."""
    return json.dumps(decision.to_event(), separators=(",", ":"), ensure_ascii=False).encode()
