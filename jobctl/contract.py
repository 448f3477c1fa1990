"""What a producer can catch, and what it cannot: every error from `PutItem` to the execution's end.

Half of what can go wrong with a job never reaches the code that submitted it. This table says of
each error which half it belongs to, whether another try helps, and what the job's row says
afterwards. `docs/error-contract.md` is printed from it, the clients decide by it, and the tests
hold it against AWS's service models.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from functions.shared.job import JobStatus


class Operation(StrEnum):
    """The call, or the stretch of a job's life, in which an error appears."""

    PUT_OBJECT = "PutObject"
    PUT_ITEM = "PutItem"
    INVOKE_EVENT = "Invoke (Event)"
    INVOKE_SYNC = "Invoke (RequestResponse)"
    EXECUTION = "Execution"
    SEND_EMAIL = "send-email"
    ORDERS = "orders"
    ASKING = "waiting for people"
    APPROVAL = "document-approval"
    ONBOARDING = "user-onboarding"
    DATASETS = "batch-processing and data-pipeline"
    BATCH = "batch-processing"
    PIPELINE = "data-pipeline"


class Source(StrEnum):
    """Who gives an error its name."""

    CHECK = "the producer's client, before any call"
    MODEL = "the operation, in AWS's service model"
    COMMON = "AWS, for any operation"
    SDK = "the AWS SDK (botocore's name)"
    RESPONSE = "a field of a successful response"
    ROW = "`error.type` of the row"


class Reaches(StrEnum):
    """Who is told."""

    CALLER = "the caller"
    ROW = "only the row"
    BOTH = "the caller and the row"
    ALERT = "the alert (and a caller that waits); the row does not know"
    CALLER_UNLESS_ACCEPTED = "the caller; after the 202, nobody"


class Retry(StrEnum):
    """What another try would do."""

    NOT_NEEDED = "not needed"
    SAME_ID = "yes, with the same job id, after a growing pause"
    AFTER_MENDING = "once the cause is mended, with the same job id"
    NEW_JOB = "no; a corrected job is a new job"
    OPERATOR = "`jobctl retry`, once the cause is mended"


class Kind(StrEnum):
    """What sort of trouble it is; clients raise one class for each."""

    INVALID = "invalid"
    CONFLICT = "conflict"
    THROTTLED = "throttled"
    UNANSWERED = "unanswered"
    UNREACHABLE = "unreachable"
    DENIED = "denied"
    CREDENTIALS = "credentials"
    NOT_DEPLOYED = "not deployed"
    NOT_RUNNABLE = "not runnable"
    ALREADY_STARTED = "already started"
    EXECUTION_ENDED = "execution ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractEntry:
    """One error, or several that mean the same to a producer.

    *leaves* lists what the row can say afterwards; None stands for "there is no row".
    """

    operation: Operation
    names: tuple[str, ...]
    source: Source
    kind: Kind
    reaches: Reaches
    retry: Retry
    leaves: tuple[JobStatus | None, ...]
    meaning: str
    advice: str

    @property
    def is_for_a_new_job(self) -> bool:
        """Whether a row that says so is left as it is; `jobctl retry` mends the other ones.

        What a direct invoke did wrong, the row itself did not.
        """
        return self.retry is Retry.NEW_JOB and self.reaches is Reaches.ROW


# Types of jobs that have no undo; whoever reads that none was done would look for one.
WITHOUT_UNDO = frozenset({"batch-processing", "data-pipeline", "send-email"})

NO_ROW = None
# Every status: the row goes on as it was.
UNTOUCHED = tuple(JobStatus)

_CREDENTIAL_ERRORS = (
    "UnrecognizedClientException",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "IncompleteSignatureException",
    "MissingAuthenticationTokenException",
)
_SDK_CREDENTIAL_ERRORS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "TokenRetrievalError",
    "SSOError",
    "ProfileNotFound",
    "NoRegionError",
)
_SDK_SETUP_ERRORS = ("ParamValidationError",)
_SDK_UNREACHABLE_ERRORS = (
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ProxyConnectionError",
    "SSLError",
)
_SDK_UNANSWERED_ERRORS = ("ReadTimeoutError", "ConnectionClosedError", "HTTPClientError")


def _before_the_row(operation: Operation) -> Iterable[ContractEntry]:
    """What `PutObject` and `PutItem` have in common: where it fails for good, there is no row."""
    yield ContractEntry(
        operation=operation,
        names=("AccessDenied",)
        if operation is Operation.PUT_OBJECT
        else ("AccessDeniedException",),
        source=Source.COMMON,
        kind=Kind.DENIED,
        reaches=Reaches.CALLER,
        retry=Retry.AFTER_MENDING,
        leaves=(NO_ROW,),
        meaning="The producer's role lacks the right.",
        advice="Attach the stage's *producer* policy to the role.",
    )
    yield ContractEntry(
        operation=operation,
        names=(
            "ExpiredToken",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "RequestTimeTooSkewed",
        )
        if operation is Operation.PUT_OBJECT
        else _CREDENTIAL_ERRORS,
        source=Source.COMMON,
        kind=Kind.CREDENTIALS,
        reaches=Reaches.CALLER,
        retry=Retry.AFTER_MENDING,
        leaves=(NO_ROW,),
        meaning="AWS does not accept the credentials, or the clock is wrong.",
        advice="Renew the credentials; check the machine's clock.",
    )
    yield ContractEntry(
        operation=operation,
        names=_SDK_CREDENTIAL_ERRORS,
        source=Source.SDK,
        kind=Kind.CREDENTIALS,
        reaches=Reaches.CALLER,
        retry=Retry.AFTER_MENDING,
        leaves=(NO_ROW,),
        meaning="The SDK found no usable credentials, or no Region; nothing was sent.",
        advice="Give the process a role or a profile, and a Region.",
    )
    yield ContractEntry(
        operation=operation,
        names=_SDK_SETUP_ERRORS,
        source=Source.SDK,
        kind=Kind.INVALID,
        reaches=Reaches.CALLER,
        retry=Retry.AFTER_MENDING,
        leaves=(NO_ROW,),
        meaning="The SDK cannot build the request; nothing was sent.",
        advice="Correct the parameters that it names.",
    )
    yield ContractEntry(
        operation=operation,
        names=_SDK_UNREACHABLE_ERRORS,
        source=Source.SDK,
        kind=Kind.UNREACHABLE,
        reaches=Reaches.CALLER,
        retry=Retry.SAME_ID,
        leaves=(NO_ROW,),
        meaning="No connection; nothing was sent.",
        advice="Submit again with the same job id.",
    )
    yield ContractEntry(
        operation=operation,
        names=_SDK_UNANSWERED_ERRORS,
        source=Source.SDK,
        kind=Kind.UNANSWERED,
        reaches=Reaches.CALLER,
        retry=Retry.SAME_ID,
        leaves=(NO_ROW,) if operation is Operation.PUT_OBJECT else (NO_ROW, JobStatus.PENDING),
        meaning="The request went out and no answer came: it may have been carried out.",
        advice="Submit again with the same job id: what was written is found and returned. "
        "A new id could make a second job.",
    )


