"""Event source mappings on real streams and queues; what they decide is tested without I/O."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from local import stream_mapping
from local.endpoint import Endpoint
from local.event_source_mappings import EventSourceMappings
from local.invocation import Invoke, InvokeOutcome
from tests.local.aws_fixtures import (
    THROTTLED,
    FakeFunction,
    Queue,
    answered,
    client_of,
    make_function,
    make_queue,
    make_table,
    raised,
)

pytestmark = pytest.mark.platform

PATIENCE_SECONDS = 30


async def until(is_true: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await asyncio.to_thread(is_true):  # noqa: ASYNC110  # MiniStack sets no event
            await asyncio.sleep(0.02)


@asynccontextmanager
async def polling(
    endpoint: Endpoint, mapping: dict[str, Any], invoke: Invoke
) -> AsyncIterator[EventSourceMappings]:
    """Run the platform's mappings with *mapping* in place, and with no other."""
    client = client_of(endpoint, "lambda")
    created = client.create_event_source_mapping(**mapping)
    mappings = EventSourceMappings(endpoint, invoke)
    task = asyncio.create_task(mappings.run())
    try:
        yield mappings
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        client.delete_event_source_mapping(UUID=created["UUID"])


def put(endpoint: Endpoint, table: str, *job_ids: str, status: str = "pending") -> None:
    client = client_of(endpoint, "dynamodb")
    for job_id in job_ids:
        client.put_item(TableName=table, Item={"job_id": {"S": job_id}, "status": {"S": status}})


def job_ids(event: dict[str, Any]) -> list[str]:
    return [record["dynamodb"]["Keys"]["job_id"]["S"] for record in event["Records"]]


def failing_jobs(event: dict[str, Any], *failing: str) -> InvokeOutcome:
    return answered(
        {
            "batchItemFailures": [
                {"itemIdentifier": record["dynamodb"]["SequenceNumber"]}
                for record in event["Records"]
                if record["dynamodb"]["Keys"]["job_id"]["S"] in failing
            ]
        }
    )


async def test_a_stream_record_reaches_the_function_as_lambda_spells_it(
    ministack: Endpoint,
) -> None:
    table, stream = make_table(ministack)
    function_arn = make_function(ministack)
    function = FakeFunction()
    mapping = {
        "EventSourceArn": stream,
        "FunctionName": function_arn,
        "StartingPosition": "TRIM_HORIZON",
    }
    put(ministack, table, "written-before-the-mapping")

    async with polling(ministack, mapping, function.invoke):
        await until(lambda: function.events)

    [record] = function.events[0]["Records"]
    assert function.invoked == [function_arn]
    assert record["eventSourceARN"] == stream
    assert record["eventName"] == "INSERT"
    assert record["dynamodb"]["NewImage"] == {
        "job_id": {"S": "written-before-the-mapping"},
        "status": {"S": "pending"},
    }


async def test_a_stream_is_read_at_once_when_told_of_a_write(
    ministack: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_mapping, "POLL_SECONDS", 2 * PATIENCE_SECONDS)
    table, stream = make_table(ministack)
    function = FakeFunction()
    mapping = {
        "EventSourceArn": stream,
        "FunctionName": make_function(ministack),
        "StartingPosition": "TRIM_HORIZON",
    }
    put(ministack, table, "first")

    async with polling(ministack, mapping, function.invoke) as mappings:
        await until(lambda: function.events)
        await asyncio.to_thread(put, ministack, table, "second")
        mappings.wake()
        await until(lambda: len(function.events) == 2)

    assert [job_ids(event) for event in function.events] == [["first"], ["second"]]


async def test_only_records_that_a_filter_admits_reach_the_function(ministack: Endpoint) -> None:
    table, stream = make_table(ministack)
    function = FakeFunction()
    pattern = {"dynamodb": {"NewImage": {"status": {"S": ["pending"]}}}}
    mapping = {
        "EventSourceArn": stream,
        "FunctionName": make_function(ministack),
        "StartingPosition": "TRIM_HORIZON",
        "FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)}]},
    }
    put(ministack, table, "done", status="completed")
    put(ministack, table, "new")

    async with polling(ministack, mapping, function.invoke):
        await until(lambda: function.events)

    assert [job_ids(event) for event in function.events] == [["new"]]


async def test_a_returned_item_failure_is_tried_again_and_nothing_before_it_is(
    ministack: Endpoint,
) -> None:
    table, stream = make_table(ministack)
    seen: list[list[str]] = []

    async def invoke(_function: str, payload: bytes) -> InvokeOutcome:
        event = json.loads(payload)
        seen.append(job_ids(event))
        return failing_jobs(event, "b") if len(seen) == 1 else answered()

    mapping = {
        "EventSourceArn": stream,
        "FunctionName": make_function(ministack),
        "StartingPosition": "TRIM_HORIZON",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }
    put(ministack, table, "a", "b", "c")

    async with polling(ministack, mapping, invoke):
        await until(lambda: len(seen) == 2)

    assert seen == [["a", "b", "c"], ["b", "c"]]


