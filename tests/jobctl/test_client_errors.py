"""Every error of a submission, thrown at the client, against what the contract says of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from jobctl.client import JobClient
from jobctl.contract import CONTRACT, ContractEntry, Kind, Operation, Source
from jobctl.errors import (
    CLASS_OF_KIND,
    JobClientError,
    RefusedError,
    ThrottledError,
    UnansweredError,
)
from tests.jobctl.conftest import REGION

MAIL = {"to": "ann@example.com"}
LARGE = {"text": "x" * 300 * 1024}

# What each exception of botocore wants to be told when it is made.
DETAILS = {
    "endpoint_url": "https://dynamodb.eu-west-1.amazonaws.com",
    "error": "broken",
    "error_msg": "expired",
    "profile": "nobody",
    "provider": "sso",
    "proxy_url": "http://proxy",
    "cred_var": "secret",
    "report": "wrong type",
}


@dataclass(frozen=True)
class Stubbed:
    """A client whose AWS answers as told."""

    client: JobClient
    dynamodb: Stubber
    s3: Stubber

    def submit(self, operation: Operation) -> None:
        payload = LARGE if operation is Operation.PUT_OBJECT else MAIL
        self.client.submit("send-email", payload, job_id="job-1")


@pytest.fixture(scope="module")
def made_once() -> dict[str, Any]:
    once = Config(retries={"total_max_attempts": 1})
    return {
        name: boto3.client(name, region_name=REGION, config=once) for name in ("dynamodb", "s3")
    }


@pytest.fixture
def stubbed(made_once: dict[str, Any]) -> Iterator[Stubbed]:
    with Stubber(made_once["dynamodb"]) as dynamodb, Stubber(made_once["s3"]) as s3:
        yield Stubbed(job_client(made_once), dynamodb, s3)


def job_client(clients: dict[str, Any]) -> JobClient:
    return JobClient(
        dynamodb=clients["dynamodb"],
        table_name="jobs",
        s3=clients["s3"],
        payload_bucket="payloads",
    )


def errors(*sources: Source) -> list[Any]:
    return [
        pytest.param(entry, name, id=f"{entry.operation}-{name}")
        for entry in CONTRACT
        if entry.operation in {Operation.PUT_ITEM, Operation.PUT_OBJECT}
        and entry.source in sources
        and entry.kind is not Kind.CONFLICT
        for name in entry.names
    ]


@pytest.mark.parametrize(("entry", "name"), errors(Source.MODEL, Source.COMMON))
def test_an_answer_of_aws_becomes_the_class_of_its_entry(
    stubbed: Stubbed, entry: ContractEntry, name: str
) -> None:
    is_object = entry.operation is Operation.PUT_OBJECT
    stub = stubbed.s3 if is_object else stubbed.dynamodb
    stub.add_client_error("put_object" if is_object else "put_item", name, "said\nAWS")

    with pytest.raises(JobClientError) as raised:
        stubbed.submit(entry.operation)

    assert type(raised.value) is CLASS_OF_KIND[entry.kind]
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("entry", "name"), errors(Source.SDK))
def test_an_error_of_the_sdk_becomes_the_class_of_its_entry(
    made_once: dict[str, Any], entry: ContractEntry, name: str
) -> None:
    error: Exception = getattr(botocore.exceptions, name)(**DETAILS)
    is_object = entry.operation is Operation.PUT_OBJECT

    with (
        every_call_raises(made_once["s3" if is_object else "dynamodb"], error),
        pytest.raises(JobClientError) as raised,
    ):
        job_client(made_once).submit("send-email", LARGE if is_object else MAIL)

    assert type(raised.value) is CLASS_OF_KIND[entry.kind]
    assert raised.value.__cause__ is error


@contextmanager
def every_call_raises(client: Any, error: Exception) -> Iterator[None]:
    """As if the connection did."""

    def fail(**_: Any) -> None:
        raise error

    client.meta.events.register("before-call", fail)
    yield
    client.meta.events.unregister("before-call", fail)


@pytest.mark.parametrize(
    ("status", "expected"), [(500, UnansweredError), (503, UnansweredError), (400, RefusedError)]
)
def test_an_error_that_nobody_listed_is_judged_by_its_status(
    stubbed: Stubbed, status: int, expected: type[JobClientError]
) -> None:
    stubbed.dynamodb.add_client_error("put_item", "SomethingNew", "new", http_status_code=status)

    with pytest.raises(expected, match="SomethingNew: new"):
        stubbed.submit(Operation.PUT_ITEM)


def test_a_throttled_read_is_told_as_such(stubbed: Stubbed) -> None:
    stubbed.dynamodb.add_client_error("get_item", "ThrottlingException", "slower")

    with pytest.raises(ThrottledError) as raised:
        stubbed.client.get("job-1")

    assert raised.value.should_retry


def test_a_payload_that_did_not_reach_s3_leaves_no_row(stubbed: Stubbed) -> None:
    stubbed.s3.add_client_error("put_object", "SlowDown", "slower")

    with pytest.raises(ThrottledError):
        stubbed.submit(Operation.PUT_OBJECT)

    # A PutItem would have found no answer prepared, and raised another error.
    stubbed.dynamodb.assert_no_pending_responses()
