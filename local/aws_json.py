"""Calls to an AWS endpoint from the event loop, for what is called many times a second.

The answer is the JSON of the wire. A stream record of the wire is what a function gets in its
event; through boto3 it would have to be turned back.
"""

import asyncio
import json
import logging
from collections.abc import Collection, Mapping
from typing import Any

import aiohttp
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.endpoint import Endpoint

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 1.0

# Service name for signing, target prefix, protocol version: from the service models.
PROTOCOLS = {
    "DynamoDBStreams": ("dynamodb", "DynamoDBStreams_20120810", "1.0"),
    "SQS": ("sqs", "AmazonSQS", "1.0"),
    "EventBridge": ("events", "AWSEvents", "1.1"),
}


class AwsCallError(Exception):
    """The service refused; the message starts with its error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class AwsJson:
    """Signed JSON calls to *endpoint*."""

    def __init__(self, endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        self._endpoint = endpoint
        self._session = session
        self._credentials = Credentials(endpoint.access_key_id, endpoint.secret_access_key)

    async def call(self, service: str, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Call *action* of *service*, a key of `PROTOCOLS`.

        Raises:
            AwsCallError: The service refused.
        """
        signing_name, target, version = PROTOCOLS[service]
        headers = {
            "Content-Type": f"application/x-amz-json-{version}",
            "X-Amz-Target": f"{target}.{action}",
        }
        return await self._send(signing_name, "POST", "/", json.dumps(request).encode(), headers)

    async def call_until_answered(
        self,
        service: str,
        action: str,
        request: Mapping[str, Any],
        *,
        unless: Collection[str] = (),
    ) -> dict[str, Any]:
        """Call as often as it takes: a poller outlives a hiccup of what it polls.

        Raises:
            AwsCallError: The service refused with one of the codes in *unless*.
        """
        while True:
            try:
                return await self.call(service, action, request)
            except AwsCallError as error:
                if error.code in unless:
                    raise
                logger.warning("%s: %s", action, error)
            except (aiohttp.ClientError, TimeoutError) as error:
                logger.warning("%s: %r", action, error)
            await asyncio.sleep(PATIENCE_SECONDS)

    async def get(self, service: str, path: str) -> dict[str, Any]:
        """Read a resource of a REST service, such as Lambda."""
        return await self._send(service, "GET", path, b"", {})

    async def _send(
        self, signing_name: str, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> dict[str, Any]:
        url = self._endpoint.url + path
        signed = AWSRequest(method=method, url=url, data=body, headers=headers)
        SigV4Auth(self._credentials, signing_name, self._endpoint.region).add_auth(signed)
        async with self._session.request(
            method, url, data=body, headers=dict(signed.headers.items())
        ) as response:
            answer: Any = json.loads(await response.read() or b"{}")
        if response.status >= 400:  # noqa: PLR2004  # HTTP's line between an answer and an error
            code = str(answer.get("__type", response.headers.get("x-amzn-ErrorType", "Unknown")))
            message = answer.get("message", answer.get("Message", ""))
            raise AwsCallError(code.rpartition("#")[2], message)
        result: dict[str, Any] = answer
        return result
