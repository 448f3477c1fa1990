"""What a batch uses of what AWS counts: reckoned alike before it runs and after it.

Before, from what the planner expects; after, from what was counted and measured. So a difference
between the two is one of the batch, and none of the way in which they were reckoned.
"""

import math
from dataclasses import dataclass

from functions.shared.prices import Usage

# An item of DynamoDB takes 1,000 write units a second and no more, however a table is paid:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
# Half a unit a second for each worker leaves half of them to others, where there are 1,000 workers.
_SECONDS_OF_NOTE_UNIT = 2.0
# A shard's entry in the job's row, which every note of progress pays for.
_BYTES_OF_NOTE = 80
_BYTES_OF_WRITE_UNIT = 1_024
# Read consistently.
_BYTES_OF_READ_UNIT = 4 * 1_024
# Of an item of the dataset table: its keys, its source, and the names of its attributes.
_BYTES_OF_ITEM = 150
# The size of a table is estimated by counting in 4 of its 256 partitions.
_SHARE_THAT_IS_COUNTED = 4 / 256
# HEAD of the part, GET of the range; what is past its end comes with it, but for very long lines.
_GETS_OF_CHUNK = 2
_PUTS_OF_CHUNK = 1
# To measure the dataset, and to find the parts again when they are counted.
_GETS_OF_BATCH = 6
# The report.
_PUTS_OF_BATCH = 1
_MIB_OF_GB = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much a batch did, or will.

    *checkpoint_bytes* are those that AWS stores and limits: payloads and errors, without what the
    SDK sends around them. *worker_seconds* is what all workers take together. *written* is how many
    records are written into a table, *table_bytes* how much is read of one.
    """

    operations: int
    checkpoint_bytes: int
    worker_seconds: float
    requests: int
    chunks: int
    shards: int
    memory_mib: int
    record_bytes: float
    written: float = 0
    table_bytes: float = 0

    def usage(self) -> Usage:
        """In the units of the price list."""
        notes = self.worker_seconds / seconds_between_notes(self.shards)
        reads = self.table_bytes * (1 + _SHARE_THAT_IS_COUNTED) / _BYTES_OF_READ_UNIT
        return Usage(
            operations=self.operations,
            checkpoint_bytes=self.checkpoint_bytes,
            gb_seconds=self.worker_seconds * self.memory_mib / _MIB_OF_GB,
            requests=self.requests,
            s3_gets=_GETS_OF_BATCH + _GETS_OF_CHUNK * self.chunks,
            s3_puts=_PUTS_OF_BATCH + _PUTS_OF_CHUNK * self.chunks,
            table_writes=notes * _row_units(self.shards)
            + self.written * _units_of_item(self.record_bytes),
            # A query that finds nothing is one, too.
            table_reads=reads + self.chunks if self.table_bytes else 0,
        )


def seconds_between_notes(shards: int) -> float:
    """How long each worker is silent between two notes of its progress in the job's row."""
    return _SECONDS_OF_NOTE_UNIT * _row_units(shards)


def _row_units(shards: int) -> int:
    """What one write of the job's row takes."""
    return math.ceil((_BYTES_OF_WRITE_UNIT + shards * _BYTES_OF_NOTE) / _BYTES_OF_WRITE_UNIT)


def _units_of_item(record_bytes: float) -> int:
    return math.ceil((_BYTES_OF_ITEM + record_bytes) / _BYTES_OF_WRITE_UNIT)
