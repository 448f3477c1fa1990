"""One chunk after the other, as a worker does them; compared with a plain loop over the records."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.pipelines.batch_run import BatchRun
from functions.pipelines.chunk import GROUP, process_chunk
from functions.pipelines.dataset import Dataset
from functions.pipelines.dataset_table import DatasetTable, Row
from functions.pipelines.digest import KeyDigest
from functions.pipelines.progress_notes import JobNotOursError
from functions.pipelines.records import RecordRefusedError
from tests.functions.pipelines.batch_jobs import (
    Destination,
    lines,
    product,
    products,
)
from tests.functions.pipelines.chunk_rig import NOW, RUN, Rig

line_kinds = st.one_of(
    st.builds(lambda n: json.dumps(product(n)).encode(), st.integers(0, 999)),
    st.builds(lambda n: json.dumps(product(n, price=-1)).encode(), st.integers(0, 999)),
    st.sampled_from([b"", b"  ", b"{}", b"[]", b"junk", b"\xff\xfe", b'{"sku": "x"']),
)


@given(st.lists(line_kinds, max_size=30), st.integers(1, 600), st.sampled_from([b"\n", b"\r\n"]))
def test_however_a_dataset_is_cut_the_counts_are_those_of_a_plain_loop(
    content: list[bytes], chunk_bytes: int, line_break: bytes
) -> None:
    body = b"".join(line + line_break for line in content)
    accepted: list[str] = []
    refused = 0
    for line in content:
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict) and record.get("price", -1) > 0:
            accepted.append(record["sku"])
        else:
            refused += 1
    rig = Rig(body, chunk_bytes)

    summary = rig.process()

    assert (summary.succeeded, summary.failed) == (len(accepted), refused)
    assert summary.processed == KeyDigest.of(accepted)
    assert [it["sku"] for it in rig.parts("processed")] == accepted
    assert len(rig.parts("failed")) == refused
    assert summary.failed_keys == KeyDigest.of(line["key"] for line in rig.parts("failed"))


def test_a_part_that_is_there_is_not_made_again() -> None:
    rig = Rig(products(20), 500)
    first = rig.process()
    reads = rig.objects.count("read")

    again = rig.process()

    assert again == first
    assert rig.objects.count("read") == reads
    assert rig.objects.count("put_if") == rig.chunks


def test_the_failures_of_an_earlier_attempt_are_made_again_and_no_others() -> None:
    rig = Rig(products(20, refused=[7]), 500)
    rig.process()
    rig.run_as(BatchRun(RUN.job_id, 2, "arn:2", RUN.run, RUN.root))

    rig.process()

    written = rig.objects.written
    again = [key for key, stored in written.items() if "/processed/" in key and stored.writes > 1]
    assert len(again) == 1
    assert [line["record"]["sku"] for line in rig.parts("failed")] == ["sku-7"]


def test_failures_that_were_mended_leave_no_failed_record() -> None:
    destination = Destination()
    rig = Rig(products(4), 10_000, call=destination)
    destination.rule = _refuse_all
    rig.process()
    destination.rule = None
    rig.run_as(BatchRun(RUN.job_id, 2, "arn:2", RUN.run, RUN.root))

    summary = rig.process()

    assert (summary.succeeded, summary.failed) == (4, 0)
    assert rig.parts("failed") == []


def _refuse_all(_tasks: object) -> None:
    raise RecordRefusedError("sold_out", "none left")


def test_a_failed_record_is_told_with_its_key_its_place_and_itself() -> None:
    rig = Rig(lines(product(1), product(2, price=-1)), 10_000)

    rig.process()

    [failed] = rig.parts("failed")
    offset = len(lines(product(1)))
    assert (failed["key"], failed["offset"]) == (f"{RUN.root}-{offset}", offset)
    assert failed["record"] == product(2, price=-1)


def test_the_records_of_a_table_are_processed_by_partition() -> None:
    class Partitions(DatasetTable):
        def records_of(
            self, dataset: str, bucket: int, first: str | None = None, last: str | None = None
        ) -> Iterator[Row]:
            assert (dataset, first, last) == ("products", "a", None)
            yield Row(f"é{bucket}", product(bucket))

    destination = Destination()
    rig = Rig(b"", 1, call=destination)
    rig.dataset = Dataset(1, 1.0, table="products", first="a")
    rig.chunks = 3
    rig.run_as(RUN, Partitions.__new__(Partitions))

    summary = rig.process()

    assert (summary.records, summary.chunks) == (3, 3)
    assert all(key.isascii() and key.startswith(RUN.root) for key in destination.taken)


def test_a_worker_whose_job_is_not_its_own_stops() -> None:
    destination = Destination()
    rig = Rig(products(20), 500, call=destination)
    rig.noted.is_lost = True

    with pytest.raises(JobNotOursError):
        rig.process()

    assert rig.parts("processed") == []


def test_progress_is_told_at_most_every_two_seconds_before_each_part_and_at_the_end() -> None:
    rig = Rig(products(4 * GROUP), 1_000_000)

    rig.process()

    assert [progress.done for progress in rig.noted.progress] == [0, 0, 1]
    assert rig.noted.progress[-1].records == 4 * GROUP


def test_the_end_is_estimated_from_what_was_done() -> None:
    rig = Rig(products(100), 300)
    for chunk in range(rig.chunks // 2):
        process_chunk(rig.worker, chunk)
    rig.noted.now = NOW + timedelta(seconds=60)

    process_chunk(rig.worker, rig.chunks // 2)

    ends_at = datetime.fromisoformat(rig.noted.progress[-1].ends_at or "")
    assert ends_at - NOW == pytest.approx(timedelta(seconds=120), abs=timedelta(seconds=10))


def test_a_task_is_called_about_once_whatever_the_chunks() -> None:
    destination = Destination(batch_size=3)
    rig = Rig(products(50), 333, call=destination)

    rig.process()

    called = Counter(key for keys in destination.calls for key in keys)
    assert set(called.values()) == {1}
    assert len(called) == 50
    assert max(map(len, destination.calls)) == 3
