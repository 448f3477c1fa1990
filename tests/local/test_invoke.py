"""`Invoke` of a durable function answers as AWS does."""

import json
import threading
from typing import Any

import pytest

from tests.local.deployed_stack import DeployedStack, refusal

pytestmark = pytest.mark.platform

MEGABYTE = 1024 * 1024


def test_a_synchronous_invoke_answers_with_the_result_of_the_whole_execution(
    deployed: DeployedStack,
) -> None:
    answer = deployed.lambda_.invoke(
        FunctionName=deployed.outputs["StepsAlias"], Payload=b'{"steps": 2, "wait": 1}'
    )

    assert json.loads(answer["Payload"].read()) == {"done": 2}
    assert answer["StatusCode"] == 200
    assert "FunctionError" not in answer


def test_a_synchronous_invoke_of_a_failing_execution_answers_with_its_error(
    deployed: DeployedStack,
) -> None:
    answer = deployed.lambda_.invoke(
        FunctionName=deployed.outputs["StepsAlias"], Payload=b'{"fail": "declined"}'
    )

    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read()) == {
        "errorType": "ValueError",
        "errorMessage": "declined",
    }


def test_an_event_is_accepted_at_once_with_the_arn_of_the_execution(
    deployed: DeployedStack,
) -> None:
    answer = deployed.lambda_.invoke(
        FunctionName=deployed.outputs["StepsAlias"],
        InvocationType="Event",
        Payload=b'{"wait": 1}',
        DurableExecutionName="accepted-at-once",
    )

    function = deployed.outputs["StepsAlias"].removesuffix(":live")
    assert answer["StatusCode"] == 202
    # The version number, never the alias: the execution stays on it.
    assert answer["DurableExecutionArn"].startswith(
        f"{function}:1/durable-execution/accepted-at-once/"
    )


def test_an_unqualified_invoke_of_a_durable_function_is_refused(deployed: DeployedStack) -> None:
    answer = refusal(deployed.lambda_.invoke, FunctionName=deployed.outputs["Steps"])

    assert answer == ("InvalidParameterValueException", 400)


@pytest.mark.parametrize("qualifier", ["$LATEST", "1", "live"])
def test_a_qualifier_beside_the_name_serves_as_one_within_it(
    deployed: DeployedStack, qualifier: str
) -> None:
    answer = deployed.lambda_.invoke(
        FunctionName=deployed.outputs["Steps"], Qualifier=qualifier, Payload=b'{"steps": 1}'
    )

    assert json.loads(answer["Payload"].read()) == {"done": 1}


def test_an_unknown_alias_is_not_found(deployed: DeployedStack) -> None:
    answer = refusal(
        deployed.lambda_.invoke, FunctionName=deployed.outputs["Steps"], Qualifier="elsewhere"
    )

    assert answer == ("ResourceNotFoundException", 404)


@pytest.mark.parametrize("name", ["with:colon", "dot.dot", "x" * 65])
def test_an_execution_name_outside_of_the_alphabet_is_refused(
    deployed: DeployedStack, name: str
) -> None:
    # Sent as it is: boto3 refuses some of them by itself.
    answer = _invoke_raw(deployed, name)

    assert answer == ("InvalidParameterValueException", 400)


def test_an_execution_name_for_a_plain_function_is_refused(deployed: DeployedStack) -> None:
    answer = refusal(
        deployed.lambda_.invoke, FunctionName=deployed.outputs["Echo"], DurableExecutionName="name"
    )

    assert answer == ("InvalidParameterValueException", 400)


def test_the_same_name_and_payload_return_the_execution_that_runs_and_start_nothing(
    deployed: DeployedStack,
) -> None:
    event = {"wait": 2}

    first = deployed.start("Steps", event, "started-twice")
    second = deployed.start("Steps", event, "started-twice")

    assert first == second
    assert len(_executions(deployed, "started-twice")) == 1


def test_the_same_name_and_payload_return_a_closed_execution_even_a_failed_one(
    deployed: DeployedStack,
) -> None:
    first = deployed.start("Steps", {"fail": "for good"}, "failed-before")
    deployed.wait(first)

    answer = deployed.lambda_.invoke(
        FunctionName=deployed.outputs["StepsAlias"],
        Payload=json.dumps({"fail": "for good"}),
        DurableExecutionName="failed-before",
    )

    assert answer["DurableExecutionArn"] == first
    assert json.loads(answer["Payload"].read())["errorMessage"] == "for good"


