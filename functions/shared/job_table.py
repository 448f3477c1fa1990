"""The job table: each rule of a job's life as one conditional write.

Messages arrive late, twice, out of order and from executions that lost a race. A write that breaks
a rule changes nothing and says so with False; it is never an error, because the row already tells
something newer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from functions.shared import names
from functions.shared.job import (
    INDEXED_AS_OPEN,
    RETRYABLE,
    InvalidJobError,
    Job,
    JobError,
    JobStatus,
    Progress,
    may_follow,
    timestamp,
    type_bucket,
    type_buckets,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import QueryInputPaginateTypeDef

_serializer = TypeSerializer()
_deserializer = TypeDeserializer()

_COLUMNS = frozenset(field.name for field in fields(Job))
_ERROR_FIELDS = frozenset(field.name for field in fields(JobError))

# A column of its own, so that a whole job's progress can be written without its shards'.
_SHARDS = "shard_progress"

# What a retry leaves behind: everything that told of the attempt before.
_ATTEMPT_COLUMNS = (
    "expires_at",
    "finished_at",
    "started_at",
    "error",
    "result",
    "execution_arn",
    "progress",
    _SHARDS,
    # The producer will not invoke again by itself; from here on the dispatcher does.
    "dispatch",
)


class JobExistsError(Exception):
    """The job id is taken."""


class JobNotRetryableError(Exception):
    """Only a failed, timed-out or cancelled job can be retried; the message says what it is."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days a finished job's row is kept, by how it finished."""

    completed_days: int = 30
    failed_days: int = 90

    def expires_at(self, status: JobStatus, now: datetime) -> int:
        days = self.completed_days if status is JobStatus.COMPLETED else self.failed_days
        return int((now + timedelta(days=days)).timestamp())


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim: *job* as it stands, and whether the claimant may work on it."""

    is_granted: bool
    job: Job | None


def job_from_item(item: Mapping[str, Any]) -> Job:
    """Read a row, tolerating attributes that this version does not know, or that were forgotten.

    Raises:
        InvalidJobError: An attribute is not what it should be; a producer wrote it by hand.
    """
    try:
        return _read(item)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidJobError(f"the row cannot be read: {error!r}") from None


def _read(item: Mapping[str, Any]) -> Job:
    values = {name: _deserializer.deserialize(value) for name, value in item.items()}
    known: dict[str, Any] = {"job_type": "", "created_at": ""}
    known |= {name: value for name, value in values.items() if name in _COLUMNS}
    known["status"] = JobStatus(known["status"])
    known["attempt"] = int(known.get("attempt", 1))
    if known.get("expires_at") is not None:
        known["expires_at"] = int(known["expires_at"])
    if known.get("error") is not None:
        told = {name: value for name, value in known["error"].items() if name in _ERROR_FIELDS}
        known["error"] = JobError(**told | {"undone": tuple(told.get("undone", ()))})
    if known.get("progress") is not None:
        shards = (values.get(_SHARDS) or {}).values()
        known["progress"] = _together(_progress(known["progress"]), list(map(_progress, shards)))
    return Job(**known)


def _progress(told: Mapping[str, Any]) -> Progress:
    total, records = told.get("total"), told.get("records")
    return Progress(
        done=int(told["done"]),
        total=None if total is None else int(total),
        note=told.get("note"),
        records=None if records is None else int(records),
        ends_at=told.get("ends_at"),
    )


def _together(whole: Progress, shards: list[Progress]) -> Progress:
    """The progress of a job in shards: what they have done, where the whole tells no more."""
    if not shards:
        return whole
    counted = [one.records for one in (whole, *shards) if one.records is not None]
    ends = [one.ends_at for one in (whole, *shards) if one.ends_at is not None]
    return Progress(
        done=max(whole.done, sum(shard.done for shard in shards)),
        total=whole.total,
        note=whole.note,
        records=max(whole.records or 0, sum(shard.records or 0 for shard in shards))
        if counted
        else None,
        ends_at=max(ends, default=None),
    )


def _shown(progress: Progress) -> dict[str, Any]:
    """*progress* as the row has it."""
    return {name: value for name, value in asdict(progress).items() if value is not None}


class JobTable:
    """Reads and writes job rows; every write states the condition that keeps it harmless."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table_name: str,
        retention: Retention | None = None,
    ) -> None:
        self._client = client
        self._table_name = table_name
        self._retention = retention or Retention()

    def submit(self, job: Job) -> None:
        """Write the row of a new job; the row is the submission.

        Raises:
            JobExistsError: The id is taken.
        """
        item: dict[str, Any] = {
            "job_id": job.job_id,
            "job_type": job.job_type,
            "status": JobStatus.PENDING.value,
            "created_at": job.created_at,
            "open_status": JobStatus.PENDING.value,
            "open_since": job.created_at,
        }
        for name in ("payload", "payload_ref", "run_at", "dispatch"):
            value = getattr(job, name)
            if value is not None:
                item[name] = value
        try:
            self._client.put_item(
                TableName=self._table_name,
                Item={name: _serializer.serialize(value) for name, value in item.items()},
                ConditionExpression="attribute_not_exists(job_id)",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            raise JobExistsError(f"job {job.job_id} exists") from None

    def get(self, job_id: str, *, now: datetime | None = None) -> Job | None:
        """The job, read consistently; None where there is none or its time to live is over.

        DynamoDB removes expired rows days late, so readers look at the time themselves.
        """
        item = self._client.get_item(
            TableName=self._table_name,
            Key={"job_id": {"S": job_id}},
            ConsistentRead=True,
        ).get("Item")
        if item is None:
            return None
        job = job_from_item(item)
        if job.expires_at is not None and job.expires_at <= (now or datetime.now(UTC)).timestamp():
            return None
        return job

    def admit(self, job: Job, now: datetime) -> None:
        """Complete a producer's row with what the dispatcher owes it; once."""
        self._update(
            job.job_id,
            set_={
                "type_bucket": type_bucket(job.job_type, job.job_id),
                "updated_at": timestamp(now),
            },
            set_if_absent={"attempt": 1},
            condition="attribute_exists(job_id) AND attribute_not_exists(type_bucket)",
        )

    def claim(
        self, job_id: str, job_type: str, attempt: int, execution_arn: str, now: datetime
    ) -> Claim:
        """Let one execution of one attempt have the job; a replay of the claimant has it still."""
        started = self._update(
            job_id,
            set_={
                **_status(JobStatus.PROCESSING, now),
                "attempt": attempt,
                "execution_arn": execution_arn,
            },
            set_if_absent={"started_at": timestamp(now)},
            condition=(
                f"job_type = :job_type AND {_is_attempt(attempt)} AND (#status = :pending"
                " OR (#status = :processing AND execution_arn = :execution_arn))"
            ),
            values={":job_type": job_type, ":attempt": attempt},
        )
        return Claim(started.is_done, started.job)

    def complete(
        self, job_id: str, attempt: int, execution_arn: str, result: str, now: datetime
    ) -> bool:
        """Record the result (JSON text); True also where this execution recorded it before."""
        written = self._update(
            job_id,
            set_={**self._end(JobStatus.COMPLETED, now), "result": result},
            remove=("open_status", "open_since", "progress", _SHARDS),
            condition=f"{_is_attempt(attempt)} AND {_is_owned}",
            values={":attempt": attempt, ":execution_arn": execution_arn},
        )
        return written.is_done or _stands_so(
            written.job, JobStatus.COMPLETED, attempt, execution_arn
        )

    def end(
        self,
        job_id: str,
        attempt: int,
        status: JobStatus,
        error: JobError,
        now: datetime,
        *,
        execution_arn: str | None,
    ) -> bool:
        """Record that the attempt failed, timed out or was cancelled.

        A pending row takes it too: its execution ended before its code ran (then the row
        gets *execution_arn*), or there never was one (None). True also where this execution
        had recorded it before.
        """
        if not may_follow(JobStatus.PROCESSING, status) or status is JobStatus.COMPLETED:
            raise ValueError(f"{status} is not a way to end badly")
        set_ = {
            **self._end(status, now),
            "attempt": attempt,
            "error": {
                name: value
                for name, value in (
                    ("type", error.type),
                    ("message", error.message),
                    ("step", error.step),
                    ("undone", list(error.undone) or None),
                )
                if value is not None
            },
        }
        owner = "#status = :pending"
        if execution_arn is not None:
            set_["execution_arn"] = execution_arn
            owner = f"({owner} OR ({_is_owned}))"
        remove = ("open_status", "open_since") if status not in INDEXED_AS_OPEN else ()
        written = self._update(
            job_id,
            set_=set_,
            remove=remove,
            condition=f"{_is_attempt(attempt)} AND {owner}",
        )
        return written.is_done or _stands_so(written.job, status, attempt, execution_arn)

    def note_progress(
        self,
        job_id: str,
        attempt: int,
        execution_arn: str,
        progress: Progress,
        now: datetime,
        *,
        shards: bool = False,
    ) -> bool:
        """Show how far the owning execution is; nothing once the job has ended.

        False means that the job is not this execution's, or not any more. A late write that
        tells less than the row changes nothing, and is True. With *shards*, these add their own
        progress by `note_shard_progress` from then on.
        """
        return self._note(
            job_id,
            attempt,
            execution_arn,
            progress,
            now,
            path="progress",
            condition=_is_behind("progress"),
            set_if_absent={_SHARDS: {}} if shards else None,
        )

    def note_shard_progress(
        self,
        job_id: str,
        attempt: int,
        execution_arn: str,
        shard: int,
        progress: Progress,
        now: datetime,
    ) -> bool:
        """Show how far one shard is, for the job's *execution_arn*; as `note_progress` otherwise.

        Several shards write at the same time, each only its own entry. Nothing is shown before
        `note_progress` was told of *shards*.
        """
        path = f"{_SHARDS}.{shard}"
        return self._note(
            job_id,
            attempt,
            execution_arn,
            progress,
            now,
            path=path,
            condition=f"attribute_exists({_SHARDS}) AND {_is_behind(path)}",
        )

    def _note(
        self,
        job_id: str,
        attempt: int,
        execution_arn: str,
        progress: Progress,
        now: datetime,
        *,
        path: str,
        condition: str,
        set_if_absent: Mapping[str, Any] | None = None,
    ) -> bool:
        """Write *progress* at *path* where the job is still its owner's and *condition* holds."""
        written = self._update(
            job_id,
            set_={path: _shown(progress), "updated_at": timestamp(now)},
            set_if_absent=set_if_absent,
            condition=f"{_is_attempt(attempt)} AND {_is_owned} AND {condition}",
            named=("done", "records"),
            # Many write, every few seconds, and none of them needs the row.
            returns="NONE",
            values={
                ":attempt": attempt,
                ":execution_arn": execution_arn,
                ":done": progress.done,
                ":records": progress.records or 0,
            },
        )
        return written.is_done or _is_owner(written.job, attempt, execution_arn)

    def retry(self, job_id: str, now: datetime) -> Job:
        """Make a badly ended job pending again, as its next attempt.

        Raises:
            JobNotRetryableError: There is no such job, or it did not end badly.
        """
        job = self.get(job_id, now=now)
        if job is None:
            raise JobNotRetryableError(f"job {job_id} does not exist")
        if job.status not in RETRYABLE:
            raise JobNotRetryableError(
                f"job {job_id} is {job.status}; only failed, timed_out and cancelled can be retried"
            )
        retried = self._update(
            job_id,
            set_={
                **_status(JobStatus.PENDING, now),
                "attempt": job.attempt + 1,
                "type_bucket": type_bucket(job.job_type, job.job_id),
            },
            remove=_ATTEMPT_COLUMNS,
            condition="attempt = :before AND #status = :ended",
            values={":before": job.attempt, ":ended": job.status.value},
        )
        if not retried.is_done or retried.job is None:
            raise JobNotRetryableError(f"job {job_id} was changed by someone else; look again")
        return retried.job

    def open_jobs(
        self, status: JobStatus, *, before: datetime | None = None, newest_first: bool = False
    ) -> Iterator[Job]:
        """Jobs in an open status, longest first; they carry no payload.

        Args:
            status: `pending`, `processing`, `failed` or `timed_out`.
            before: Only those that have been in it since before this moment.
            newest_first: Those that entered it last come first.
        """
        condition = "open_status = :status"
        values = {":status": {"S": status.value}}
        if before is not None:
            condition += " AND open_since < :before"
            values[":before"] = {"S": timestamp(before)}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table_name,
            IndexName=names.OPEN_INDEX,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ScanIndexForward=not newest_first,
        )
        for page in pages:
            yield from map(_job_from_open_index, page["Items"])

    def jobs_of_type(
        self, job_type: str, *, limit: int, status: JobStatus | None = None
    ) -> list[Job]:
        """The newest jobs of a type: id, type, status and time of creation only.

        With a *status*, whole pages are read until enough of that status are found.
        """
        query: QueryInputPaginateTypeDef = {
            "TableName": self._table_name,
            "IndexName": names.TYPE_INDEX,
            "KeyConditionExpression": "type_bucket = :bucket",
            "ScanIndexForward": False,
            "PaginationConfig": {"MaxItems": limit, "PageSize": limit},
        }
        values = {}
        if status is not None:
            query["FilterExpression"] = "#status = :status"
            query["ExpressionAttributeNames"] = {"#status": "status"}
            query["PaginationConfig"] = {"MaxItems": limit}
            values = {":status": {"S": status.value}}
        paginator = self._client.get_paginator("query")
        found: list[Job] = []
        for bucket in type_buckets(job_type):
            query["ExpressionAttributeValues"] = {":bucket": {"S": bucket}, **values}
            for page in paginator.paginate(**query):
                found += [
                    job_from_item({**item, "job_type": {"S": job_type}}) for item in page["Items"]
                ]
        return sorted(found, key=lambda job: job.created_at, reverse=True)[:limit]

    def _end(self, status: JobStatus, now: datetime) -> dict[str, Any]:
        """What every ended row says."""
        columns = _status(status, now)
        if status not in INDEXED_AS_OPEN:
            del columns["open_status"], columns["open_since"]
        return {
            **columns,
            "finished_at": timestamp(now),
            "expires_at": self._retention.expires_at(status, now),
        }

    def _update(
        self,
        job_id: str,
        *,
        set_: Mapping[str, Any],
        condition: str,
        set_if_absent: Mapping[str, Any] | None = None,
        remove: tuple[str, ...] = (),
        values: Mapping[str, Any] | None = None,
        named: tuple[str, ...] = (),
        returns: Literal["ALL_NEW", "NONE"] = "ALL_NEW",
    ) -> "_Update":
        """Update the row where *condition* holds, and tell how it stands either way.

        A name in *set_* may be a path, `column.key`; *named* are others that *condition* has
        behind a `#`.
        """
        assignments = [f"{_placeholder(name)} = :{_flat(name)}" for name in set_]
        assignments += [
            f"#{name} = if_not_exists(#{name}, :{name})" for name in set_if_absent or {}
        ]
        expression = "SET " + ", ".join(assignments)
        if remove:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in remove)
        bound = {
            **{
                f":{_flat(name)}": value
                for name, value in {**set_, **(set_if_absent or {})}.items()
            },
            **(values or {}),
        }
        for status in (JobStatus.PENDING, JobStatus.PROCESSING):
            if f":{status}" in condition:
                bound[f":{status}"] = status.value
        written = {*set_, *(set_if_absent or {}), *remove, *named}
        if "#status" in condition:
            written.add("status")
        try:
            answer = self._client.update_item(
                TableName=self._table_name,
                Key={"job_id": {"S": job_id}},
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeNames={
                    f"#{part}": part for name in sorted(written) for part in name.split(".")
                },
                ExpressionAttributeValues={
                    name: _serializer.serialize(value) for name, value in bound.items()
                },
                ReturnValues=returns,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            old: Any = error.response.get("Item")
            return _Update(is_done=False, job=job_from_item(old) if old else None)
        item = answer.get("Attributes")
        return _Update(is_done=True, job=job_from_item(item) if item else None)


@dataclass(frozen=True, slots=True)
class _Update:
    is_done: bool
    job: Job | None


_is_owned = "#status = :processing AND execution_arn = :execution_arn"


def _is_behind(path: str) -> str:
    """The condition that the progress at *path* tells no more than `:done` and `:records`."""
    told = _placeholder(path)
    fewer = f"attribute_not_exists({told}.#records) OR {told}.#records <= :records"
    same = f"{told}.#done = :done AND ({fewer})"
    return f"(attribute_not_exists({told}) OR {told}.#done < :done OR ({same}))"


def _placeholder(path: str) -> str:
    return ".".join(f"#{part}" for part in path.split("."))


def _flat(path: str) -> str:
    return path.replace(".", "_")


def _is_attempt(attempt: int) -> str:
    """The condition that the row is at *attempt*; a producer's fresh row has none and is at 1."""
    if attempt == 1:
        return "attribute_exists(job_id) AND (attribute_not_exists(attempt) OR attempt = :attempt)"
    return "attempt = :attempt"


def _status(status: JobStatus, now: datetime) -> dict[str, Any]:
    """A status, and its entry in the index of open jobs."""
    return {
        "status": status.value,
        "updated_at": timestamp(now),
        "open_status": status.value,
        "open_since": timestamp(now),
    }


def _stands_so(job: Job | None, status: JobStatus, attempt: int, execution_arn: str | None) -> bool:
    """Whether the row says this already."""
    return (
        job is not None
        and job.status is status
        and job.attempt == attempt
        and job.execution_arn == execution_arn
    )


def _is_owner(job: Job | None, attempt: int, execution_arn: str) -> bool:
    return _stands_so(job, JobStatus.PROCESSING, attempt, execution_arn)


def _job_from_open_index(item: Mapping[str, Any]) -> Job:
    """An entry of the index; of one that cannot be read what its keys tell.

    It must neither hide the jobs behind it nor be hidden itself.
    """
    try:
        return job_from_item({**item, "status": item["open_status"]})
    except InvalidJobError:
        return Job(
            job_id=item["job_id"]["S"],
            job_type="",
            status=JobStatus(item["open_status"]["S"]),
            created_at=item["open_since"]["S"],
        )