_PUT_OBJECT = (
    *_before_the_row(Operation.PUT_OBJECT),
    ContractEntry(
        operation=Operation.PUT_OBJECT,
        names=("NoSuchBucket",),
        source=Source.COMMON,
        kind=Kind.NOT_DEPLOYED,
        reaches=Reaches.CALLER,
        retry=Retry.AFTER_MENDING,
        leaves=(NO_ROW,),
        meaning="The payload bucket is not there.",
        advice="Check stage, account and Region; deploy the stacks.",
    ),
    ContractEntry(
        operation=Operation.PUT_OBJECT,
        names=("SlowDown",),
        source=Source.COMMON,
        kind=Kind.THROTTLED,
        reaches=Reaches.CALLER,
        retry=Retry.SAME_ID,
        leaves=(NO_ROW,),
        meaning="S3 asks for fewer requests.",
        advice="Submit again with the same job id after a growing pause.",
    ),
    ContractEntry(
        operation=Operation.PUT_OBJECT,
        names=("InternalError", "ServiceUnavailable", "RequestTimeout"),
        source=Source.COMMON,
        kind=Kind.UNANSWERED,
        reaches=Reaches.CALLER,
        retry=Retry.SAME_ID,
        leaves=(NO_ROW,),
        meaning="S3 had a fault of its own. The object may be there; without a row it means "
        "nothing and expires.",
        advice="Submit again with the same job id.",
    ),
)

_PUT_ITEM = (
    ContractEntry(
        operation=Operation.PUT_ITEM,
        names=("InvalidJobError",),
        source=Source.CHECK,
        kind=Kind.INVALID,
        reaches=Reaches.CALLER,
        retry=Retry.NEW_JOB,
        leaves=(NO_ROW,),
        meaning="Job id, type, payload or `run_at` break a rule: not a JSON object, NaN or "
        "Infinity, too large, a time without an offset.",
        advice="Correct the value that the message names.",
    ),
    ContractEntry(
        operation=Operation.PUT_ITEM,
        names=("ConditionalCheckFailedException",),
        source=Source.MODEL,
        kind=Kind.CONFLICT,
        reaches=Reaches.CALLER,
        retry=Retry.NOT_NEEDED,
        leaves=UNTOUCHED,
        meaning="The job id is taken; the row that has it is unchanged.",
        advice="Read the row. Same type and payload: it is your job, submitted before. "
        "Otherwise two jobs share one id, which is a bug of the producer.",
    ),
    ContractEntry(
        operation=Operation.PUT_ITEM,
        names=(
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "ThrottlingException",
        ),
        source=Source.MODEL,
        kind=Kind.THROTTLED,
        reaches=Reaches.CALLER,
        retry=Retry.SAME_ID,
        leaves=(NO_ROW,),
        meaning="DynamoDB asks for fewer requests, and the SDK's own retries are used up.",
        advice="Submit again with the same job id after a growing pause.",
    ),
    ContractEntry(
        operation=Operation.PUT_ITEM,
        names=("TransactionConflictException", "ReplicatedWriteConflictException"),
        source=Source.MODEL,
        kind=Kind.THROTTLED,
        reaches=Reaches.CALLER,
        retry=Retry.SAME_ID,
        leaves=(NO_ROW,),
        meaning="Another write to the same row was under way.",
        advice="Submit again with the same job id.",
    ),
    ContractEntry(
        operation=Operation.PUT_ITEM,
        names=("InternalServerError",),
        source=Source.MODEL,
        kind=Kind.UNANSWERED,
        reaches=Reaches.CALLER,
        retry=Retry.SAME_ID,
        leaves=(NO_ROW, JobStatus.PENDING),
        meaning="DynamoDB had a fault of its own; the row may have been written.",
        advice="Submit again with the same job id.",
    ),
    ContractEntry(
        operation=Operation.PUT_ITEM,
        names=("ServiceUnavailable", "InternalFailure"),
        source=Source.COMMON,
        kind=Kind.UNANSWERED,
        reaches=Reaches.CALLER,
        retry=Retry.SAME_ID,
        leaves=(NO_ROW, JobStatus.PENDING),
        meaning="AWS had a fault of its own; the row may have been written.",
        advice="Submit again with the same job id.",
    ),
    ContractEntry(
        operation=Operation.PUT_ITEM,
        names=("ResourceNotFoundException",),
        source=Source.MODEL,
        kind=Kind.NOT_DEPLOYED,
        reaches=Reaches.CALLER,
        retry=Retry.AFTER_MENDING,
        leaves=(NO_ROW,),
        meaning="The job table is not there.",
        advice="Check table name, account and Region; deploy the stacks.",
    ),
    ContractEntry(
        operation=Operation.PUT_ITEM,
        names=("ItemCollectionSizeLimitExceededException",),
        source=Source.MODEL,
        kind=Kind.INVALID,
        reaches=Reaches.CALLER,
        retry=Retry.NEW_JOB,
        leaves=(NO_ROW,),
        meaning="Only tables with a local secondary index answer so; the job table has none.",
        advice="You are writing to another table: check its name.",
    ),
    ContractEntry(
        operation=Operation.PUT_ITEM,
        names=("ValidationException",),
        source=Source.COMMON,
        kind=Kind.INVALID,
        reaches=Reaches.CALLER,
        retry=Retry.NEW_JOB,
        leaves=(NO_ROW,),
        meaning="The item is not a legal one: over 400 KB, or an empty key.",
        advice="Put payloads over 200 KB into the payload bucket (the clients do).",
    ),
    *_before_the_row(Operation.PUT_ITEM),
)

