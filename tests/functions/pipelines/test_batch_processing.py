import gzip
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

import pytest
from aws_durable_execution_sdk_python import DurableContext, StepContext, durable_execution

from functions.pipelines import (
    batch_processing,
    batch_shard,
    batch_steps,
    batch_worker,
    chunk_retries,
    progress_notes,
)
from functions.pipelines.batch_request import BatchRequest
from functions.pipelines.batch_steps import Measured
from functions.pipelines.digest import KeyDigest
from functions.pipelines.processor import DownstreamThrottledError, Task
from functions.pipelines.records import RecordRefusedError
from functions.shared import durable_job as job_function
from functions.shared.batch_plan import (
    FIXED_OPERATIONS,
    FIXED_OPERATIONS_OF_SHARD,
    MAX_REPETITIONS_OF_SHARD,
    OPERATIONS_BESIDES,
)
from functions.shared.errors import PermanentError, TransientError
from functions.shared.job import JobError, JobStatus, parse_timestamp, timestamp
from functions.shared.start_event import JobRun
from tests.functions.job_table_rows import Rows
from tests.functions.pipelines.batch_jobs import (
    JOB,
    KEY,
    BatchJobs,
    Destination,
    lines,
    parsed,
    product,
    products,
    retries_of_chunks,
)


class BrokenPipeworkError(PermanentError):
    """A mistake that no repetition mends."""


class DownError(TransientError):
    """Nobody is there."""


