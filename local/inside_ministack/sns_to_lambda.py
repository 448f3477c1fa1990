"""SNS gives its messages to functions by Lambda's asynchronous invoke, retries included.

MiniStack calls the function itself, once, and forgets its error; so the platform is asked instead,
which does what Lambda does (`local/async_invoke.py`).
"""

import json
import os
import urllib.parse
import urllib.request
from typing import Any

_TIMEOUT_SECONDS = 30


def deliver_by_invoke(sns: Any) -> None:
    """Send every message for a function to the platform's `Invoke`."""

    def deliver(
        endpoint: str, envelope: str, _topic: str, subscription: str, *_message: object
    ) -> None:
        record = {
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription,
            "EventSource": "aws:sns",
            "Sns": json.loads(envelope),
        }
        function = urllib.parse.quote(endpoint, safe="")
        request = urllib.request.Request(  # noqa: S310  # loopback
            f"{os.environ['AWS_ENDPOINT_URL']}/2015-03-31/functions/{function}/invocations",
            method="POST",
            data=json.dumps({"Records": [record]}).encode(),
            headers={"X-Amz-Invocation-Type": "Event"},
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310  # loopback
            answer.read()

    if not hasattr(sns, "_deliver_to_lambda"):
        raise RuntimeError("this MiniStack has no _deliver_to_lambda")
    sns._deliver_to_lambda = deliver  # noqa: SLF001  # no switch for it
