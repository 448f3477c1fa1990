"""A bucket for documents, and jobs that have them approved."""

from collections.abc import Iterator

import boto3
import pytest

from functions.approvals import document_steps
from tests.functions.approvals.approval_jobs import ApprovalJobs
from tests.functions.approvals.library import Library
from tests.functions.callback_clock import CallbackClock
from tests.functions.job_table_rows import Rows
from tests.functions.question_items import KeyedTable


@pytest.fixture(scope="module")
def _bucket(job_table: Rows) -> Library:  # noqa: ARG001  # it is in the same moto
    return Library.create(boto3.client("s3"), document_steps.settings.document_bucket_name)


@pytest.fixture
def library(_bucket: Library) -> Iterator[Library]:
    """The documents' bucket, empty."""
    yield _bucket
    _bucket.clear()


@pytest.fixture
def jobs(
    library: Library, rows: Rows, question_items: KeyedTable, monkeypatch: pytest.MonkeyPatch
) -> ApprovalJobs:
    return ApprovalJobs.open(library, rows, question_items, monkeypatch)


@pytest.fixture
def clock(jobs: ApprovalJobs) -> CallbackClock:
    return jobs.clock
