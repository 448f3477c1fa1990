"""Invokes a plain function in MiniStack and waits for it."""

from http import HTTPStatus
from urllib.parse import quote

import aiohttp

from local.activity import Activity
from local.endpoint import Endpoint
from local.function_reference import FunctionReference
from local.invocation import InvokeOutcome
from local.metrics import Metrics, name_of

# Lambda's own limit of 15 minutes, and the way there and back.
TIMEOUT = aiohttp.ClientTimeout(total=960)


class PlainInvoke:
    """Is an `Invoke`: one synchronous invocation per call, without a retry."""

    def __init__(
        self,
        ministack: Endpoint,
        session: aiohttp.ClientSession,
        *,
        metrics: Metrics,
        activity: Activity,
    ) -> None:
        """Prepare.

        Args:
            ministack: Where the functions are.
            session: Makes the requests.
            metrics: Counts the invocations.
            activity: Where an invocation is counted while it runs.
        """
        self._url = ministack.url
        self._session = session
        self._metrics = metrics
        self._activity = activity

    async def __call__(self, function: str, payload: bytes) -> InvokeOutcome:
        """Invoke *function*, named by name, `name:qualifier` or ARN."""
        reference = FunctionReference.parse(function)
        name = quote(reference.qualified_name if reference else function, safe="")
        with self._activity.of(name_of(function)), self._metrics.invocation(function) as invocation:
            async with self._session.post(
                f"{self._url}/2015-03-31/functions/{name}/invocations",
                data=payload,
                timeout=TIMEOUT,
            ) as response:
                outcome = InvokeOutcome(
                    response.status,
                    await response.read(),
                    response.headers.get("X-Amz-Function-Error"),
                )
            invocation.is_throttled = outcome.status_code == HTTPStatus.TOO_MANY_REQUESTS
            invocation.is_error = not outcome.succeeded
            return outcome