@pytest.fixture
def jobs(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> BatchJobs:
    return BatchJobs(rows, monkeypatch)


@pytest.fixture
def called(jobs: BatchJobs) -> Destination:
    """The batches of a test call a destination."""
    jobs.destination = Destination()
    return jobs.destination


def skus(count: int) -> list[str]:
    return [f"sku-{number}" for number in range(count)]


def test_every_record_is_processed_once_and_counted(jobs: BatchJobs) -> None:
    ended = jobs.run(products(100))

    assert ended.succeeded
    assert jobs.processed == skus(100)
    assert (jobs.result["outcome"], jobs.result["records"]) == ("completed", 100)
    assert jobs.result["digest"] == str(KeyDigest.of(skus(100)))
    assert jobs.result["failed_records"] is None


def test_an_execution_takes_six_operations_and_one_for_each_chunk(jobs: BatchJobs) -> None:
    ended = jobs.run(products(100))

    chunks = len(jobs.parts("processed"))
    # Among them is not the execution itself.
    assert len(ended.result.get_all_operations()) == 5 + chunks
    assert jobs.result["actual"]["operations"] == 6 + chunks
    assert jobs.result["off_by"]["operations_percent"] == 10 * (6 + chunks - 10)


def test_a_chunk_takes_few_bytes_of_checkpoints(jobs: BatchJobs) -> None:
    ended = jobs.run(products(300, refused=range(0, 300, 7)), tolerated_failures_percent=50)

    sizes = {
        name: [
            len(getattr(operation, "result", None) or "")
            for operation in ended.result.get_all_operations()
            if operation.name == name
        ]
        for name in ("process-chunk", "process-chunks")
    }
    assert len(sizes["process-chunk"]) > 10
    # 1,000 chunks of 1,000 records each below 2 MB; what the SDK writes around one takes 630.
    assert max(sizes["process-chunk"]) < 300
    # The map's own is the sum, and does not grow.
    assert max(sizes["process-chunks"]) < 400


def test_a_large_batch_is_a_tree_of_shards(jobs: BatchJobs) -> None:
    jobs.cut(1024, shards=3)

    ended = jobs.run(products(100, refused=[1, 98]), tolerated_failures_percent=2)

    chunks = len(jobs.parts("processed"))
    assert ended.succeeded
    assert sorted(jobs.processed) == sorted(set(skus(100)) - {"sku-1", "sku-98"})
    assert sum(shard["records"] for shard in jobs.result["shards"]) == 100
    assert [shard["failed"] for shard in jobs.result["shards"]] == [1, 0, 1]
    # The six of the parent, one for each invoke, and of each shard start and map.
    assert jobs.result["actual"]["operations"] == 6 + chunks + 3 * (1 + 2)
    assert sorted(name or "" for name in ended.operations) == [
        "claim",
        "measure-dataset",
        "process-shards",
        "record-completed",
        "write-report",
    ]


def test_a_shard_that_ends_without_a_word_of_its_own_is_invoked_again(jobs: BatchJobs) -> None:
    jobs.cut(1024, shards=2)
    broken = [OSError("no file descriptors")]

    def serve(event: Any, context: DurableContext) -> Any:
        if broken:
            raise broken.pop()
        return batch_shard.serve(event, context)

    jobs.shard = durable_execution(serve)

    ended = jobs.run(products(40))

    assert ended.succeeded
    assert sorted(jobs.processed) == sorted(skus(40))
    names = [operation.name for operation in ended.result.get_all_operations()]
    assert names.count("run-shard") == 3


def test_records_that_fail_are_kept_with_their_reasons_and_the_batch_goes_on(
    jobs: BatchJobs,
) -> None:
    jobs.run(products(50, refused=[3, 40]), tolerated_failures_percent=4)

    failed = jobs.failed_records()
    assert (jobs.result["outcome"], jobs.result["failures"]) == (
        "completed_with_failures",
        {"schema": 2},
    )
    assert [line["record"]["sku"] for line in failed] == ["sku-3", "sku-40"]
    assert [line["error"] for line in failed] == ["schema", "schema"]
    assert all(line["reason"].startswith("price") for line in failed)
    assert jobs.result["succeeded"] == len(jobs.processed) == 48


def test_too_many_failures_fail_the_job_when_all_is_reported(jobs: BatchJobs) -> None:
    ended = jobs.run(products(50, refused=[3, 40]), tolerated_failures_percent=3)

    assert not ended.succeeded
    assert jobs.error["type"] == "too_many_failures"
    message = jobs.error["message"]
    assert "2 of 50 records failed (4.00 %) and 3 % are tolerated: schema 2;" in message
    assert f"results/{JOB}/attempt-1/failed.jsonl" in jobs.error["message"]
    report = json.loads(jobs.objects.body(f"results/{JOB}/attempt-1/report.json"))
    assert (report["succeeded"], report["failed"]) == (48, 2)


def test_lines_that_are_no_records_are_failures_and_hide_no_others(jobs: BatchJobs) -> None:
    body = lines(product(0)) + b"\n   \r\nnot json\n[1]\n\xff\n" + lines(product(1))
    body += b'{"sku": "sku-2", "na'

    jobs.run(body, tolerated_failures_percent=90)

    assert jobs.processed == ["sku-0", "sku-1"]
    assert jobs.result["failures"] == {
        "not_an_object": 1,
        "not_json": 1,
        "not_utf8": 1,
        "truncated": 1,
    }
    assert [line["record"] for line in jobs.failed_records()][-1] == '{"sku": "sku-2", "na'


@pytest.mark.parametrize("body", [b"", b"\n\r\n  \n"], ids=["no bytes", "blank lines"])
def test_an_empty_dataset_is_an_outcome(jobs: BatchJobs, body: bytes) -> None:
    ended = jobs.run(body)

    assert ended.succeeded
    assert (jobs.result["outcome"], jobs.result["records"]) == ("empty", 0)
    assert jobs.result["processed"] is None


def test_csv_without_records_is_empty(jobs: BatchJobs) -> None:
    jobs.run(b"sku,name,price,currency\n", key="incoming/products.csv")

    assert jobs.result["outcome"] == "empty"


def test_csv_is_read_in_chunks_without_its_header(jobs: BatchJobs) -> None:
    jobs.cut(100)
    rows = "".join(f'sku-{n},"Tea, green",1.50,EUR\r\n' for n in range(30))

    jobs.run(f"sku,name,price,currency\r\n{rows}".encode(), key="incoming/products.csv")

    assert len(jobs.parts("processed")) > 5
    assert jobs.processed == skus(30)


def test_a_csv_header_that_lacks_a_field_is_a_schema_mismatch(jobs: BatchJobs) -> None:
    jobs.run(b"sku,name\nsku-1,Tea\n", key="incoming/products.csv")

    assert jobs.error["type"] == "schema_mismatch"
    assert "its header lacks currency, price" in jobs.error["message"]


def test_a_dataset_of_which_nothing_would_pass_is_a_schema_mismatch(jobs: BatchJobs) -> None:
    jobs.run(lines({"id": 1}, {"id": 2}) + b"junk\n", tolerated_failures_percent=10)

    assert jobs.error["type"] == "schema_mismatch"
    assert jobs.error["step"] == "measure-dataset"
    assert "takes none of its first 3 records: schema (" in jobs.error["message"]
    assert jobs.parts("processed") == {}


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("incoming/x.jsonl.gz", b""),
        ("incoming/x.parquet", b""),
        ("incoming/x.jsonl", gzip.compress(b"{}")),
    ],
)
def test_what_cannot_be_read_in_ranges_is_for_a_pipeline(
    jobs: BatchJobs, key: str, body: bytes
) -> None:
    jobs.run(body, key=key)

    assert jobs.error["type"] == "dataset_not_splittable"
    assert "data-pipeline" in jobs.error["message"]


