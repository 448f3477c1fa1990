"""The durable function `batch-shard`: a stretch of a batch's chunks, with limits of its own.

It has no row: `batch-processing` invokes it and waits, and its progress is a part of that job's.
"""

from collections.abc import Mapping
from typing import Any

import boto3
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.exceptions import DurableOperationError

from functions.pipelines.batch_report import ShardAnswer
from functions.pipelines.batch_work import BatchWork
from functions.pipelines.batch_worker import process_chunks
from functions.pipelines.execution_usage import usage_of
from functions.pipelines.same_error import same_error

# Made here and handed to the SDK, which would otherwise make it inside the first invocation.
_lambda = boto3.client("lambda")


def serve(event: Mapping[str, Any], context: DurableContext) -> dict[str, Any]:
    """Process the chunks of one shard; fail as the first chunk that failed.

    Who invoked it sees the class of an error and nothing of what it wraps.
    """
    work = BatchWork.from_event(event["work"])
    try:
        summary = process_chunks(work, context, shard=event["shard"])
    except DurableOperationError as error:
        raise same_error(error) from error
    return ShardAnswer(summary, usage_of(context)).to_event()


handler = durable_execution(serve, boto3_client=_lambda)
