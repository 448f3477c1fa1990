"""The durable part of the Lambda API: executions can be read, listed, stopped and called back."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from jobctl.execution_history import ExecutionHistory
from jobctl.execution_view import execution_as_data
from tests.local.deployed_stack import DeployedStack, eventually, refusal

pytestmark = pytest.mark.platform

OPERATION_LIMIT = 256 * 1024


def test_an_execution_is_described_as_aws_describes_it(deployed: DeployedStack) -> None:
    arn = deployed.start("Steps", {"steps": 1}, "described")

    execution = deployed.wait(arn)

    function = deployed.outputs["StepsAlias"].removesuffix(":live")
    assert execution["DurableExecutionArn"] == arn
    assert execution["DurableExecutionName"] == "described"
    assert execution["FunctionArn"] == f"{function}:1"
    assert execution["Version"] == "1"
    assert execution["Status"] == "SUCCEEDED"
    assert json.loads(execution["InputPayload"]) == {"steps": 1}
    assert json.loads(execution["Result"]) == {"done": 1}
    assert execution["DurableConfig"] == {"ExecutionTimeout": 300, "RetentionPeriodInDays": 3}
    assert execution["ExecutionDataIncluded"] is True


def test_an_execution_that_runs_says_when_its_time_is_out(deployed: DeployedStack) -> None:
    arn = deployed.start("Steps", {"wait": 5}, "running")

    execution = deployed.lambda_.get_durable_execution(DurableExecutionArn=arn)

    time_left = execution["ExpectedExecutionTimeoutTimestamp"] - execution["StartTimestamp"]
    assert execution["Status"] == "RUNNING"
    assert time_left == timedelta(seconds=300)


def test_an_execution_is_described_without_its_data_on_request(deployed: DeployedStack) -> None:
    arn = deployed.start("Steps", {"fail": "secret"})
    deployed.wait(arn)

    execution = deployed.lambda_.get_durable_execution(
        DurableExecutionArn=arn, IncludeExecutionData=False
    )

    assert not {"InputPayload", "Result", "Error"} & execution.keys()


def test_an_unknown_execution_is_not_found(deployed: DeployedStack) -> None:
    arn = deployed.start("Steps", {"steps": 0})

    answer = refusal(
        deployed.lambda_.get_durable_execution, DurableExecutionArn=arn[:-12] + "000000000000"
    )

    assert answer == ("ResourceNotFoundException", 404)


def test_the_history_names_every_step(deployed: DeployedStack) -> None:
    arn = deployed.start("Steps", {"steps": 2})
    deployed.wait(arn)

    events = deployed.lambda_.get_durable_execution_history(DurableExecutionArn=arn)["Events"]

    started = [event["Name"] for event in events if event["EventType"] == "StepStarted"]
    assert started == ["step-0", "step-1"]
    assert {"ExecutionStarted", "ExecutionSucceeded"} <= {event["EventType"] for event in events}


def test_a_history_has_its_data_unless_it_is_left_out(deployed: DeployedStack) -> None:
    arn = deployed.start("Steps", {"steps": 1})
    deployed.wait(arn)
    history = deployed.lambda_.get_durable_execution_history

    whole = history(DurableExecutionArn=arn)["Events"]
    bare = history(DurableExecutionArn=arn, IncludeExecutionData=False)["Events"]

    results = [
        [
            event["StepSucceededDetails"]["Result"].get("Payload")
            for event in events
            if event["EventType"] == "StepSucceeded"
        ]
        for events in (whole, bare)
    ]
    assert results == [["1"], [None]]


@pytest.mark.parametrize("target", ["StepsAlias", "Echo"])
def test_the_history_of_a_parent_leads_to_its_durable_child(
    deployed: DeployedStack, target: str
) -> None:
    function = deployed.outputs[target]
    arn = deployed.start("Parent", {"target": function, "payload": {"steps": 1}})
    deployed.wait(arn)

    events = deployed.lambda_.get_durable_execution_history(DurableExecutionArn=arn)["Events"]

    [started] = [event for event in events if event["EventType"] == "ChainedInvokeStarted"]
    details = started["ChainedInvokeStartedDetails"]
    assert started["Name"] == "child"
    assert details["FunctionName"] == function
    assert ("DurableExecutionArn" in details) == (target == "StepsAlias")
    assert "ChainedInvokeSucceeded" in [event["EventType"] for event in events]
    if target == "StepsAlias":
        child = deployed.wait(details["DurableExecutionArn"])
        assert child["FunctionArn"] == f"{function.removesuffix(':live')}:1"


def test_jobctl_draws_a_parent_with_its_durable_child(deployed: DeployedStack) -> None:
    target = deployed.outputs["StepsAlias"]
    arn = deployed.start("Parent", {"target": target, "payload": {"steps": 1, "fail": "no"}})
    deployed.wait(arn)

    tree = execution_as_data(ExecutionHistory(deployed.lambda_).read(arn))

    [invoked] = tree["operations"]
    assert (invoked["name"], invoked["kind"], invoked["error"]) == ("child", "invoke", "value")
    assert [operation["name"] for operation in invoked["child"]["operations"]] == ["step-0"]
    assert (invoked["child"]["status"], invoked["child"]["error"]) == ("failed", "value")


def test_a_list_is_filtered_by_name_status_version_and_time(deployed: DeployedStack) -> None:
    failed = deployed.start("Steps", {"fail": "listed"}, "listed-failed")
    succeeded = deployed.start("Steps", {"steps": 0}, "listed-succeeded")
    start = deployed.wait(failed)["StartTimestamp"]
    deployed.wait(succeeded)
    moment = timedelta(seconds=2)

    assert failed in _listed(deployed, Statuses=["FAILED", "STOPPED"])
    assert succeeded not in _listed(deployed, Statuses=["FAILED", "STOPPED"])
    assert _listed(deployed, DurableExecutionName="listed-failed") == [failed]
    assert failed in _listed(deployed, Qualifier="1")
    assert failed in _listed(deployed, Qualifier="live")
    assert _listed(deployed, Qualifier="$LATEST", DurableExecutionName="listed-failed") == []
    assert failed in _listed(deployed, StartedAfter=start - moment, StartedBefore=start + moment)
    assert failed not in _listed(deployed, StartedAfter=start + moment)
    assert failed not in _listed(deployed, StartedBefore=start - moment)


def test_a_list_has_the_newest_first_unless_reversed(deployed: DeployedStack) -> None:
    older = deployed.start("Steps", {"steps": 0}, "older")
    newer = deployed.start("Steps", {"steps": 0}, "newer")

    newest_first, oldest_first = _listed(deployed), _listed(deployed, ReverseOrder=True)

    assert newest_first.index(newer) < newest_first.index(older)
    assert oldest_first == newest_first[::-1]


def test_a_list_comes_in_pages(deployed: DeployedStack) -> None:
    for number in range(3):
        deployed.start("Steps", {"steps": 0}, f"page-{number}")

    pages = list(
        deployed.lambda_.get_paginator("list_durable_executions_by_function").paginate(
            FunctionName=deployed.outputs["Steps"], PaginationConfig={"PageSize": 2}
        )
    )

    found = [e["DurableExecutionArn"] for page in pages for e in page["DurableExecutions"]]
    assert max(len(page["DurableExecutions"]) for page in pages) == 2
    assert len(found) == len(set(found)) == len(_listed(deployed))


def test_a_stopped_execution_is_stopped_with_the_given_error(deployed: DeployedStack) -> None:
    arn = deployed.start("Steps", {"wait": 60})

    deployed.lambda_.stop_durable_execution(
        DurableExecutionArn=arn, Error={"ErrorType": "Operator", "ErrorMessage": "enough"}
    )

    execution = deployed.wait(arn)
    assert execution["Status"] == "STOPPED"
    assert execution["Error"] == {"ErrorType": "Operator", "ErrorMessage": "enough"}


def test_a_callback_is_completed_once_and_then_closed(deployed: DeployedStack) -> None:
    arn = deployed.start("Callback", {"id": "completed-once"})
    callback = _callback_id(deployed, "completed-once")

    deployed.lambda_.send_durable_execution_callback_success(CallbackId=callback, Result=b'"yes"')
    again = refusal(
        deployed.lambda_.send_durable_execution_callback_success,
        CallbackId=callback,
        Result=b'"no"',
    )

    assert deployed.wait(arn)["Result"] == json.dumps('"yes"')
    assert again == ("CallbackTimeoutException", 400)


def test_a_failed_callback_fails_what_waits_for_it(deployed: DeployedStack) -> None:
    arn = deployed.start("Callback", {"id": "failed"})

    deployed.lambda_.send_durable_execution_callback_failure(
        CallbackId=_callback_id(deployed, "failed"),
        Error={"ErrorType": "Rejected", "ErrorMessage": "not today"},
    )

    execution = deployed.wait(arn)
    assert execution["Status"] == "FAILED"
    assert "not today" in execution["Error"]["ErrorMessage"]


def test_a_heartbeat_is_taken_while_the_callback_is_open(deployed: DeployedStack) -> None:
    arn = deployed.start("Callback", {"id": "beating"})
    callback = _callback_id(deployed, "beating")

    deployed.lambda_.send_durable_execution_callback_heartbeat(CallbackId=callback)
    deployed.lambda_.stop_durable_execution(DurableExecutionArn=arn)
    late = refusal(deployed.lambda_.send_durable_execution_callback_heartbeat, CallbackId=callback)

    assert late == ("CallbackTimeoutException", 400)


def test_a_callback_that_nobody_completes_times_out(deployed: DeployedStack) -> None:
    arn = deployed.start("Callback", {"id": "forgotten", "timeout": 1})

    execution = deployed.wait(arn)

    assert execution["Status"] == "FAILED"
    assert execution["Error"]["ErrorType"].endswith(".CallbackTimeoutError")


def test_a_callback_result_over_the_limit_is_refused(deployed: DeployedStack) -> None:
    deployed.start("Callback", {"id": "too-large"})

    answer = refusal(
        deployed.lambda_.send_durable_execution_callback_success,
        CallbackId=_callback_id(deployed, "too-large"),
        Result=b"x" * (OPERATION_LIMIT + 1),
    )

    assert answer == ("InvalidParameterValueException", 400)


def test_a_callback_id_that_nobody_gave_out_is_refused(deployed: DeployedStack) -> None:
    answer = refusal(
        deployed.lambda_.send_durable_execution_callback_success, CallbackId="bm8gY2FsbGJhY2s="
    )

    assert answer == ("InvalidParameterValueException", 400)


def test_a_step_result_at_the_limit_is_accepted_and_one_above_is_refused(
    deployed: DeployedStack,
) -> None:
    """On the raw API: the SDK would hang on it."""
    quotes = 2
    at_limit = deployed.run("Raw", {"batches": 1, "steps": 1, "size": OPERATION_LIMIT - quotes})
    above = deployed.run("Raw", {"batches": 1, "steps": 1, "size": OPERATION_LIMIT - quotes + 1})

    assert at_limit == ["accepted"]
    assert above == ["InvalidParameterValueException"]


def test_operations_beyond_three_thousand_are_refused(deployed: DeployedStack) -> None:
    # The execution itself is the first operation.
    answers = deployed.run("Raw", {"batches": 13, "steps": 250, "size": 1})

    assert answers[:11] == ["accepted"] * 11
    assert answers[11:] == ["InvalidParameterValueException"] * 2


def test_a_parent_gets_the_result_of_a_durable_child_by_its_alias(deployed: DeployedStack) -> None:
    result = deployed.run(
        "Parent", {"target": deployed.outputs["StepsAlias"], "payload": {"steps": 1, "wait": 1}}
    )

    assert result == {"done": 1}


def test_a_parent_gets_the_result_of_a_plain_function(deployed: DeployedStack) -> None:
    result = deployed.run("Parent", {"target": deployed.outputs["Echo"], "payload": {"a": 1}})

    assert result == {"a": 1}


@pytest.mark.parametrize("target", ["Steps", "Nowhere"])
def test_a_parent_cannot_invoke_an_unqualified_durable_or_an_unknown_function(
    deployed: DeployedStack, target: str
) -> None:
    arn = deployed.start("Parent", {"target": deployed.outputs.get(target, target), "payload": {}})

    execution = deployed.wait(arn)

    assert execution["Status"] == "FAILED"
    assert execution["Error"]["ErrorType"].endswith(".InvokeError")


def _listed(deployed: DeployedStack, **filters: Any) -> list[str]:
    answer = deployed.lambda_.list_durable_executions_by_function(
        FunctionName=deployed.outputs["Steps"], MaxItems=1000, **filters
    )
    return [execution["DurableExecutionArn"] for execution in answer["DurableExecutions"]]


def _callback_id(deployed: DeployedStack, effect_id: str) -> str:
    item = eventually(lambda: deployed.effect(effect_id))
    callback: str = item["callback"]["S"]
    return callback


def test_what_an_execution_used_of_its_limits_is_told_after_its_end(
    deployed: DeployedStack,
) -> None:
    arn = deployed.start("Steps", {"steps": 5})
    deployed.wait(arn)

    usage = deployed.control("GET", f"usage?execution={quote(arn, safe='')}")

    # The execution itself, and the five, each of which checkpointed a digit.
    assert usage == {"operations": 6, "bytes_written": 5}