async def test_a_poison_record_goes_to_the_failure_destination_and_blocks_nothing(
    ministack: Endpoint,
) -> None:
    table, stream = make_table(ministack)
    destination = make_queue(ministack)
    function_arn = make_function(ministack)
    delivered: list[str] = []

    async def invoke(_function: str, payload: bytes) -> InvokeOutcome:
        event = json.loads(payload)
        if "poison" in job_ids(event):
            return raised()
        delivered.extend(job_ids(event))
        return answered()

    mapping = {
        "EventSourceArn": stream,
        "FunctionName": function_arn,
        "StartingPosition": "TRIM_HORIZON",
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": 1,
        "DestinationConfig": {"OnFailure": {"Destination": destination.arn}},
    }
    put(ministack, table, "a", "poison", "b")

    async with polling(ministack, mapping, invoke):
        await until(lambda: delivered == ["a", "b"])

    [message] = destination.receive()
    told = json.loads(message["Body"])
    assert told["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert told["requestContext"]["functionArn"] == function_arn
    assert told["requestContext"]["approximateInvokeCount"] >= 2
    assert told["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    assert told["version"] == "1.0"
    batch = told["DDBStreamBatchInfo"]
    assert batch["batchSize"] == 1
    assert batch["streamArn"] == stream
    assert batch["startSequenceNumber"] == batch["endSequenceNumber"]
    assert batch.keys() == {
        "shardId",
        "startSequenceNumber",
        "endSequenceNumber",
        "approximateArrivalOfFirstRecord",
        "approximateArrivalOfLastRecord",
        "batchSize",
        "streamArn",
    }


async def test_a_throttled_batch_is_sent_again_though_no_retry_is_allowed(
    ministack: Endpoint,
) -> None:
    table, stream = make_table(ministack)
    function = FakeFunction(script=[THROTTLED, THROTTLED])
    mapping = {
        "EventSourceArn": stream,
        "FunctionName": make_function(ministack),
        "StartingPosition": "TRIM_HORIZON",
        "MaximumRetryAttempts": 0,
    }
    put(ministack, table, "a")

    async with polling(ministack, mapping, function.invoke):
        await until(lambda: len(function.events) == 3)

    assert [job_ids(event) for event in function.events] == [["a"]] * 3


async def test_the_changes_of_one_item_stay_in_order_when_batches_run_in_parallel(
    ministack: Endpoint,
) -> None:
    table, stream = make_table(ministack)
    seen: dict[str, list[str]] = {}

    async def invoke(_function: str, payload: bytes) -> InvokeOutcome:
        for record in json.loads(payload)["Records"]:
            image = record["dynamodb"]["NewImage"]
            seen.setdefault(image["job_id"]["S"], []).append(image["status"]["S"])
        await asyncio.sleep(0.01)
        return answered()

    mapping = {
        "EventSourceArn": stream,
        "FunctionName": make_function(ministack),
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 2,
        "ParallelizationFactor": 4,
    }
    for status in ("1", "2", "3"):
        put(ministack, table, "a", "b", "c", "d", status=status)

    async with polling(ministack, mapping, invoke):
        await until(lambda: sum(map(len, seen.values())) == 12)

    assert seen == {job_id: ["1", "2", "3"] for job_id in "abcd"}


async def test_a_changed_mapping_goes_on_where_it_was(ministack: Endpoint) -> None:
    table, stream = make_table(ministack)
    client = client_of(ministack, "lambda")
    delivered: list[str] = []

    async def invoke(_function: str, payload: bytes) -> InvokeOutcome:
        found = job_ids(json.loads(payload))
        if found == ["b"]:
            # Alone as long as the mapping is the old one: not done with when it is changed.
            return THROTTLED
        delivered.extend(found)
        return answered()

    mapping = {
        "EventSourceArn": stream,
        "FunctionName": make_function(ministack),
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 1,
    }
    put(ministack, table, "a", "b", "c")

    async with polling(ministack, mapping, invoke):
        await until(lambda: delivered == ["a"])
        [described] = client.list_event_source_mappings(EventSourceArn=stream)[
            "EventSourceMappings"
        ]
        client.update_event_source_mapping(UUID=described["UUID"], BatchSize=2)
        await until(lambda: "c" in delivered)

    assert delivered == ["a", "b", "c"]


async def test_messages_that_succeed_leave_the_queue_and_a_reported_failure_comes_back(
    ministack: Endpoint,
) -> None:
    queue = make_queue(ministack, VisibilityTimeout="1")
    seen: list[str] = []

    async def invoke(_function: str, payload: bytes) -> InvokeOutcome:
        records = json.loads(payload)["Records"]
        bad = [r["messageId"] for r in records if r["body"] == "bad" and "bad" not in seen]
        seen.extend(record["body"] for record in records)
        return answered({"batchItemFailures": [{"itemIdentifier": key} for key in bad]})

    mapping = reporting(queue, ministack)
    queue.send("good")
    queue.send("bad")

    async with polling(ministack, mapping, invoke):
        await until(lambda: seen.count("bad") == 2 and queue.count() == 0)

    assert seen.count("good") == 1


async def test_a_report_that_names_no_message_returns_the_whole_batch(
    ministack: Endpoint,
) -> None:
    queue = make_queue(ministack, VisibilityTimeout="1")
    unknown = answered({"batchItemFailures": [{"itemIdentifier": "no-such-message"}]})
    function = FakeFunction(script=[unknown])
    queue.send("body")

    async with polling(ministack, reporting(queue, ministack), function.invoke):
        await until(lambda: len(function.events) == 2 and queue.count() == 0)

    [first], [second] = (event["Records"] for event in function.events)
    assert first["messageId"] == second["messageId"]
    assert first["eventSourceARN"] == queue.arn
    assert second["attributes"]["ApproximateReceiveCount"] == "2"


async def test_a_visibility_timeout_that_the_function_chose_is_respected(
    ministack: Endpoint,
) -> None:
    queue = make_queue(ministack, VisibilityTimeout="30")
    times: list[float] = []

    async def invoke(_function: str, payload: bytes) -> InvokeOutcome:
        [record] = json.loads(payload)["Records"]
        times.append(time.monotonic())
        if len(times) == 1:
            await asyncio.to_thread(
                queue.client.change_message_visibility,
                QueueUrl=queue.url,
                ReceiptHandle=record["receiptHandle"],
                VisibilityTimeout=1,
            )
            return answered({"batchItemFailures": [{"itemIdentifier": record["messageId"]}]})
        return answered()

    queue.send("later")

    async with polling(ministack, reporting(queue, ministack), invoke):
        await until(lambda: queue.count() == 0)

    # One second and not thirty.
    assert 0.9 < times[1] - times[0] < 15


async def test_a_message_that_keeps_failing_moves_to_the_dead_letter_queue(
    ministack: Endpoint,
) -> None:
    dead_letters = make_queue(ministack)
    redrive = {"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": 2}
    queue = make_queue(ministack, VisibilityTimeout="1", RedrivePolicy=json.dumps(redrive))
    function = FakeFunction(script=[raised(), raised(), raised()])
    queue.send("hopeless")

    async with polling(ministack, reporting(queue, ministack), function.invoke):
        await until(lambda: dead_letters.count() == 1)

    assert len(function.events) == 2
    assert [message["Body"] for message in dead_letters.receive()] == ["hopeless"]


async def test_a_batching_window_gathers_messages_into_one_event(ministack: Endpoint) -> None:
    queue = make_queue(ministack)
    function = FakeFunction()
    mapping = {**reporting(queue, ministack), "MaximumBatchingWindowInSeconds": 1}

    async with polling(ministack, mapping, function.invoke):
        queue.send("a")
        queue.send("b")
        await until(lambda: queue.count() == 0)

    assert [len(event["Records"]) for event in function.events] == [2]


async def test_a_queue_never_has_more_batches_running_than_its_maximum_concurrency(
    ministack: Endpoint,
) -> None:
    queue = make_queue(ministack)
    running = 0
    most = 0

    async def invoke(_function: str, _payload: bytes) -> InvokeOutcome:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.2)
        running -= 1
        return answered()

    mapping = {
        **reporting(queue, ministack),
        "BatchSize": 1,
        "ScalingConfig": {"MaximumConcurrency": 2},
    }
    for number in range(6):
        queue.send(str(number))

    async with polling(ministack, mapping, invoke):
        await until(lambda: queue.count() == 0)

    assert most == 2


async def test_a_disabled_mapping_delivers_nothing_until_it_is_enabled(
    ministack: Endpoint,
) -> None:
    queue = make_queue(ministack)
    function = FakeFunction()
    client = client_of(ministack, "lambda")
    mapping = {**reporting(queue, ministack), "Enabled": False}
    queue.send("body")

    async with polling(ministack, mapping, function.invoke):
        await asyncio.sleep(1.5)
        assert function.events == []
        [described] = client.list_event_source_mappings(EventSourceArn=queue.arn)[
            "EventSourceMappings"
        ]
        client.update_event_source_mapping(UUID=described["UUID"], Enabled=True)
        await until(lambda: function.events)

    assert [r["body"] for r in function.events[0]["Records"]] == ["body"]


def reporting(queue: Queue, endpoint: Endpoint) -> dict[str, Any]:
    return {
        "EventSourceArn": queue.arn,
        "FunctionName": make_function(endpoint),
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }
