"""Records that a pipeline leaves as they are, so that a batch can share them out."""

from typing import Any

import pytest

from tests.functions.job_table_rows import Rows
from tests.functions.pipelines.batch_jobs import BatchJobs
from tests.functions.pipelines.pipeline_jobs import (
    INCOMING,
    PipelineJobs,
    as_jsonl,
    gzipped,
    products,
)


@pytest.fixture
def jobs(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> PipelineJobs:
    return PipelineJobs.open(rows, monkeypatch)


def test_a_compressed_dataset_that_a_batch_refuses_is_one_after_a_pipeline_loaded_it_as_it_is(
    jobs: PipelineJobs, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.objects.store("incoming/x.jsonl.gz", gzipped(as_jsonl(products(1_500))))

    jobs.run(source="incoming/x.jsonl.gz", transform="as-is", destination={"dataset": "x"})

    batches = BatchJobs(rows, monkeypatch)
    for key in jobs.keys("datasets/"):
        batches.objects.store(key, jobs.objects.body(key))
    batches.run(dataset={"manifest": "datasets/x/_manifest.json"})
    assert (jobs.result["records"], batches.result["succeeded"]) == (1_500, 1_500)


def test_the_table_takes_no_record_without_an_id(jobs: PipelineJobs) -> None:
    records: list[Any] = [{"id": "a"}, {"sku": "b"}, {"id": ""}, {"id": 1}]
    jobs.objects.store(INCOMING, as_jsonl(records))

    jobs.run(transform="as-is", tolerated_rejects_percent=75)

    assert jobs.result["records"] == 1
    assert {(each["error"], each["reason"]) for each in jobs.rejects} == {
        ("unfit_for_table", "id must be a text of 1 to 1024 bytes")
    }
