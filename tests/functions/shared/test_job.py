"""Names, limits and texts derived from a job."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.shared.errors import error_code
from functions.shared.job import (
    INDEXED_AS_OPEN,
    RETRYABLE,
    TERMINAL,
    ExecutionName,
    InvalidJobError,
    JobStatus,
    check_job_id,
    check_job_type,
    cut,
    may_follow,
    parse_timestamp,
    start_event,
    timestamp,
    type_bucket,
    type_buckets,
)
from tests.functions.job_table_rows import any_job

job_ids = st.from_regex(r"[A-Za-z0-9_-]{1,48}", fullmatch=True)


@given(job_id=job_ids, attempt=st.integers(1, 10**9))
def test_an_execution_name_is_read_back_as_it_was_written(job_id: str, attempt: int) -> None:
    name = ExecutionName(job_id, attempt)

    assert ExecutionName.parse(str(name)) == name


@given(job_id=job_ids, attempt=st.integers(1, 999))
def test_an_execution_name_is_one_that_lambda_takes(job_id: str, attempt: int) -> None:
    assert len(str(ExecutionName(job_id, attempt))) <= 64


@pytest.mark.parametrize(
    "name", ["", "job", "job-", "-1", "job-0", "job-01", "job-x", "a.b-1", "job-²"]
)
def test_a_freely_chosen_name_is_not_taken_for_ours(name: str) -> None:
    assert ExecutionName.parse(name) is None


def test_the_start_event_is_the_same_text_whoever_writes_it() -> None:
    assert start_event(any_job()) == '{"attempt":1,"job_id":"job-1","job_type":"send-email"}'
    assert start_event(any_job(run_at="2026-01-31T09:00:00Z", attempt=2)) == (
        '{"attempt":2,"job_id":"job-1","job_type":"send-email","run_at":"2026-01-31T09:00:00Z"}'
    )


@given(job_id=job_ids)
def test_a_job_lies_in_one_of_its_types_partitions(job_id: str) -> None:
    assert type_bucket("send-email", job_id) in type_buckets("send-email")


@pytest.mark.parametrize("job_id", ["", "a/b", "a.b", "é", "j" * 49, "a\n"])
def test_a_bad_job_id_is_refused(job_id: str) -> None:
    with pytest.raises(InvalidJobError, match="job id"):
        check_job_id(job_id)


@pytest.mark.parametrize("job_type", ["", "Send", "send_email", "../x", "t" * 41])
def test_a_bad_job_type_is_refused(job_type: str) -> None:
    with pytest.raises(InvalidJobError, match="job type"):
        check_job_type(job_type)


def test_times_sort_as_texts_whatever_their_offset() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    later = (noon + timedelta(milliseconds=5)).astimezone(timezone(timedelta(hours=-8)))

    assert timestamp(noon) == "2026-01-31T12:00:00.000Z"
    assert timestamp(noon) < timestamp(later)
    assert parse_timestamp(timestamp(later)) == later


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-01-31", "2026-01-31T09:00:00"])
def test_a_time_without_its_offset_is_refused(text: str) -> None:
    with pytest.raises(InvalidJobError):
        parse_timestamp(text)


@given(text=st.text(), limit=st.integers(8, 40))
def test_a_cut_text_fits_and_is_still_text(text: str, limit: int) -> None:
    shown = cut(text, limit)

    assert len(shown.encode()) <= limit
    assert shown == text or shown.endswith("…")


def test_nothing_follows_completed_and_only_pending_follows_a_bad_end() -> None:
    following = {
        status: {other for other in JobStatus if may_follow(status, other)} for status in JobStatus
    }

    assert following[JobStatus.COMPLETED] == set()
    assert all(following[status] == {JobStatus.PENDING} for status in RETRYABLE)
    assert following[JobStatus.PROCESSING] == TERMINAL
    assert set(JobStatus) - {JobStatus.COMPLETED, JobStatus.CANCELLED} == INDEXED_AS_OPEN


@pytest.mark.parametrize(
    ("error_type", "code"),
    [
        ("functions.shared.mail_sender.MailRejectedError", "mail_rejected"),
        ("KeyError", "key"),
        ("SESThrottledException", "ses_throttled"),
        ("execution_timed_out", "execution_timed_out"),
        ("Error", "error"),
        ("", ""),
    ],
)
def test_an_errors_code_is_short(error_type: str, code: str) -> None:
    assert error_code(error_type) == code


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("An error occurred (AccessDeniedException) when calling PutItem: no", "access_denied"),
        ("An error occurred (AWS.NonExistentQueue) when calling SendMessage", "non_existent_queue"),
        ("something else", "client"),
        (None, "client"),
    ],
)
def test_a_refusal_of_aws_has_the_code_that_aws_gave_it(message: str | None, code: str) -> None:
    assert error_code("botocore.exceptions.ClientError", message) == code
