from collections import Counter

from aws_durable_execution_sdk_python.concurrency.models import (
    BatchItem,
    BatchResult,
    CompletionReason,
)
from aws_durable_execution_sdk_python.config import BatchItemStatus
from aws_durable_execution_sdk_python.lambda_service import ErrorObject
from aws_durable_execution_sdk_python.serdes import SerDesContext
from hypothesis import given
from hypothesis import strategies as st

from functions.pipelines.chunk_serdes import SumSerDes
from functions.pipelines.chunk_summary import MAX_CODE_LENGTH, MAX_CODES, ChunkSummary, few_codes
from functions.pipelines.digest import KeyDigest

codes = st.text(alphabet="abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=60)
summaries = st.builds(
    ChunkSummary,
    processed=st.lists(st.text(max_size=5), max_size=5).map(KeyDigest.of),
    failures=st.dictionaries(st.sampled_from(["schema", "not_json"]), st.integers(1, 9)),
    work_millis=st.integers(0, 900_000),
    peak_memory_mib=st.integers(0, 2_000),
)


@given(st.lists(summaries))
def test_sums_are_the_same_in_any_order_and_grouping(parts: list[ChunkSummary]) -> None:
    half = len(parts) // 2
    grouped = [ChunkSummary.sum(parts[half:]), ChunkSummary.sum(parts[:half])]

    assert ChunkSummary.sum(grouped) == ChunkSummary.sum(parts)
    assert ChunkSummary.sum(parts).chunks == len(parts)
    assert ChunkSummary.sum(parts).records == sum(part.records for part in parts)


@given(summaries)
def test_a_summary_is_read_as_it_was_written(summary: ChunkSummary) -> None:
    assert ChunkSummary.from_text(summary.to_text()) == summary


@given(st.dictionaries(codes, st.integers(1, 10**9), max_size=40))
def test_a_summary_stays_small_and_counts_all_whatever_fails(failures: dict[str, int]) -> None:
    kept = few_codes(failures)
    text = ChunkSummary(KeyDigest(10**6, 2**64 - 1), kept, 900_000, 1769).to_text()

    assert sum(kept.values()) == sum(failures.values())
    assert len(kept) <= MAX_CODES
    assert max(map(len, kept), default=0) <= MAX_CODE_LENGTH
    # A checkpoint, and the metadata of a part, which may have 2 KB.
    assert len(text) < 800
    assert text.isascii()


def test_the_most_frequent_codes_keep_their_names() -> None:
    failures = {f"code_{n:02}": n for n in range(1, 31)}

    assert Counter(few_codes(failures)).most_common(2) == [("other", 190), ("code_30", 30)]


def batch(*items: BatchItem[ChunkSummary]) -> BatchResult[ChunkSummary]:
    return BatchResult(list(items), CompletionReason.ALL_COMPLETED)


def kept(result: BatchResult[ChunkSummary]) -> BatchResult[ChunkSummary]:
    serdes, context = SumSerDes(), SerDesContext()
    found = serdes.deserialize(serdes.serialize(result, context), context)
    assert isinstance(found, BatchResult)
    return found


@given(st.lists(summaries, min_size=1))
def test_a_map_keeps_the_sum_of_its_chunks(parts: list[ChunkSummary]) -> None:
    items = [BatchItem(n, BatchItemStatus.SUCCEEDED, part) for n, part in enumerate(parts)]

    assert kept(batch(*items)).get_results() == [ChunkSummary.sum(parts)]


def test_a_map_keeps_the_error_of_the_chunk_that_failed() -> None:
    error = ErrorObject("it changed", "functions.DatasetChangedError", None, None)
    failed: BatchItem[ChunkSummary] = BatchItem(1, BatchItemStatus.FAILED, error=error)
    done = BatchItem(0, BatchItemStatus.SUCCEEDED, ChunkSummary())

    assert kept(batch(done, failed)).get_errors() == [error]
    assert kept(batch(done, failed)).get_results() == []
