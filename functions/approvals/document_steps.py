"""What an approval does to its document, as durable steps."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import boto3
from aws_durable_execution_sdk_python import StepContext, StepError
from aws_durable_execution_sdk_python.config import Duration, StepConfig, StepSemantics
from aws_durable_execution_sdk_python.exceptions import StepInterruptedError
from aws_durable_execution_sdk_python.retries import RetryDecision
from botocore.config import Config

from functions.approvals import filing
from functions.approvals.document import DocumentUnfitError, Ending, PreparedDocument
from functions.approvals.documents import Documents
from functions.approvals.s3_documents import S3Documents
from functions.shared import names
from functions.shared.errors import error_code
from functions.shared.failures import code_of
from functions.shared.question import Decision
from functions.shared.question_table import now
from functions.shared.records import RecordSerDes
from functions.shared.retries import BRIEFLY, PATIENTLY, RetryStrategy
from functions.shared.start_event import JobRun
from functions.shared.submission import submission_of


@dataclass(frozen=True, slots=True)
class Settings:
    """What this job type reads besides the settings of every job, and of those that ask."""

    document_bucket_name: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(document_bucket_name=environ[names.DOCUMENT_BUCKET_NAME])


settings = Settings.from_environ(os.environ)
documents: Documents = S3Documents(
    boto3.client(
        "s3",
        config=Config(
            connect_timeout=3,
            read_timeout=20,
            retries={"mode": "standard", "total_max_attempts": 4},
        ),
    ),
    settings.document_bucket_name,
)

_PAUSE = Duration.from_seconds(2)


def _interrupted(strategy: RetryStrategy, *, tries: int) -> RetryStrategy:
    """As *strategy* says, and where the process died in the step, until so many *tries* were made.

    A file can bring pypdf to take more time or memory than the function has. Such a step would
    begin anew with each invocation, and Lambda invokes until the execution's time is over.
    """

    def decide(error: Exception, attempts_made: int) -> RetryDecision:
        if not isinstance(error, StepInterruptedError):
            return strategy(error, attempts_made)
        return RetryDecision.retry(_PAUSE) if attempts_made < tries else RetryDecision.no_retry()

    return decide


# Once more may be bad luck; the third time it is the document.
PREPARING = StepConfig(
    retry_strategy=_interrupted(BRIEFLY, tries=3),
    step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY,
    serdes=RecordSerDes(PreparedDocument),
)
# People have decided: giving up costs more than waiting. And the same bytes took a stamp before.
FILING = StepConfig(
    retry_strategy=_interrupted(PATIENTLY, tries=12),
    step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY,
    serdes=RecordSerDes(Ending),
)


@contextmanager
def breaking_documents() -> Iterator[None]:
    """Call by its name what is wrong with a document over which the process always dies.

    Raises:
        DocumentUnfitError: It is such a one.
    """
    try:
        yield
    except StepError as error:
        if code_of(error) != error_code(StepInterruptedError.__name__):
            raise
        raise DocumentUnfitError(
            "the document takes more time or memory than there is: "
            "whatever was to be done with it was cut off each time"
        ) from None


def prepare(key: str, run: JobRun) -> Callable[[StepContext], PreparedDocument]:
    def prepare(_step: StepContext) -> PreparedDocument:
        return filing.prepare(documents, run.job_id, submission_of(run.job_id), key, now)

    return prepare


def finalize(
    prepared: PreparedDocument, decision: Decision, run: JobRun
) -> Callable[[StepContext], Ending]:
    def finalize(_step: StepContext) -> Ending:
        return filing.finalize(documents, run.job_id, prepared, decision, now)

    return finalize


def archive(
    prepared: PreparedDocument, decision: Decision | None, run: JobRun
) -> Callable[[StepContext], Ending]:
    def archive(_step: StepContext) -> Ending:
        return filing.archive(documents, run.job_id, prepared, decision, now)

    return archive


def finish_earlier(key: str, run: JobRun) -> Callable[[StepContext], Ending | None]:
    def finish(_step: StepContext) -> Ending | None:
        return filing.finish_earlier(documents, run.job_id, submission_of(run.job_id), key)

    return finish
