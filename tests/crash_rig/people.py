"""Approvals and onboardings on the rig: each with its own document or address, and its people.

The people are scripted: whenever the job waits for them, the next scene is played. Either somebody
answers, as the page writes it down and the resumer carries it, or half of the time passes.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

import boto3
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from functions.shared import names
from functions.shared.job import parse_timestamp
from functions.shared.question import Act, Answer, QuestionStatus, Reception, Via, answer
from functions.shared.question_table import QUESTION_PREFIX, QuestionTable
from tests.crash_rig.passages import Death
from tests.crash_rig.rig import (
    ACCOUNT_TABLE,
    DOCUMENT_BUCKET,
    JOB_TABLE,
    QUESTION_TABLE,
    Ended,
    Function,
    Rig,
)
from tests.crash_rig.survival import Trace, as_text, numbered, take_items
from tests.functions.approvals.library import NOTES_TEXT, Library, any_pdf
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.onboarding import registrations
from tests.functions.question_items import KeyedTable

FUNCTIONS = {
    "document-approval": Function(
        "functions.approvals.document_approval.handler", late=("functions.approvals.pdf",)
    ),
    "user-onboarding": Function(
        "functions.onboarding.user_onboarding.handler", late=("functions.shared.mail_templates",)
    ),
}

# What differs between two jobs that went the same way.
_MADE_ANEW = {"ID": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "MESSAGE": r"message-\d+"}
_OWN_COLUMNS = frozenset({"callback_id", "expires_at", "token"})
# How a PDF writes the lines of a stamp, and what is not a letter in what it tells of itself.
_SHOWN = re.compile(rb"<([0-9a-f]+)> Tj")
_OCTAL = re.compile(rb"\\([0-7]{3})")
_MOMENTS = ("approved_at", "archived_at", "completed_at")

# What a person does, or does not do, while a job waits.
Scene = Callable[["People", str, str], None]


@dataclass(frozen=True, slots=True)
class Facts:
    """What counts of a job that asked people; *kept* is each object that its bucket still shows."""

    outcome: str
    question: QuestionStatus
    kept: tuple[str, ...] = ()
    account: tuple[str, ...] = ()
    mails: tuple[str, ...] = ()
    # How many different times of its end are told, in the row and beside the document.
    moments: int = 1


@dataclass(frozen=True, slots=True)
class Scenario:
    """A job of a job type, what people do each time that it waits, and how it must end."""

    name: str
    job_type: str
    facts: Facts
    script: Sequence[Scene]
    file: str = "notes.md"
    in_order_until: str | None = None

    def __str__(self) -> str:
        return self.name


def gives(given: Answer) -> Scene:
    """The one who was asked answers."""
    return lambda people, job_id, callback_id: people.answer(job_id, callback_id, given)


def time_is_up(people: "People", job_id: str, callback_id: str) -> None:
    """Nobody does anything until the callback's time is over."""
    people.let_time_pass(job_id, callback_id)


