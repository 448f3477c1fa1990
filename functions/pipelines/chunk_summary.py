"""What is remembered of a chunk: a few hundred bytes, however many records it had.

Summaries add up. The sum is the same in whatever order they are added and wherever the chunks'
bounds were, but for how the rare failures are called of which there are too many kinds.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

# Of failures with a code of their own; a destination that answers with ever new ones must not
# fill the checkpoint.
MAX_CODES = 12
MAX_CODE_LENGTH = 40
OTHER = "other"
# A digest is a sum of 128-bit hashes.
DIGEST_BITS = 128
_MODULUS = 1 << DIGEST_BITS


@dataclass(frozen=True, slots=True)
class ChunkSummary:
    """Counts of one chunk or of many.

    *digest* tells what came out: the sum of the hashes of all processed lines. *work_millis* is
    how long workers were at it, *peak_memory_mib* the most that any of them ever held.
    """

    succeeded: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    digest: int = 0
    work_millis: int = 0
    peak_memory_mib: int = 0

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    @property
    def records(self) -> int:
        return self.succeeded + self.failed

    @property
    def digest_text(self) -> str:
        return f"{self.digest:032x}"

    @classmethod
    def sum(cls, summaries: Iterable[Self]) -> Self:
        """All of them in one; of none: an empty one."""
        succeeded = digest = work_millis = peak_memory_mib = 0
        failures: Counter[str] = Counter()
        for summary in summaries:
            succeeded += summary.succeeded
            failures.update(summary.failures)
            digest += summary.digest
            work_millis += summary.work_millis
            peak_memory_mib = max(peak_memory_mib, summary.peak_memory_mib)
        return cls(succeeded, few_codes(failures), digest % _MODULUS, work_millis, peak_memory_mib)

    def to_text(self) -> str:
        """One line of ASCII."""
        return json.dumps(
            [
                self.succeeded,
                dict(self.failures),
                f"{self.digest:x}",
                self.work_millis,
                self.peak_memory_mib,
            ],
            separators=(",", ":"),
        )

    @classmethod
    def from_text(cls, text: str) -> Self:
        succeeded, failures, digest, work_millis, peak_memory_mib = json.loads(text)
        return cls(succeeded, failures, int(digest, 16), work_millis, peak_memory_mib)


def few_codes(failures: Mapping[str, int]) -> dict[str, int]:
    """The most frequent codes, cut to their length; the rest together."""
    cut: Counter[str] = Counter()
    for code, number in failures.items():
        cut[code[:MAX_CODE_LENGTH]] += number
    if len(cut) <= MAX_CODES:
        return dict(sorted(cut.items()))
    named = sorted(cut, key=lambda code: (code == OTHER, -cut[code], code))
    kept = {code: cut[code] for code in sorted(named[: MAX_CODES - 1]) if code != OTHER}
    return kept | {OTHER: cut.total() - sum(kept.values())}
