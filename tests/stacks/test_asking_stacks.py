"""The promises of the two stacks whose jobs ask people: approvals and onboarding."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from functions.approvals.approval import INCOMING, MAX_MINUTES
from functions.approvals.s3_documents import MAX_BYTES, S3Documents
from functions.callbacks.links import SHOWS_FOR
from functions.onboarding.account_table import AccountTable
from functions.onboarding.profile_table import ProfileTable
from functions.onboarding.registration import MAX_VERIFY_MINUTES, Registration
from functions.shared.mail import Mail
from functions.shared.mail_ledger import MailLedger, MailRecords
from functions.shared.question import (
    ANY_ONE,
    Kind,
    Person,
    Question,
    QuestionRef,
    close,
)
from functions.shared.question_table import QuestionTable
from stacks import approvals_stack, onboarding_stack
from tests.stacks.rights import EVERY_JOB, Right, in_words, rights, rights_in_words
from tests.stacks.synthesis import Properties, Templates

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY_BEFORE_AND_AFTER = timedelta(days=1)

USE_QUESTIONS = {
    ("dynamodb:GetItem", "Callbacks:QuestionsTable"),
    ("dynamodb:PutItem", "Callbacks:QuestionsTable"),
}
KEEP_LEDGER = {
    ("dynamodb:PutItem", "Callbacks:QuestionsTable"),
    ("dynamodb:UpdateItem", "Callbacks:QuestionsTable"),
}
USE_ACCOUNTS = {
    ("dynamodb:PutItem", "AccountsTable"),
    ("dynamodb:UpdateItem", "AccountsTable"),
    ("dynamodb:Query", "AccountsTable"),
}
KEEP_DOCUMENTS = {
    ("s3:GetObject", "DocumentsBucket/incoming/*"),
    ("s3:GetObjectVersion", "DocumentsBucket/incoming/*"),
    ("s3:DeleteObject", "DocumentsBucket/incoming/*"),
    ("s3:GetObject", "DocumentsBucket/final/*"),
    ("s3:PutObject", "DocumentsBucket/final/*"),
    ("s3:GetObject", "DocumentsBucket/archive/*"),
    ("s3:PutObject", "DocumentsBucket/archive/*"),
    # Without it S3 says "forbidden" of what is not there.
    ("s3:ListBucket", "DocumentsBucket"),
}
SEND_MAILS = {
    ("ses:SendEmail", "ses:identity/jobs@example.com"),
    ("ses:SendEmail", "ses:configuration-set/Callbacks:MailsConfigurationSet"),
}


@pytest.mark.parametrize(
    ("function", "allowed"),
    [
        ("document-approval", USE_QUESTIONS | KEEP_DOCUMENTS),
        ("user-onboarding", USE_QUESTIONS | KEEP_LEDGER | USE_ACCOUNTS | SEND_MAILS),
    ],
)
def test_a_job_may_do_what_it_does_and_nothing_else(
    dev: Templates, function: str, allowed: set[Right]
) -> None:
    assert rights(dev, function) == EVERY_JOB | allowed


def test_the_stacks_hold_no_other_function(dev: Templates) -> None:
    for stack in (dev.approvals, dev.onboarding):
        assert len(stack.of_type("AWS::Lambda::Function")) == 1


@pytest.mark.parametrize(
    ("run_timeout", "longest_question"),
    [
        (approvals_stack.RUN_TIMEOUT, timedelta(minutes=MAX_MINUTES)),
        (onboarding_stack.RUN_TIMEOUT, timedelta(minutes=MAX_VERIFY_MINUTES)),
    ],
)
def test_a_job_has_a_day_besides_the_longest_time_that_people_may_be_given(
    run_timeout: Any, longest_question: timedelta
) -> None:
    assert run_timeout.to_seconds() == (longest_question + DAY_BEFORE_AND_AFTER).total_seconds()


def test_a_link_opens_for_31_days_at_most_so_the_key_before_must_be_kept_as_long() -> None:
    """What `Stage.link_key_generation` says of how soon the next key may come."""
    longest = max(timedelta(minutes=MAX_MINUTES), timedelta(minutes=MAX_VERIFY_MINUTES))

    assert longest + SHOWS_FOR == timedelta(days=31)


def test_the_function_can_hold_the_largest_document_many_times(dev: Templates) -> None:
    memory_mib = dev.functions()["document-approval"]["MemorySize"]

    assert memory_mib >= 50 * MAX_BYTES / 1024**2


# Documents


def bucket_of(templates: Templates) -> tuple[str, Properties]:
    return templates.approvals.only("AWS::S3::Bucket")


def test_documents_are_private_encrypted_and_kept_in_every_version(dev: Templates) -> None:
    _, bucket = bucket_of(dev)

    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert "BucketEncryption" in bucket


def test_documents_travel_encrypted_only(dev: Templates) -> None:
    _, policy = dev.approvals.only("AWS::S3::BucketPolicy")

    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_a_version_that_was_replaced_outlives_its_review_and_no_document_in_use_expires(
    dev: Templates,
) -> None:
    [rule] = bucket_of(dev)[1]["LifecycleConfiguration"]["Rules"]

    longest_review = approvals_stack.RUN_TIMEOUT.to_days()
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] > longest_review
    assert "ExpirationInDays" not in rule


def test_documents_and_accounts_outlive_their_stacks_in_prod(prod: Templates) -> None:
    for stack, type_ in (
        (prod.approvals, "AWS::S3::Bucket"),
        (prod.onboarding, "AWS::DynamoDB::GlobalTable"),
    ):
        logical_id, _ = stack.only(type_)
        assert stack.resources[logical_id]["DeletionPolicy"] == "Retain"


def test_a_producer_may_bring_documents_and_fetch_what_became_of_them(dev: Templates) -> None:
    _, policy = dev.approvals.only("AWS::IAM::ManagedPolicy", id_has="Producer")

    assert rights_in_words(policy["PolicyDocument"]["Statement"]) == {
        ("s3:PutObject", "DocumentsBucket/incoming/*"),
        ("s3:GetObject", "DocumentsBucket/final/*"),
        ("s3:GetObject", "DocumentsBucket/archive/*"),
    }


@pytest.mark.parametrize(
    ("stack", "function"),
    [("approvals", "DocumentApproval"), ("onboarding", "UserOnboarding")],
)
def test_an_operator_may_look_at_the_jobs_and_stop_them_and_nothing_else(
    dev: Templates, stack: str, function: str
) -> None:
    _, policy = getattr(dev, stack).only("AWS::IAM::ManagedPolicy", id_has="Operator")

    assert rights_in_words(policy["PolicyDocument"]["Statement"]) == {
        (f"lambda:{action}", f"{function}Function:*")
        for action in (
            "GetDurableExecution",
            "GetDurableExecutionHistory",
            "StopDurableExecution",
        )
    }


def test_what_people_need_to_find_is_among_the_outputs(dev: Templates) -> None:
    bucket_id, _ = bucket_of(dev)

    outputs = dev.approvals.body["Outputs"]
    assert outputs["DocumentBucketName"]["Value"] == {"Ref": bucket_id}
    assert {"OperatorPolicyArn", "ProducerPolicyArn"} <= outputs.keys()
    assert {"OperatorPolicyArn", "AccountTableName"} <= dev.onboarding.body["Outputs"].keys()


# Accounts


def test_no_account_expires(dev: Templates) -> None:
    """Whoever is not there any more would be onboarded again."""
    _, table = dev.onboarding.only("AWS::DynamoDB::GlobalTable")

    assert "TimeToLiveSpecification" not in table
    [replica] = table["Replicas"]
    assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


# The rights that the code takes, where AWS itself checks neither here


@dataclass
class Watched:
    """Clients of stores as the stacks make them, and the rights that calls of them have taken."""

    dynamodb: Any
    s3: Any
    used: set[Right] = field(default_factory=set)

    @classmethod
    def of(cls, templates: Templates) -> "Watched":
        made = cls(boto3.client("dynamodb"), boto3.client("s3", region_name="us-east-1"))
        for name, stack in (
            ("Callbacks:QuestionsTable", templates.callbacks),
            ("AccountsTable", templates.onboarding),
        ):
            _, table = stack.only("AWS::DynamoDB::GlobalTable")
            made.dynamodb.create_table(
                TableName=name.rpartition(":")[2],
                BillingMode=table["BillingMode"],
                KeySchema=table["KeySchema"],
                AttributeDefinitions=table["AttributeDefinitions"],
            )
        made.s3.create_bucket(Bucket="documents")
        made.s3.put_bucket_versioning(
            Bucket="documents", VersioningConfiguration={"Status": "Enabled"}
        )
        for client in (made.dynamodb, made.s3):
            client.meta.events.register("provide-client-params.*", made._note)
        return made

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if "TableName" in params:
            home = {"QuestionsTable": "Callbacks:QuestionsTable"}
            table = home.get(params["TableName"], params["TableName"])
            self.used.add((f"dynamodb:{model.name}", table))
            return
        action = {"HeadObject": "GetObject"}.get(model.name, model.name)
        if "VersionId" in params:
            action += "Version"
        folder = params["Key"].partition("/")[0]
        self.used.add((f"s3:{action}", f"DocumentsBucket/{folder}/*"))


@pytest.fixture
def watched(dev: Templates) -> Iterator[Watched]:
    with mock_aws():
        yield Watched.of(dev)


@dataclass
class SentMails:
    """A sender that takes every mail."""

    def send(self, _mail: Mail, _tags: object = None) -> str:
        return "any-message-id"


def question() -> Question:
    return Question(
        ref=QuestionRef("any-job", 1, "approval"),
        job_type="document-approval",
        kind=Kind.APPROVAL,
        title="any title",
        facts=(),
        people=(Person(person_id="p1", address="any@example.com"),),
        rule=ANY_ONE,
        in_channel=False,
        announce_to=(),
        asked_at=NOW,
        until=NOW + timedelta(days=1),
        callback_id="any-callback",
        asked_by="any-execution",
    )


def test_questions_are_asked_and_closed_with_exactly_the_rights_of_those_who_ask(
    watched: Watched,
) -> None:
    table = QuestionTable(watched.dynamodb, "QuestionsTable")

    asked = table.ask(question())
    table.ask(question())
    table.read(asked.ref)
    table.change(asked.ref, close)

    assert watched.used == USE_QUESTIONS


def test_mails_go_out_once_with_exactly_the_rights_of_the_ledger(watched: Watched) -> None:
    ledger = MailLedger(
        watched.dynamodb,
        "QuestionsTable",
        SentMails(),
        doubt=timedelta(minutes=1),
        now=lambda: NOW,
    )
    mail = Mail(to=("any@example.com",), subject="any", text="any")

    for _ in range(2):
        ledger.send_once("any-job", "welcome", mail, {})

    assert watched.used == KEEP_LEDGER


def test_the_mails_of_a_job_are_found_by_a_query(watched: Watched) -> None:
    MailRecords(watched.dynamodb, "QuestionsTable").of_job("any-job")

    assert watched.used == {("dynamodb:Query", "Callbacks:QuestionsTable")}


def test_accounts_are_kept_with_exactly_the_rights_of_onboarding(watched: Watched) -> None:
    accounts = AccountTable(watched.dynamodb, "AccountsTable")
    profiles = ProfileTable(watched.dynamodb, "AccountsTable")
    owner = Registration(email="any@example.com", name="Any")

    for _ in range(2):
        account = accounts.open(owner.email, "any-id", NOW)
    accounts.verify(account.account_id, owner, "any-submission", NOW)
    profiles.set_preferences(account.account_id, {})
    profiles.parts(account.account_id)
    accounts.complete(account.account_id, NOW)

    assert watched.used == USE_ACCOUNTS


def test_documents_are_moved_with_exactly_the_rights_of_their_approval(watched: Watched) -> None:
    watched.s3.put_object(Bucket="documents", Key=f"{INCOMING}any.txt", Body=b"any text")
    watched.used.clear()
    documents = S3Documents(watched.s3, "documents")

    document = documents.read(f"{INCOMING}any.txt")
    documents.read(document.key, document.version_id)
    for folder in ("final", "archive"):
        documents.has(f"{folder}/any.txt")
        documents.put_once(f"{folder}/any.txt", document.body, {})
    documents.remove(document.key, document.etag)

    # Nothing is listed: the right to do so only makes S3 say what is not there.
    assert watched.used == KEEP_DOCUMENTS - {("s3:ListBucket", "DocumentsBucket")}


def test_the_job_is_told_of_the_bucket_and_the_tables_that_it_may_use(dev: Templates) -> None:
    told = {
        name: in_words(value)
        for job in ("document-approval", "user-onboarding")
        for name, value in dev.functions()[job]["Environment"]["Variables"].items()
        if name in {"DOCUMENT_BUCKET_NAME", "QUESTION_TABLE_NAME", "ACCOUNT_TABLE_NAME"}
    }

    assert told == {
        "DOCUMENT_BUCKET_NAME": "DocumentsBucket",
        "QUESTION_TABLE_NAME": "Callbacks:QuestionsTable",
        "ACCOUNT_TABLE_NAME": "AccountsTable",
    }
