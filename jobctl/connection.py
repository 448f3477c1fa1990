"""Where AWS is: the account that the environment names, or the platform on this machine."""

import json
import os
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import boto3
from botocore.config import Config

from functions.shared import question_table
from jobctl.errors import UnreachableError
from jobctl.translation import aws_errors_as_ours

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

PLATFORM_FILE = Path(".local/platform.json")
LOCAL_STAGE = "local"
# The platform is on this machine.
_CLOCK_TIMEOUT_SECONDS = 3

# A person or a web request waits for the answer; a repeated conditional put is harmless.
_CONFIG = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=50,
)


class Sts(Protocol):
    """The one thing that is asked of STS."""

    def get_caller_identity(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Connection:
    """The AWS clients of one Region of one account, each made when it is first used.

    botocore clients may be shared between threads.
    """

    region: str | None = None
    endpoint_url: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    inbox: str | None = None

    @classmethod
    def to_aws(cls, environ: Mapping[str, str] | None = None) -> Self:
        """The Region and credentials that the AWS command line would use."""
        environ = os.environ if environ is None else environ
        # boto3 reads AWS_DEFAULT_REGION only; AWS's other tools read this one first.
        return cls(region=environ.get("AWS_REGION") or None)

    @classmethod
    def to_platform(cls, directory: Path) -> Self:
        """The platform that runs in *directory* or in a folder above it.

        Raises:
            UnreachableError: There is none.
        """
        for folder in (directory, *directory.parents):
            file = folder / PLATFORM_FILE
            if file.is_file():
                return cls._from_file(file)
        raise UnreachableError(
            f"the local platform is not running (no {PLATFORM_FILE} here or above): "
            "start it with `make up`"
        )

    @classmethod
    def _from_file(cls, file: Path) -> Self:
        try:
            platform = json.loads(file.read_text())
            return cls(
                region=platform["region"],
                endpoint_url=platform["endpoint"],
                access_key_id=platform["access_key_id"],
                secret_access_key=platform["secret_access_key"],
                inbox=platform.get("inbox"),
            )
        except (OSError, ValueError, KeyError, TypeError):
            raise UnreachableError(
                f"{PLATFORM_FILE} is not readable as the local platform writes it: "
                "start the platform again with `make up`"
            ) from None

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        with _unusable_settings_as_ours():
            return self._session.client("dynamodb", **self._options)

    @cached_property
    def s3(self) -> "S3Client":
        with _unusable_settings_as_ours():
            return self._session.client("s3", **self._options)

    @cached_property
    def ssm(self) -> "SSMClient":
        with _unusable_settings_as_ours():
            return self._session.client("ssm", **self._options)

    @cached_property
    def lambda_(self) -> "LambdaClient":
        with _unusable_settings_as_ours():
            return self._session.client("lambda", **self._options)

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        with _unusable_settings_as_ours():
            return self._session.client("cloudformation", **self._options)

    @cached_property
    def sqs(self) -> "SQSClient":
        with _unusable_settings_as_ours():
            return self._session.client("sqs", **self._options)

    @cached_property
    def sts(self) -> Sts:
        with _unusable_settings_as_ours():
            sts: Sts = self._session.client("sts", **self._options)
            return sts

    def now(self) -> datetime:
        """The time there: the platform's clock can be ahead of this machine's.

        Raises:
            UnreachableError: The platform does not say what time it is.
        """
        ahead = timedelta() if self.endpoint_url is None else _ahead(self.endpoint_url)
        return question_table.now() + ahead

    @property
    def place(self) -> str:
        """Where this is, for a person."""
        if self.endpoint_url is not None:
            return self.endpoint_url
        return self._session.region_name or "no Region"

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session(
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
        )

    @property
    def _options(self) -> dict[str, Any]:
        return {"endpoint_url": self.endpoint_url, "config": _CONFIG}


def _ahead(endpoint_url: str) -> timedelta:
    """How far the platform's clock was advanced."""
    try:
        with urllib.request.urlopen(  # noqa: S310  # loopback, as the platform wrote it down
            f"{endpoint_url}/_local/clock", timeout=_CLOCK_TIMEOUT_SECONDS
        ) as answer:
            return timedelta(seconds=json.loads(answer.read())["advanced_seconds"])
    except (OSError, ValueError, LookupError, TypeError):
        raise UnreachableError(
            f"the local platform at {endpoint_url} does not tell its time: "
            "start it again with `make up`"
        ) from None


@contextmanager
def _unusable_settings_as_ours() -> Iterator[None]:
    with aws_errors_as_ours():
        try:
            yield
        except ValueError as error:  # how botocore says that a Region makes no address
            reason = str(error).rstrip(".")
            raise UnreachableError(f"{reason}: check AWS_REGION and AWS_ENDPOINT_URL") from error