_PASSING_TROUBLE = (
    "CodeArtifactUserPendingException",
    "EC2ThrottledException",
    "EC2UnexpectedException",
    "EFSMountConnectivityException",
    "EFSMountTimeoutException",
    "ENINotReadyException",
    "ResourceConflictException",
    "ResourceNotReadyException",
    "S3FilesMountConnectivityException",
    "S3FilesMountTimeoutException",
    "ServiceException",
    "SnapStartNotReadyException",
    "SnapStartTimeoutException",
)
_BROKEN_FUNCTION = (
    "CodeArtifactUserDeletedException",
    "CodeArtifactUserFailedException",
    "EC2AccessDeniedException",
    "EFSIOException",
    "EFSMountFailureException",
    "ENILimitReachedException",
    "InvalidRuntimeException",
    "InvalidSecurityGroupIDException",
    "InvalidSubnetIDException",
    "InvalidZipFileException",
    "KMSAccessDeniedException",
    "KMSDisabledException",
    "KMSInvalidStateException",
    "KMSNotFoundException",
    "ModeNotSupportedException",
    "NoPublishedVersionException",
    "RecursiveInvocationException",
    "RuntimeAliasDeletedException",
    "RuntimeVersionDeletedException",
    "S3FilesMountFailureException",
    "ServiceQuotaExceededException",
    "SnapStartException",
    "SnapStartRegenerationFailureException",
    "SubnetIPAddressLimitReachedException",
)


def _invoke(operation: Operation) -> Iterable[ContractEntry]:
    """A direct invoke after the row: whatever happens to it, the row is there and is started."""
    is_event = operation is Operation.INVOKE_EVENT
    starter = "the dispatcher starts it" if is_event else "the watchdog starts it"
    still_pending = f"The row is written and {starter}"
    caller = Reaches.CALLER_UNLESS_ACCEPTED if is_event else Reaches.CALLER
    yield ContractEntry(
        operation=operation,
        names=("DurableExecutionAlreadyStartedException",),
        source=Source.MODEL,
        kind=Kind.ALREADY_STARTED,
        # Whether Lambda answers an Event start with 409 at once is not documented.
        reaches=caller,
        retry=Retry.NOT_NEEDED,
        leaves=UNTOUCHED,
        meaning="An execution of this name runs or ran, with another input: the dispatcher or the "
        "watchdog was first.",
        advice="Success: the job is started."
        if is_event
        else "The job is started, but not by this call: read the row until it ends.",
    )
    yield ContractEntry(
        operation=operation,
        names=("TooManyRequestsException",),
        source=Source.MODEL,
        kind=Kind.THROTTLED,
        reaches=caller,
        retry=Retry.SAME_ID,
        leaves=(JobStatus.PENDING,),
        meaning="Concurrency or the rate of starts (300 a second for the account) is used up.",
        advice=f"{still_pending}: invoke again under the same execution name, or let it be."
        if is_event
        else f"Invoke again under the same execution name after `Retry-After`. {still_pending} "
        "if you give up.",
    )
    yield ContractEntry(
        operation=operation,
        names=("RequestTooLargeException", "SerializedRequestEntityTooLargeException"),
        source=Source.MODEL,
        kind=Kind.INVALID,
        reaches=Reaches.CALLER,
        retry=Retry.NOT_NEEDED,
        leaves=(JobStatus.PENDING,),
        meaning="The event is over 1 MB." if is_event else "The event is over 6 MB.",
        advice="Leave the payload out of the event: `job_id`, `job_type` and `attempt` are enough, "
        f"the job reads the rest from its row. {still_pending}.",
    )
    yield ContractEntry(
        operation=operation,
        names=(
            "InvalidParameterValueException",
            "InvalidRequestContentException",
            "UnsupportedMediaTypeException",
        ),
        source=Source.MODEL,
        kind=Kind.INVALID,
        reaches=Reaches.CALLER,
        retry=Retry.AFTER_MENDING,
        leaves=(JobStatus.PENDING,),
        meaning="A durable function needs a qualified ARN, an execution name of 1 to 64 "
        "characters of `[A-Za-z0-9-_]`, and a JSON event.",
        advice=f"Invoke the alias ARN that SSM holds for the job type. {still_pending}.",
    )
    yield ContractEntry(
        operation=operation,
        names=("ResourceNotFoundException",),
        source=Source.MODEL,
        kind=Kind.NOT_DEPLOYED,
        reaches=Reaches.CALLER,
        retry=Retry.AFTER_MENDING,
        leaves=(JobStatus.PENDING, JobStatus.FAILED),
        meaning="No such function or alias.",
        advice="Read the alias ARN of the job type from SSM again. A type that is not registered "
        "makes the job `failed`, with `unknown_job_type`.",
    )
    yield ContractEntry(
        operation=operation,
        names=_PASSING_TROUBLE,
        source=Source.MODEL,
        kind=Kind.UNANSWERED,
        reaches=caller,
        retry=Retry.SAME_ID,
        leaves=(JobStatus.PENDING,),
        meaning="Lambda cannot run the function at this moment.",
        advice=f"{still_pending}; or invoke again under the same execution name.",
    )
    yield ContractEntry(
        operation=operation,
        names=_BROKEN_FUNCTION,
        source=Source.MODEL,
        kind=Kind.NOT_RUNNABLE,
        reaches=caller,
        retry=Retry.AFTER_MENDING,
        leaves=(JobStatus.PENDING, JobStatus.FAILED, JobStatus.TIMED_OUT),
        meaning="Lambda cannot run the function as it is: code, key, network, file system.",
        advice="Tell its operator. The row is pending until a start succeeds or is given up on.",
    )
    yield ContractEntry(
        operation=operation,
        names=("AccessDeniedException",),
        source=Source.COMMON,
        kind=Kind.DENIED,
        reaches=Reaches.CALLER,
        retry=Retry.AFTER_MENDING,
        leaves=(JobStatus.PENDING,),
        meaning="The producer's role may not invoke the alias.",
        advice=f"The row alone suffices, a direct invoke is an extra right. {still_pending}.",
    )
    yield ContractEntry(
        operation=operation,
        names=_CREDENTIAL_ERRORS,
        source=Source.COMMON,
        kind=Kind.CREDENTIALS,
        reaches=Reaches.CALLER,
        retry=Retry.AFTER_MENDING,
        leaves=(JobStatus.PENDING,),
        meaning="AWS does not accept the credentials, or the clock is wrong.",
        advice=f"Renew the credentials. {still_pending}.",
    )
    yield ContractEntry(
        operation=operation,
        names=(*_SDK_CREDENTIAL_ERRORS, *_SDK_SETUP_ERRORS),
        source=Source.SDK,
        kind=Kind.CREDENTIALS,
        reaches=Reaches.CALLER,
        retry=Retry.AFTER_MENDING,
        leaves=(JobStatus.PENDING,),
        meaning="The SDK cannot sign or build the request; nothing was sent.",
        advice=f"Mend the set-up. {still_pending}.",
    )
    yield ContractEntry(
        operation=operation,
        names=_SDK_UNREACHABLE_ERRORS,
        source=Source.SDK,
        kind=Kind.UNREACHABLE,
        reaches=Reaches.CALLER,
        retry=Retry.SAME_ID,
        leaves=(JobStatus.PENDING,),
        meaning="No connection; nothing was sent.",
        advice=f"{still_pending}; or invoke again under the same execution name.",
    )
    yield ContractEntry(
        operation=operation,
        names=_SDK_UNANSWERED_ERRORS,
        source=Source.SDK,
        kind=Kind.UNANSWERED,
        reaches=Reaches.CALLER,
        retry=Retry.SAME_ID,
        leaves=UNTOUCHED,
        meaning="The request went out and no answer came: the execution may be running.",
        advice="Invoke again under the same execution name and with the same event, "
        + (
            "or let it be: the claim lets one execution work."
            if is_event
            else "which joins the running execution or brings its result; or read the row. "
            "Set the SDK's read timeout above the job's run time: it is 60 s by default."
        ),
    )


