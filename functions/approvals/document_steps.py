"""What an approval does to its document, as durable steps."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import boto3
from aws_durable_execution_sdk_python import StepContext
from aws_durable_execution_sdk_python.config import StepConfig
from botocore.config import Config

from functions.approvals import filing
from functions.approvals.document import Ending, PreparedDocument
from functions.approvals.documents import Documents
from functions.approvals.s3_documents import S3Documents
from functions.shared import names
from functions.shared.question import Decision
from functions.shared.question_table import now
from functions.shared.records import RecordSerDes
from functions.shared.retries import BRIEFLY, PATIENTLY
from functions.shared.start_event import JobRun


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

PREPARING = StepConfig(retry_strategy=BRIEFLY, serdes=RecordSerDes(PreparedDocument))
# People have decided: giving up costs more than waiting.
FILING = StepConfig(retry_strategy=PATIENTLY, serdes=RecordSerDes(Ending))


def prepare(key: str, run: JobRun) -> Callable[[StepContext], PreparedDocument]:
    def prepare(_step: StepContext) -> PreparedDocument:
        return filing.prepare(documents, run.job_id, key, now)

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
        return filing.finish_earlier(documents, run.job_id, key)

    return finish
