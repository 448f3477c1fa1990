"""A failed-records file that is submitted like any other dataset is told from one."""

import pytest

from tests.functions.job_table_rows import Rows
from tests.functions.pipelines.batch_jobs import BatchJobs, lines, product

FAILED = {"error": "schema", "reason": "price must be more", "key": "batch-0-1", "offset": 1}


@pytest.fixture
def jobs(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> BatchJobs:
    return BatchJobs(rows, monkeypatch)


def test_the_error_says_how_failed_records_are_tried_again(jobs: BatchJobs) -> None:
    jobs.run(lines(*(FAILED | {"record": product(number)} for number in range(3))))

    error = jobs.error
    assert error["type"] == "schema_mismatch"
    assert "jobctl retry-failed" in error["message"]
    assert '"wrapped": true' in error["message"]


@pytest.mark.parametrize("other", [{"record": 1}, FAILED, product(1, price=-1)])
def test_of_any_other_dataset_the_error_says_what_is_wrong_with_it(
    jobs: BatchJobs, other: dict[str, object]
) -> None:
    jobs.run(lines(FAILED | {"record": product(0)}, other))

    error = jobs.error
    assert error["type"] == "schema_mismatch"
    assert "retry-failed" not in error["message"]


def test_the_file_is_taken_as_one_where_that_is_said(jobs: BatchJobs) -> None:
    jobs.run(lines(*(FAILED | {"record": product(number)} for number in range(3))), wrapped=True)

    assert jobs.result["succeeded"] == 3