def test_a_missing_dataset_is_told(jobs: BatchJobs) -> None:
    jobs.run()

    assert jobs.error["type"] == "dataset_not_found"


def test_a_dataset_of_a_bucket_that_is_closed_to_the_stage_is_told(jobs: BatchJobs) -> None:
    jobs.objects.forbidden = frozenset({"theirs"})

    jobs.run(key="s3://theirs/x.jsonl")

    assert jobs.error["type"] == "dataset_access"


def test_the_data_bucket_is_not_read_by_the_back_door(jobs: BatchJobs) -> None:
    own = batch_worker.settings.data_bucket_name

    assert not jobs.run(dataset=f"s3://{own}/work/x.jsonl").succeeded

    assert jobs.error["type"] == "malformed_payload"
    assert "dataset names the data bucket" in jobs.error["message"]


def test_an_unknown_processor_is_told_before_anything_is_read(jobs: BatchJobs) -> None:
    jobs.run(products(1), processor="normalise-products")

    assert jobs.error["type"] == "unknown_processor"
    assert jobs.objects.count("read") == 0


def test_more_workers_than_the_stage_has_are_refused(jobs: BatchJobs) -> None:
    jobs.run(products(1), max_workers=51)

    assert jobs.error["type"] == "malformed_payload"
    assert "at most 50" in jobs.error["message"]


@pytest.mark.parametrize("shards", [0, 2])
def test_a_dataset_that_changes_meanwhile_ends_the_batch(
    jobs: BatchJobs, called: Destination, shards: int
) -> None:
    jobs.cut(400, shards=shards)

    def change(_tasks: Sequence[Task]) -> None:
        jobs.objects.store(KEY, products(40, refused=[1]))

    called.rule = change

    ended = jobs.run(products(40))

    assert not ended.succeeded
    assert jobs.error["type"] == "dataset_changed"


def test_a_dataset_that_is_removed_meanwhile_ends_the_batch(
    jobs: BatchJobs, called: Destination
) -> None:
    def remove(_tasks: Sequence[Task]) -> None:
        if KEY in jobs.objects.written:
            jobs.objects.remove(KEY)

    called.rule = remove

    jobs.run(products(40))

    assert (jobs.error["type"], jobs.error["step"]) == ("dataset_changed", "process-chunk")


def test_a_retry_goes_on_where_the_attempt_before_stopped(
    jobs: BatchJobs, called: Destination
) -> None:
    called.outcomes = [None] * 6 + [BrokenPipeworkError("no")]
    jobs.run(products(60))
    assert jobs.error["type"] == "broken_pipework"
    done = dict(jobs.parts("processed"))
    made = len(called.calls)

    ended = jobs.retry()

    assert ended.succeeded
    assert len(done) >= 1
    assert {name: jobs.parts("processed")[name] for name in done} == done
    assert all(
        stored.writes == 1 for key, stored in jobs.objects.written.items() if "/processed/" in key
    )
    assert called.skus == dict.fromkeys(skus(60), 1)
    # Nothing of what was done is called about again.
    first = {key for keys in called.calls[:made] for key in keys} & set(called.taken)
    again = {key for keys in called.calls[made:] for key in keys}
    assert len(again & first) < 15


def test_a_retry_tries_failed_records_again(jobs: BatchJobs, called: Destination) -> None:
    def refuse(tasks: Sequence[Task]) -> None:
        if any(task.record["sku"] == "sku-30" for task in tasks):
            raise RecordRefusedError("sold_out", "no more of it")

    called.rule = refuse
    jobs.run(products(60))
    assert jobs.error["type"] == "too_many_failures"
    made = len(called.calls)
    called.rule = None

    ended = jobs.retry()

    chunk_of_it = {key for keys in called.calls[made:] for key in keys}
    assert ended.succeeded
    assert (jobs.result["outcome"], jobs.result["records"]) == ("completed", 60)
    assert called.skus == dict.fromkeys(skus(60), 1)
    # Only the chunk that it is in was processed again.
    assert 0 < len(chunk_of_it) < 25
    # What the first attempt wrote of its failures stays, for whoever looks into it.
    assert jobs.failed_records(1)[0]["error"] == "sold_out"


def test_a_file_of_failed_records_is_a_dataset_that_keeps_their_keys(
    jobs: BatchJobs, called: Destination
) -> None:
    keys = [f"batch-0-abc-{n}" for n in range(3)]
    wrapped = [
        {"error": "sold_out", "reason": "", "key": key, "offset": n, "record": product(n)}
        for n, key in enumerate(keys)
    ]
    text = {"error": "not_json", "reason": "", "key": "batch-0-abc-9", "offset": 9, "record": "x"}

    jobs.run(
        lines(*wrapped, text),
        key="results/batch-0/attempt-1/failed.jsonl",
        wrapped=True,
        tolerated_failures_percent=25,
    )

    assert list(called.taken) == keys
    [failed] = jobs.failed_records()
    assert (failed["key"], failed["offset"], failed["record"]) == ("batch-0-abc-9", 9, "x")


def test_a_record_that_the_destination_refuses_does_not_hold_up_the_others(
    jobs: BatchJobs, called: Destination
) -> None:
    def refuse(tasks: Sequence[Task]) -> None:
        if any(task.record["sku"] in {"sku-2", "sku-7"} for task in tasks):
            raise RecordRefusedError("sold_out", "no more of it")

    called.rule = refuse

    jobs.run(products(10), tolerated_failures_percent=20)

    assert sorted(called.skus) == sorted(set(skus(10)) - {"sku-2", "sku-7"})
    assert jobs.result["failures"] == {"sold_out": 2}


def test_a_throttle_slows_the_batch_down_and_fails_nothing(
    jobs: BatchJobs, called: Destination
) -> None:
    called.outcomes = [DownstreamThrottledError("slowly", 20.0), DownstreamThrottledError("slowly")]

    ended = jobs.run(products(20))

    assert ended.succeeded
    assert retries_of_chunks(ended) == 0
    assert jobs.result["outcome"] == "completed"
    assert max(jobs.time.slept) == pytest.approx(20.0)


