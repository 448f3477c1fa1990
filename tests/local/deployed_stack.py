"""A platform with the tests' stack on it, and what tests do with it in one line."""

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from local.endpoint import Endpoint
from tests.local import deployment_template

Found = TypeVar("Found")

ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED")


@dataclass
class DeployedStack:
    """The endpoint of a platform, and the names of what was deployed to it."""

    endpoint: Endpoint
    outputs: Mapping[str, str]
    _messages: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @classmethod
    def deploy(cls, endpoint: Endpoint) -> "DeployedStack":
        s3 = endpoint.client("s3")
        s3.create_bucket(
            Bucket=deployment_template.BUCKET,
            CreateBucketConfiguration={"LocationConstraint": endpoint.region},
        )
        s3.put_object(
            Bucket=deployment_template.BUCKET,
            Key=deployment_template.KEY,
            Body=deployment_template.code(),
        )
        cloudformation = endpoint.client("cloudformation")
        cloudformation.create_stack(
            StackName=deployment_template.STACK,
            TemplateBody=deployment_template.template(),
            Capabilities=["CAPABILITY_IAM"],
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=deployment_template.STACK, WaiterConfig={"Delay": 1}
        )
        [stack] = cloudformation.describe_stacks(StackName=deployment_template.STACK)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        return cls(endpoint, outputs)

    @cached_property
    def lambda_(self) -> Any:
        return self.endpoint.client("lambda", connections=32)

    @cached_property
    def dynamodb(self) -> Any:
        return self.endpoint.client("dynamodb")

    @cached_property
    def sqs(self) -> Any:
        return self.endpoint.client("sqs")

    def start(self, function: str, event: Mapping[str, Any], name: str | None = None) -> str:
        """Start an execution without waiting for it and return its ARN."""
        named = {} if name is None else {"DurableExecutionName": name}
        arn: str = self.lambda_.invoke(
            FunctionName=self.outputs[f"{function}Alias"],
            InvocationType="Event",
            Payload=json.dumps(event),
            **named,
        )["DurableExecutionArn"]
        return arn

    def run(self, function: str, event: Mapping[str, Any], name: str | None = None) -> Any:
        """Start an execution, wait for it, and return its result.

        Raises:
            AssertionError: It did not succeed.
        """
        named = {} if name is None else {"DurableExecutionName": name}
        answer = self.lambda_.invoke(
            FunctionName=self.outputs[f"{function}Alias"], Payload=json.dumps(event), **named
        )
        result = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, result
        return result

    def wait(self, arn: str, *, seconds: float = 30) -> dict[str, Any]:
        """The execution, once it has ended."""

        def ended() -> dict[str, Any] | None:
            execution: dict[str, Any] = self.lambda_.get_durable_execution(DurableExecutionArn=arn)
            return execution if execution["Status"] in ENDED else None

        return eventually(ended, seconds=seconds)

    def effect(self, effect_id: str) -> dict[str, Any] | None:
        """What the functions wrote under *effect_id*."""
        answer = self.dynamodb.get_item(
            TableName=self.outputs["Effects"], Key={"id": {"S": effect_id}}, ConsistentRead=True
        )
        item: dict[str, Any] | None = answer.get("Item")
        return item

    def times(self, effect_id: str) -> int:
        """How often the effect happened."""
        item = self.effect(effect_id)
        return int(item["times"]["N"]) if item else 0

    def message(self, queue: str, concerning: str, *, seconds: float = 30) -> dict[str, Any]:
        """The first message in *queue* whose text has *concerning* in it; others are kept."""
        kept = self._messages.setdefault(queue, [])

        def look() -> dict[str, Any] | None:
            for message in kept:
                if concerning in message["Body"]:
                    return message
            kept.extend(self._receive(self.outputs[queue]))
            return None

        return eventually(look, seconds=seconds)

    def _receive(self, url: str) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1
        ).get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return messages

    def control(self, method: str, path: str, document: Any = None) -> Any:
        """Ask the platform's own API."""
        request = urllib.request.Request(  # noqa: S310  # loopback
            f"{self.endpoint.url}/_local/{path}",
            method=method,
            data=None if document is None else json.dumps(document).encode(),
        )
        with urllib.request.urlopen(request, timeout=150) as answer:  # noqa: S310  # loopback
            return json.loads(answer.read() or b"null")

    def advance(self, seconds: float) -> dict[str, Any]:
        """Let the time pass, with all that becomes due."""
        told: dict[str, Any] = self.control("POST", "clock", {"advance_seconds": seconds})
        return told

    def expire(self, function: str, name: str) -> None:
        """Let the execution's time run out now."""
        self.control("POST", f"executions/{self.outputs[function]}/{name}/expire")


def eventually(look: Callable[[], Found | None], *, seconds: float = 30) -> Found:
    """What *look* finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.05)
    raise AssertionError(f"nothing within {seconds} s")


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[str, int]:
    """The error code and HTTP status with which *call* is refused."""
    try:
        call(**arguments)
    except ClientError as error:
        return (
            error.response["Error"]["Code"],
            error.response["ResponseMetadata"]["HTTPStatusCode"],
        )
    raise AssertionError("the call was accepted")