_INVOKE_SYNC_ANSWER = ContractEntry(
    operation=Operation.INVOKE_SYNC,
    names=("FunctionError",),
    source=Source.RESPONSE,
    kind=Kind.EXECUTION_ENDED,
    reaches=Reaches.BOTH,
    retry=Retry.OPERATOR,
    leaves=(JobStatus.FAILED, JobStatus.TIMED_OUT, JobStatus.CANCELLED),
    meaning="The execution ended badly. HTTP says 200 and the SDK raises nothing: `Payload` holds "
    "`errorType` and `errorMessage`.",
    advice="Always look at this field; for the cause, read the row's `error`.",
)

_INVOKE_SYNC_LOST_CLAIM = ContractEntry(
    operation=Operation.INVOKE_SYNC,
    names=("claimed",),
    source=Source.RESPONSE,
    kind=Kind.ALREADY_STARTED,
    reaches=Reaches.CALLER,
    retry=Retry.NOT_NEEDED,
    leaves=UNTOUCHED,
    meaning='`Payload` is `{"claimed": false}`: another execution has the job, or it has ended.',
    advice="Read the row until it ends.",
)


def _ended(
    code: str,
    status: tuple[JobStatus | None, ...],
    meaning: str,
    advice: str,
    retry: Retry = Retry.OPERATOR,
    reaches: Reaches = Reaches.ROW,
    operation: Operation = Operation.EXECUTION,
) -> ContractEntry:
    return ContractEntry(
        operation=operation,
        names=(code,),
        source=Source.ROW,
        kind=Kind.EXECUTION_ENDED,
        reaches=reaches,
        retry=retry,
        leaves=status,
        meaning=meaning,
        advice=advice,
    )


_EXECUTION = (
    _ended(
        "unknown_job_type",
        (JobStatus.FAILED,),
        "No function is registered for the job type.",
        "Deploy it and retry, or submit under the right type.",
    ),
    _ended(
        "malformed_payload",
        (JobStatus.FAILED,),
        "The payload is not what the job type takes; nothing was done.",
        "Submit a corrected payload under a new job id.",
        Retry.NEW_JOB,
    ),
    _ended(
        "run_at_too_far",
        (JobStatus.FAILED,),
        "`run_at` is later than the type's longest delay.",
        "Submit nearer to the time, or raise the type's `max_delay`.",
        Retry.NEW_JOB,
    ),
    _ended(
        "result_too_large",
        (JobStatus.FAILED,),
        "The work was done, and its result does not fit the row (100 KB).",
        "Let the workflow put it into S3 and return a reference; a retry repeats the work.",
    ),
    _ended(
        "payload_too_large",
        (JobStatus.FAILED,),
        "The row's payload is over 200 KB.",
        "Put it into the payload bucket and refer to it (the clients do).",
        Retry.NEW_JOB,
    ),
    _ended(
        "invalid_run_at",
        (JobStatus.FAILED,),
        "`run_at` is not an ISO 8601 time with its offset.",
        "Submit again under a new job id (the clients check it).",
        Retry.NEW_JOB,
    ),
    _ended(
        "invalid_job",
        (JobStatus.FAILED,),
        "The row's job id or job type breaks the rules of names.",
        "Submit again under a legal name (the clients check it).",
        Retry.NEW_JOB,
    ),
    _ended(
        "unreadable_row",
        (JobStatus.FAILED,),
        "The row is not a job: an attribute is missing or of the wrong type.",
        "Write the attributes that the README lists, or use a client.",
        Retry.NEW_JOB,
    ),
    _ended(
        "unwritable_row",
        (JobStatus.FAILED, JobStatus.PENDING),
        "The row takes no more: it is at DynamoDB's 400 KB, or its job type makes no index key.",
        "Put a large payload into the payload bucket (the clients do). Delete a row that stays "
        "`pending`: nothing can be written to it.",
        Retry.NEW_JOB,
    ),
    _ended(
        "start_refused",
        (JobStatus.FAILED,),
        "Lambda refused to start the execution, for good; the message says why.",
        "Mend the function, then retry.",
    ),
    _ended(
        "payload_not_found",
        (JobStatus.FAILED,),
        "The row refers to a payload that is not in the payload bucket.",
        "Put the payload there before the row, under `payloads/<job_id>/<sha256>`.",
        Retry.NEW_JOB,
    ),
    _ended(
        "payload_changed",
        (JobStatus.FAILED,),
        "What the payload bucket holds is not what its key's digest says.",
        "Submit again under a new job id; find out who writes there.",
        Retry.NEW_JOB,
    ),
    _ended(
        "result_not_json",
        (JobStatus.FAILED,),
        "The work was done, and its result is nothing that JSON can hold.",
        "Mend the workflow; a retry repeats the work.",
    ),
    _ended(
        "claim_failed",
        (JobStatus.FAILED,),
        "The row could not be claimed for a minute; nothing was done. The message says why.",
        "Retry when the table answers again.",
    ),
    _ended(
        "result_not_recorded",
        (JobStatus.FAILED,),
        "The work was done, and for 25 minutes its result could not be written. "
        "Nothing was undone.",
        "Look at what the work did before you retry: a retry repeats it, but for what its "
        "idempotency keys hold back.",
    ),
    _ended(
        "invalid_start_event",
        (NO_ROW, JobStatus.FAILED),
        "A direct invoke did not say which job to do; nothing was done. Under the execution name "
        "of a pending job it fails that job, which nothing else could start any more.",
        "Send `job_id`, `job_type` and, if you like, `attempt`.",
        Retry.NEW_JOB,
        Reaches.ALERT,
    ),
    _ended(
        "job_not_found",
        (NO_ROW, JobStatus.FAILED),
        "A direct invoke came without a row; nothing was done. It used up its execution name: a "
        "row that came meanwhile and would start under it is failed.",
        "Write the row first, then invoke. `jobctl retry` starts a failed row under its next name.",
        Retry.NEW_JOB,
        Reaches.ALERT,
    ),
    _ended(
        "payload_mismatch",
        UNTOUCHED,
        "A direct invoke carried another payload than the row; it did nothing and the row goes on "
        "as it was. Only where it took the name of the pending job's own execution is the job "
        "failed: nothing else could start it any more.",
        "Send what the row holds, or no payload at all. `jobctl retry` does what the row says.",
        Retry.NEW_JOB,
        Reaches.ALERT,
    ),
    _ended(
        "execution_timed_out",
        (JobStatus.TIMED_OUT,),
        "The execution ran into its timeout. A crash loop (import error, out of memory) ends "
        "so too: Lambda starts it over until then. Nothing more was undone.",
        "Look at the function's log first.",
    ),
    _ended(
        "execution_stopped",
        (JobStatus.CANCELLED,),
        "An operator stopped the execution. Nothing more was undone.",
        "Retry where it was stopped by mistake.",
    ),
    _ended(
        "execution_failed",
        (JobStatus.FAILED,),
        "Lambda ended the execution and did not say why. Nothing more was undone.",
        "Look at the function's log.",
    ),
    _ended(
        "checkpoint",
        (JobStatus.FAILED,),
        "Lambda refused a checkpoint: a right is missing, or the execution is over 3,000 "
        "operations or 100 MB. Nothing more was undone.",
        "Mend the role or split the work, then retry; finished steps are done again.",
    ),
    _ended(
        "non_deterministic_execution",
        (JobStatus.FAILED,),
        "The workflow took another way than before its last wait. Nothing more was undone.",
        "Mend the workflow, then retry; finished steps are done again.",
    ),
    replace(
        _ended(
            "execution",
            (JobStatus.FAILED,),
            "The durable SDK gave the execution up; the message says why. Nothing more was undone.",
            "Look at the function's log, then retry; finished steps are done again.",
        ),
        names=(
            "boto_client",
            "execution",
            "get_execution_state",
            "invocation",
            "retryable_ser_des",
            "step_interrupted",
            "unrecoverable",
        ),
    ),
)


