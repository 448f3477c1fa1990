"""Lambda, SSM and SNS as the plain functions of the jobs family use them: they remember."""

import json
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import boto3
from botocore.exceptions import ClientError

ALIAS_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:send-email:live"


def refusal(code: str, status: int, operation: str = "Invoke") -> ClientError:
    """An answer of AWS that is an error."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": "said so"},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "request",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        operation,
    )


@dataclass
class FakeLambda:
    """Starts executions as AWS documents it: by name once, another input under it is a 409.

    https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-idempotency.html
    """

    executions: dict[str, str] = field(default_factory=dict)
    invokes: list[dict[str, Any]] = field(default_factory=list)
    refusals: dict[str, list[ClientError]] = field(default_factory=dict)
    described: dict[str, dict[str, Any] | ClientError] = field(default_factory=dict)
    descriptions: int = 0
    _lock: Lock = field(default_factory=Lock)

    def refuse(self, name: str, *errors: ClientError) -> None:
        """Answer the next starts under *name* so."""
        self.refusals[name] = list(errors)

    def invoke(self, **request: Any) -> dict[str, Any]:
        name = request["DurableExecutionName"]
        with self._lock:
            self.invokes.append(request)
            if self.refusals.get(name):
                raise self.refusals[name].pop(0)
            payload = request["Payload"].decode()
            if self.executions.setdefault(name, payload) != payload:
                raise refusal("DurableExecutionAlreadyStartedException", 409)
        return {"StatusCode": 202}

    def get_durable_execution(self, **request: Any) -> dict[str, Any]:
        self.descriptions += 1
        answer = self.described[request["DurableExecutionArn"]]
        if isinstance(answer, ClientError):
            raise answer
        return answer


@dataclass
class FakeSns:
    """The dead-letter topic."""

    published: list[dict[str, Any]] = field(default_factory=list)
    errors: list[ClientError] = field(default_factory=list)

    def publish(self, **request: Any) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.published.append(request)

    @property
    def told(self) -> list[tuple[dict[str, Any], str]]:
        """The event and the error code of each dead letter."""
        return [
            (
                json.loads(letter["Message"]),
                letter["MessageAttributes"]["ErrorCode"]["StringValue"],
            )
            for letter in self.published
        ]


@dataclass
class FakeSsm:
    """Parameters by name."""

    parameters: dict[str, str] = field(default_factory=dict)
    reads: int = 0
    errors: list[ClientError] = field(default_factory=list)
    exceptions: Any = field(default_factory=lambda: boto3.client("ssm").exceptions)

    def get_parameter(self, **request: Any) -> dict[str, Any]:
        self.reads += 1
        if self.errors:
            raise self.errors.pop(0)
        if request["Name"] not in self.parameters:
            raise self.exceptions.ParameterNotFound(
                {"Error": {"Code": "ParameterNotFound", "Message": ""}}, "GetParameter"
            )
        return {"Parameter": {"Value": self.parameters[request["Name"]]}}


@dataclass
class FakeLambdaContext:
    """Time left in the invocation; counts down by *step* at each look."""

    milliseconds: int = 60_000
    step: int = 0

    def get_remaining_time_in_millis(self) -> int:
        self.milliseconds -= self.step
        return self.milliseconds
