"""What is told of batches and pipelines: counts, codes and shares, and nothing of a record."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from functions.pipelines.records import Refusal
from functions.shared.job import Job, JobError, JobStatus, Progress, canonical_json
from jobctl.dataset_view import count_lines, ends_in_text, progress_text, share_text
from jobctl.failed_records import Blame, blame
from jobctl.job_view import Place, change_line, job_lines, live_view
from tests.functions.job_table_rows import any_job
from tests.jobctl.test_job_view import drawn, shown

NOW = datetime(2026, 1, 31, 9, 5, tzinfo=UTC)
BATCH: dict[str, Any] = {
    "outcome": "completed_with_failures",
    "records": 1_000_000,
    "succeeded": 990_000,
    "failed": 10_000,
    "failures": {"not_json": 1_000, "schema": 9_000},
    "failed_records": "results/job-1/attempt-1/failed.jsonl",
    "predicted": {"operations": 256, "seconds": 264.4, "dollars": 0.009845},
    "actual": {"operations": 261, "seconds": 300, "dollars": 0.0123},
    "off_by": {"operations_percent": 2.0, "seconds_percent": 13.5, "dollars_percent": -24.9},
}
PIPELINE: dict[str, Any] = {"outcome": "loaded", "records": 990, "rejected": 10, "parts": 1}


def told(result: dict[str, Any]) -> dict[str, str]:
    return {line.label: line.text for line in count_lines(result)}


def running(**progress: Any) -> Job:
    return any_job(
        job_type="batch-processing",
        status=JobStatus.PROCESSING,
        started_at="2026-01-31T09:04:00.000Z",
        updated_at="2026-01-31T09:04:50.000Z",
        progress=Progress(**progress),
    )


def test_a_batch_tells_its_counts_its_failures_and_how_far_off_the_prediction_was() -> None:
    assert told(BATCH) == {
        "records": "1,000,000: 990,000 succeeded, 10,000 failed",
        "failures": "schema 9,000, not_json 1,000",
        "predicted": "256 operations, 4 min 24 s, $0.0098",
        "actual": "261 operations, 5 min 00 s, $0.01",
        "off by": "operations +2.0 %, seconds +13.5 %, dollars -24.9 %",
    }


def test_on_this_machine_time_and_cost_are_not_held_against_those_of_lambda() -> None:
    told = {line.label: line.text for line in count_lines(BATCH, is_local=True)}

    assert told["predicted"].endswith("$0.0098 on Lambda")
    assert told["actual"].endswith("$0.01 here")
    assert told["off by"] == (
        "operations +2.0 %; time and cost are predicted for Lambda, this machine is another"
    )


def test_a_pipeline_tells_how_many_records_gave_way_to_later_ones() -> None:
    assert told(PIPELINE | {"replaced": 3}) == {
        "records": "990 loaded in 1 part, 10 rejected, 3 replaced by later ones of the same key"
    }


def test_a_pipeline_tells_its_counts() -> None:
    assert told(PIPELINE) == {"records": "990 loaded in 1 part, 10 rejected"}


@pytest.mark.parametrize(
    "result", [{}, {"records": 3}, {"records": "many", "failed": 1, "succeeded": 1}, {"failed": 2}]
)
def test_of_any_other_result_nothing_is_counted(result: dict[str, Any]) -> None:
    assert told(result) == {}


def test_what_is_no_code_and_no_number_is_not_shown() -> None:
    strange = BATCH | {
        "failures": {"Ann <ann@example.com>": 3, "schema": "ann@example.com"},
        "predicted": {"operations": "ann@example.com", "seconds": 1, "dollars": 1},
        "off_by": {"seconds_percent": "ann@example.com"},
    }

    assert "ann@" not in str(told(strange))


def test_of_many_codes_the_most_frequent_are_shown() -> None:
    failures = {f"code_{number}": number for number in range(1, 12)}

    line = told(BATCH | {"failures": failures})["failures"]

    assert line.startswith("code_11 11, code_10 10, ")
    assert line.endswith("code_4 4, and 3 more")


def test_failures_within_the_tolerance_are_no_next_thing_to_do() -> None:
    job = any_job(
        job_type="batch-processing", status=JobStatus.COMPLETED, result=canonical_json(BATCH)
    )

    text = shown(job)

    assert "completed (completed_with_failures), attempt 1" in text
    assert "records    1,000,000: 990,000 succeeded, 10,000 failed" in text
    assert "tolerated  As many may fail." in text
    assert "           bin/jobctl retry-failed job-1 --wait --stage dev" in text
    assert "next " not in text


def too_many(failed: str) -> Job:
    error = JobError("too_many_failures", f"20 of 100 records failed (20.00 %): {failed}; they")
    return any_job(job_type="batch-processing", status=JobStatus.FAILED, error=error)


RETRY_FAILED = "bin/jobctl retry-failed job-1 --wait --stage dev"


@pytest.mark.parametrize(
    "failed", ["not_json 20", "schema 19, too_many_decimals 1", "unfit_for_table 2"]
)
def test_records_that_are_at_fault_are_mended_before_they_are_tried_again(failed: str) -> None:
    text = " ".join(shown(too_many(failed)).split())

    assert "next Look at the failed records by their codes" in text
    assert f"or deploy a processor that takes them, then: {RETRY_FAILED}" in text
    assert "bin/jobctl retry job-1" not in text


@pytest.mark.parametrize(
    "failed", ["unavailable 20", "refused_503 3, schema 17", "refused 1", "in a file"]
)
def test_what_a_destination_may_have_refused_is_tried_again_at_once(failed: str) -> None:
    assert f"next       {RETRY_FAILED}" in shown(too_many(failed))


def test_every_code_of_a_reader_is_known_to_blame_the_record() -> None:
    for code in (*Refusal, "unfit_for_table"):
        assert blame(too_many(f"{code} 20")) is Blame.RECORDS


def test_a_batch_without_failures_has_nothing_to_retry() -> None:
    result = canonical_json(BATCH | {"failed": 0, "succeeded": 1_000_000, "failures": {}})
    job = any_job(job_type="batch-processing", status=JobStatus.COMPLETED, result=result)

    assert "retry-failed" not in shown(job)


def test_progress_is_told_with_share_records_rate_and_end() -> None:
    job = running(done=155, total=250, records=620_000, ends_at="2026-01-31T09:06:30.000Z")

    line = "155/250, 62 %, 620,000 records, 12,400 a second, ends at 09:06:30Z"
    assert progress_text(job) == line
    assert change_line(job, NOW) == f"09:05:00Z  processing  attempt 1  {line}"


def test_a_line_of_a_log_does_not_change_while_the_row_does_not() -> None:
    job = running(done=1, total=2, records=10, ends_at="2026-01-31T09:06:30.000Z")
    later = NOW.replace(minute=30)

    assert change_line(job, NOW)[10:] == change_line(job, later)[10:]


def test_on_a_terminal_the_time_that_is_left_moves_beside_a_bar() -> None:
    job = running(done=155, total=250, records=620_000, ends_at="2026-01-31T09:06:30.000Z")

    view = drawn(live_view(job, NOW))

    assert "155/250, 62 %, 620,000 records, 12,400 a second, about 1 min 30 s left" in view
    assert "━" in view


def test_an_end_that_has_passed_is_nearly_there() -> None:
    assert ends_in_text(running(done=1, ends_at="2026-01-31T09:04:59.000Z"), NOW) == "nearly done"


def test_of_a_job_that_has_ended_no_time_is_left() -> None:
    job = replace(
        running(done=1, total=2, ends_at="2026-01-31T09:06:30.000Z"), status=JobStatus.FAILED
    )

    assert "left" not in drawn(live_view(job, NOW))
    assert "ends at" not in change_line(job, NOW)


PIPELINE_UNDER_WAY = replace(
    running(done=7, total=12, note="load", records=620, ends_at="2026-01-31T09:05:12.000Z"),
    job_type="data-pipeline",
)


def test_of_a_pipeline_steps_are_told_and_no_rate_over_all_stages() -> None:
    assert progress_text(PIPELINE_UNDER_WAY) == (
        "7/12 steps, load, 58 %, 620 records, this stage ends at 09:05:12Z"
    )


def test_the_time_that_is_left_of_a_pipeline_is_that_of_its_stage() -> None:
    view = drawn(live_view(PIPELINE_UNDER_WAY, NOW))

    assert "7/12 steps, load, 58 %, 620 records, this stage: about 12.0 s left" in view


def test_what_is_not_known_of_progress_is_not_told() -> None:
    assert progress_text(running(done=3)) == "3"
    assert progress_text(running(done=3, records=0)) == "3"
    assert progress_text(running(done=3, ends_at="soon")) == "3"
    assert progress_text(any_job()) == ""


@pytest.mark.parametrize(
    ("done", "total", "share"),
    [(0, 3, "0 %"), (2, 3, "66 %"), (999, 1_000, "99 %"), (3, 3, "100 %"), (4, 3, "100 %")],
)
def test_a_share_is_never_all_before_it_is(done: int, total: int, share: str) -> None:
    assert share_text(Progress(done, total)) == share


def test_a_running_job_is_shown_with_its_progress() -> None:
    lines = {
        line.label: line.text
        for line in job_lines(
            running(done=1, total=2), place=Place("--stage dev"), now=NOW, with_result=False
        )
    }

    assert lines["progress"] == "1/2, 50 %"
