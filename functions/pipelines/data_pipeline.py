"""The job type `data-pipeline`: records from a source, through a transform, to a destination.

Datasets are references: what is read and made lies in S3, part by part, and each stage goes on at
the part after the last one that is there.
"""

from aws_durable_execution_sdk_python import DurableContext

from functions.pipelines.inspection import check_not_empty
from functions.pipelines.pipeline_outcome import Loaded, check_rejects, loaded
from functions.pipelines.pipeline_request import PipelineRequest
from functions.pipelines.pipeline_stages import (
    INSPECTING,
    Work,
    inspect,
    until_done,
    wait_for_off_peak,
)
from functions.pipelines.stage_work import Stage
from functions.shared.durable_job import durable_job, job_run


@durable_job
def handler(request: PipelineRequest, context: DurableContext) -> Loaded:
    """Extract, transform, wait for the off-peak hour, load, verify."""
    job = job_run(context)
    run = context.step(inspect(request, job), name="inspect-source", config=INSPECTING)
    work = Work(request, run)

    extracted = until_done(Stage.EXTRACT, work.extraction, job, context, name="extract")
    check_not_empty(extracted.records + extracted.rejected, request)

    transformed = until_done(Stage.TRANSFORM, work.transformation, job, context, name="transform")
    rejected = check_rejects(extracted, transformed, request, run)

    wait_for_off_peak(request, transformed, job, context)
    until_done(Stage.LOAD, work.loading, job, context, name="load")
    verified = until_done(Stage.VERIFY, work.verification, job, context, name="verify")
    return loaded(verified, rejected, request, run)
