"""What a message on the alert queue tells: one frozen record per kind, read without any look-up.

Three topics feed the queue and six kinds of message arrive. A message is never refused: what is not
recognised is an alert as well, told by its shape alone, because its values may be anybody's.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from functions.alerts import question_news
from functions.alerts.aws_arn import Place
from functions.alerts.question_news import QuestionNews
from functions.shared.errors import error_code
from functions.shared.job import ExecutionName, InvalidJobError, check_job_id, check_job_type

_MAX_KEYS_SHOWN = 12
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_HTTP_STATUS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where and when a message was sent."""

    place: Place | None = None
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDeadLetter:
    """The start event of an execution that failed; it says nothing of why."""

    origin: Origin
    job_id: str
    attempt: int
    job_type: str | None
    # From the message's attributes. Lambda's own are an HTTP status and whatever text;
    # those of the dispatcher and the recorder are the row's.
    error_code: str | None = None
    error_message: str | None = None

    @property
    def key(self) -> str:
        """One alert for the attempt, whoever sends its dead letter, and however often."""
        return f"job:{self.job_id}:{self.attempt}"

    @property
    def refusal_key(self) -> str:
        """Another key: a start refused now must not silence the attempt's own end later."""
        return f"refused:{self.job_id}:{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmChange:
    """A CloudWatch alarm that changed its state."""

    origin: Origin
    name: str
    state: str
    previous_state: str
    changed_at: str
    description: str
    reason: str
    metric: str

    @property
    def key(self) -> str:
        return _key("alarm", self.name, self.state, self.changed_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFailure:
    """Stream records that an event source mapping gave up on; it names them but holds none."""

    origin: Origin
    function_arn: str
    condition: str
    shard_id: str
    first_sequence_number: str
    last_sequence_number: str
    batch_size: int | None

    @property
    def key(self) -> str:
        return _key("stream", self.shard_id, self.first_sequence_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class LostEvent:
    """An EventBridge event that a plain function could not deal with."""

    origin: Origin
    event_id: str
    source: str
    detail_type: str
    error_message: str | None
    execution: ExecutionName | None
    execution_status: str | None

    @property
    def key(self) -> str:
        return _key("event", self.event_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownMessage:
    """A message of no known kind, described by its shape."""

    origin: Origin
    message_id: str
    shape: str

    @property
    def key(self) -> str:
        return _key("message", self.message_id)


# What is counted by its cause; news of a question is nobody's failure.
Trouble = JobDeadLetter | AlarmChange | StreamFailure | LostEvent | UnknownMessage
Alert = Trouble | QuestionNews


def alert_from_body(body: str, message_id: str) -> Alert:
    """Read the body of an SQS message, which is the envelope that SNS puts around its message.

    Args:
        body: The SQS message's body.
        message_id: The SQS message's id, for what carries none itself.
    """
    envelope = _object(body)
    text = envelope.get("Message")
    if not isinstance(text, str):
        return UnknownMessage(origin=Origin(), message_id=message_id, shape=_shape(body))
    origin = Origin(
        place=Place.of(_text(envelope, "TopicArn")), sent_at=_moment(_text(envelope, "Timestamp"))
    )
    message = _object(text)
    return _known(message, _attributes(envelope), origin) or UnknownMessage(
        origin=origin,
        message_id=_text(envelope, "MessageId") or message_id,
        shape=_shape(text),
    )


def _known(
    message: Mapping[str, Any], attributes: Mapping[str, str], origin: Origin
) -> Alert | None:
    # First, and alone: it names a job and an attempt as a dead letter does.
    if message.get("kind") == question_news.KIND:
        return QuestionNews.of(message)
    return (
        _job_dead_letter(message, attributes, origin)
        or _alarm_change(message, origin)
        or _stream_failure(message, origin)
        or _lost_event(message, attributes, origin)
    )


def _job_dead_letter(
    message: Mapping[str, Any], attributes: Mapping[str, str], origin: Origin
) -> JobDeadLetter | None:
    """Of a start event; a direct invoke's may lack the attempt, which then is the first."""
    attempt = message.get("attempt", 1)
    if isinstance(attempt, bool) or not isinstance(attempt, int) or attempt < 1:
        return None
    try:
        job_id = check_job_id(_text(message, "job_id"))
    except InvalidJobError:
        return None
    try:
        job_type = check_job_type(_text(message, "job_type"))
    except InvalidJobError:
        job_type = None
    code = attributes.get("ErrorCode", "")
    return JobDeadLetter(
        origin=origin,
        job_id=job_id,
        job_type=job_type,
        attempt=attempt,
        error_code=error_code(code) if code and not _HTTP_STATUS.fullmatch(code) else None,
        error_message=attributes.get("ErrorMessage") or None,
    )


def _alarm_change(message: Mapping[str, Any], origin: Origin) -> AlarmChange | None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html."""
    name, state = _text(message, "AlarmName"), _text(message, "NewStateValue")
    if not name or not state:
        return None
    trigger = _part(message, "Trigger")
    return AlarmChange(
        origin=origin,
        name=name,
        state=state,
        previous_state=_text(message, "OldStateValue"),
        changed_at=_text(message, "StateChangeTime"),
        description=_text(message, "AlarmDescription"),
        reason=_text(message, "NewStateReason"),
        metric=" ".join(
            part for part in (_text(trigger, "Namespace"), _text(trigger, "MetricName")) if part
        ),
    )


def _stream_failure(message: Mapping[str, Any], origin: Origin) -> StreamFailure | None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html."""
    batch = _part(message, "DDBStreamBatchInfo")
    if not batch:
        return None
    context = _part(message, "requestContext")
    size = batch.get("batchSize")
    return StreamFailure(
        origin=origin,
        function_arn=_text(context, "functionArn"),
        condition=_text(context, "condition"),
        shard_id=_text(batch, "shardId"),
        first_sequence_number=_text(batch, "startSequenceNumber"),
        last_sequence_number=_text(batch, "endSequenceNumber"),
        batch_size=size if isinstance(size, int) else None,
    )


def _lost_event(
    message: Mapping[str, Any], attributes: Mapping[str, str], origin: Origin
) -> LostEvent | None:
    event_id, detail_type = _text(message, "id"), _text(message, "detail-type")
    if not event_id or not detail_type:
        return None
    detail = _part(message, "detail")
    return LostEvent(
        origin=origin,
        event_id=event_id,
        source=_text(message, "source"),
        detail_type=detail_type,
        error_message=attributes.get("ErrorMessage") or None,
        execution=ExecutionName.parse(_text(detail, "durableExecutionName")),
        execution_status=_text(detail, "status") or None,
    )


def _object(text: str) -> Mapping[str, Any]:
    """The JSON object that *text* is, or an empty one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _part(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = message.get(name)
    return value if isinstance(value, dict) else {}


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    return value if isinstance(value, str) else ""


def _attributes(envelope: Mapping[str, Any]) -> dict[str, str]:
    attributes = _part(envelope, "MessageAttributes")
    return {name: _text(_part(attributes, name), "Value") for name in attributes}


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _key(kind: str, *parts: str) -> str:
    """A key of any parts: DynamoDB takes 2,048 bytes, so long ones are stood for by a digest."""
    key = ":".join((kind, *parts))
    if len(key.encode(errors="replace")) <= 1024 and key.isprintable():  # noqa: PLR2004  # far below the limit named above
        return key
    return f"{kind}:sha256:{sha256(key.encode(errors='replace')).hexdigest()}"


def _shape(text: str) -> str:
    """What kind of thing *text* is, without anything that it says."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return f"text of {len(text)} characters"
    if not isinstance(value, dict):
        return f"JSON {type(value).__name__} of {len(text)} characters"
    names = sorted(name for name in value if _IDENTIFIER.fullmatch(name))[:_MAX_KEYS_SHOWN]
    return f"JSON object of {len(text)} characters with {len(value)} keys: {', '.join(names)}"