class People:
    """Submits jobs on a rig, plays their people, and clears away what the jobs leave."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._client = boto3.client("dynamodb")
        self._rows = Rows.create(self._client, JOB_TABLE)
        for table in (QUESTION_TABLE, ACCOUNT_TABLE):
            KeyedTable.create(self._client, table)
        self._client.update_table(
            TableName=QUESTION_TABLE,
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        self._questions = QuestionTable(self._client, QUESTION_TABLE)
        self._library = Library.create(boto3.client("s3"), DOCUMENT_BUCKET)

    def run(
        self, scenario: Scenario, job_id: str, death: Death | None = None
    ) -> tuple[Ended, Trace]:
        """One job from its submission to its end."""
        if scenario.job_type == "document-approval":
            payload = self._upload(job_id, scenario.file)
        else:
            payload = registrations.any_payload(email=_address(job_id))
        self._rows.submit(any_job(job_id, job_type=scenario.job_type, payload=json.dumps(payload)))
        script = [partial(scene, self, job_id) for scene in scenario.script]
        ended = self._rig.run(scenario.job_type, job_id, death, script=script)
        return ended, self._take_trace(job_id, ended)

    def run_alone(self, scenario: Scenario, job_id: str) -> tuple[Ended, Trace]:
        """One job that nothing disturbs."""
        return self.run(scenario, job_id)

    def left_over(self) -> list[Any]:
        """Items without a job, and mails and objects that came after their job's end."""
        items = [
            item
            for table in (QUESTION_TABLE, ACCOUNT_TABLE)
            for item in self._client.scan(TableName=table)["Items"]
        ]
        return [*items, *self._library.keys]

    def answer(self, job_id: str, callback_id: str, given: Answer) -> None:
        """Somebody answers by their link, and the job is woken."""
        [question] = self._questions.of_job(job_id)
        assert (question.status, question.callback_id) == (QuestionStatus.OPEN, callback_id)
        at = self._rig.now(job_id)
        [person] = question.people
        act = Act(at, str(person.address), Via.LINK, "198.51.100.7", "As I say.")
        answered, reception = self._questions.change(
            question.ref, lambda asked: answer(asked, person.person_id, given, act)
        )
        assert reception is Reception.ACCEPTED
        assert answered.decision is not None
        self._rig.complete(callback_id, json.dumps(answered.decision.to_event()))

    def let_time_pass(self, job_id: str, callback_id: str) -> None:
        [question] = self._questions.of_job(job_id)
        assert (question.status, question.callback_id) == (QuestionStatus.OPEN, callback_id)
        self._rig.pass_time(job_id, (question.until - question.asked_at) / 2)
        self._rig.time_out(callback_id)

    def _upload(self, job_id: str, file: str) -> dict[str, Any]:
        key = f"incoming/{job_id}/{file}"
        self._library.put(key, any_pdf() if file.endswith(".pdf") else NOTES_TEXT)
        return {"document": key, "reviewers": ["ann@example.com"], "in_channel": False}

    def _take_trace(self, job_id: str, ended: Ended) -> Trace:
        row = self._rows.get(job_id)
        asked = self._questions.of_job(job_id)
        digest = sha256(_address(job_id).encode()).hexdigest()
        accounts = take_items(self._client, ACCOUNT_TABLE, digest)
        ids = [item["account_id"]["S"] for item in accounts]
        accounts += take_items(self._client, ACCOUNT_TABLE, *ids) if ids else []
        left = {
            # Before the items are taken, of which the stream tells too.
            "told": self._told_of(job_id),
            "questions": [
                {name: "ANY" if name in _OWN_COLUMNS else value for name, value in item.items()}
                for item in take_items(self._client, QUESTION_TABLE, job_id)
            ],
            "accounts": accounts,
            "objects": self._take_objects(job_id),
            "mails": self._rig.post_office.mails_of(job_id),
        }
        text = as_text(job_id, ended, row, left).replace(digest, "DIGEST")
        for name, pattern in _MADE_ANEW.items():
            text = numbered(text, pattern, name)
        return Trace(text, _facts(job_id, ended.result, [each.status for each in asked], left))

    def _told_of(self, job_id: str) -> list[str]:
        """What the stream tells of the job's question: each of it is a mail to somebody."""
        region = self._client.meta.region_name
        table = dynamodb_backends[DEFAULT_ACCOUNT_ID][region].get_table(QUESTION_TABLE)
        assert table.stream_shard is not None
        return [
            f"{change.record['eventName']} {change.record['dynamodb']['NewImage']['status']['S']}"
            for change in list(table.stream_shard.items)
            if change.record["dynamodb"]["Keys"][names.ITEM_KEY]["S"] == f"JOB#{job_id}"
            and change.record["dynamodb"]["Keys"][names.ITEM_SORT_KEY]["S"].startswith(
                QUESTION_PREFIX
            )
        ]

    def _take_objects(self, job_id: str) -> dict[str, list[Any]]:
        """Every version of everything under the job's name, none of which is there any more."""
        client, bucket = self._library.client, self._library.bucket
        found: dict[str, list[Any]] = {}
        for folder in ("incoming", "final", "archive"):
            listed = client.list_object_versions(Bucket=bucket, Prefix=f"{folder}/{job_id}/")
            for version in listed.get("Versions", []):
                key, version_id = version["Key"], version["VersionId"]
                stored = client.get_object(Bucket=bucket, Key=key, VersionId=version_id)
                found.setdefault(key, []).append(
                    {
                        "body": _legible(stored["Body"].read()),
                        "metadata": stored["Metadata"],
                        "type": stored["ContentType"],
                        "version": version_id,
                    }
                )
                client.delete_object(Bucket=bucket, Key=key, VersionId=version_id)
            for marker in listed.get("DeleteMarkers", []):
                found.setdefault(marker["Key"], []).append("taken away")
                client.delete_object(
                    Bucket=bucket, Key=marker["Key"], VersionId=marker["VersionId"]
                )
        return found


def _address(job_id: str) -> str:
    return f"{job_id}@example.com"


def _legible(body: bytes) -> list[str]:
    spelled = _OCTAL.sub(lambda sign: bytes([int(sign[1], base=8)]), body)
    shown = _SHOWN.sub(lambda line: bytes.fromhex(line[1].decode()), spelled)
    return shown.decode("latin-1").splitlines()


def _facts(
    job_id: str, result: Mapping[str, Any], asked: list[QuestionStatus], left: Mapping[str, Any]
) -> Facts:
    [question] = asked
    kept = [
        f"{key.replace(job_id, 'JOB')} x{len(versions)}"
        for key, versions in left["objects"].items()
        if "taken away" not in versions
    ]
    told = [result[name] for name in _MOMENTS if name in result]
    for key, versions in left["objects"].items():
        for version in versions:
            if isinstance(version, dict) and "ended-at" in version["metadata"]:
                told.append(version["metadata"]["ended-at"])
            if key.endswith(".json"):
                told.append(json.loads("".join(version["body"]))["at"])
    return Facts(
        outcome=result["outcome"],
        question=question,
        kept=tuple(sorted(kept)),
        account=tuple(item[names.ITEM_SORT_KEY]["S"] for item in left["accounts"]),
        # The name goes on with the account's id.
        mails=tuple(mail["tags"]["mail"].partition("-")[0] for mail in left["mails"]),
        moments=len({parse_timestamp(moment) for moment in told}),
    )
