"""What is remembered of a chunk: a few hundred bytes, however many records it had.

Summaries add up. The sum is the same in whatever order they are added and wherever the chunks'
bounds were, but for how the rare failures are called of which there are too many kinds.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from functions.pipelines.digest import KeyDigest

# Of failures with a code of their own; a destination that answers with ever new ones must not
# fill the checkpoint.
MAX_CODES = 12
MAX_CODE_LENGTH = 40
OTHER = "other"


@dataclass(frozen=True, slots=True)
class ChunkSummary:
    """Counts of one chunk, or of as many *chunks* as were added up.

    *processed* tells which records came through, *failures* how many did not, by code, and
    *failed_keys* which, by the keys in the failed part.
    *work_millis* is what it took of the workers' time, with all that came before it and since the
    chunk that ended before; *peak_memory_mib* the most that one of them held.
    """

    processed: KeyDigest = field(default_factory=KeyDigest)
    failures: Mapping[str, int] = field(default_factory=dict)
    work_millis: int = 0
    peak_memory_mib: int = 0
    chunks: int = 1
    failed_keys: KeyDigest = field(default_factory=KeyDigest)

    @property
    def succeeded(self) -> int:
        return self.processed.count

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    @property
    def records(self) -> int:
        return self.succeeded + self.failed

    @classmethod
    def sum(cls, summaries: Iterable[Self]) -> Self:
        """All of them in one; of none: an empty one."""
        processed = failed_keys = KeyDigest()
        work_millis = peak_memory_mib = chunks = 0
        failures: Counter[str] = Counter()
        for summary in summaries:
            processed += summary.processed
            failed_keys += summary.failed_keys
            failures.update(summary.failures)
            work_millis += summary.work_millis
            peak_memory_mib = max(peak_memory_mib, summary.peak_memory_mib)
            chunks += summary.chunks
        codes = few_codes(failures)
        return cls(processed, codes, work_millis, peak_memory_mib, chunks, failed_keys)

    def to_text(self) -> str:
        """One line of ASCII."""
        return json.dumps(
            [
                str(self.processed),
                dict(self.failures),
                self.work_millis,
                self.peak_memory_mib,
                self.chunks,
                *([str(self.failed_keys)] if self.failed_keys.count else []),
            ],
            separators=(",", ":"),
        )

    @classmethod
    def from_text(cls, text: str) -> Self:
        processed, failures, work_millis, peak_memory_mib, chunks, *keys = json.loads(text)
        failed_keys = KeyDigest.from_text(keys[0]) if keys else KeyDigest()
        digest = KeyDigest.from_text(processed)
        return cls(digest, failures, work_millis, peak_memory_mib, chunks, failed_keys)


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
