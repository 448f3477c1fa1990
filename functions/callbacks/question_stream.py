"""Changes of questions, brought by the table's stream to whoever follows it.

Two fates must not be mixed up, as in the dispatcher. What may work later goes back to the stream,
and with it everything behind it. What can never work must not: it is told as a dead letter of its
job, and is done.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from functions.shared import names
from functions.shared.aws_errors import is_transient
from functions.shared.dead_letters import DeadLetters
from functions.shared.error_name import error_name
from functions.shared.errors import PermanentError, TransientError, error_code
from functions.shared.job import Job, JobError, JobStatus, cut
from functions.shared.question import Question
from functions.shared.question_table import QUESTION_PREFIX, from_item

logger = logging.getLogger(__name__)

# Less than this left of the invocation, and no further change is begun: it may take a mail to each
# of twenty people, of which one is late.
SPARE_MILLISECONDS = 30_000
_MAX_SHOWN_BYTES = 100


class UnreadableQuestionError(PermanentError):
    """The record in the table is not a question as we write it."""


class ChangeWaitsError(TransientError):
    """This change must come again; those behind it have no reason to wait."""


@dataclass(frozen=True, slots=True)
class QuestionChange:
    """A question before and after it was changed; *before* is None where it was just asked."""

    before: Question | None
    after: Question

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read a record of the stream.

        Raises:
            UnreadableQuestionError: Its images are no questions.
        """
        images = record["dynamodb"]
        old = images.get("OldImage")
        try:
            return cls(None if old is None else from_item(old), from_item(images["NewImage"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UnreadableQuestionError(
                f"the question's record cannot be read: {type(error).__name__}"
            ) from None


class _Fate(Enum):
    DONE = auto()
    # It comes again; what is behind it may be done meanwhile.
    WAITS = auto()
    # It comes again, and the reason is everybody's.
    STOPS = auto()


def work_through(
    event: Mapping[str, Any],
    context: Any,
    handle: Callable[[QuestionChange], None],
    dead_letters: DeadLetters,
) -> dict[str, list[dict[str, str]]]:
    """Let *handle* do each change of a batch; name the first that has to come again."""
    records: Sequence[Mapping[str, Any]] = event["Records"]
    undone: list[int] = []
    for position, record in enumerate(records):
        # The first in any case: a batch that never does anything would come again for ever.
        has_time = position == 0 or context.get_remaining_time_in_millis() >= SPARE_MILLISECONDS
        fate = _work(record, handle, dead_letters) if has_time else _Fate.STOPS
        if fate is not _Fate.DONE:
            undone.append(position)
        if fate is _Fate.STOPS:
            break
    if not undone:
        return {"batchItemFailures": []}
    logger.warning("batch goes back", extra={"from": undone[0], "of": len(records)})
    # Lambda brings this record again and everything behind it, done or not.
    sequence_number = records[undone[0]]["dynamodb"]["SequenceNumber"]
    return {"batchItemFailures": [{"itemIdentifier": sequence_number}]}


def _work(
    record: Mapping[str, Any], handle: Callable[[QuestionChange], None], dead_letters: DeadLetters
) -> _Fate:
    if not _is_of_a_question(record):
        return _Fate.DONE
    about = {"job_id": _job_id(record)}
    try:
        handle(QuestionChange.from_record(record))
    except ChangeWaitsError as error:
        logger.warning("change waits", extra={**about, "why": str(error)})
        return _Fate.WAITS
    except (TransientError, BotoCoreError, ClientError) as error:
        # Also what is denied: then nothing works, and no question is to blame for it.
        level = logging.WARNING if is_transient(error) else logging.ERROR
        logger.log(level, "change postponed", extra={**about, "why": error_name(error)})
        return _Fate.STOPS
    except Exception as error:  # noqa: BLE001  # whatever it is, it must not hold up the others
        return _give_up(record, error, dead_letters)
    return _Fate.DONE


def _give_up(record: Mapping[str, Any], cause: Exception, dead_letters: DeadLetters) -> _Fate:
    """Tell that a change will never be handled; a message may quote what people wrote."""
    said = str(cause) if isinstance(cause, UnreadableQuestionError) else type(cause).__name__
    error = JobError(
        type=error_code(type(cause).__name__),
        message=f"a change of a question was given up: {said}",
    )
    job = _stand_in(record)
    about = {"job_id": job.job_id, "error_code": error.type}
    try:
        dead_letters.send(job, error)
    except (BotoCoreError, ClientError) as trouble:
        # A failure that nobody was told of must not count as done.
        logger.warning("failure not told yet", extra={**about, "why": error_name(trouble)})
        return _Fate.STOPS
    logger.error("change given up", extra=about)
    return _Fate.DONE


def _is_of_a_question(record: Mapping[str, Any]) -> bool:
    """Mails have records in the table too; and what was forgotten has no new image."""
    images = record["dynamodb"]
    return "NewImage" in images and _key(record, names.ITEM_SORT_KEY).startswith(QUESTION_PREFIX)


def _key(record: Mapping[str, Any], name: str) -> str:
    text: str = record["dynamodb"]["Keys"][name]["S"]
    return text


def _job_id(record: Mapping[str, Any]) -> str:
    return _key(record, names.ITEM_KEY).removeprefix("JOB#")


def _stand_in(record: Mapping[str, Any]) -> Job:
    """As much of the job as can be told by the keys of a record that cannot be handled."""
    attempt, _, _ = _key(record, names.ITEM_SORT_KEY).removeprefix(QUESTION_PREFIX).partition("#")
    return Job(
        job_id=cut(_job_id(record), _MAX_SHOWN_BYTES),
        job_type=_job_type(record["dynamodb"]["NewImage"]),
        status=JobStatus.PROCESSING,
        created_at="",
        attempt=int(attempt) if attempt.isdecimal() and int(attempt) else 1,
    )


def _job_type(image: Mapping[str, Any]) -> str:
    try:
        return cut(str(json.loads(image["document"]["S"])["job_type"]), _MAX_SHOWN_BYTES)
    except (KeyError, TypeError, ValueError):
        return "unknown"