def _mail_ended(
    code: str,
    meaning: str,
    advice: str,
    retry: Retry = Retry.OPERATOR,
    leaves: tuple[JobStatus, ...] = (JobStatus.FAILED,),
    reaches: Reaches = Reaches.ROW,
) -> ContractEntry:
    return _ended(code, leaves, meaning, advice, retry, reaches, Operation.SEND_EMAIL)


_SEND_EMAIL = (
    _mail_ended(
        "mail_rejected",
        "SES does not take this mail: a bad address, a bad message. It was not sent.",
        "Submit a corrected mail under a new job id.",
        Retry.NEW_JOB,
    ),
    _mail_ended(
        "mail_sender_unfit",
        "SES takes no mail from this sender: not verified, paused, suspended, or a right is "
        "missing. It was not sent.",
        "Mend it in SES, then retry.",
    ),
    _mail_ended(
        "mail_throttled",
        "SES was over its rate or quota for 25 minutes. The mail was not sent.",
        "Retry later, or ask AWS for a higher quota.",
    ),
    _mail_ended(
        "mail_server_unreachable",
        "There was no connection to SES for 25 minutes. The mail was not sent.",
        "Retry when it can be reached.",
    ),
    _mail_ended(
        "mail_unconfirmed",
        "SES confirmed none of the tries, with `on_doubt` at `resend`: the mail may have gone out, "
        "even more than once.",
        "Ask the recipient or SES before you retry: a retry sends it again.",
    ),
    _mail_ended(
        "delivery_unknown",
        "Nobody knows whether the mail went out, and `on_doubt` is `stop`.",
        "Ask the recipient or SES. A mail that is missing is a new job: a retry does not send it.",
        Retry.NEW_JOB,
    ),
    _mail_ended(
        "delivery_taken",
        "At every try another run of the same step was about to send the mail.",
        "Retry when that one has ended; a mail that it sent is not sent again.",
    ),
    _mail_ended(
        "job_lost",
        "The job ended, or went to another attempt, before this execution could send the mail; it "
        "sent nothing.",
        "The row says what became of the job.",
        Retry.NOT_NEEDED,
        UNTOUCHED,
        Reaches.ALERT,
    ),
)


def _order_ended(
    code: str, meaning: str, advice: str, retry: Retry = Retry.OPERATOR
) -> ContractEntry:
    """What an order ends with after everything it did was undone, unless its meaning says else."""
    return _ended(code, (JobStatus.FAILED,), meaning, advice, retry, Reaches.ROW, Operation.ORDERS)


