"""Starting the execution of a job's current attempt; starting it again starts nothing."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from functions.shared.aws_errors import is_server_error, is_throttle
from functions.shared.errors import PermanentError, TransientError
from functions.shared.job import ExecutionName, Job, start_event

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_ALREADY_STARTED = "DurableExecutionAlreadyStartedException"
_REQUEST_TIMEOUT = 408
_CONFLICT = 409


class StartRefusedError(PermanentError):
    """Lambda does not start the job's function, and another try would not change it."""


class StartPostponedError(TransientError):
    """Lambda cannot start it now: over the rate of starts, or a fault of its own."""


def start_execution(client: "LambdaClient", alias_arn: str, job: Job) -> None:
    """Start *job*'s current attempt, under the name that makes a second start harmless.

    Lambda answers the same name and input with the execution that exists, and another input with
    409: the producer's own invoke was first. Either way the job is started.

    Raises:
        StartPostponedError: Not now.
        StartRefusedError: Never.
    """
    try:
        client.invoke(
            FunctionName=alias_arn,
            InvocationType="Event",
            DurableExecutionName=str(ExecutionName(job.job_id, job.attempt)),
            Payload=start_event(job).encode(),
        )
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        if code == _ALREADY_STARTED:
            return
        message = f"{code}: {error.response['Error'].get('Message', '')}"
        if is_throttle(error) or is_server_error(error) or _is_passing(error):
            raise StartPostponedError(message) from error
        raise StartRefusedError(f"Lambda refused to start the job: {message}") from error


def _is_passing(error: ClientError) -> bool:
    """A function that is being changed at this moment answers 409, or runs out of time."""
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status in {_CONFLICT, _REQUEST_TIMEOUT}
