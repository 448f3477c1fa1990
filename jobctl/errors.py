"""What `JobClient` raises: one class for each sort of trouble in the error contract.

A producer decides by the class, or by `retry`, and never by the text of an AWS exception.
"""

from typing import ClassVar

from functions.shared.job import Job
from jobctl.contract import Kind, Operation, Retry, find


class JobClientError(Exception):
    """A call that did not do what it was asked; *retry* tells whether another one would."""

    retry: ClassVar[Retry] = Retry.AFTER_MENDING

    @property
    def should_retry(self) -> bool:
        """Whether the same call, with the same job id, is worth repeating by itself."""
        return self.retry is Retry.SAME_ID


class ThrottledError(JobClientError):
    """AWS asks for fewer calls; the SDK's own retries are used up."""

    retry = Retry.SAME_ID


class UnansweredError(JobClientError):
    """No answer came, so the call may have been carried out; the same job id finds out."""

    retry = Retry.SAME_ID


class UnreachableError(JobClientError):
    """No connection: nothing was sent."""

    retry = Retry.SAME_ID


class AccessError(JobClientError):
    """No credentials, no longer valid ones, or ones without the right."""


class NotDeployedError(JobClientError):
    """The stage, table, bucket or function is not where the client looks for it."""


class RefusedError(JobClientError):
    """AWS calls the request itself wrong."""

    retry = Retry.NEW_JOB


class JobConflictError(JobClientError):
    """The job id belongs to a job of another type or payload; it is unchanged."""

    retry = Retry.NEW_JOB


class UnknownJobTypeError(JobClientError):
    """No function is registered for the job type on this stage."""

    retry = Retry.NEW_JOB


class UnknownJobError(JobClientError):
    """There is no such job, or its time to live is over."""

    retry = Retry.NEW_JOB


class UnknownDatasetError(JobClientError):
    """There is nothing where the payload says that a dataset is."""


class NotInThisStateError(JobClientError):
    """The job is in a status that forbids this; the message says which."""

    retry = Retry.NEW_JOB


class WaitTimeoutError(JobClientError):
    """The job was still open when the time to wait was over; it goes on by itself."""

    retry = Retry.NOT_NEEDED

    def __init__(self, message: str, job: Job) -> None:
        super().__init__(message)
        self.job = job


CLASS_OF_KIND: dict[Kind, type[JobClientError]] = {
    Kind.INVALID: RefusedError,
    Kind.CONFLICT: JobConflictError,
    Kind.THROTTLED: ThrottledError,
    Kind.UNANSWERED: UnansweredError,
    Kind.UNREACHABLE: UnreachableError,
    Kind.DENIED: AccessError,
    Kind.CREDENTIALS: AccessError,
    Kind.NOT_DEPLOYED: NotDeployedError,
    Kind.NOT_RUNNABLE: NotDeployedError,
    Kind.ALREADY_STARTED: JobConflictError,
    Kind.EXECUTION_ENDED: NotInThisStateError,
}

_SERVER_FAULT = 500


def class_of_answer(
    code: str, operation: Operation, http_status: int | None
) -> type[JobClientError]:
    """The class for an answer of AWS; by its HTTP status where the contract has no such name."""
    entry = find(code, operation)
    if entry is not None:
        return CLASS_OF_KIND[entry.kind]
    if http_status is not None and http_status >= _SERVER_FAULT:
        return UnansweredError
    return RefusedError


def class_of_exception(error: type[BaseException], operation: Operation) -> type[JobClientError]:
    """The class for an exception of the SDK's own; the contract names base classes as well."""
    for ancestor in error.__mro__:
        entry = find(ancestor.__name__, operation)
        if entry is not None:
            return CLASS_OF_KIND[entry.kind]
    return JobClientError