_ORDERS = (
    _order_ended(
        "rollback_incomplete",
        "Something that the order did could not be undone: money or stock is in the wrong place. "
        "The message names the undos that gave up; what was undone is listed.",
        "Follow the runbook (*Rollback incomplete*) before you retry or submit anything.",
    ),
    _order_ended(
        "payment_declined",
        "The payment was declined: no such account, a blocked one, another currency, or too little "
        "money. No money was taken.",
        "Retry once the customer can pay, or let the order be.",
    ),
    _order_ended(
        "payment_state",
        "The order's payment does not allow this any more.",
        "Read the payment's ledger entries. Retry once they are understood.",
    ),
    _order_ended(
        "payment_contended",
        "Other payments kept changing the same account for a minute.",
        "Retry.",
    ),
    _order_ended(
        "out_of_stock",
        "All warehouses together do not have enough of an item; the message names its position.",
        "Retry when it has been restocked.",
    ),
    _order_ended(
        "stock_too_scattered",
        "There is enough, but in more warehouses than one transaction reaches.",
        "Submit the order in parts, under new job ids.",
        Retry.NEW_JOB,
    ),
    _order_ended(
        "unknown_sku",
        "No warehouse has ever had an item of the order; the message names its position. "
        "`order-processing` completes as rejected instead.",
        "Submit a corrected order under a new job id.",
        Retry.NEW_JOB,
    ),
    _order_ended(
        "stock_contended",
        "Other orders kept changing the same stock for a minute.",
        "Retry.",
    ),
    _order_ended(
        "reservation_expired",
        "The order took longer than its stock is kept for it, and the stock was given back.",
        "Retry: it reserves anew. Where it happens again, find out what takes so long.",
    ),
    _order_ended(
        "reservation_missing",
        "There was no reservation to commit: somebody else released it.",
        "Retry: it reserves anew. Find out who released it.",
    ),
    _order_ended(
        "invalid_customer",
        "The customer cannot order: unknown, not active, without payment method or address. "
        "`order-processing` completes as rejected instead.",
        "Retry once the customer's record is complete, or let the order be.",
    ),
    _order_ended(
        "shipment_refused",
        "The carrier does not ship this; nothing was sent.",
        "Retry once the carrier takes it, or let the order be.",
    ),
    _order_ended(
        "shipment_cancelled",
        "The shipment was cancelled while its confirmation was awaited.",
        "Find out who cancelled it, then retry: it ships anew.",
    ),
    _order_ended(
        "shipment_has_left",
        "The shipment is on its way and cannot be cancelled any more. As a job's error it stands "
        "inside `rollback_incomplete`.",
        "Follow the runbook (*Rollback incomplete*).",
    ),
    _order_ended(
        "shipment_contended",
        "The shipment kept being changed by others for a minute.",
        "Retry.",
    ),
    _ended(
        "order_superseded",
        UNTOUCHED,
        "A newer attempt at the order has begun, so this one may not act any more; the services "
        "did nothing for it.",
        "Look at the newer attempt: the row is its.",
        Retry.NOT_NEEDED,
        Reaches.ALERT,
        Operation.ORDERS,
    ),
    _order_ended(
        "order_conflict",
        "The order's id, which is the job's, belongs to another order whose row is gone. Nothing "
        "was done and nothing undone: what there is belongs to that order.",
        "Submit the order under an id that was never used; do not retry this one.",
        Retry.NEW_JOB,
    ),
    _order_ended(
        "order_undone",
        "The effect had been undone by the same attempt, and a late call must not bring it back.",
        "Retry: a new attempt does everything anew.",
    ),
    _order_ended(
        "transaction_throttled",
        "DynamoDB took no more writes for a minute.",
        "Retry later; look at the table's alarms.",
    ),
    _order_ended(
        "service_failed",
        "A service function gave up after repeating what another try could mend; the message "
        "begins with the code.",
        "Look at `jobctl show` for the function and at its log, mend it, then retry.",
    ),
    _order_ended(
        "unknown_action",
        "A service function was asked for something that it does not do: caller and service are "
        "not of one version.",
        "Deploy both, then retry.",
    ),
)


def _asked_ended(
    operation: Operation, code: str, meaning: str, advice: str, retry: Retry = Retry.OPERATOR
) -> ContractEntry:
    return _ended(code, (JobStatus.FAILED,), meaning, advice, retry, Reaches.ROW, operation)


_ASKING = (
    _asked_ended(
        Operation.ASKING,
        "foreign_answer",
        "Somebody completed the job's callback by hand, as failed or with something that is no "
        "decision of its question. What people answered is in the question and counted for "
        "nothing.",
        "Answer by the question's links or by `jobctl approve` and `reject`. Retry: it asks anew.",
    ),
    _asked_ended(
        Operation.ASKING,
        "question_busy",
        "The question was changed so often, for 25 minutes, that the job could neither remind "
        "people nor close it.",
        "`jobctl show` tells who did what. Retry: it asks anew.",
    ),
    _asked_ended(
        Operation.ASKING,
        "question_replaced",
        "An execution of a forgotten job woke up, and a new job of the same id asks the same "
        "question by now; the new job's question is untouched.",
        "Nothing: the new job goes on. Find out why the old execution was still waiting.",
    ),
)

_APPROVAL = (
    _asked_ended(
        Operation.APPROVAL,
        "document_not_found",
        "There is no such document in the bucket: before anybody was asked, or any more when it "
        "was to be filed.",
        "Upload it under its key, then retry.",
    ),
    _asked_ended(
        Operation.APPROVAL,
        "document_unfit",
        "The document cannot be reviewed or stamped: broken, encrypted, empty, or too large.",
        "Upload a sound one under the same key, then retry: it is reviewed anew.",
    ),
    _asked_ended(
        Operation.APPROVAL,
        "document_changed",
        "What is under the key is not the document that was reviewed any more; nothing was "
        "finalized.",
        "Find out who changed it. Retry: the document that is there is reviewed anew.",
    ),
    _asked_ended(
        Operation.APPROVAL,
        "document_conflict",
        "Another job of the same id has filed a document in this job's place; that stays as it is.",
        "Submit it under a new job id.",
        Retry.NEW_JOB,
    ),
    _asked_ended(
        Operation.APPROVAL,
        "document_access",
        "The function may not do this with the document.",
        "Mend the function's role or the bucket's policy, then retry.",
    ),
    _asked_ended(
        Operation.APPROVAL,
        "documents_busy",
        "S3 could not do it, nor when it was tried again for a long while.",
        "Retry when S3 answers again; an ending that is on record is finished, not repeated.",
    ),
    _asked_ended(
        Operation.APPROVAL,
        "reviewers_unreachable",
        "So few reviewers get mail that the yes could not come; the document stays where it is.",
        "Submit it with addresses that get mail, under a new job id.",
        Retry.NEW_JOB,
    ),
)

_ONBOARDING = (
    _asked_ended(
        Operation.ONBOARDING,
        "profile_incomplete",
        "The address is verified, and a part of the profile is missing; the message names the "
        "parts and why.",
        "Mend the cause, then retry: only what is missing is done, and nobody is asked again.",
    ),
    _asked_ended(
        Operation.ONBOARDING,
        "mail_in_doubt",
        "For 25 minutes nobody could tell whether the welcome mail went out.",
        "Retry: it is sent unless SES has confirmed it by then.",
    ),
    _asked_ended(
        Operation.ONBOARDING,
        "account_not_open",
        "The account disappeared while the job ran.",
        "Find out who deletes accounts. Retry: it is made anew.",
    ),
    _asked_ended(
        Operation.ONBOARDING,
        "account_not_verified",
        "The account lost the note that its address was verified, so it was not completed.",
        "Find out who changes accounts. Retry: the person is asked anew.",
    ),
    _asked_ended(
        Operation.ONBOARDING,
        "unexpected_decision",
        "The verification ended in a way that an onboarding does not know: what asks and what "
        "answers are not of one version.",
        "Deploy both, then retry: the person is asked anew.",
    ),
)

