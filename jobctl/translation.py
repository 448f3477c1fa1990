"""From botocore's exceptions to ours: one line that names what failed and how to mend it."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from functions.shared.job import cut
from jobctl.contract import Operation
from jobctl.errors import (
    AccessError,
    JobClientError,
    NotDeployedError,
    ThrottledError,
    UnansweredError,
    UnreachableError,
    class_of_answer,
    class_of_exception,
)

_MAX_MESSAGE_BYTES = 400

_FIX: dict[type[JobClientError], str] = {
    AccessError: "check AWS_PROFILE and AWS_REGION, renew the credentials, or use a role with the "
    "stage's producer or operator policy",
    NotDeployedError: "check stage, account and Region, or deploy the stacks",
    ThrottledError: "wait a little, then do the same again",
    UnansweredError: "do the same again with the same job id; what was done is found",
    UnreachableError: "check the network, the Region and, with --local, that `make up` runs",
}


@contextmanager
def aws_errors_as_ours(operation: Operation = Operation.PUT_ITEM) -> Iterator[None]:
    """Raise what botocore raises inside as a `JobClientError` with the original as its cause."""
    try:
        yield
    except ClientError as error:
        raise _from_answer(error, operation) from error
    except BotoCoreError as error:
        raise _from_sdk(error, operation) from error


def _from_answer(error: ClientError, operation: Operation) -> JobClientError:
    """AWS answered, with an error."""
    code = error.response.get("Error", {}).get("Code", "Unknown")
    message = error.response.get("Error", {}).get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    kind = class_of_answer(code, operation, status)
    return kind(_line(f"{error.operation_name}: {code}: {message}", kind))


def _from_sdk(error: BotoCoreError, operation: Operation) -> JobClientError:
    """The SDK gave up by itself."""
    kind = class_of_exception(type(error), operation)
    return kind(_line(str(error), kind))


def _line(text: str, kind: type[JobClientError]) -> str:
    line = cut(" ".join(text.split()).rstrip(" .:"), _MAX_MESSAGE_BYTES)
    fix = _FIX.get(kind)
    return line if fix is None else f"{line}: {fix}"
