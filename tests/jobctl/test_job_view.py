"""What a person reads, at 80 columns and without colour."""

import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from functions.shared.job import Job, JobError, JobStatus, Progress, timestamp
from jobctl.job_view import (
    RUNBOOK,
    Place,
    change_line,
    console_link,
    job_as_json,
    jobs_table,
    live_view,
    print_job,
)
from tests.functions.job_table_rows import any_job

NOW = datetime(2026, 1, 31, 9, 5, tzinfo=UTC)
SECRET = "hunter2"  # noqa: S105  # what must not be seen
ARN = (
    "arn:aws:lambda:eu-west-1:123456789012:function:Jobs-dev-SendEmail:7"
    "/durable-execution/job-1-1/9e3f"
)
LAMBDA_HOME = "https://eu-west-1.console.aws.amazon.com/lambda/home?region=eu-west-1"
PENDING = any_job(payload=f'{{"password":"{SECRET}"}}')
FAILED = any_job(
    status=JobStatus.FAILED,
    payload=f'{{"password":"{SECRET}"}}',
    execution_arn=ARN,
    started_at="2026-01-31T09:00:01.200Z",
    finished_at="2026-01-31T09:00:05.300Z",
    error=JobError("mail_rejected", "The address is on the suppression list. " * 4, "send-mail"),
)
COMPLETED = any_job(status=JobStatus.COMPLETED, result=f'{{"message_id":"m-1","pin":"{SECRET}"}}')


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


def shown(job: Job, *, with_result: bool = False) -> str:
    out = StringIO()
    place = Place("--stage dev")
    print_job(Console(file=out, width=80), job, place=place, now=NOW, with_result=with_result)
    return out.getvalue()


def drawn(what: RenderableType) -> str:
    out = StringIO()
    Console(file=out, width=80).print(what)
    return out.getvalue()


def test_a_failed_job_tells_why_and_what_to_do_next() -> None:
    text = shown(FAILED)

    assert "status     failed, attempt 1" in text
    assert "error      mail_rejected in step send-mail" in text
    assert "started    2026-01-31T09:00:01.200Z, after 1.2 s" in text
    assert "finished   2026-01-31T09:00:05.300Z, ran 4.1 s" in text
    assert f"execution  {ARN}" in text
    assert "next       bin/jobctl submit send-email --payload @payload.json --stage dev" in text


def ended_with(code: str, status: JobStatus = JobStatus.FAILED, **fields: Any) -> Job:
    return any_job(status=status, error=JobError(code, "It went wrong."), **fields)


def next_of(job: Job) -> list[str]:
    lines = [line for line in shown(job).splitlines() if line.startswith("next ")]
    return [line.removeprefix("next").strip() for line in lines]


@pytest.mark.parametrize(
    "code", ["mail_throttled", "payment_declined", "execution_timed_out", "a_bug_of_a_workflow"]
)
def test_what_another_try_may_mend_is_retried(code: str) -> None:
    assert next_of(ended_with(code)) == ["bin/jobctl retry job-1 --wait --stage dev"]


@pytest.mark.parametrize("code", ["malformed_payload", "unknown_sku", "order_conflict"])
def test_what_a_retry_cannot_mend_is_submitted_anew(code: str) -> None:
    assert next_of(ended_with(code)) == [
        "bin/jobctl submit send-email --payload @payload.json --stage dev"
    ]


def test_a_start_that_was_wrong_is_mended_by_a_retry_for_the_row_is_right() -> None:
    assert next_of(ended_with("payload_mismatch")) == ["bin/jobctl retry job-1 --wait --stage dev"]


def test_a_rollback_that_gave_up_sends_to_a_section_of_the_runbook_that_exists() -> None:
    assert next_of(ended_with("rollback_incomplete")) == [f"{RUNBOOK}#rollback-incomplete"]
    runbook = Path(__file__).parents[2] / RUNBOOK
    assert "\n### Rollback incomplete\n" in runbook.read_text(encoding="utf-8")


def test_a_type_that_is_no_legal_name_does_nothing_in_a_shell() -> None:
    [line] = next_of(ended_with("invalid_job", job_type="x; reboot"))

    assert shlex.split(line)[2] == "x; reboot"


def test_a_retry_is_not_said_to_have_waited_since_the_job_was_created() -> None:
    assert "started    2026-01-31T09:00:01.200Z\n" in shown(replace(FAILED, attempt=2))


@pytest.mark.parametrize("word", ["rejected", "fulfilled"])
def test_how_a_job_says_that_it_ended_stands_beside_its_status(word: str) -> None:
    job = replace(COMPLETED, result=json.dumps({"outcome": word}))

    assert f"status     completed ({word}), attempt 1" in shown(job)


@pytest.mark.parametrize("outcome", [SECRET, "Ann, Main Street", "a" * 33, "", 7, None, ["a"]])
def test_an_outcome_that_is_no_fixed_word_is_not_shown(outcome: Any) -> None:
    job = replace(COMPLETED, result=json.dumps({"outcome": outcome}))

    assert "status     completed, attempt 1" in shown(job)
    assert SECRET not in shown(job)


def test_prose_fits_80_columns_and_an_arn_stays_in_one_piece() -> None:
    long = [line for line in shown(FAILED).splitlines() if len(line) > 80]

    assert [line.split()[0] for line in long] == ["execution", "console"]