_DATASETS = (
    _asked_ended(
        Operation.DATASETS,
        "schema_mismatch",
        "Not one of the first records is what the transform takes, or the CSV header lacks a "
        "field of it; nothing was processed. The message names the rules that were broken.",
        "Mend the dataset, or name the right processor or transform under a new job id. Retry: "
        "the dataset is looked at anew.",
    ),
    _asked_ended(
        Operation.DATASETS,
        "csv_header",
        "The first line of the CSV does not name its columns: it is empty, too long, or names "
        "one twice.",
        "Put the header right, then retry.",
    ),
    _asked_ended(
        Operation.DATASETS,
        "unknown_format",
        "Neither the payload nor the key says whether it is JSON Lines, CSV or Parquet.",
        "Submit it with a `format`, under a new job id.",
        Retry.NEW_JOB,
    ),
    _asked_ended(
        Operation.DATASETS,
        "unknown_endpoint",
        "No operator has added an endpoint of this name to the stage.",
        "Add its parameter below `/durable-jobs/<stage>/endpoints/`, then retry.",
    ),
    _asked_ended(
        Operation.DATASETS,
        "endpoint_unfit",
        "What operators wrote down about the endpoint cannot be used; the message says what.",
        "Mend the endpoint's parameter or its secret, then retry.",
    ),
    _asked_ended(
        Operation.DATASETS,
        "endpoint_busy",
        "The endpoint gave no answer, or failed, however often it was asked.",
        "Retry when it answers again: what is done is not done again.",
    ),
    _asked_ended(
        Operation.DATASETS,
        "answer_too_large",
        "The endpoint's answer is larger than a function holds.",
        "Have the endpoint answer with less at a time, then retry.",
    ),
    _asked_ended(
        Operation.DATASETS,
        "object_missing",
        "A part that the job had written is not in the data bucket any more.",
        "Find out who removes objects there. Retry: what is missing is made anew.",
    ),
    _asked_ended(
        Operation.DATASETS,
        "object_access",
        "The function may not do this in the bucket.",
        "Mend the function's role or the bucket's policy, then retry.",
    ),
    _asked_ended(
        Operation.DATASETS,
        "objects_busy",
        "S3 could not do it, nor when it was tried again for a long while.",
        "Retry when S3 answers again: what is done is not done again.",
    ),
    _asked_ended(
        Operation.DATASETS,
        "table_busy",
        "DynamoDB did not take or give the records, nor when it was tried again for a long while.",
        "Retry when the table answers again: a record written twice is there once.",
    ),
    _asked_ended(
        Operation.DATASETS,
        "downstream_throttled",
        "What is called asked for fewer calls until the job's patience of hours was over.",
        "Retry when it takes records again, with fewer `max_workers` in a new job if it never "
        "took as many.",
    ),
    _asked_ended(
        Operation.DATASETS,
        "destination_refused",
        "The destination does not take a record that its schema lets pass.",
        "Tell who looks after the transform: it gives what no item can hold.",
    ),
    _asked_ended(
        Operation.DATASETS,
        "too_many_objects",
        "Below the prefix, or in the manifest, are more objects than one job reads: 10,000.",
        "Submit several prefixes, each as a job of its own; or load with more `part_records`.",
        Retry.NEW_JOB,
    ),
    _asked_ended(
        Operation.DATASETS,
        "job_not_ours",
        "Somebody stopped the job, or another attempt runs: this execution found that out and "
        "ended. It changes nothing in a row that is another attempt's.",
        "Nothing, or retry where it was stopped by mistake.",
    ),
)

_BATCH = (
    _asked_ended(
        Operation.BATCH,
        "dataset_not_found",
        "Nothing is where the payload says; nothing was processed.",
        "Upload it under its key, then retry; or submit the right key under a new job id.",
    ),
    _asked_ended(
        Operation.BATCH,
        "dataset_changed",
        "The dataset is not the one any more that was measured: it was written or removed while "
        "it was read. What was processed stays.",
        "Find out who writes there. Retry: the dataset that is there is processed from its "
        "beginning.",
    ),
    _asked_ended(
        Operation.BATCH,
        "dataset_not_splittable",
        "The dataset is compressed or Parquet, which one worker must read from its beginning.",
        "Let a `data-pipeline` load it with the transform `as-is` and process its manifest, or "
        "submit it unpacked: under a new job id.",
        Retry.NEW_JOB,
    ),
    _asked_ended(
        Operation.BATCH,
        "invalid_manifest",
        "What the payload calls a manifest is none, or names what is not below its own folder.",
        "Name the `_manifest.json` that a `data-pipeline` wrote. Retry, where it was mended.",
    ),
    _asked_ended(
        Operation.BATCH,
        "mixed_formats",
        "The objects of the dataset are not all of one format, by the ends of their names.",
        "Sort them by format, each below a prefix of its own, and submit each as a new job.",
        Retry.NEW_JOB,
    ),
    _asked_ended(
        Operation.BATCH,
        "dataset_access",
        "The stage does not let its functions read there.",
        "Add the bucket to the stage's `source_buckets` and deploy, then retry.",
    ),
    _asked_ended(
        Operation.BATCH,
        "dataset_too_large",
        "Even the largest chunks that end in time are too many for one tree of executions, or a "
        "partition of the table is more than one chunk can be.",
        "Split it into several datasets, each a job of its own; of a table, into ranges of keys.",
        Retry.NEW_JOB,
    ),
    _asked_ended(
        Operation.BATCH,
        "unknown_processor",
        "No processor has the name that the payload gives, or it lacks what the processor needs.",
        "Submit it with one that the message lists, under a new job id.",
        Retry.NEW_JOB,
    ),
    _asked_ended(
        Operation.BATCH,
        "too_many_failures",
        "All records were tried, and more failed than `tolerated_failures_percent`. The others "
        "are processed; the message says where the failed ones are with their reasons.",
        "Look at the failures by code. Where the destination was at fault, `jobctl retry-failed` "
        "submits the failed records, and only those. Where the records are, they fail again as "
        "they are: deploy a processor that takes them first, or submit them mended, as a new job. "
        "A retry does the chunks again that they are in.",
    ),
    _asked_ended(
        Operation.BATCH,
        "downstream_unavailable",
        "What the processor calls took nothing until the job's patience of hours was over.",
        "Retry when it takes records again: chunks that are done are not done again.",
    ),
    _asked_ended(
        Operation.BATCH,
        "too_many_repetitions",
        "Chunks were tried again, all of one execution together, as often as it has operations "
        "for. The message says what the last one failed of.",
        "Find out why what the processor calls was away so often. Retry: chunks that are done are "
        "not done again.",
    ),
    _asked_ended(
        Operation.BATCH,
        "failed_records_too_large",
        "All records were tried, and so many failed that they fit into no one file. They stay in "
        "the parts below the run's `failed/`, which the message names.",
        "Mend what most of them failed of, then retry: the chunks that they are in are done again.",
    ),
    _asked_ended(
        Operation.BATCH,
        "endpoint_refused",
        "The endpoint is not there, or does not let us in; no record is to blame.",
        "Mend the endpoint or its secret, then retry: chunks that are done are not done again.",
    ),
    _asked_ended(
        Operation.BATCH,
        "endpoint_answer",
        "The endpoint's answer does not tell which records it took.",
        "Have the endpoint answer as agreed, then retry: records keep their idempotency keys.",
    ),
    _asked_ended(
        Operation.BATCH,
        "chunk_too_slow",
        "A chunk did not end within an invocation.",
        "Submit it with the `records_per_second` that a worker really does, under a new job id, "
        "so that chunks are smaller.",
        Retry.NEW_JOB,
    ),
    _asked_ended(
        Operation.BATCH,
        "counts_differ",
        "The counts do not add up: parts are missing, or code is wrong. Nothing is said to be "
        "done.",
        "Find out who writes into `results/` of the job. Retry: every part is looked at again.",
    ),
)

