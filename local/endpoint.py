"""Where an AWS endpoint on this machine is, and the one way to make a client for it."""

import socket
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

HOST = "127.0.0.1"
REGION = "eu-west-1"

# MiniStack takes a 12-digit access key for the account. The CDK CLI remembers accounts
# by access key under the home directory, so the key must be one that no other emulator uses.
ACCOUNT = "271828182845"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An AWS endpoint on loopback, with the account that answers there."""

    url: str
    region: str = REGION
    account: str = ACCOUNT
    secret_access_key: str = "local"  # noqa: S105  # nothing on loopback checks it

    @property
    def access_key_id(self) -> str:
        return self.account

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def environ(self) -> dict[str, str]:
        """Environment that points any AWS tool here, and only here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            # Path style: no DNS name resolves to a bucket on loopback.
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str, *, connections: int = 10, read_timeout: float = 60) -> Any:
        """A boto3 client for *service* at this endpoint; safe to share between threads."""
        session = boto3.session.Session()
        return session.client(
            service,  # type: ignore[call-overload]  # the stubs enumerate services
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(
                max_pool_connections=connections,
                read_timeout=read_timeout,
                retries={"max_attempts": 0},
                s3={"addressing_style": "path"},
            ),
        )


def free_port() -> int:
    """A port that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
