"""However an execution ends, the row says so, and Slack is told once."""

import pytest

from functions.shared.job import Job, JobStatus
from jobctl.errors import JobClientError
from tests.e2e.deployed_jobs import DeployedJobs, Faults, eventually

pytestmark = pytest.mark.platform


def test_a_job_whose_process_is_killed_again_and_again_times_out(
    deployed: DeployedJobs, faults: Faults
) -> None:
    # As the kernel does with a function that is out of memory whenever it begins.
    kill = faults.add("kill-before", operation="UpdateItem", contains="starved", times=None)
    deployed.submit_mail("starved")
    eventually(lambda: faults.applied(kill) >= 2 or None, what="two kills")

    deployed.expire("starved")
    job = deployed.ended("starved")

    assert _end(job) == (JobStatus.TIMED_OUT, "execution_timed_out")
    assert len(deployed.alerts_once_quiet("starved")) == 1
    assert deployed.mails("starved") == 0


def test_a_job_that_takes_too_long_times_out(deployed: DeployedJobs, faults: Faults) -> None:
    _let_ses_throttle(faults, "endless")
    deployed.submit_mail("endless")
    deployed.reached("endless", JobStatus.PROCESSING)

    deployed.expire("endless")
    job = deployed.ended("endless")

    assert _end(job) == (JobStatus.TIMED_OUT, "execution_timed_out")
    assert job.started_at is not None
    assert len(deployed.alerts_once_quiet("endless")) == 1
    assert deployed.mails("endless") == 0


def test_a_job_that_an_operator_stops_is_cancelled(deployed: DeployedJobs, faults: Faults) -> None:
    _let_ses_throttle(faults, "unwanted")
    deployed.submit_mail("unwanted")
    deployed.reached("unwanted", JobStatus.PROCESSING)

    deployed.jobs.stop("unwanted", "nobody wants it")
    job = deployed.ended("unwanted")

    assert _end(job) == (JobStatus.CANCELLED, "execution_stopped")
    assert job.error is not None
    assert "nobody wants it" in job.error.message
    assert len(deployed.alerts_once_quiet("unwanted")) == 1
    assert deployed.mails("unwanted") == 0


def test_a_job_stopped_before_it_began_never_begins(deployed: DeployedJobs) -> None:
    deployed.submit_mail("unbegun", dispatch="direct")

    job = deployed.jobs.stop("unbegun")
    answer = deployed.invoke({"job_id": "unbegun", "job_type": "send-email"})

    assert _end(job) == (JobStatus.CANCELLED, "execution_stopped")
    assert b'"claimed": false' in answer["Payload"].read()
    # The dispatcher may meanwhile have completed the row with the key of its index.
    assert _end(deployed.jobs.get("unbegun")) == _end(job)
    with pytest.raises(JobClientError):
        deployed.jobs.stop("unbegun")
    assert deployed.mails("unbegun") == 0


@pytest.mark.parametrize(
    ("job_id", "checkpoint", "mails"),
    [("refused-claim", 1, 0), ("refused-mail", 2, 1), ("refused-record", 3, 1)],
)
def test_a_job_whose_checkpoint_is_refused_fails_though_no_code_of_it_could_say_so(
    job_id: str, checkpoint: int, mails: int, deployed: DeployedJobs, faults: Faults
) -> None:
    _refuse_checkpoint(faults, job_id, checkpoint)

    deployed.submit_mail(job_id)
    execution_arn = eventually(
        lambda: deployed.jobs.get(job_id).execution_arn, what=f"the claim of {job_id}"
    )
    execution = deployed.execution_ended(execution_arn)
    job = deployed.ended(job_id)

    assert execution["Status"] == "FAILED"
    assert deployed.mails(job_id) == mails
    if checkpoint == 3:
        # The row was written before the checkpoint: the job is done, and a failure is not.
        assert _end(job) == (JobStatus.COMPLETED, None)
    else:
        assert job.status is JobStatus.FAILED
        assert job.error is not None
        assert len(deployed.alerts_once_quiet(job_id)) == 1


def test_a_job_whose_checkpoint_is_refused_before_its_claim_fails(
    deployed: DeployedJobs, faults: Faults
) -> None:
    # With a `run_at`, the wait for it is the first checkpoint, and the claim comes after.
    _refuse_checkpoint(faults, "refused-wait", 1)

    deployed.submit_later("refused-wait", seconds=600)
    job = deployed.ended("refused-wait")

    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.started_at is None
    assert len(deployed.alerts_once_quiet("refused-wait")) == 1
    assert deployed.mails("refused-wait") == 0


def test_a_failure_is_told_with_its_reason_while_the_recorder_has_not_written_it_yet(
    deployed: DeployedJobs, faults: Faults
) -> None:
    faults.add(
        "delay", app="recorder", operation="UpdateItem", contains="unwritten", times=None, seconds=8
    )
    _let_ses_throttle(faults, "unwritten")
    deployed.submit_mail("unwritten")
    deployed.reached("unwritten", JobStatus.PROCESSING)

    deployed.expire("unwritten")
    [alert] = eventually(lambda: deployed.alerts("unwritten") or None, what="the alert")
    status_when_told = deployed.jobs.get("unwritten").status

    assert "execution_timed_out" in alert
    assert status_when_told is JobStatus.PROCESSING
    assert _end(deployed.ended("unwritten")) == (JobStatus.TIMED_OUT, "execution_timed_out")
    assert len(deployed.alerts_once_quiet("unwritten")) == 1


def _let_ses_throttle(faults: Faults, job_id: str) -> None:
    faults.add(
        "refuse",
        operation="SendEmail",
        contains=job_id,
        times=None,
        status=429,
        error="TooManyRequestsException",
    )


def _refuse_checkpoint(faults: Faults, job_id: str, nth: int) -> None:
    faults.add(
        "refuse",
        operation="CheckpointDurableExecution",
        contains=job_id,
        nth=nth,
        times=None,
        status=403,
        error="AccessDeniedException",
    )


def _end(job: Job) -> tuple[JobStatus, str | None]:
    return (job.status, job.error.type if job.error else None)
