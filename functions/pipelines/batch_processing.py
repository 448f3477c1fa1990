"""The job type `batch-processing`: every record of a dataset through a processor.

The dataset is measured, cut into chunks by the plan, and processed here or, where that would take
too long, by shards. A record that fails is written down and the batch goes on; whether there were
too many of them is decided in the end, when the report of all is written.
"""

from typing import Any

from aws_durable_execution_sdk_python import DurableContext

from functions.pipelines.batch_report import Processed
from functions.pipelines.batch_request import BatchRequest
from functions.pipelines.batch_steps import (
    MEASURING,
    measure_dataset,
    refuse_too_many_failures,
    report_in_turns,
    settings,
    work_of,
)
from functions.pipelines.batch_tree import process_in_shards
from functions.pipelines.batch_worker import process_chunks
from functions.shared.durable_job import durable_job, job_run


@durable_job
def handler(request: BatchRequest, context: DurableContext) -> dict[str, Any]:
    """Measure, plan, process, report, and judge."""
    run = job_run(context)
    measured = context.step(measure_dataset(request, run), name="measure-dataset", config=MEASURING)
    work = work_of(request, measured, run)

    if work.plan.shards:
        processed = process_in_shards(work, settings.batch_shard_arn, context)
    elif work.plan.chunks:
        processed = Processed(process_chunks(work, context, began_at=measured.began_at))
    else:
        processed = Processed.nothing()

    report = report_in_turns(request, measured, work, processed, context)
    refuse_too_many_failures(report, request)
    return report