@pytest.mark.parametrize("job", [PENDING, FAILED, COMPLETED], ids=lambda job: job.status)
def test_nothing_of_a_payload_or_a_result_is_shown_unasked(job: Job) -> None:
    assert SECRET not in shown(job)
    assert SECRET not in job_as_json(job, with_result=False)
    assert SECRET not in change_line(job, NOW)
    assert SECRET not in drawn(live_view(job, NOW))


def test_a_payload_is_shown_as_size_and_digest() -> None:
    assert "payload    22 bytes, sha256 " in shown(PENDING)
    assert "in the payload bucket: payloads/job-1/ab" in shown(
        any_job(payload=None, payload_ref="payloads/job-1/ab")
    )


def test_a_result_is_shown_when_it_is_asked_for() -> None:
    assert "result     36 bytes: message_id, pin (--result shows it)" in shown(COMPLETED)
    assert SECRET in shown(COMPLETED, with_result=True)


def test_a_code_of_the_error_contract_is_explained() -> None:
    job = any_job(
        status=JobStatus.FAILED, error=JobError("run_at_too_far", "2027-01-01 is 335 days away")
    )

    text = shown(job)

    assert "meaning    `run_at` is later than the type's longest delay." in text


@pytest.mark.parametrize(
    ("job_type", "is_told"),
    [("order-transaction", True), ("batch-processing", False), ("data-pipeline", False)],
)
def test_that_nothing_more_was_undone_is_told_of_jobs_that_undo(
    job_type: str,
    is_told: bool,  # noqa: FBT001  # a column of the table
) -> None:
    text = shown(ended_with("execution_stopped", JobStatus.CANCELLED, job_type=job_type))

    assert "An operator stopped the execution." in text
    assert ("Nothing more was undone." in text) is is_told


def test_what_was_undone_is_told_line_by_line() -> None:
    undone = ("shipment cancelled", "charge refunded")
    error = JobError("payment_declined", "The bank says no.", "charge-customer", undone)

    text = shown(replace(FAILED, error=error))

    assert "undone     shipment cancelled\nundone     charge refunded\n" in text


def test_an_open_job_can_be_watched_and_stopped() -> None:
    text = shown(PENDING)

    assert "watch job-1" in text
    assert "stop job-1" in text
    assert "retry" not in text


def test_an_id_that_begins_with_a_dash_is_no_option() -> None:
    assert "bin/jobctl watch --stage dev -- -x" in shown(any_job("-x"))


def test_a_job_that_never_ran_says_so() -> None:
    job = any_job(status=JobStatus.FAILED, finished_at="2026-01-31T09:00:01.000Z")

    assert "finished   2026-01-31T09:00:01.000Z, without having run" in shown(job)


@pytest.mark.parametrize(
    ("arn", "link"),
    [
        (
            ARN,
            f"{LAMBDA_HOME}#/functions/Jobs-dev-SendEmail/versions/7",
        ),
        (ARN.replace("arn:aws:", "arn:aws-iso:"), None),
        ("no-arn", None),
    ],
)
def test_the_console_link_leads_to_the_version_that_ran(arn: str, link: str | None) -> None:
    assert console_link(arn) == link


def test_the_list_fits_80_columns_with_ids_of_full_length() -> None:
    job = any_job("j" * 48, status=JobStatus.PROCESSING, created_at=timestamp(NOW))

    text = drawn(jobs_table([job], NOW + timedelta(minutes=3), 80))

    assert "j" * 48 in text
    assert "send-email" in text
    assert "processing" in text
    assert "3 min" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_list_tells_how_far_a_running_job_is_where_there_is_room() -> None:
    job = any_job(status=JobStatus.PROCESSING, progress=Progress(5, 8))

    assert "processing 62 %" in drawn(jobs_table([job], NOW, 80))
    assert "62 %" not in drawn(jobs_table([replace(job, job_id="j" * 48)], NOW, 80))
    assert "62 %" not in drawn(jobs_table([replace(job, status=JobStatus.FAILED)], NOW, 80))


def test_an_id_of_full_length_is_not_cut_beside_a_type_of_full_length() -> None:
    text = drawn(jobs_table([any_job("j" * 48, job_type="q" * 40)], NOW, 80))

    assert "j" * 48 in text
    assert text.count("q") == 40
    assert "pending" in text
    assert max(map(len, text.splitlines())) <= 80


def test_progress_is_told_in_words_and_as_a_bar() -> None:
    job = any_job(
        status=JobStatus.PROCESSING,
        started_at="2026-01-31T09:04:00.000Z",
        progress=Progress(3, 10, "thumbnails"),
    )

    view = drawn(live_view(job, NOW))

    assert "processing  attempt 1  1 min 00 s  job-1" in view
    assert "3/10 thumbnails, 30 %" in view
    assert "━" in view
    assert change_line(job, NOW) == "09:05:00Z  processing  attempt 1  3/10 thumbnails, 30 %"


def test_json_is_the_row_without_the_payload() -> None:
    told = json.loads(job_as_json(FAILED, with_result=False))

    assert told["status"] == "failed"
    assert told["error"]["type"] == "mail_rejected"
    assert told["payload"]["bytes"] == 22
    assert len(told["payload"]["sha256"]) == 64
