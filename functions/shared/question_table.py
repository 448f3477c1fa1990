"""Questions in DynamoDB, changed only by whoever has read them last."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from functions.shared import names
from functions.shared.errors import TransientError
from functions.shared.job import parse_timestamp, timestamp
from functions.shared.question import (
    MAX_PEOPLE,
    Decision,
    Kind,
    Person,
    Question,
    QuestionRef,
    QuestionStatus,
    Rule,
    Trace,
    counting_votes,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")

# How often a question is read and changed anew, where others keep being quicker. A round is lost
# only to somebody else's act: there are more of them than people who can answer at once.
ROUNDS = MAX_PEOPLE + 5
# Sort keys of questions begin so; filters of the table's stream know it too.
QUESTION_PREFIX = "QUESTION#"
STATUS = "status"
KEPT_AFTER_END = timedelta(days=30)


class UnknownQuestionError(LookupError):
    """There is no such question."""


class QuestionBusyError(TransientError):
    """Others kept changing the question; nothing was changed."""


class QuestionTable:
    """Questions by job, attempt and name."""

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def ask(self, question: Question) -> Question:
        """Write *question* down, unless its execution has: what stands then is returned.

        An execution asks once, whatever has become of the question when its step is repeated. But
        what another execution asked is replaced: questions outlive the rows of jobs, so the id may
        be that of a new job, which an old answer must not decide.

        Raises:
            QuestionBusyError: An old question kept being changed; nothing was written.
        """
        for _ in range(ROUNDS):
            standing = self._put_new(question)
            if standing is None:
                return question
            old = from_item(standing)
            if old.asked_by == question.asked_by:
                return old
            if self._replace(question, standing[_VERSION]["N"]):
                return question
        raise _busy(question.ref)

    def read(self, ref: QuestionRef) -> Question:
        """The question as it is now.

        Raises:
            UnknownQuestionError: There is none.
        """
        return from_item(self._read(ref))

    def of_job(self, job_id: str) -> list[Question]:
        """Every question of a job, oldest attempt first."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table_name,
            KeyConditionExpression="#pk = :pk AND begins_with(#sk, :sk)",
            ExpressionAttributeNames={"#pk": names.ITEM_KEY, "#sk": names.ITEM_SORT_KEY},
            ExpressionAttributeValues={
                ":pk": {"S": f"JOB#{job_id}"},
                ":sk": {"S": QUESTION_PREFIX},
            },
            ConsistentRead=True,
        )
        return [from_item(item) for page in pages for item in page["Items"]]

    def change(
        self, ref: QuestionRef, how: Callable[[Question], tuple[Question, T]]
    ) -> tuple[Question, T]:
        """Apply *how* to the question as it is now; it may be applied to several readings.

        Returns:
            The question as it stands then, and what else *how* returned for it.

        Raises:
            UnknownQuestionError: There is none.
            QuestionBusyError: Others kept being quicker; nothing was changed.
        """
        for _ in range(ROUNDS):
            item = self._read(ref)
            question = from_item(item)
            changed, answer = how(question)
            if changed == question or self._replace(changed, item[_VERSION]["N"]):
                return changed, answer
        raise _busy(ref)

    def _read(self, ref: QuestionRef) -> Mapping[str, Any]:
        item = self._client.get_item(
            TableName=self._table_name, Key=_key(ref), ConsistentRead=True
        ).get("Item")
        if item is None:
            raise UnknownQuestionError(f"job {ref.job_id} asked no question {ref.name}")
        return item

    def _put_new(self, question: Question) -> Mapping[str, Any] | None:
        """Write *question* where there is none; what is there instead."""
        try:
            self._client.put_item(
                TableName=self._table_name,
                Item=to_item(question),
                ConditionExpression="attribute_not_exists(#pk)",
                ExpressionAttributeNames={"#pk": names.ITEM_KEY},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            response: Mapping[str, Any] = error.response
            standing: Mapping[str, Any] = response["Item"]
            return standing
        return None

    def _replace(self, question: Question, version: str) -> bool:
        """Write *question* over what was read as *version*; False: somebody was quicker."""
        try:
            self._client.put_item(
                TableName=self._table_name,
                Item=to_item(question, int(version) + 1),
                ConditionExpression="#version = :version",
                ExpressionAttributeNames={"#version": _VERSION},
                ExpressionAttributeValues={":version": {"N": version}},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


_VERSION = "version"


def _busy(ref: QuestionRef) -> QuestionBusyError:
    return QuestionBusyError(f"question {ref.name} of job {ref.job_id} keeps being changed")


def _key(ref: QuestionRef) -> dict[str, Any]:
    return {
        names.ITEM_KEY: {"S": f"JOB#{ref.job_id}"},
        names.ITEM_SORT_KEY: {"S": f"{QUESTION_PREFIX}{ref.attempt:06d}#{ref.name}"},
    }


def to_item(question: Question, version: int = 1) -> dict[str, Any]:
    """The record of *question*; what is never searched for is one JSON text."""
    ref = question.ref
    document = {
        "job_type": question.job_type,
        "kind": question.kind.value,
        "title": question.title,
        "facts": [list(fact) for fact in question.facts],
        "people": [person.to_event() for person in question.people],
        "needed": question.rule.needed,
        "in_channel": question.in_channel,
        "announce_to": [person.to_event() for person in question.announce_to],
        "asked_at": timestamp(question.asked_at),
        "until": timestamp(question.until),
        "asked_by": question.asked_by,
        "heartbeat_seconds": (
            None if question.heartbeat is None else question.heartbeat.total_seconds()
        ),
        "reminded_at": _optional(question.reminded_at),
        "decision": question.decision and replace(question.decision, votes=()).to_event(),
        # The votes are the people's; twice they would be too much for an item.
        "is_voted": question.decision is not None and bool(question.decision.votes),
        "traces": [trace.to_event() for trace in question.traces],
    }
    item: dict[str, Any] = {
        **_key(ref),
        "job_id": {"S": ref.job_id},
        "attempt": {"N": str(ref.attempt)},
        "name": {"S": ref.name},
        "callback_id": {"S": question.callback_id},
        STATUS: {"S": question.status.value},
        "document": {"S": json.dumps(document, separators=(",", ":"), ensure_ascii=False)},
        _VERSION: {"N": str(version)},
        "expires_at": {"N": str(int((question.until + KEPT_AFTER_END).timestamp()))},
    }
    if question.heartbeat_at is not None:
        item["heartbeat_at"] = {"S": timestamp(question.heartbeat_at)}
    return item


def from_item(item: Mapping[str, Any]) -> Question:
    """Read what `to_item` wrote, from the table or from its stream."""
    document = json.loads(item["document"]["S"])
    people = tuple(Person.from_event(person) for person in document["people"])
    heartbeat_at = item.get("heartbeat_at")
    reminded_at = document["reminded_at"]
    heartbeat = document["heartbeat_seconds"]
    return Question(
        ref=QuestionRef(item["job_id"]["S"], int(item["attempt"]["N"]), item["name"]["S"]),
        job_type=document["job_type"],
        kind=Kind(document["kind"]),
        title=document["title"],
        facts=tuple((label, value) for label, value in document["facts"]),
        people=people,
        rule=Rule(document["needed"]),
        in_channel=document["in_channel"],
        announce_to=tuple(Person.from_event(person) for person in document["announce_to"]),
        asked_at=parse_timestamp(document["asked_at"]),
        until=parse_timestamp(document["until"]),
        callback_id=item["callback_id"]["S"],
        asked_by=document["asked_by"],
        heartbeat=None if heartbeat is None else timedelta(seconds=heartbeat),
        heartbeat_at=parse_timestamp(heartbeat_at["S"]) if heartbeat_at else None,
        reminded_at=parse_timestamp(reminded_at) if reminded_at else None,
        status=QuestionStatus(item[STATUS]["S"]),
        decision=_decision(document, people),
        traces=tuple(Trace.from_event(trace) for trace in document["traces"]),
    )


def _decision(document: Mapping[str, Any], people: tuple[Person, ...]) -> Decision | None:
    if document["decision"] is None:
        return None
    votes = counting_votes(people) if document["is_voted"] else ()
    return replace(Decision.from_event(document["decision"]), votes=votes)


def _optional(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


def now() -> datetime:
    """The time of day, as records keep it: in milliseconds."""
    return parse_timestamp(timestamp(datetime.now(UTC)))
