"""Every fate that a stream record can have in the dispatcher."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import EndpointConnectionError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.jobs import dispatcher
from functions.shared.job import MAX_PAYLOAD_BYTES, timestamp
from functions.shared.job_table import JobTable
from tests.functions.job_table_rows import ANY_PAYLOAD, ANY_TIME, Rows, any_job
from tests.functions.jobs.fake_aws import (
    ALIAS_ARN,
    FakeLambda,
    FakeLambdaContext,
    FakeSns,
    FakeSsm,
    refusal,
)

pytestmark = pytest.mark.usefixtures("fake_lambda", "topic", "ssm")

# DynamoDB takes 400 KB; moto counts a little differently.
MOTOS_ITEM_BYTES = 405_000
TOO_MANY = refusal("TooManyRequestsException", 429)


def submitted(rows: Rows, *job_ids: str, **fields: Any) -> list[dict[str, Any]]:
    """Jobs in the table, and the stream records that tell of them."""
    for job_id in job_ids:
        rows.submit(any_job(job_id, **fields))
    return [record_of(rows, job_id) for job_id in job_ids]


def record_of(rows: Rows, job_id: str = "job-1") -> dict[str, Any]:
    image = rows.client.get_item(TableName=rows.table_name, Key={"job_id": {"S": job_id}})["Item"]
    return record(image)


def record(image: Any) -> dict[str, Any]:
    return {
        "eventName": "INSERT",
        "dynamodb": {"NewImage": image, "SequenceNumber": f"sequence-{image['job_id']['S']}"},
    }


def dispatch(*records: dict[str, Any]) -> list[str]:
    """Dispatch a batch; the sequence numbers that go back."""
    answer = dispatcher.handler({"Records": list(records)}, FakeLambdaContext())
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def raw_row(**fields: Any) -> dict[str, Any]:
    """A row as a producer without our client may write it."""
    row = {
        "job_id": "job-1",
        "job_type": "send-email",
        "status": "pending",
        "created_at": ANY_TIME,
        "payload": ANY_PAYLOAD,
    }
    written = {name: value for name, value in (row | fields).items() if value is not None}
    return {name: TypeSerializer().serialize(value) for name, value in written.items()}


def test_a_submitted_job_is_started_by_name_with_an_event_that_holds_no_payload(
    rows: Rows, fake_lambda: FakeLambda
) -> None:
    [new] = submitted(rows, "job-1")

    assert dispatch(new) == []

    assert fake_lambda.invokes == [
        {
            "FunctionName": ALIAS_ARN,
            "InvocationType": "Event",
            "DurableExecutionName": "job-1-1",
            "Payload": b'{"attempt":1,"job_id":"job-1","job_type":"send-email"}',
        }
    ]


def test_the_dispatcher_completes_a_producers_row(rows: Rows) -> None:
    dispatch(*submitted(rows, "job-1"))

    row = rows.get()
    assert row["attempt"] == 1
    assert row["type_bucket"].startswith("send-email#")
    assert row["updated_at"]


def test_run_at_travels_in_the_event_as_it_was_written(rows: Rows, fake_lambda: FakeLambda) -> None:
    run_at = timestamp(datetime.now(UTC) + timedelta(minutes=5))

    dispatch(*submitted(rows, "job-1", run_at=run_at))

    assert json.loads(fake_lambda.executions["job-1-1"])["run_at"] == run_at


def test_a_direct_row_is_completed_and_left_to_its_producer(
    rows: Rows, fake_lambda: FakeLambda
) -> None:
    dispatch(*submitted(rows, "job-1", dispatch="direct"))

    assert rows.get()["type_bucket"].startswith("send-email#")
    assert fake_lambda.invokes == []


def test_a_direct_row_that_no_function_could_do_fails_instead_of_waiting_for_ever(
    rows: Rows, fake_lambda: FakeLambda, topic: FakeSns
) -> None:
    dispatch(*submitted(rows, "job-1", dispatch="direct", job_type="send-fax"))

    assert rows.get()["status"] == "failed"
    assert rows.get()["error"]["type"] == "unknown_job_type"
    assert len(topic.published) == 1
    assert fake_lambda.invokes == []


def test_failure_2_a_repeated_record_starts_nothing_twice(
    rows: Rows, fake_lambda: FakeLambda
) -> None:
    [new] = submitted(rows, "job-1")

    dispatch(new)
    dispatch(new)

    assert len(fake_lambda.executions) == 1


def test_failure_2_a_name_started_with_another_input_counts_as_started(
    rows: Rows, fake_lambda: FakeLambda, topic: FakeSns
) -> None:
    fake_lambda.executions["job-1-1"] = '{"the": "producer was first"}'

    assert dispatch(*submitted(rows, "job-1")) == []

    assert rows.get()["status"] == "pending"
    assert topic.told == []


def test_a_retried_job_starts_as_its_next_attempt(
    rows: Rows, jobs: JobTable, fake_lambda: FakeLambda
) -> None:
    dispatch(*submitted(rows, "job-1", payload="broken"))
    jobs.retry("job-1", datetime.now(UTC))
    rows.client.update_item(
        TableName=rows.table_name,
        Key={"job_id": {"S": "job-1"}},
        UpdateExpression="SET payload = :payload",
        ExpressionAttributeValues={":payload": {"S": ANY_PAYLOAD}},
    )

    dispatch(record_of(rows))

    assert list(fake_lambda.executions) == ["job-1-2"]


NOT_NOW = {
    "throttled": TOO_MANY,
    "fault": refusal("ServiceException", 500),
    "EC2 throttled": refusal("EC2ThrottledException", 502),
    "being updated": refusal("ResourceConflictException", 409),
}


@pytest.mark.parametrize("error", NOT_NOW.values(), ids=NOT_NOW.keys())
def test_failure_6_what_lambda_cannot_start_now_goes_back_to_the_stream(
    rows: Rows, fake_lambda: FakeLambda, topic: FakeSns, error: Any
) -> None:
    fake_lambda.refuse("job-1-1", error)
    [new] = submitted(rows, "job-1")

    assert dispatch(new) == ["sequence-job-1"]
    assert rows.get()["status"] == "pending"
    assert topic.told == []

    assert dispatch(new) == []
    assert list(fake_lambda.executions) == ["job-1-1"]


def test_failure_6_the_first_throttled_record_goes_back_and_the_rest_is_not_begun(
    rows: Rows, fake_lambda: FakeLambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "THREADS", 1)
    records = submitted(rows, "job-1", "job-2", "job-3", "job-4")
    fake_lambda.refuse("job-2-1", TOO_MANY)

    assert dispatch(*records) == ["sequence-job-2"]

    assert [invoke["DurableExecutionName"] for invoke in fake_lambda.invokes] == [
        "job-1-1",
        "job-2-1",
    ]


def test_failure_6_no_job_is_lost_when_every_start_is_throttled_a_few_times(
    rows: Rows, fake_lambda: FakeLambda
) -> None:
    names = [f"job-{number}" for number in range(30)]
    records = submitted(rows, *names)
    for number, name in enumerate(names):
        fake_lambda.refuse(f"{name}-1", *[TOO_MANY] * (number % 3))

    batches = 0
    while records:
        batches += 1
        assert batches < 60
        failed = dispatch(*records)
        positions = [item["dynamodb"]["SequenceNumber"] for item in records]
        records = records[positions.index(failed[0]) :] if failed else []

    assert sorted(fake_lambda.executions) == sorted(f"{name}-1" for name in names)


POISON: dict[str, tuple[dict[str, Any], str]] = {
    "unknown type": ({"job_type": "send-fax"}, "unknown_job_type"),
    "type with a slash": ({"job_type": "../send-email"}, "invalid_job"),
    "no type": ({"job_type": None}, "invalid_job"),
    "id with a dot": ({"job_id": "job.1"}, "invalid_job"),
    "id too long": ({"job_id": "j" * 49}, "invalid_job"),
    "not JSON": ({"payload": "{'to': 1}"}, "malformed_payload"),
    "JSON but no object": ({"payload": "[1]"}, "malformed_payload"),
    "not a number": ({"payload": '{"a": NaN}'}, "malformed_payload"),
    "nested too deeply": ({"payload": "[" * 100_000}, "malformed_payload"),
    "no payload": ({"payload": None}, "malformed_payload"),
    "payload of another job": (
        {"payload": None, "payload_ref": f"payloads/job-2/{'0' * 64}"},
        "malformed_payload",
    ),
    "oversize": (
        {"payload": json.dumps({"text": "x" * MAX_PAYLOAD_BYTES})},
        "payload_too_large",
    ),
    "run_at no time": ({"run_at": "tomorrow"}, "invalid_run_at"),
    "run_at too far": ({"run_at": "2099-01-01T00:00:00Z"}, "run_at_too_far"),
    "payload is a number": ({"payload": 7}, "unreadable_row"),
    "attempt is a text": ({"attempt": "two"}, "unreadable_row"),
    "row full": ({"payload": "x" * (MOTOS_ITEM_BYTES - 150)}, "payload_too_large"),
}
# Their rows cannot be made to say anything.
UNTOLD_IN_THE_ROW = {"attempt is a text", "row full"}


@pytest.mark.parametrize("poison", POISON)
def test_failure_4_a_job_that_cannot_start_fails_at_once_and_is_told(
    rows: Rows,
    fake_lambda: FakeLambda,
    topic: FakeSns,
    poison: str,
) -> None:
    fields, code = POISON[poison]
    image = raw_row(**fields)
    rows.put(image)
    job_id = image["job_id"]["S"]

    assert dispatch(record(image)) == []

    assert fake_lambda.invokes == []
    [(event, told)] = topic.told
    assert (event["job_id"], event["attempt"], told) == (job_id, 1, code)
    if poison not in UNTOLD_IN_THE_ROW:
        row = rows.get(job_id)
        assert (row["status"], row["error"]["type"]) == ("failed", code)


def test_failure_4_a_poison_record_does_not_hold_up_those_behind_it(
    rows: Rows, fake_lambda: FakeLambda
) -> None:
    poison = submitted(rows, "job-1", payload="no JSON")
    healthy = submitted(rows, "job-2", "job-3")

    assert dispatch(*poison, *healthy) == []

    assert sorted(fake_lambda.executions) == ["job-2-1", "job-3-1"]


def test_a_row_that_cannot_be_completed_fails_instead_of_holding_up_those_behind_it(
    rows: Rows, topic: FakeSns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        # DynamoDB's answer to an index key over 2,048 bytes, which moto takes.
        raise refusal("ValidationException", 400, "UpdateItem")

    monkeypatch.setattr(dispatcher.jobs, "admit", refuse)
    image = raw_row(job_type="x" * 300_000)
    rows.put(image)

    assert dispatch(record(image)) == []

    assert rows.get()["error"]["type"] == "unwritable_row"
    [(event, code)] = topic.told
    assert len(event["job_type"]) <= 100
    assert code == "unwritable_row"


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    fields=st.dictionaries(
        st.sampled_from(
            ["job_type", "status", "payload", "attempt", "run_at", "error", "progress"]
        ),
        st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=20) | st.just({"a": 1}),
    )
)
def test_failure_4_no_row_whatever_is_in_it_breaks_or_blocks_the_dispatcher(
    rows: Rows, fields: dict[str, Any]
) -> None:
    image = raw_row(**fields)
    rows.put(image)

    assert dispatch(record(image)) == []


def test_the_message_of_a_refused_payload_shows_nothing_of_it(rows: Rows, topic: FakeSns) -> None:
    dispatch(*submitted(rows, "job-1", payload='{"password": "hunter2"'))

    assert "hunter2" not in json.dumps(topic.published)
    assert "hunter2" not in rows.get()["error"]["message"]


def test_a_refused_start_fails_the_job_and_looks_its_type_up_again_next_time(
    rows: Rows, fake_lambda: FakeLambda, topic: FakeSns, ssm: FakeSsm
) -> None:
    fake_lambda.refuse("job-1-1", refusal("ResourceNotFoundException", 404))
    dispatch(*submitted(rows, "job-1"))

    dispatch(*submitted(rows, "job-2"))

    assert [code for _, code in topic.told] == ["start_refused"]
    assert list(fake_lambda.executions) == ["job-2-1"]
    assert ssm.reads == 2


def test_job_types_are_looked_up_once_for_many_jobs(rows: Rows, ssm: FakeSsm) -> None:
    dispatch(*submitted(rows, *(f"job-{number}" for number in range(20))))

    assert ssm.reads == 1


def test_a_throttled_look_up_sends_the_record_back(rows: Rows, ssm: FakeSsm) -> None:
    ssm.errors = [refusal("ThrottlingException", 400, "GetParameter")]
    [new] = submitted(rows, "job-1")

    assert dispatch(new) == ["sequence-job-1"]
    assert dispatch(new) == []


@pytest.mark.parametrize("code", ["Throttling", "KMSDisabled", "AuthorizationError"])
def test_a_dead_letter_that_cannot_be_sent_now_goes_out_with_the_next_try(
    rows: Rows, topic: FakeSns, code: str
) -> None:
    topic.errors = [refusal(code, 400, "Publish")]
    [poison] = submitted(rows, "job-1", payload="no JSON")

    assert dispatch(poison) == ["sequence-job-1"]
    assert dispatch(poison) == []

    assert [code for _, code in topic.told] == ["malformed_payload"]


def test_a_job_that_has_moved_on_is_not_failed_by_its_old_record(
    rows: Rows, jobs: JobTable, topic: FakeSns
) -> None:
    [poison] = submitted(rows, "job-1", payload="no JSON")
    jobs.claim("job-1", "send-email", 1, "arn:someone", datetime.now(UTC))

    assert dispatch(poison) == []

    assert rows.get()["status"] == "processing"
    assert topic.told == []


def test_an_unreachable_lambda_sends_the_record_back(rows: Rows, fake_lambda: FakeLambda) -> None:
    unreachable: Any = EndpointConnectionError(endpoint_url="https://lambda")
    fake_lambda.refuse("job-1-1", unreachable)

    assert dispatch(*submitted(rows, "job-1")) == ["sequence-job-1"]


def test_records_go_back_when_the_invocation_runs_out_of_time(
    rows: Rows, fake_lambda: FakeLambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "THREADS", 1)
    records = submitted(rows, "job-1", "job-2", "job-3")

    answer = dispatcher.handler(
        {"Records": records}, FakeLambdaContext(milliseconds=10_000, step=2_400)
    )

    assert answer == {"batchItemFailures": [{"itemIdentifier": "sequence-job-3"}]}
    assert len(fake_lambda.executions) == 2
