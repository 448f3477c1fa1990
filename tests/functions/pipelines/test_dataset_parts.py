"""Batches over many objects: one dataset, whatever the cuts into objects and into chunks."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.pipelines import dataset_parts
from functions.pipelines.chunk_source import Entry, source_of
from functions.pipelines.csv_format import CsvFormat
from functions.pipelines.dataset import Dataset
from functions.pipelines.dataset_parts import DatasetParts
from functions.pipelines.dataset_table import DatasetTable
from functions.pipelines.destinations import DatasetLoading
from functions.pipelines.manifest import Manifest, PartSummary
from functions.pipelines.processor import Task
from functions.shared.joined_parts import JoinedParts
from tests.functions.job_table_rows import Rows
from tests.functions.pipelines.batch_jobs import (
    BatchJobs,
    Destination,
    lines,
    parsed,
    product,
    products,
)
from tests.functions.pipelines.fake_objects import FakeObjects

PREFIX = "incoming/2026-11-22/"
LIST = "results/batch-1/attempt-1/dataset.json"
KEPT = "results/a/attempt-1/dataset.json"
NO_TABLE = DatasetTable.__new__(DatasetTable)


@pytest.fixture
def jobs(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> BatchJobs:
    return BatchJobs(rows, monkeypatch)


def store(jobs: BatchJobs, *bodies: bytes, suffix: str = "jsonl") -> None:
    for number, body in enumerate(bodies):
        jobs.objects.store(f"{PREFIX}{number:03}.{suffix}", body)


def skus(*ranges: range) -> list[str]:
    return [f"sku-{number}" for numbers in ranges for number in numbers]


def entries(bodies: Sequence[bytes], chunk_bytes: int, csv: CsvFormat | None) -> list[Entry]:
    """What the chunks of so many bytes give, one after the other."""
    objects = FakeObjects()
    heads = [objects.store(f"x/{n:04}", body) for n, body in enumerate(bodies) if body]
    parts = DatasetParts(tuple(heads))
    parts.keep(objects, KEPT)
    size = parts.joined.size_bytes
    dataset = Dataset(size, 1.0, key="x/", etag=parts.digest, parts=KEPT, csv=csv)

    def chunk_range(chunk: int) -> tuple[int, int]:
        return chunk * chunk_bytes, min((chunk + 1) * chunk_bytes, size) - 1

    source = source_of(dataset, objects, NO_TABLE, chunk_range, "root")
    return [it for chunk in range(-(-size // chunk_bytes)) for it in source.entries(chunk)]


records = st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=8)
objects_of_records = st.lists(st.tuples(records, st.booleans()), max_size=8)


@given(objects_of_records, st.sampled_from([b"\n", b"\r\n", b"\n\n"]), st.integers(1, 200))
def test_records_are_those_of_a_loop_over_the_objects_however_all_is_cut(
    cut: list[tuple[list[str], bool]], line_break: bytes, chunk_bytes: int
) -> None:
    bodies = [
        line_break.join(json.dumps({"id": text}, ensure_ascii=False).encode() for text in texts)
        + line_break * (ends and texts != [])
        for texts, ends in cut
    ]

    found = entries(bodies, chunk_bytes, None)

    assert [entry.found for entry in found] == [{"id": t} for texts, _ in cut for t in texts]
    # A key for each, and the place where it is.
    assert len({entry.key for entry in found}) == len(found)
    full = [body for body in bodies if body]
    for entry in found:
        assert entry.part is not None
        rest = full[entry.part][entry.offset :]
        assert json.loads(rest.splitlines()[0].decode() if b"\r" in rest else rest.split(b"\n")[0])


columns = st.sampled_from([("id", "name"), ("name", "id")])
cells = st.text("abc ,\"'", min_size=1, max_size=6)


@given(
    st.lists(st.tuples(columns, st.lists(st.tuples(cells, cells), max_size=6)), max_size=6),
    st.integers(1, 100),
)
def test_each_csv_object_has_its_own_header(
    cut: list[tuple[tuple[str, str], list[tuple[str, str]]]], chunk_bytes: int
) -> None:
    def row(values: Sequence[str]) -> str:
        return ",".join('"' + value.replace('"', '""') + '"' for value in values)

    bodies = [
        "\r\n".join([row(names), *(row(values) for values in rows)]).encode() for names, rows in cut
    ]

    found = entries(bodies, chunk_bytes, CsvFormat(("id", "name")))

    assert [entry.found for entry in found] == [
        dict(zip(names, values, strict=True)) for names, rows in cut for values in rows
    ]


@given(st.lists(st.integers(1, 50), max_size=20), st.integers(0, 500), st.integers(0, 500))
def test_segments_are_the_bytes_that_they_are_asked_for(
    sizes: list[int], first: int, last: int
) -> None:
    every = [(part, at) for part, size in enumerate(sizes) for at in range(size)]

    found = list(JoinedParts(sizes).segments(first, last))

    assert [(it.part, at) for it in found for at in range(it.first, it.last + 1)] == every[
        first : last + 1
    ]


def test_all_objects_below_a_prefix_are_one_dataset(jobs: BatchJobs) -> None:
    # No line break at the end of the first, and none at all in the third.
    store(jobs, products(30)[:-1], b"", lines(product(30))[:-1], lines(product(31)))
    jobs.objects.store(f"{PREFIX}_SUCCESS", b"")
    jobs.objects.store("incoming/2026-11-23/x.jsonl", lines(product(99)))
    jobs.cut(300)

    ended = jobs.run(dataset={"prefix": PREFIX})

    assert ended.succeeded
    assert jobs.processed == skus(range(32))
    assert jobs.result["records"] == 32


def test_a_tree_shares_out_many_objects(jobs: BatchJobs) -> None:
    jobs.cut(300, shards=3)
    store(jobs, products(20), products(20, refused=[3]))

    jobs.run(dataset={"prefix": PREFIX}, tolerated_failures_percent=10)

    assert sorted(jobs.processed) == sorted([*skus(range(20)), *set(skus(range(20))) - {"sku-3"}])
    [failed] = jobs.failed_records()
    assert failed["part"] == 1
    assert failed["offset"] == products(20, refused=[3]).index(b'{"sku": "sku-3"')


def test_the_list_of_objects_is_in_no_checkpoint(jobs: BatchJobs) -> None:
    store(jobs, *(lines(product(n)) for n in range(300)))

    ended = jobs.run(dataset={"prefix": PREFIX})

    told = [getattr(it, "result", "") or "" for it in ended.result.get_all_operations()]
    assert ended.succeeded
    assert "299.jsonl" in jobs.objects.body(LIST).decode()
    assert max(map(len, told)) < 1_500


def test_failed_records_of_many_objects_keep_their_place_and_key(jobs: BatchJobs) -> None:
    store(jobs, products(3), products(3, refused=[1]))
    jobs.run(dataset={"prefix": PREFIX}, tolerated_failures_percent=50)
    [before] = jobs.failed_records()
    body = jobs.objects.body(f"results/{jobs.row['job_id']}/attempt-1/failed.jsonl")
    jobs.rows.clear()

    jobs.run(body, key="incoming/failed.jsonl", wrapped=True, tolerated_failures_percent=100)

    [again] = jobs.failed_records()
    assert [again[name] for name in ("key", "part", "offset")] == [
        before[name] for name in ("key", "part", "offset")
    ]


@pytest.mark.parametrize("shards", [0, 2])
def test_an_object_that_changes_meanwhile_ends_the_batch_and_is_named_by_its_number(
    jobs: BatchJobs, shards: int
) -> None:
    jobs.cut(300, shards=shards)
    jobs.destination = Destination()
    store(jobs, products(20), products(20))

    def change(_tasks: Sequence[Task]) -> None:
        jobs.objects.store(f"{PREFIX}001.jsonl", products(20, refused=[1]))

    jobs.destination.rule = change

    jobs.run(dataset={"prefix": PREFIX})

    assert jobs.error["type"] == "dataset_changed"
    assert "part 1 " in jobs.error["message"]


def test_an_object_that_comes_later_is_not_of_the_dataset(jobs: BatchJobs) -> None:
    jobs.destination = Destination()
    store(jobs, products(5))

    def add(_tasks: Sequence[Task]) -> None:
        jobs.objects.store(f"{PREFIX}999.jsonl", lines(product(99)))

    jobs.destination.rule = add

    jobs.run(dataset={"prefix": PREFIX})

    assert jobs.result["records"] == 5


def test_a_retry_goes_on_with_the_same_objects_and_begins_anew_with_others(
    jobs: BatchJobs,
) -> None:
    store(jobs, products(20), products(20, refused=[1]))
    jobs.run(dataset={"prefix": PREFIX})
    assert jobs.error["type"] == "too_many_failures"
    made = set(jobs.objects.written)

    jobs.retry()
    same = set(jobs.objects.written) - made
    store(jobs, products(20), products(20))
    jobs.retry()

    assert not any("/processed/" in key for key in same)
    assert jobs.result["records"] == 40


def loaded(jobs: BatchJobs, *bodies: bytes) -> str:
    """The manifest's key of what a data-pipeline loaded."""
    destination = DatasetLoading(jobs.objects, "products", "0123456789abcdef")
    summaries = []
    for number, body in enumerate(bodies):
        summaries.append(PartSummary(number, body.count(b"\n"), 0, len(body), ""))
        jobs.objects.store(destination.part_key(number), body)
    destination.finish(Manifest.of(None, summaries))
    return destination.manifest_key


