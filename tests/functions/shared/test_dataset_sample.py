"""A few small pieces tell how long records are, however they lie."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.shared.dataset_sample import mean_record_bytes, sample_ranges

TB = 10**12


def sampled(dataset: bytes) -> float:
    ranges = sample_ranges(len(dataset))
    return mean_record_bytes([dataset[first : last + 1] for first, last in ranges])


@given(st.integers(0, 100 * TB))
def test_a_sample_is_small_lies_within_the_dataset_and_begins_at_its_beginning(size: int) -> None:
    ranges = sample_ranges(size)

    assert sum(last - first + 1 for first, last in ranges) <= 256 * 1024
    assert all(0 <= first <= last < size for first, last in ranges)
    assert all(one[1] < another[0] for one, another in itertools.pairwise(ranges))
    assert [first for first, _ in ranges][:1] == [0][: bool(size)]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=3_000), st.booleans())
def test_of_a_small_dataset_the_mean_is_exact(lengths: list[int], is_terminated: bool) -> None:  # noqa: FBT001  # drawn
    dataset = b"\n".join(b"x" * length for length in lengths) + b"\n" * is_terminated
    if len(dataset) > 256 * 1024:
        return

    assert sampled(dataset) == pytest.approx(len(dataset) / len(lengths))


def test_a_beginning_that_is_not_like_the_rest_does_not_decide_alone() -> None:
    dataset = b"x\n" * 50_000 + (b"x" * 999 + b"\n") * 50_000

    assert 7 < sampled(dataset) < 1_000
    assert sampled(dataset[::-1]) == pytest.approx(sampled(dataset), rel=0.01)


def test_records_of_one_length_are_told_exactly_wherever_the_pieces_begin() -> None:
    assert sampled((b"x" * 149 + b"\n") * 100_000) == 150


def test_blank_lines_are_no_records() -> None:
    assert sampled(b"xxx\n\n\n\nxxx\n\n") == 6


def test_a_record_longer_than_a_piece_is_taken_for_as_long_as_that() -> None:
    assert sampled(b"x" * 10_000_000) == 64 * 1024


def test_nothing_is_sampled_of_nothing() -> None:
    assert sampled(b"") == 1
