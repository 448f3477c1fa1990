"""A million records end to end: exactly the right ones come out, while processes die at random.

What must not grow with the dataset is measured beside one of 10,000 on the same platform.
"""

import sys
from dataclasses import dataclass

import pytest

from functions.shared.job import Job
from local.data_jobs import BATCH
from local.products import Products
from tests.e2e.data_runs import SHARD, DataRuns, differences, result, seconds_of
from tests.e2e.sudden_deaths import SuddenDeaths, sudden_deaths

pytestmark = pytest.mark.soak

FEW, MILLION = Products(10_000), Products(1_000_000)
HOUR = 3_600
BETWEEN_DEATHS = (2.0, 8.0)

# What an execution may do with a million records, by what the issue promises.
MAX_OPERATIONS = 1_010
MAX_OPERATIONS_OF_EXECUTION = 2_400
MAX_BYTES = 2_000_000
MAX_MEMORY_GROWTH = 1.2


@dataclass(frozen=True)
class Taken:
    """A batch that has ended, and what it took."""

    job: Job
    seconds: float
    deaths: SuddenDeaths
    operations: int
    most_operations: int
    bytes_written: int

    def __str__(self) -> str:
        said = result(self.job)
        return (
            f"{said['records']:,} records in {self.seconds:.0f} s"
            f" ({said['records'] / self.seconds:,.0f} a second):"
            f" {self.operations:,} operations, {self.bytes_written:,} bytes of checkpoints,"
            f" {self.deaths.most_memory_bytes / 2**20:.0f} MiB at most in a worker,"
            f" {self.deaths.kills} kills"
        )


@pytest.mark.parametrize(
    ("kind", "wishes"),
    [
        ("alone", {}),
        ("in-shards", {"records_per_second": 4_000, "target_minutes": 2}),
    ],
)
def test_a_million_records_come_through_once_each_while_workers_die(
    runs: DataRuns, kind: str, wishes: dict[str, int]
) -> None:
    few = _batch(runs, f"few-{kind}", FEW, wishes, most_deaths=0)
    million = _batch(runs, f"million-{kind}", MILLION, wishes, most_deaths=1_000)
    sys.stdout.write(f"\n{kind}: {few}\n{kind}: {million}\n")

    said = result(million.job)
    assert million.deaths.kills > 0
    assert (said["records"], said["succeeded"], said["failed"]) == (1_000_000, 990_000, 10_000)
    assert said["failures"] == {"schema": 10_000}
    assert said["digest"] == MILLION.digest
    assert bool(said["shards"]) == (kind == "in-shards")
    assert differences(MILLION, runs.processed(million.job.job_id)) == {}
    assert len(runs.set_aside(said["failed_records"])) == 10_000
    # The operations that each death costs count as well.
    assert million.operations <= MAX_OPERATIONS
    assert million.most_operations <= MAX_OPERATIONS_OF_EXECUTION
    assert million.bytes_written < MAX_BYTES
    growth = million.deaths.most_memory_bytes / few.deaths.most_memory_bytes
    assert growth <= MAX_MEMORY_GROWTH


def _batch(
    runs: DataRuns, name: str, products: Products, wishes: dict[str, int], *, most_deaths: int
) -> Taken:
    key = runs.put(products, f"{name}.jsonl")
    with sudden_deaths(
        runs.deployed, [BATCH, SHARD], between_seconds=BETWEEN_DEATHS, most=most_deaths
    ) as deaths:
        job = runs.batch(name, key, seconds=HOUR, tolerated_failures_percent=1, **wishes)
    used = [runs.usage(arn) for arn in (job.execution_arn, *runs.shards_of(job))]
    return Taken(
        job=job,
        seconds=seconds_of(job),
        deaths=deaths,
        operations=sum(usage["operations"] for usage in used),
        most_operations=max(usage["operations"] for usage in used),
        bytes_written=sum(usage["bytes_written"] for usage in used),
    )
