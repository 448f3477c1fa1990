"""Every protocol of boto3 is recognised on the wire: service, operation, caller and resource."""

from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest
from botocore.config import Config
from multidict import CIMultiDict

from local import aws_request
from local.aws_request import AwsRequest

EXECUTION = "arn:aws:lambda:eu-west-1:123456789012:function:f:1/durable-execution/n/i"
ENDPOINT = "http://127.0.0.1:1"

CALLS: list[tuple[str, str, Mapping[str, Any], str, Mapping[str, Any]]] = [
    (
        "dynamodb",
        "get_item",
        {"TableName": "Jobs", "Key": {"job_id": {"S": "secret"}}},
        "GetItem",
        {"TableName": "Jobs"},
    ),
    (
        "dynamodb",
        "transact_write_items",
        {"TransactItems": [{"Delete": {"TableName": "Jobs", "Key": {"job_id": {"S": "x"}}}}]},
        "TransactWriteItems",
        {"TransactItems": [{"Operation": "Delete", "TableName": "Jobs"}]},
    ),
    (
        "dynamodbstreams",
        "describe_stream",
        {"StreamArn": "arn:aws:dynamodb:eu-west-1:123456789012:table/Jobs/stream/1"},
        "DescribeStream",
        {"StreamArn": "arn:aws:dynamodb:eu-west-1:123456789012:table/Jobs/stream/1"},
    ),
    ("sns", "publish", {"TopicArn": "arn:t", "Message": "m"}, "Publish", {"TopicArn": "arn:t"}),
    (
        "sqs",
        "change_message_visibility",
        {"QueueUrl": "http://q/1/q", "ReceiptHandle": "h", "VisibilityTimeout": 1},
        "ChangeMessageVisibility",
        {"QueueUrl": "http://q/1/q"},
    ),
    ("ssm", "get_parameters_by_path", {"Path": "/a"}, "GetParametersByPath", {"Path": "/a"}),
    (
        "secretsmanager",
        "get_secret_value",
        {"SecretId": "slack"},
        "GetSecretValue",
        {"SecretId": "slack"},
    ),
    (
        "sesv2",
        "send_email",
        {"FromEmailAddress": "a@b", "Content": {"Raw": {"Data": b"x"}}},
        "SendEmail",
        {"FromEmailAddress": "a@b"},
    ),
    ("s3", "get_object", {"Bucket": "b", "Key": "a/b"}, "GetObject", {"Bucket": "b", "Key": "a/b"}),
    (
        "s3",
        "put_object",
        {"Bucket": "b", "Key": "a b", "Body": b"x"},
        "PutObject",
        {"Bucket": "b", "Key": "a b"},
    ),
    ("s3", "list_objects_v2", {"Bucket": "b"}, "ListObjectsV2", {"Bucket": "b"}),
    *(
        ("s3", method, {"Bucket": "b", "Key": "k", **more}, operation, {"Bucket": "b", "Key": "k"})
        for method, more, operation in (
            ("create_multipart_upload", {}, "CreateMultipartUpload"),
            ("upload_part", {"UploadId": "u", "PartNumber": 1, "Body": b"x"}, "UploadPart"),
            ("complete_multipart_upload", {"UploadId": "u"}, "CompleteMultipartUpload"),
            ("abort_multipart_upload", {"UploadId": "u"}, "AbortMultipartUpload"),
        )
    ),
    (
        "lambda",
        "invoke",
        {"FunctionName": "f:live"},
        "Invoke",
        {"FunctionName": "f:live"},
    ),
    (
        "lambda",
        "get_durable_execution",
        {"DurableExecutionArn": EXECUTION},
        "GetDurableExecution",
        {"DurableExecutionArn": EXECUTION},
    ),
    (
        "cloudwatch",
        "put_metric_data",
        {"Namespace": "Jobs", "MetricData": [{"MetricName": "m", "Value": 1}]},
        "PutMetricData",
        {"Namespace": "Jobs"},
    ),
    ("cloudformation", "describe_stacks", {"StackName": "s"}, "DescribeStacks", {"StackName": "s"}),
]


@pytest.mark.parametrize(
    ("service", "method", "parameters", "operation", "resources"),
    CALLS,
    ids=[f"{service}-{method}" for service, method, *_ in CALLS],
)
def test_a_call_is_recognised_on_the_wire(
    service: str,
    method: str,
    parameters: Mapping[str, Any],
    operation: str,
    resources: Mapping[str, Any],
) -> None:
    seen = _sent(service, lambda client: getattr(client, method)(**parameters))

    assert seen == AwsRequest(service, operation, "watchdog", resources)


def test_what_nobody_signed_is_nobodys_call() -> None:
    seen = aws_request.read("POST", "/_ministack/health", {}, b"")

    assert seen.operation == ""


def _sent(service: str, call: Callable[[Any], object]) -> AwsRequest:
    """What the front door makes of the request that boto3 would send."""
    client: Any = boto3.session.Session().client(
        service,  # type: ignore[call-overload]  # the stubs enumerate services
        endpoint_url=ENDPOINT,
        config=Config(
            user_agent_appid="watchdog",  # type: ignore[call-arg]  # the stubs lack it
            s3={"addressing_style": "path"},
        ),
    )
    requests: list[Any] = []

    def keep(request: Any, **_: Any) -> Any:
        requests.append(request)
        raise _NotSentError

    client.meta.events.register("before-send", keep)
    with pytest.raises(_NotSentError):
        call(client)
    sent = requests[0]
    content = sent.body.read() if hasattr(sent.body, "read") else sent.body
    headers = CIMultiDict(
        (name, text.decode() if isinstance(text, bytes) else text)
        for name, text in sent.headers.items()
    )
    return aws_request.read(
        sent.method,
        sent.url.removeprefix(ENDPOINT),
        headers,
        content.encode() if isinstance(content, str) else content or b"",
    )


class _NotSentError(Exception):
    """Raised in place of sending."""
