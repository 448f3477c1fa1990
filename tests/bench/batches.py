"""Batches of 10,000 to a million records on the local platform, beside a plain loop over the same.

Both read the same file and have the same processor, in turn and on the same machine. The platform
itself, all of S3 and DynamoDB included, shares the processors with the workers.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.pipelines.processors import processor_named
from functions.pipelines.record_format import json_record, record_line
from functions.pipelines.records import Line, RecordRefusedError
from functions.pipelines.transforms.transforming import transforming
from local.data_jobs import BATCH
from local.deployment import Deployment
from local.platform import PlatformSettings, running_platform
from local.products import Products
from tests.bench.figure import Figure
from tests.e2e.data_runs import IN_SHARDS, NORMALIZE, SHARD, DataRuns, result, seconds_of
from tests.e2e.deployed_jobs import DeployedJobs
from tests.e2e.sudden_deaths import sudden_deaths

SIZES = (10_000, 100_000, 1_000_000)
LARGEST = SIZES[-1]
# Two workers share a million records, and fewer are one execution's.
WISHES = {"target_minutes": 2, "max_workers": 2, "tolerated_failures_percent": 1}
PATIENCE_SECONDS = 3_600

MAX_OPERATIONS = 1_010
MAX_CHECKPOINT_BYTES = 2_000_000
MAX_MEMORY_GROWTH = 1.2
MAX_OVERHEAD = 1.25
# Of a pipeline, besides one for each part.
MAX_PIPELINE_OPERATIONS = 12
PARTS = 10


@dataclass(frozen=True, slots=True)
class Durable:
    """What a batch took."""

    seconds: float
    operations: int
    checkpoint_bytes: int
    peak_memory_bytes: int
    workers: int


def batch_figures(scratch: Path) -> Iterator[Figure]:
    """On a platform of its own."""
    state = scratch / "platform"
    with running_platform(PlatformSettings(state=state)) as platform:
        deployment = Deployment(platform.endpoint, output=state / "deployment")
        asyncio.run(_deploy(deployment))
        runs = DataRuns(DeployedJobs(platform.endpoint, state))
        # A cold start is not what is measured: not of one worker, and not of two.
        for name, payload in (("warm-up", {}), ("warm-up-shards", IN_SHARDS)):
            _durable(runs, name, Products(4_000), **payload)
        yield from _figures(runs, scratch)
        yield _pipeline_figure(runs)


async def _deploy(deployment: Deployment) -> None:
    await deployment.bootstrap()
    await deployment.deploy()


def _figures(runs: DataRuns, scratch: Path) -> Iterator[Figure]:
    peaks = []
    for count in SIZES:
        products = Products(count)
        file = scratch / f"{count}.jsonl"
        with file.open("wb") as written:
            written.writelines(products.json_lines())
        loops = [_plain_loop(file, scratch / "plain.jsonl")]
        durable = _durable(runs, f"bench-{count}", products)
        loops.append(_plain_loop(file, scratch / "plain.jsonl"))
        peaks.append(durable.peak_memory_bytes)
        yield from _of_size(count, durable, statistics.mean(loops))
    yield Figure(
        name="B4",
        what=f"peak memory of a worker, {LARGEST:,} records ÷ {SIZES[0]:,}",
        value=peaks[-1] / peaks[0],
        goal=MAX_MEMORY_GROWTH,
    )


def _of_size(count: int, durable: Durable, loop_seconds: float) -> Iterator[Figure]:
    is_largest = count == LARGEST
    yield Figure(
        name="B1",
        what=f"records a second, {count:,}",
        value=count / durable.seconds,
        note=f"{durable.workers} at work; plain loop {count / loop_seconds:,.0f}",
    )
    yield Figure(
        name="B2",
        what=f"durable operations, {count:,} records",
        value=float(durable.operations),
        goal=MAX_OPERATIONS if is_largest else None,
    )
    yield Figure(
        name="B3",
        what=f"bytes of checkpoints, {count:,} records",
        value=float(durable.checkpoint_bytes),
        goal=MAX_CHECKPOINT_BYTES if is_largest else None,
    )
    yield Figure(
        name="B4",
        what=f"peak memory of a worker in MiB, {count:,} records",
        value=durable.peak_memory_bytes / 2**20,
    )
    yield Figure(
        name="B5",
        what=f"durable run ÷ plain loop in one process, {count:,} records",
        value=durable.seconds / loop_seconds,
        goal=MAX_OVERHEAD if is_largest else None,
        note=f"{durable.seconds:.0f} s and {loop_seconds:.0f} s here",
    )


def _durable(runs: DataRuns, name: str, products: Products, **payload: Any) -> Durable:
    key = runs.put(products, f"{name}.jsonl")
    with sudden_deaths(runs.deployed, [BATCH, SHARD], between_seconds=(0, 1), most=0) as watch:
        job = runs.batch(name, key, seconds=PATIENCE_SECONDS, **{**WISHES, **payload})
    if result(job)["records"] != products.count:
        raise RuntimeError(f"the batch to be measured ended with {job.result}")
    shards = runs.shards_of(job)
    used = [runs.usage(arn) for arn in (job.execution_arn, *shards)]
    return Durable(
        seconds=seconds_of(job),
        operations=sum(usage["operations"] for usage in used),
        checkpoint_bytes=sum(usage["bytes_written"] for usage in used),
        peak_memory_bytes=watch.most_memory_bytes,
        workers=2 if shards else 1,
    )


def _plain_loop(source: Path, destination: Path) -> float:
    """The seconds that one process takes to do it without anything durable."""
    transformed = transforming(processor_named(NORMALIZE, {}).transform)
    offset = 0
    began = time.perf_counter()
    with source.open("rb") as lines, destination.open("wb") as written:
        for content in lines:
            line = Line(offset, content.rstrip(b"\n"))
            offset += len(content)
            try:
                written.write(record_line(transformed(json_record(line))))
            except RecordRefusedError as refused:
                written.write(json.dumps({"error": refused.code}).encode() + b"\n")
    return time.perf_counter() - began


def _pipeline_figure(runs: DataRuns) -> Figure:
    key = runs.put(Products(PARTS * 1_000, refused_every=0), "bench.csv.gz")
    job = runs.pipeline("bench-pipeline", key, {"dataset": "bench"}, part_records=1_000)
    if result(job)["parts"] != PARTS:
        raise RuntimeError(f"the pipeline to be measured ended with {job.result}")
    return Figure(
        name="P5",
        what=f"durable operations, data-pipeline of {PARTS} parts",
        value=float(runs.usage(job.execution_arn)["operations"]),
        goal=MAX_PIPELINE_OPERATIONS + PARTS,
    )
