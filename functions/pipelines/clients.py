"""The AWS clients of this family's functions, made once per process.

DynamoDB's is the one that every function has (`functions.shared.dynamodb_client`). Few jobs call
HTTP endpoints, so what knows these is made when the first of them does.
"""

from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient

# A block of an object that takes longer is asked for again; a part of 8 MiB is sent meanwhile.
s3 = boto3.client(
    "s3",
    config=Config(
        connect_timeout=3, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 4}
    ),
)

_SHORT = Config(
    connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 4}
)


@cache
def ssm() -> "SSMClient":
    return boto3.client("ssm", config=_SHORT)


@cache
def secrets() -> "SecretsManagerClient":
    return boto3.client("secretsmanager", config=_SHORT)