def test_a_synchronous_invoke_attaches_to_the_execution_of_the_same_name(
    deployed: DeployedStack,
) -> None:
    deployed.start("Steps", {"steps": 1, "wait": 1}, "attached-to")

    result = deployed.run("Steps", {"steps": 1, "wait": 1}, "attached-to")

    assert result == {"done": 1}
    assert len(_executions(deployed, "attached-to")) == 1


def test_the_same_name_with_another_payload_is_a_conflict(deployed: DeployedStack) -> None:
    deployed.start("Steps", {"steps": 1}, "taken")

    answer = refusal(
        deployed.lambda_.invoke,
        FunctionName=deployed.outputs["StepsAlias"],
        InvocationType="Event",
        Payload=b'{"steps": 2}',
        DurableExecutionName="taken",
    )

    assert answer == ("DurableExecutionAlreadyStartedException", 409)


def test_simultaneous_starts_of_one_name_start_one_execution(deployed: DeployedStack) -> None:
    arns: list[str] = []
    together = [
        threading.Thread(
            target=lambda: arns.append(deployed.start("Steps", {"steps": 1}, "at-once"))
        )
        for _ in range(8)
    ]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()

    assert len(arns) == 8
    assert len(set(arns)) == 1


def test_an_event_over_one_megabyte_is_refused(deployed: DeployedStack) -> None:
    answer = refusal(
        deployed.lambda_.invoke,
        FunctionName=deployed.outputs["StepsAlias"],
        InvocationType="Event",
        Payload=json.dumps({"filler": "x" * MEGABYTE}),
    )

    assert answer == ("RequestTooLargeException", 413)


def test_a_synchronous_payload_may_be_over_one_megabyte(deployed: DeployedStack) -> None:
    assert deployed.run("Steps", {"steps": 1, "filler": "x" * MEGABYTE}) == {"done": 1}


def test_a_payload_that_is_not_json_is_refused(deployed: DeployedStack) -> None:
    answer = refusal(
        deployed.lambda_.invoke, FunctionName=deployed.outputs["StepsAlias"], Payload=b"not json"
    )

    assert answer == ("InvalidRequestContentException", 400)


def test_a_plain_function_needs_no_qualifier(deployed: DeployedStack) -> None:
    answer = deployed.lambda_.invoke(FunctionName=deployed.outputs["Echo"], Payload=b'{"a": 1}')

    assert json.loads(answer["Payload"].read()) == {"a": 1}


def test_a_plain_event_that_fails_is_tried_three_times_and_then_a_dead_letter(
    deployed: DeployedStack,
) -> None:
    answer = deployed.lambda_.invoke(
        FunctionName=deployed.outputs["Echo"],
        InvocationType="Event",
        Payload=b'{"fail": "three times"}',
    )

    letter = deployed.message("PlainDeadLetterQueue", "three times")
    assert answer["StatusCode"] == 202
    assert json.loads(letter["Body"]) == {"fail": "three times"}


def _executions(deployed: DeployedStack, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = deployed.lambda_.list_durable_executions_by_function(
        FunctionName=deployed.outputs["Steps"], DurableExecutionName=name
    )["DurableExecutions"]
    return found


def _invoke_raw(deployed: DeployedStack, name: str) -> tuple[str, int]:
    client = deployed.endpoint.client("lambda")
    client.meta.events.register(
        "before-call.lambda.Invoke",
        lambda params, **_: params["headers"].update({"X-Amz-Durable-Execution-Name": name}),
    )
    return refusal(client.invoke, FunctionName=deployed.outputs["StepsAlias"])


@pytest.mark.parametrize("message", ["declined", "", "two\nlines: of it"])
def test_a_plain_functions_error_is_of_the_class_that_it_raised(
    message: str, deployed: DeployedStack
) -> None:
    answer = deployed.lambda_.invoke(
        FunctionName=deployed.outputs["Echo"], Payload=json.dumps({"fail": message}).encode()
    )

    told = json.loads(answer["Payload"].read())
    assert answer["FunctionError"] == "Unhandled"
    assert (told["errorType"], told["errorMessage"]) == ("ValueError", message)