_PIPELINE = (
    _asked_ended(
        Operation.PIPELINE,
        "source_not_found",
        "Nothing is where the payload says; nothing was loaded.",
        "Upload it under its key, then retry; or submit the right key under a new job id.",
    ),
    _asked_ended(
        Operation.PIPELINE,
        "source_changed",
        "An object of the source is not the one any more that was looked at first; nothing was "
        "loaded.",
        "Find out who writes there. Retry: the source that is there is read from its beginning.",
    ),
    _asked_ended(
        Operation.PIPELINE,
        "source_empty",
        "The source has no record.",
        "Find out why, then retry; or submit it with `allow_empty` under a new job id.",
    ),
    _asked_ended(
        Operation.PIPELINE,
        "source_access",
        "The function may not read the source.",
        "Add the bucket to the stage's `source_buckets` and deploy, then retry.",
    ),
    _asked_ended(
        Operation.PIPELINE,
        "source_unreadable",
        "The source is not what its name or its format says: no gzip, no Parquet, no text.",
        "Upload a sound one, then retry.",
    ),
    _asked_ended(
        Operation.PIPELINE,
        "source_too_large",
        "A Parquet file does not fit the function's temporary space.",
        "Cut it into several objects below one prefix, and submit that under a new job id.",
        Retry.NEW_JOB,
    ),
    _asked_ended(
        Operation.PIPELINE,
        "too_many_parts",
        "The source has more parts than a manifest can list.",
        "Submit it with more `part_records` under a new job id.",
        Retry.NEW_JOB,
    ),
    _asked_ended(
        Operation.PIPELINE,
        "too_many_pauses",
        "The source asked for so many pauses that the execution would run out of operations.",
        "Have it give larger pages or shorter pauses. Retry: extracting goes on where it stopped.",
    ),
    _asked_ended(
        Operation.PIPELINE,
        "source_refused",
        "The source does not give a page, however often it is asked.",
        "Mend the endpoint, its path or its secret. Retry: extracting goes on at that page.",
    ),
    _asked_ended(
        Operation.PIPELINE,
        "source_unfit",
        "The source's answer is no page as it was agreed on, or its next page is elsewhere.",
        "Have the source answer as agreed. Retry: extracting goes on at that page.",
    ),
    _asked_ended(
        Operation.PIPELINE,
        "source_loops",
        "A page names one as its next that was there before.",
        "Mend the source. Retry: extracting goes on at that page.",
    ),
    _asked_ended(
        Operation.PIPELINE,
        "unknown_transform",
        "No transform has the name that the payload gives.",
        "Submit it with one that the message lists, under a new job id.",
        Retry.NEW_JOB,
    ),
    _asked_ended(
        Operation.PIPELINE,
        "unknown_time_zone",
        "The time zone of the off-peak hour is no name of the IANA database.",
        "Submit it with a name such as `Europe/Berlin`, under a new job id.",
        Retry.NEW_JOB,
    ),
    _asked_ended(
        Operation.PIPELINE,
        "too_many_rejects",
        "More records were rejected than `tolerated_rejects_percent`; nothing was loaded. The "
        "rejects are in the bucket with their reasons.",
        "Mend them in the source and retry, or submit it with a higher share under a new job id.",
    ),
    _asked_ended(
        Operation.PIPELINE,
        "records_lost",
        "Of what went into a part something came out neither as a record nor as a reject: the "
        "transform is wrong; nothing was loaded.",
        "Mend the transform and raise its version, then retry.",
    ),
    _asked_ended(
        Operation.PIPELINE,
        "staged_part_changed",
        "A staged part is not what its manifest says; nothing was done with it.",
        "Find out who writes into `work/`. Submit it under a new job id, which stages everything "
        "anew.",
        Retry.NEW_JOB,
    ),
    _asked_ended(
        Operation.PIPELINE,
        "verification_failed",
        "The destination does not hold what was loaded into it. The message counts the "
        "difference, `difference.json` tells it part by part.",
        "Find out who else writes there. Retry: it is loaded again and verified again; what is "
        "there already is not doubled.",
    ),
)

CONTRACT: tuple[ContractEntry, ...] = (
    *_PUT_OBJECT,
    *_PUT_ITEM,
    *_invoke(Operation.INVOKE_EVENT),
    *_invoke(Operation.INVOKE_SYNC),
    _INVOKE_SYNC_ANSWER,
    _INVOKE_SYNC_LOST_CLAIM,
    *_EXECUTION,
    *_SEND_EMAIL,
    *_ORDERS,
    *_ASKING,
    *_APPROVAL,
    *_ONBOARDING,
    *_DATASETS,
    *_BATCH,
    *_PIPELINE,
)


def find(name: str, operation: Operation) -> ContractEntry | None:
    """The entry of an error by its name, of this operation before any other.

    Reads and control calls are not listed by themselves: throttling, denial and faults go by the
    same names there and mean the same.
    """
    named = [entry for entry in CONTRACT if name in entry.names]
    return next((entry for entry in named if entry.operation is operation), next(iter(named), None))
