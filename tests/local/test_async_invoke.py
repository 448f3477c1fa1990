"""Lambda's asynchronous invocation (developer guide, invocation-async and its error handling)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from local.async_invoke import EVENT_LIMIT_BYTES, AsyncInvoke, EventTooLargeError
from local.endpoint import Endpoint
from local.invocation import InvokeOutcome
from tests.local.aws_fixtures import (
    THROTTLED,
    FakeFunction,
    client_of,
    make_function,
    make_queue,
    raised,
)

pytestmark = pytest.mark.platform


@asynccontextmanager
async def running(
    endpoint: Endpoint,
    function: FakeFunction,
    dead_letters: str | None = None,
    *,
    throttle_base_seconds: float = 0.01,
) -> AsyncIterator[AsyncInvoke]:
    async def dead_letter_target(_function: str) -> str | None:
        return dead_letters

    invoke = AsyncInvoke(
        endpoint,
        function.invoke,
        dead_letter_target,
        retry_delays_seconds=(0.01, 0.02),
        throttle_base_seconds=throttle_base_seconds,
    )
    task = asyncio.create_task(invoke.run())
    try:
        yield invoke
        async with asyncio.timeout(15):
            await invoke.drained()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_event_that_succeeds_is_delivered_once(ministack: Endpoint) -> None:
    function = FakeFunction()

    async with running(ministack, function) as invoke:
        invoke.accept(make_function(ministack), b'{"a": 1}')

    assert function.events == [{"a": 1}]


async def test_a_function_error_is_tried_two_more_times_and_then_dead_lettered(
    ministack: Endpoint,
) -> None:
    dead_letters = make_queue(ministack)
    function = FakeFunction(script=[raised("no such customer")] * 9)

    async with running(ministack, function, dead_letters.arn) as invoke:
        request_id = invoke.accept(make_function(ministack), b'{"job_id": "a"}')

    [message] = dead_letters.receive()
    assert len(function.events) == 3
    assert message["Body"] == '{"job_id": "a"}'
    assert message["MessageAttributes"] == {
        "RequestID": {"DataType": "String", "StringValue": request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": "no such customer"},
    }


async def test_the_error_message_of_a_dead_letter_is_cut_at_one_kilobyte(
    ministack: Endpoint,
) -> None:
    dead_letters = make_queue(ministack)
    function = FakeFunction(script=[raised("é" * 2_000)] * 3)

    async with running(ministack, function, dead_letters.arn) as invoke:
        invoke.accept(make_function(ministack), b"{}")

    [message] = dead_letters.receive()
    assert message["MessageAttributes"]["ErrorMessage"]["StringValue"] == "é" * 512


async def test_a_function_that_recovers_is_not_dead_lettered(ministack: Endpoint) -> None:
    dead_letters = make_queue(ministack)
    function = FakeFunction(script=[raised(), raised()])

    async with running(ministack, function, dead_letters.arn) as invoke:
        invoke.accept(make_function(ministack), b"{}")

    assert len(function.events) == 3
    assert dead_letters.count() == 0


async def test_an_invocation_that_lambda_refuses_is_not_taken_for_a_success(
    ministack: Endpoint,
) -> None:
    dead_letters = make_queue(ministack)
    gone = InvokeOutcome(404, b'{"Message": "Function not found"}')
    function = FakeFunction(script=[gone] * 3)

    async with running(ministack, function, dead_letters.arn) as invoke:
        invoke.accept(make_function(ministack), b"{}")

    [message] = dead_letters.receive()
    assert message["MessageAttributes"]["ErrorCode"]["StringValue"] == "404"


async def test_throttling_costs_no_retry(ministack: Endpoint) -> None:
    function = FakeFunction(script=[THROTTLED] * 5 + [raised(), raised()])

    async with running(ministack, function) as invoke:
        invoke.accept(make_function(ministack), b"{}")

    assert len(function.events) == 8


async def test_the_retries_and_the_failure_destination_of_the_function_are_honoured(
    ministack: Endpoint,
) -> None:
    destination = make_queue(ministack)
    function_arn = make_function(ministack)
    put_event_invoke_config(
        ministack,
        FunctionName=function_arn,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": destination.arn}},
    )
    function = FakeFunction(script=[raised("declined")])

    async with running(ministack, function) as invoke:
        request_id = invoke.accept(function_arn, b'{"job_id": "a"}')

    [message] = destination.receive()
    told = json.loads(message["Body"])
    del told["timestamp"]
    assert told == {
        "version": "1.0",
        "requestContext": {
            "requestId": request_id,
            "functionArn": function_arn,
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"job_id": "a"},
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "responsePayload": {"errorType": "Boom", "errorMessage": "declined"},
    }


async def test_an_event_that_is_throttled_for_longer_than_its_age_is_given_up(
    ministack: Endpoint,
) -> None:
    dead_letters = make_queue(ministack)
    function_arn = make_function(ministack)
    put_event_invoke_config(ministack, FunctionName=function_arn, MaximumEventAgeInSeconds=60)
    function = FakeFunction(script=[THROTTLED])

    async with running(ministack, function, dead_letters.arn, throttle_base_seconds=61) as invoke:
        invoke.accept(function_arn, b"{}")

    [message] = dead_letters.receive()
    assert message["MessageAttributes"]["ErrorCode"]["StringValue"] == "429"


async def test_an_event_over_one_megabyte_is_refused(ministack: Endpoint) -> None:
    async with running(ministack, FakeFunction()) as invoke:
        with pytest.raises(EventTooLargeError):
            invoke.accept("any-function", b"x" * (EVENT_LIMIT_BYTES + 1))


def put_event_invoke_config(endpoint: Endpoint, **settings: Any) -> None:
    client_of(endpoint, "lambda").put_function_event_invoke_config(**settings)