def test_an_outage_of_the_destination_makes_no_record_a_failure(
    jobs: BatchJobs, called: Destination
) -> None:
    called.outcomes = [None, None, *[DownError("down") for _ in range(100)]]

    ended = jobs.run(products(40))

    assert ended.succeeded
    # It waited in the step first, and then came back later, both more than once.
    assert 1 <= retries_of_chunks(ended) <= 8
    assert (jobs.result["outcome"], jobs.result["records"]) == ("completed", 40)
    assert called.skus == dict.fromkeys(skus(40), 1)


def test_all_chunks_together_are_tried_again_so_often_and_then_the_batch_ends_in_words(
    jobs: BatchJobs, called: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 6
    chunks = ceil(len(products(60)) / 1024)
    fixed = FIXED_OPERATIONS + OPERATIONS_BESIDES
    monkeypatch.setattr(chunk_retries, "MAX_OPERATIONS", fixed + chunks + most)

    def down(_tasks: Sequence[Task]) -> None:
        raise DownError("down")

    called.rule = down
    jobs.cut(1024, at_once=2)

    ended = jobs.run(products(60))

    assert not ended.succeeded
    assert jobs.error["type"] == "too_many_repetitions"
    assert "DownstreamUnavailableError" in jobs.error["message"]
    # Both threads may count at the same time.
    assert most <= retries_of_chunks(ended) <= most + 1


def test_a_shard_takes_five_operations_of_its_parent_and_no_more(jobs: BatchJobs) -> None:
    jobs.cut(1024, shards=2)
    broken = [OSError("no file descriptors")] * 4
    served: Counter[int] = Counter()

    def serve(event: Any, context: DurableContext) -> Any:
        served[event["shard"]] += 1
        if served[event["shard"]] <= MAX_REPETITIONS_OF_SHARD:
            raise broken.pop()
        return batch_shard.serve(event, context)

    jobs.shard = durable_execution(serve)

    ended = jobs.run(products(40))

    assert ended.succeeded
    of_shards = 2 * FIXED_OPERATIONS_OF_SHARD + len(jobs.parts("processed"))
    assert jobs.result["actual"]["operations"] == FIXED_OPERATIONS + 2 * 5 + of_shards


def test_a_destination_that_stays_away_ends_the_batch(jobs: BatchJobs, called: Destination) -> None:
    def down(_tasks: Sequence[Task]) -> None:
        raise DownError("down")

    called.rule = down

    ended = jobs.run(products(5))

    assert not ended.succeeded
    assert jobs.error["type"] == "downstream_unavailable"
    assert retries_of_chunks(ended) == 23


def test_a_chunk_for_which_no_time_is_left_is_put_off_to_the_next_invocation(
    jobs: BatchJobs, called: Destination
) -> None:
    left = iter([100.0, 100.0, 20.0])
    jobs.seconds_left = lambda: next(left, 900.0)

    ended = jobs.run(products(60))

    assert ended.succeeded
    assert ended.invocations > 1
    assert retries_of_chunks(ended) == 1
    assert called.skus == dict.fromkeys(skus(60), 1)


def test_a_chunk_that_never_fits_into_an_invocation_is_told(jobs: BatchJobs) -> None:
    left = iter([900.0, 900.0, 10.0])
    jobs.seconds_left = lambda: next(left, 900.0)

    ended = jobs.run(products(60))

    assert not ended.succeeded
    assert jobs.error["type"] == "chunk_too_slow"
    assert "records_per_second" in jobs.error["message"]


@pytest.mark.parametrize("shards", [0, 2])
def test_a_stopped_job_stops_its_workers(
    jobs: BatchJobs, called: Destination, shards: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_notes, "seconds_between_notes", lambda _shards: 0)
    jobs.cut(400, shards=shards)

    def stop(_tasks: Sequence[Task]) -> None:
        why = JobError("execution_stopped", "by hand")
        now = datetime.now(UTC)
        arn = jobs.row["execution_arn"]
        job_function.jobs.end(JOB, 1, JobStatus.CANCELLED, why, now, execution_arn=arn)

    called.rule = stop

    ended = jobs.run(products(100))

    assert ended.error_type is not None
    assert jobs.row["status"] == "cancelled"
    # Each of the two shards at work may have made a call or two before it heard of it.
    assert len(called.calls) <= 8


def test_the_row_tells_how_far_a_batch_is(
    jobs: BatchJobs, called: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_notes, "seconds_between_notes", lambda _shards: 0)
    seen: list[tuple[int, int]] = []

    def look(_tasks: Sequence[Task]) -> None:
        progress = jobs.row["progress"]
        seen.append((int(progress["done"]), int(progress["total"])))

    called.rule = look

    jobs.run(products(100))

    chunks = len(jobs.parts("processed"))
    assert seen == sorted(seen)
    assert seen[0] == (0, chunks)
    assert seen[-1] == (chunks - 1, chunks)


def test_the_expected_end_is_reckoned_since_the_job_was_claimed(
    jobs: BatchJobs, called: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not since the execution began, which may wait for days for the job's `run_at`."""
    monkeypatch.setattr(progress_notes, "seconds_between_notes", lambda _shards: 0)
    measure = batch_steps.measure_dataset

    def measured(request: BatchRequest, run: JobRun) -> Callable[[StepContext], Measured]:
        claimed = timestamp(datetime.now(UTC) - timedelta(hours=1))
        step = measure(request, run)
        return lambda context: replace(step(context), started_at=claimed)

    monkeypatch.setattr(batch_processing, "measure_dataset", measured)
    ends: list[timedelta] = []

    def look(_tasks: Sequence[Task]) -> None:
        progress = jobs.row["progress"]
        if int(progress["done"]) and "ends_at" in progress:
            ends.append(parse_timestamp(progress["ends_at"]) - datetime.now(UTC))

    called.rule = look

    jobs.run(products(100))

    # Of an hour so far; in less than a second it would have been over.
    assert ends
    assert max(ends) > timedelta(minutes=10)


def test_a_task_keeps_its_key_whatever_the_cut(jobs: BatchJobs, called: Destination) -> None:
    keys: list[list[str]] = []
    for chunk_bytes in (300, 5_000):
        jobs.cut(chunk_bytes)
        jobs.run(products(30))
        keys.append(sorted(called.taken))
        called.taken.clear()
        jobs.rows.clear()

    assert keys[0] == keys[1]
    assert all(key.startswith(f"{JOB}-") for key in keys[0])


def test_what_was_processed_is_not_processed_again_on_replays(
    jobs: BatchJobs, called: Destination
) -> None:
    # So long a pause is not waited for in the step: the execution is suspended.
    called.outcomes = [None] * 10 + [DownstreamThrottledError("later", 3_000.0)]

    ended = jobs.run(products(60))

    assert ended.succeeded
    assert retries_of_chunks(ended) == 1
    assert called.skus == dict.fromkeys(skus(60), 1)
    # But for the calls of the chunk in which the pause was asked for.
    assert len(called.calls) - len(set(called.calls)) <= 4


def test_the_counts_in_the_bucket_are_held_against_the_summaries(
    jobs: BatchJobs, called: Destination
) -> None:
    def spoil(_tasks: Sequence[Task]) -> None:
        for key in list(jobs.objects.written):
            if "/failed/part-" in key:
                jobs.objects.store(key, b"")

    called.rule = spoil

    jobs.run(products(60, refused=[0]), tolerated_failures_percent=50)

    assert jobs.error["type"] == "counts_differ"
    assert "1 records failed, and the failed parts hold 0, or others" in jobs.error["message"]


def test_the_report_has_what_the_row_says(jobs: BatchJobs) -> None:
    jobs.run(products(60, refused=[0]), tolerated_failures_percent=50)

    report = parsed(jobs.objects.body(jobs.result["report"]) + b"\n")[0]
    assert report == jobs.result
