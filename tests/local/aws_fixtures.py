"""Real tables, queues, topics and functions at MiniStack, each under a name of its own."""

import functools
import io
import itertools
import json
import zipfile
from dataclasses import dataclass, field
from typing import Any

from local.endpoint import Endpoint
from local.invocation import InvokeOutcome

_numbers = itertools.count(1)


@functools.cache
def client_of(endpoint: Endpoint, service: str) -> Any:
    """A boto3 client; making one takes longer than most of its calls."""
    return endpoint.client(service)


def any_name(prefix: str) -> str:
    return f"{prefix}-{next(_numbers)}"


def make_function(endpoint: Endpoint) -> str:
    """A function that is never run: the tests answer for it."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("handler.py", "def handler(event, context): return None\n")
    answer = client_of(endpoint, "lambda").create_function(
        FunctionName=any_name("function"),
        Runtime="python3.13",
        Handler="handler.handler",
        Role=f"arn:aws:iam::{endpoint.account}:role/any",
        Code={"ZipFile": code.getvalue()},
    )
    arn: str = answer["FunctionArn"]
    return arn


def make_table(endpoint: Endpoint) -> tuple[str, str]:
    """A table with a stream: its name and the stream's ARN."""
    name = any_name("table")
    answer = client_of(endpoint, "dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "job_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "job_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    return name, answer["TableDescription"]["LatestStreamArn"]


@dataclass(frozen=True, slots=True)
class Queue:
    """An SQS queue and what is in it."""

    client: Any
    url: str
    arn: str

    def send(self, body: str) -> None:
        self.client.send_message(QueueUrl=self.url, MessageBody=body)

    def receive(self, wait_seconds: int = 3) -> list[dict[str, Any]]:
        answer = self.client.receive_message(
            QueueUrl=self.url,
            WaitTimeSeconds=wait_seconds,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def count(self) -> int:
        """Messages of the queue, those in flight included."""
        attributes = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])[
            "Attributes"
        ]
        return int(attributes["ApproximateNumberOfMessages"]) + int(
            attributes["ApproximateNumberOfMessagesNotVisible"]
        )


def make_queue(endpoint: Endpoint, **attributes: str) -> Queue:
    client = client_of(endpoint, "sqs")
    url = client.create_queue(QueueName=any_name("queue"), Attributes=attributes)["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    return Queue(client, url, arn)


def answered(value: Any = None) -> InvokeOutcome:
    return InvokeOutcome(200, json.dumps(value).encode())


def raised(message: str = "boom") -> InvokeOutcome:
    error = {"errorType": "Boom", "errorMessage": message}
    return InvokeOutcome(200, json.dumps(error).encode(), "Unhandled")


THROTTLED = InvokeOutcome(429, b"{}")


@dataclass(slots=True)
class FakeFunction:
    """Stands for a function: remembers its events, answers from a script, then with success."""

    script: list[InvokeOutcome] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    invoked: list[str] = field(default_factory=list)

    async def invoke(self, function: str, payload: bytes) -> InvokeOutcome:
        self.invoked.append(function)
        self.events.append(json.loads(payload))
        return self.script.pop(0) if self.script else answered()
