"""What a recorded AWS call needs: its IAM actions, each on the resource it names.

The service authorization reference is the source of the actions:
https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aws_durable_execution_sdk_python_testing.token import CallbackToken

from tests.privileges.policies import Permission


@dataclass(frozen=True, slots=True)
class Place:
    """The account and Region that the calls were made in."""

    account: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the local platform recorded it; *app* is the function that made it."""

    app: str
    service: str
    operation: str
    resources: Mapping[str, Any]


def needed_by(call: Call, place: Place) -> list[Permission]:
    """Raises KeyError for a service or an operation that nobody has mapped yet."""
    return list(_SERVICES[call.service](call, place))


def _dynamodb(call: Call, place: Place) -> Iterator[Permission]:
    if call.operation == "TransactWriteItems":
        # A transaction is authorized as the writes in it.
        for item in call.resources["TransactItems"]:
            table = place.arn("dynamodb", f"table/{item['TableName']}")
            yield Permission(f"dynamodb:{_WRITES[item['Operation']]}", table)
        return
    if "Tables" in call.resources:
        for name in call.resources["Tables"]:
            yield Permission(f"dynamodb:{call.operation}", place.arn("dynamodb", f"table/{name}"))
        return
    table = place.arn("dynamodb", f"table/{call.resources['TableName']}")
    index = call.resources.get("IndexName")
    yield Permission(f"dynamodb:{call.operation}", f"{table}/index/{index}" if index else table)


_WRITES = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


def _lambda(call: Call, place: Place) -> Iterator[Permission]:
    execution = call.resources.get("DurableExecutionArn")
    if execution is not None:
        yield Permission(f"lambda:{call.operation}", execution)
        return
    callback = call.resources.get("CallbackId")
    if callback is not None:
        yield Permission(f"lambda:{call.operation}", CallbackToken.from_str(callback).execution_arn)
        return
    function = call.resources["FunctionName"]
    if not function.startswith("arn:"):
        function = place.arn("lambda", f"function:{function}")
    action = "InvokeFunction" if call.operation == "Invoke" else call.operation
    yield Permission(f"lambda:{action}", function)


def _s3(call: Call, _place: Place) -> Iterator[Permission]:
    bucket = f"arn:aws:s3:::{call.resources['Bucket']}"
    if "Key" not in call.resources:
        yield Permission(f"s3:{_ON_BUCKETS[call.operation]}", bucket)
        return
    action = _ON_OBJECTS.get(call.operation, call.operation)
    if "versionId" in call.resources:
        action += "Version"
    yield Permission(f"s3:{action}", f"{bucket}/{call.resources['Key']}")


# What S3 authorizes under another name than that of the call.
_ON_BUCKETS = {"ListObjectsV2": "ListBucket"}
_ON_OBJECTS = {
    "HeadObject": "GetObject",
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}


def _kms(call: Call, _place: Place) -> Iterator[Permission]:
    yield Permission(f"kms:{call.operation}", call.resources["KeyId"])


def _secretsmanager(call: Call, place: Place) -> Iterator[Permission]:
    secret = call.resources["SecretId"]
    if not secret.startswith("arn:"):
        secret = place.arn("secretsmanager", f"secret:{secret}")
    # The ARN of a secret ends with six characters that AWS made up.
    yield Permission(f"secretsmanager:{call.operation}", f"{secret}-a1b2c3")


def _sesv2(call: Call, place: Place) -> Iterator[Permission]:
    identity = f"identity/{call.resources['FromEmailAddress']}"
    yield Permission(f"ses:{call.operation}", place.arn("ses", identity))
    configuration_set = call.resources.get("ConfigurationSetName")
    if configuration_set is not None:
        resource = f"configuration-set/{configuration_set}"
        yield Permission(f"ses:{call.operation}", place.arn("ses", resource))


def _sns(call: Call, _place: Place) -> Iterator[Permission]:
    yield Permission(f"sns:{call.operation}", call.resources["TopicArn"])


def _sqs(call: Call, place: Place) -> Iterator[Permission]:
    queue = call.resources["QueueUrl"].rpartition("/")[2]
    yield Permission(f"sqs:{call.operation}", place.arn("sqs", queue))


def _ssm(call: Call, place: Place) -> Iterator[Permission]:
    yield Permission(
        f"ssm:{call.operation}", place.arn("ssm", f"parameter{call.resources['Name']}")
    )


_SERVICES: Mapping[str, Callable[[Call, Place], Iterator[Permission]]] = {
    "dynamodb": _dynamodb,
    "kms": _kms,
    "lambda": _lambda,
    "s3": _s3,
    "secretsmanager": _secretsmanager,
    "sesv2": _sesv2,
    "sns": _sns,
    "sqs": _sqs,
    "ssm": _ssm,
}