def test_what_a_pipeline_wrote_is_a_dataset(jobs: BatchJobs) -> None:
    key = loaded(jobs, products(12), b"", lines(product(50)))
    # Of an earlier load.
    jobs.objects.store("datasets/products/00000000/part-00000.jsonl", products(3))

    ended = jobs.run(dataset={"manifest": key})

    assert ended.succeeded
    assert jobs.processed == skus(range(12), range(50, 51))


def test_a_manifest_without_parts_is_an_empty_dataset(jobs: BatchJobs) -> None:
    jobs.run(dataset={"manifest": loaded(jobs)})

    assert jobs.result["outcome"] == "empty"


def test_a_part_that_is_missing_or_was_replaced_is_told(jobs: BatchJobs) -> None:
    key = loaded(jobs, products(2), products(2))
    part = "datasets/products/0123456789abcdef/part-00001.jsonl"
    jobs.objects.store(part, b"{}\n")
    jobs.run(dataset={"manifest": key})
    replaced = jobs.error
    jobs.rows.clear()
    jobs.objects.remove(part)

    jobs.run(dataset={"manifest": key})

    assert replaced["type"] == "dataset_changed"
    assert "part 1 is not as long" in replaced["message"]
    assert jobs.error["type"] == "dataset_not_found"
    assert "part 1 of the manifest" in jobs.error["message"]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (b"not json", "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
        (b"[]", "list of parts"),
        (b'{"parts": {}}', "list of parts"),
        (b'{"parts": [{"key": "incoming/secret"}]}', "part 0 has no key and bytes"),
        (b'{"parts": [{"key": "results/secret", "bytes": 1}]}', "not below its own folder"),
        (products(3), "it is no JSON"),
    ],
)
def test_a_manifest_that_is_none_is_told_and_never_quoted(
    jobs: BatchJobs, told: bytes, why: str
) -> None:
    jobs.objects.store("incoming/x.json", told)

    jobs.run(dataset={"manifest": "incoming/x.json"})

    assert jobs.error["type"] == "invalid_manifest"
    assert why in jobs.error["message"]
    assert "secret" not in jobs.error["message"]


