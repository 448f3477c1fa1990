from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from functions.alerts.alert import JobDeadLetter, Origin
from functions.alerts.job_finding import Situation
from functions.alerts.job_reasons import JobReasons
from functions.shared.job import JobStatus
from tests.functions.alerts.messages import EXECUTION_ARN

LETTER = JobDeadLetter(origin=Origin(), job_id="job-1", attempt=1, job_type="send-email")


@dataclass
class FakeLambda:
    """The durable API's one read, and a function's configuration."""

    answer: dict[str, Any] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)
    error: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def get_durable_execution(self, *, DurableExecutionArn: str) -> dict[str, Any]:  # noqa: N803  # AWS's name
        self.asked.append(DurableExecutionArn)
        if self.error:
            raise self.error
        return self.answer

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803  # AWS's name
        self.asked.append(FunctionName)
        if self.error:
            raise self.error
        return self.configuration


DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "Get")


@dataclass
class Bench:
    """A job table that is found through SSM, and a Lambda that answers as told."""

    dynamodb: Any
    ssm: Any
    lambda_: FakeLambda
    reasons: JobReasons

    def publish_table(self) -> None:
        self.ssm.put_parameter(Name="/any/job-table", Value="jobs", Type="String")

    def put(self, **columns: Any) -> None:
        row = {
            "job_id": {"S": "job-1"},
            "job_type": {"S": "send-email"},
            "created_at": {"S": "2026-01-31T09:00:00.000Z"},
            "attempt": {"N": "1"},
            "execution_arn": {"S": EXECUTION_ARN},
        }
        self.dynamodb.put_item(TableName="jobs", Item=row | columns)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    with mock_aws():
        dynamodb = boto3.client("dynamodb", region_name="eu-west-1")
        dynamodb.create_table(
            TableName="jobs",
            KeySchema=[{"AttributeName": "job_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "job_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        ssm = boto3.client("ssm", region_name="eu-west-1")
        fake = FakeLambda()
        made: Any = fake
        reasons = JobReasons(dynamodb, "/any/job-table", lambda: ssm, lambda: made)
        yield Bench(dynamodb, ssm, fake, reasons)


def test_a_missing_parameter_is_tolerated_until_the_table_is_published(bench: Bench) -> None:
    assert bench.reasons.find(LETTER).situation is Situation.UNSEEN

    bench.publish_table()

    assert bench.reasons.find(LETTER).situation is Situation.REFUSED


def test_an_ended_rows_reason_costs_no_look_at_the_execution(bench: Bench) -> None:
    bench.publish_table()
    error = {"M": {"type": {"S": "mail_rejected"}, "message": {"S": "no"}, "step": {"S": "send"}}}
    bench.put(status={"S": "failed"}, error=error)

    found = bench.reasons.find(LETTER)

    assert found.status is JobStatus.FAILED
    assert found.error is not None
    assert found.error.step == "send"
    assert bench.lambda_.asked == []


def test_the_execution_is_asked_where_the_row_does_not_tell(bench: Bench) -> None:
    bench.publish_table()
    bench.put(status={"S": "processing"})
    bench.lambda_.answer = {
        "Status": "FAILED",
        "Error": {"ErrorType": "pkg.BoomError", "ErrorMessage": "boom"},
    }

    found = bench.reasons.find(LETTER)

    assert bench.lambda_.asked == [EXECUTION_ARN]
    assert found.situation is Situation.ENDED
    assert found.error is not None
    assert (found.error.type, found.error.message) == ("boom", "boom")


def test_an_execution_that_may_not_be_read_leaves_the_row_to_tell(bench: Bench) -> None:
    bench.publish_table()
    bench.put(status={"S": "processing"})
    bench.lambda_.error = DENIED

    assert bench.reasons.find(LETTER).situation is Situation.UNSETTLED


def test_a_row_that_is_none_is_unseen_and_no_crash(bench: Bench) -> None:
    bench.publish_table()
    bench.put(status={"S": "no such status"})

    assert bench.reasons.find(LETTER).situation is Situation.UNSEEN


def test_a_functions_log_group_is_asked_for_once(bench: Bench) -> None:
    bench.lambda_.configuration = {"LoggingConfig": {"LogGroup": "Jobs-dev-Logs-1"}}

    assert [bench.reasons.log_group("f"), bench.reasons.log_group("f")] == ["Jobs-dev-Logs-1"] * 2
    assert bench.lambda_.asked == ["f"]


def test_a_log_group_that_cannot_be_told_costs_only_the_link(bench: Bench) -> None:
    bench.lambda_.error = DENIED

    assert bench.reasons.log_group("f") is None
