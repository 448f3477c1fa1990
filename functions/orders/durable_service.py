"""A service that is a durable function: called by a workflow, and failing as a service does."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from aws_durable_execution_sdk_python import DurableContext, StepError, durable_execution

from functions.orders.service_errors import revive

# Made here and handed to the SDK, which would otherwise make it inside the first invocation.
_lambda = boto3.client("lambda")


def durable_service(
    serve: Callable[[Mapping[str, Any], DurableContext], dict[str, Any]],
) -> Callable[[Any, Any], Any]:
    """Make *serve* a handler that fails with the service's error, not with the step's.

    The caller would see `StepError` and could not tell a declined card from a crash.
    """

    @functools.wraps(serve)
    def run(event: Any, context: DurableContext) -> Any:
        try:
            return serve(event, context)
        except StepError as error:
            raise revive(error.error_type, error.message) from error

    return durable_execution(run, boto3_client=_lambda)