def test_a_manifest_of_any_length_is_not_loaded(
    jobs: BatchJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_parts, "MAX_MANIFEST_BYTES", 100)
    jobs.objects.store("incoming/x.json", b"[" + b" " * 100)

    jobs.run(dataset={"manifest": "incoming/x.json"})

    assert "longer than 100 bytes" in jobs.error["message"]
    assert jobs.objects.count("read") == 0


@pytest.mark.parametrize(
    ("dataset", "code"),
    [
        ({"prefix": "incoming/nothing/"}, "dataset_not_found"),
        ({"manifest": "incoming/nothing.json"}, "dataset_not_found"),
        ({"prefix": "s3://theirs/x/"}, "dataset_access"),
    ],
)
def test_what_is_not_there_or_may_not_be_read_is_told(
    jobs: BatchJobs, dataset: dict[str, Any], code: str
) -> None:
    jobs.objects.forbidden = frozenset({"theirs"})

    jobs.run(dataset=dataset)

    assert jobs.error["type"] == code


def test_objects_that_are_not_written_alike_are_refused(jobs: BatchJobs) -> None:
    store(jobs, products(2))
    jobs.objects.store(f"{PREFIX}999.csv", b"sku\n1\n")

    jobs.run(dataset={"prefix": PREFIX})

    assert jobs.error["type"] == "mixed_formats"
    assert "object 1 " in jobs.error["message"]


def test_compressed_objects_are_for_a_pipeline(jobs: BatchJobs) -> None:
    store(jobs, b"x", suffix="jsonl.gz")

    jobs.run(dataset={"prefix": PREFIX})

    assert jobs.error["type"] == "dataset_not_splittable"
    assert '{"manifest": key}' in jobs.error["message"]


def test_more_objects_than_one_job_reads_are_refused(
    jobs: BatchJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_parts, "MAX_PARTS", 2)
    store(jobs, *[products(1)] * 3)

    jobs.run(dataset={"prefix": PREFIX})

    assert jobs.error["type"] == "too_many_objects"


def test_the_name_of_a_prefix_may_leave_the_format_to_the_payload(jobs: BatchJobs) -> None:
    store(jobs, products(2), suffix="txt")

    jobs.run(dataset={"prefix": PREFIX, "format": "jsonl"})

    assert jobs.processed == skus(range(2))
    assert parsed(jobs.objects.body(jobs.result["report"]) + b"\n")
