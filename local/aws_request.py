"""Which AWS operation an HTTP request asks for, by whom, on what: read off the wire.

Every protocol that boto3 speaks is covered: JSON and CBOR name the operation in a header
or in the path, the query protocol in the body, and the REST protocols by method and path,
which botocore's own models list.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import botocore.session

# The name that a request is signed for, where it is not botocore's name of the service.
_SERVICES = {"ses": "sesv2", "monitoring": "cloudwatch"}
_REST_SERVICES = ("lambda", "sesv2", "s3")

_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")
_APP = re.compile(r"\bapp/(\S+)")
_CBOR = re.compile(r"/service/[^/]+/operation/([A-Za-z]+)")

# The members that say what a call is about. Values of items, messages and secrets are left out.
_IDENTIFYING = (
    "TableName", "IndexName", "QueueUrl", "QueueName", "TopicArn", "TargetArn", "SecretId",
    "KeyId", "Name", "Names", "Path", "FunctionName", "Qualifier", "StackName", "AlarmName",
    "Namespace", "Rule", "Arn", "StreamArn", "FromEmailAddress", "ConfigurationSetName",
    "logGroupName", "RoleName", "versionId",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AwsRequest:
    """One call: the service and operation as botocore names them, who makes it, and on what."""

    service: str
    operation: str
    # The short name of the function that calls, from `AWS_SDK_UA_APP_ID`; None for others.
    app: str | None
    resources: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.service}:{self.operation}"


def read(method: str, path_and_query: str, headers: Mapping[str, str], body: bytes) -> AwsRequest:
    """Recognise a request; what nobody signed has no service."""
    scope = _SCOPE.search(headers.get("Authorization", ""))
    signed_for = scope.group(1) if scope else ""
    service = _SERVICES.get(signed_for, signed_for)
    app = _APP.search(headers.get("User-Agent", ""))
    operation, resources = _operation(service, method, path_and_query, headers, body)
    if operation.startswith("DynamoDBStreams."):
        service, operation = "dynamodbstreams", operation.partition(".")[2]
    return AwsRequest(service, operation, app.group(1) if app else None, resources)


def _operation(
    service: str, method: str, path_and_query: str, headers: Mapping[str, str], body: bytes
) -> tuple[str, dict[str, Any]]:
    target = headers.get("X-Amz-Target")
    if target is not None:
        prefix, _, operation = target.rpartition(".")
        streams = "DynamoDBStreams." if prefix.startswith("DynamoDBStreams") else ""
        return streams + operation, dict(_identifying(_json(body)))
    url = urlsplit(path_and_query)
    if cbor := _CBOR.fullmatch(url.path):
        return cbor.group(1), {}
    if headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        form = {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
        return form.get("Action", ""), dict(_identifying(form))
    if service in _REST_SERVICES:
        return _rest_operation(service, method, path_and_query, headers, body)
    return "", {}


def _rest_operation(
    service: str, method: str, path_and_query: str, headers: Mapping[str, str], body: bytes
) -> tuple[str, dict[str, Any]]:
    url = urlsplit(path_and_query)
    query = parse_qs(url.query, keep_blank_values=True)
    for pattern, operation, required in _rest_table(service, method):
        match = pattern.fullmatch(url.path)
        if match is None or not required <= query.keys():
            continue
        named = {name: unquote(text) for name, text in match.groupdict().items()}
        if operation == "PutObject" and "x-amz-copy-source" in headers:
            operation = "CopyObject"  # noqa: PLW2901  # the header makes it another operation
        resources = named | {
            name: values[0] for name, values in query.items() if name in _IDENTIFYING
        }
        if service == "sesv2":
            resources |= dict(_identifying(_json(body)))
        return operation, resources
    return "", {}


@cache
def _rest_table(service: str, method: str) -> list[tuple[re.Pattern[str], str, frozenset[str]]]:
    """The service's operations with *method*: path pattern, name, and what the query must have."""
    model = botocore.session.get_session().get_service_model(service)
    table = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        if http["method"] != method:
            continue
        path, _, query = http["requestUri"].partition("?")
        if service == "s3":
            # Path style: the model leaves the bucket to the endpoint rules.
            path = path if path.startswith("/{Bucket}") else "/{Bucket}" + path.rstrip("/")
        literal = {part.partition("=")[0] for part in query.split("&") if part}
        asked = frozenset(literal.union(_required_in_query(model.operation_model(name))))
        table.append((_path_pattern(path), name, asked))
    # The one that asks for most is the one that is meant; then the plainest name.
    return sorted(table, key=lambda row: (-len(row[2]), -len(row[0].pattern), len(row[1]), row[1]))


def _required_in_query(operation: Any) -> Iterator[str]:
    """What every call of *operation* has in its query, such as the id of an upload."""
    shape = operation.input_shape
    for name in shape.required_members if shape else ():
        serialization = shape.members[name].serialization
        if serialization.get("location") == "querystring":
            yield serialization["name"]


def _path_pattern(path: str) -> re.Pattern[str]:
    pattern = ""
    for literal, member, is_greedy in re.findall(r"([^{]*)(?:\{(\w+)(\+?)\})?", path):
        pattern += re.escape(literal)
        if member:
            pattern += f"(?P<{member}>{'.+' if is_greedy else '[^/]+'})"
    return re.compile(pattern + "/?")


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        document: Any = json.loads(body or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _identifying(parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in _IDENTIFYING:
        if name in parameters:
            yield name, parameters[name]
    # Batches and transactions name one table per item.
    if "RequestItems" in parameters:
        yield "Tables", sorted(parameters["RequestItems"])
    if "TransactItems" in parameters:
        yield (
            "TransactItems",
            [
                {"Operation": operation, "TableName": item.get("TableName")}
                for entry in parameters["TransactItems"]
                for operation, item in entry.items()
            ],
        )
