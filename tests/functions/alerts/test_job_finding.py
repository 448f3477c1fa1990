import pytest

from functions.alerts.alert import JobDeadLetter, Origin
from functions.alerts.job_finding import Execution, Situation, finding, needs_execution
from functions.shared.job import RETRYABLE, JobError, JobStatus
from tests.functions.alerts.fakes import any_job

LETTER = JobDeadLetter(origin=Origin(), job_id="job-1", attempt=1, job_type="send-email")
REFUSED = JobDeadLetter(
    origin=Origin(), job_id="job-1", attempt=1, job_type="send-email", error_code="payload_mismatch"
)


@pytest.mark.parametrize("status", sorted(RETRYABLE))
def test_an_ended_row_tells_how_and_why_by_itself(status: JobStatus) -> None:
    job = any_job(status=status, error=JobError("declined", "no"))

    assert not needs_execution(LETTER, job)
    found = finding(LETTER, job, None)

    assert (found.situation, found.status) == (Situation.ENDED, status)
    assert found.error == JobError("declined", "no")


@pytest.mark.parametrize(
    ("execution", "status", "code"),
    [
        (Execution("FAILED", "pkg.MailRejectedError", "no"), JobStatus.FAILED, "mail_rejected"),
        (Execution("TIMED_OUT"), JobStatus.TIMED_OUT, "execution_timed_out"),
        (Execution("STOPPED"), JobStatus.CANCELLED, "execution_stopped"),
    ],
)
def test_the_execution_tells_what_the_row_does_not_yet(
    execution: Execution, status: JobStatus, code: str
) -> None:
    job = any_job(status=JobStatus.PROCESSING)

    assert needs_execution(LETTER, job)
    found = finding(LETTER, job, execution)

    assert (found.situation, found.status) == (Situation.ENDED, status)
    assert found.error is not None
    assert found.error.type == code


@pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.PROCESSING])
def test_a_row_and_an_execution_without_an_end_are_unsettled(status: JobStatus) -> None:
    found = finding(LETTER, any_job(status=status), Execution("RUNNING"))

    assert found.situation is Situation.UNSETTLED


@pytest.mark.parametrize("status", list(JobStatus))
def test_a_refused_start_is_not_taken_for_the_attempts_end(status: JobStatus) -> None:
    assert finding(REFUSED, any_job(status=status), None).situation is Situation.REFUSED


def test_a_refused_start_that_took_the_jobs_name_is_the_attempts_end() -> None:
    job = any_job(status=JobStatus.FAILED, error=JobError("payload_mismatch", "not the row's"))

    found = finding(REFUSED, job, None)

    assert (found.situation, found.status) == (Situation.ENDED, JobStatus.FAILED)


def test_a_start_without_a_row_was_refused_as_not_found() -> None:
    found = finding(LETTER, None, None)

    assert found.situation is Situation.REFUSED
    assert found.error is not None
    assert found.error.type == "job_not_found"


def test_a_failed_start_of_a_completed_job_is_not_its_end() -> None:
    found = finding(LETTER, any_job(status=JobStatus.COMPLETED), None)

    assert found.situation is Situation.REFUSED


def test_a_late_dead_letter_of_a_retried_job_tells_of_its_own_attempt() -> None:
    job = any_job(status=JobStatus.PROCESSING, attempt=2)

    assert not needs_execution(LETTER, job)
    assert finding(LETTER, job, None).situation is Situation.RETRIED
