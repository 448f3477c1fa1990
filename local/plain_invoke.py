"""Invokes a plain function in MiniStack and waits for it."""

from urllib.parse import quote

import aiohttp

from local.endpoint import Endpoint
from local.function_reference import FunctionReference
from local.invocation import InvokeOutcome

# Lambda's own limit of 15 minutes, and the way there and back.
TIMEOUT = aiohttp.ClientTimeout(total=960)


class PlainInvoke:
    """Is an `Invoke`: one synchronous invocation per call, without a retry."""

    def __init__(self, ministack: Endpoint, session: aiohttp.ClientSession) -> None:
        self._url = ministack.url
        self._session = session

    async def __call__(self, function: str, payload: bytes) -> InvokeOutcome:
        """Invoke *function*, named by name, `name:qualifier` or ARN."""
        reference = FunctionReference.parse(function)
        name = quote(reference.qualified_name if reference else function, safe="")
        async with self._session.post(
            f"{self._url}/2015-03-31/functions/{name}/invocations", data=payload, timeout=TIMEOUT
        ) as response:
            return InvokeOutcome(
                response.status,
                await response.read(),
                response.headers.get("X-Amz-Function-Error"),
            )
