"""What AWS takes for what a durable execution uses, in US dollars.

List prices of us-east-1 without free tiers or discounts. Each names its page and its year; another
Region differs by a tenth or two, so a cost is an estimate and never a bill.
"""

from dataclasses import dataclass

# https://aws.amazon.com/lambda/pricing/, durable functions, as three documents of 2026 quote it.
OPERATION = 8.00 / 1_000_000
GB_WRITTEN = 0.25
GB_MONTH_RETAINED = 0.15

# https://aws.amazon.com/lambda/pricing/, arm64, first tier, 2026
GB_SECOND = 0.0000133334
REQUEST = 0.20 / 1_000_000

# https://aws.amazon.com/s3/pricing/, S3 Standard, 2026; a HEAD costs what a GET does.
S3_GET = 0.0004 / 1_000
S3_PUT = 0.005 / 1_000

# https://aws.amazon.com/dynamodb/pricing/on-demand/, since 2024-11: 1 KB written; 4 KB read.
TABLE_WRITE = 0.625 / 1_000_000
TABLE_READ = 0.125 / 1_000_000

_GB = 1_000_000_000
_DAYS_OF_MONTH = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was used, or will be: the units that AWS counts."""

    operations: int = 0
    checkpoint_bytes: int = 0
    gb_seconds: float = 0
    requests: int = 0
    s3_gets: int = 0
    s3_puts: int = 0
    table_writes: float = 0
    table_reads: float = 0


def cost(usage: Usage, *, retention_days: float = 30) -> float:
    """Dollars; what was checkpointed is kept, and paid, for *retention_days*."""
    written = usage.checkpoint_bytes / _GB
    return (
        usage.operations * OPERATION
        + written * (GB_WRITTEN + GB_MONTH_RETAINED * retention_days / _DAYS_OF_MONTH)
        + usage.gb_seconds * GB_SECOND
        + usage.requests * REQUEST
        + usage.s3_gets * S3_GET
        + usage.s3_puts * S3_PUT
        + usage.table_writes * TABLE_WRITE
        + usage.table_reads * TABLE_READ
    )


def off_by(predicted: float, actual: float) -> float | None:
    """By how many percent *actual* is above what was predicted (below: negative).

    None where nothing was predicted and something came: no percentage tells that.
    """
    if not predicted:
        return None if actual else 0.0
    return round(100 * (actual - predicted) / predicted, 1)
