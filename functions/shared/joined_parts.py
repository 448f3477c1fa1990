"""Objects that are one dataset together: which bytes of the whole are which of a part."""

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Segment(NamedTuple):
    """Bytes of one part, *first* and *last* included."""

    part: int
    first: int
    last: int


class JoinedParts:
    """Parts of *sizes*, one after the other; none of them is empty."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._begins = list(itertools.accumulate(sizes, initial=0))

    @property
    def size_bytes(self) -> int:
        return self._begins[-1]

    def segments(self, first: int, last: int) -> Iterator[Segment]:
        """The parts of the bytes from *first* to *last*, both included."""
        last = min(last, self.size_bytes - 1)
        part = bisect_right(self._begins, first) - 1
        while first <= last:
            begin, following = self._begins[part], self._begins[part + 1]
            yield Segment(part, first - begin, min(last, following - 1) - begin)
            first, part = following, part + 1
