"""Failed records, joined: all of them once, in as many turns as they take."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.pipelines import failed_join
from functions.pipelines.chunk import CountsDifferError
from functions.pipelines.chunk_parts import SUMMARY
from functions.pipelines.chunk_summary import ChunkSummary
from functions.pipelines.digest import KeyDigest
from functions.pipelines.failed_join import JoinPlace, join_failed
from functions.shared.batch_plan import OPERATIONS_BESIDES
from tests.functions.job_table_rows import Rows
from tests.functions.pipelines.batch_jobs import BatchJobs, products
from tests.functions.pipelines.chunk_rig import RUN
from tests.functions.pipelines.fake_objects import FakeObjects


def failed_lines(keys: list[str]) -> bytes:
    return b"".join(json.dumps({"key": key, "record": {}}).encode() + b"\n" for key in keys)


def write(objects: FakeObjects, chunk: int, keys: list[str]) -> None:
    """A chunk of which the records with *keys* failed."""
    failures = {"schema": len(keys)} if keys else {}
    summary = ChunkSummary(failures=failures, failed_keys=KeyDigest.of(keys))
    objects.store(RUN.processed_part(chunk), b"", metadata={SUMMARY: summary.to_text()})
    if keys:
        objects.store(RUN.failed_part(chunk), failed_lines(keys))


def joined(objects: FakeObjects, expected: KeyDigest) -> int:
    """Join all, as a batch does; the turns that it took."""
    place: JoinPlace | None = JoinPlace()
    turns = 0
    while place is not None:
        place = JoinPlace.from_event(json.loads(json.dumps(place.to_event())))
        place = join_failed(objects, RUN, expected, place)
        turns += 1
    return turns


@pytest.fixture
def _small_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_join, "SECTION_BYTES", 120)
    monkeypatch.setattr(failed_join, "LEAST_SECTION_BYTES", 60)
    monkeypatch.setattr(failed_join, "SECTION_PARTS", 3)
    monkeypatch.setattr(failed_join, "_HELD_BYTES", 100)
    monkeypatch.setattr(failed_join, "_AT_ONCE", 2)


@pytest.mark.usefixtures("_small_sections")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chunks=st.lists(st.integers(0, 6), max_size=12),
    stale=st.none() | st.integers(0, 11),
    block_bytes=st.sampled_from([7, 64, 4096]),
)
def test_all_failed_records_are_joined_once_in_their_order_and_none_that_came_through(
    chunks: list[int], stale: int | None, block_bytes: int
) -> None:
    objects = FakeObjects(block_bytes=block_bytes)
    keys = [[f"key-{chunk}-{n}" for n in range(failed)] for chunk, failed in enumerate(chunks)]
    for chunk, its_keys in enumerate(keys):
        write(objects, chunk, its_keys)
    if stale is not None and stale < len(keys) and not keys[stale]:
        objects.store(RUN.failed_part(stale), failed_lines(["came-through"]))
    wanted = [key for its_keys in keys for key in its_keys]

    joined(objects, KeyDigest.of(wanted))

    told = objects.body(RUN.failed_records).splitlines()
    assert [json.loads(line)["key"] for line in told] == wanted


@pytest.mark.usefixtures("_small_sections")
def test_a_turn_reads_a_bounded_number_of_bytes_and_a_part_in_one_of_them_only() -> None:
    objects = FakeObjects()
    keys = [[f"key-{chunk}"] for chunk in range(10)]
    for chunk, its_keys in enumerate(keys):
        write(objects, chunk, its_keys)

    turns = joined(objects, KeyDigest.of(key for its_keys in keys for key in its_keys))

    assert turns == 4
    assert objects.count("read", RUN.failed) == 10


def test_parts_that_are_large_are_read_as_they_arrive_and_small_ones_a_few_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(failed_join, "_HELD_BYTES", 3_000)
    objects = FakeObjects(block_bytes=1_000)
    for chunk in range(40):
        objects.store(RUN.failed_part(chunk), b"x" * (10_000 if chunk == 0 else 1_000))
    bodies = failed_join._bodies(objects, objects.in_prefix(RUN.failed))

    next(bodies)
    assert objects.blocks == 1

    for _ in range(10):
        next(bodies)
    assert objects.blocks <= 10 + 3


@pytest.mark.parametrize("body", [failed_lines(["another"]), b"no JSON\n", b"[]\n", b'{"a": 1}\n'])
def test_a_failed_part_with_other_records_than_its_summary_says_is_told(body: bytes) -> None:
    objects = FakeObjects()
    write(objects, 0, ["key-0"])
    objects.store(RUN.failed_part(0), body)

    with pytest.raises(CountsDifferError, match="failed part"):
        join_failed(objects, RUN, KeyDigest.of(["key-0"]), JoinPlace())


def test_a_failed_part_of_a_chunk_that_was_not_processed_is_told() -> None:
    objects = FakeObjects()
    objects.store(RUN.failed_part(3), failed_lines(["key"]))

    with pytest.raises(CountsDifferError, match=r"part-00003\.jsonl"):
        join_failed(objects, RUN, KeyDigest(), JoinPlace())


def test_all_turns_have_operations_to_spare() -> None:
    # A step and a wait each; ten are for threads that count at the same time.
    assert 2 * failed_join.MAX_TURNS + 10 <= OPERATIONS_BESIDES


@pytest.mark.usefixtures("_small_sections")
def test_a_batch_with_many_failed_records_joins_them_in_turns(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = BatchJobs(rows, monkeypatch)
    jobs.cut(300)
    refused = list(range(0, 60, 2))

    ended = jobs.run(products(60, refused=refused), tolerated_failures_percent=50)

    assert ended.succeeded
    turns = ended.operations.count("write-report")
    assert turns > 3
    assert [it["record"]["sku"] for it in jobs.failed_records()] == [f"sku-{n}" for n in refused]
    # The execution itself and its chunks are not among the names.
    counted = len(ended.operations) + 1 + len(jobs.parts("processed"))
    assert jobs.result["actual"]["operations"] == counted


@pytest.mark.usefixtures("_small_sections")
def test_more_failed_records_than_one_file_has_are_told(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.pipelines.batch_steps.MAX_TURNS", 2)
    jobs = BatchJobs(rows, monkeypatch)
    jobs.cut(300)

    jobs.run(products(60, refused=range(60)), tolerated_failures_percent=100)

    assert jobs.error["type"] == "failed_records_too_large"
    assert "/failed/" in jobs.error["message"]
