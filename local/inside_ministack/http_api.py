"""An HTTP API has its address below the platform's, where every browser finds it.

MiniStack gives it a host name of its own on its own port; no resolver of this machine has to know
such a name, and the platform would not see the requests.
"""

import os
from collections.abc import Callable
from typing import Any

TYPE = "AWS::ApiGatewayV2::Api"


def below_the_platform(handlers: dict[str, dict[str, Any]]) -> None:
    """Let templates see the address that MiniStack serves by path, through the platform."""
    handlers[TYPE] |= {step: _below(handlers[TYPE][step]) for step in ("create", "update")}


def _below(provision: Callable[..., tuple[str, dict[str, Any]]]) -> Callable[..., Any]:
    def provision_below(*args: Any, **kwargs: Any) -> tuple[str, dict[str, Any]]:
        api_id, attributes = provision(*args, **kwargs)
        endpoint = f"{os.environ['AWS_ENDPOINT_URL']}/_aws/execute-api/{api_id}"
        return api_id, {**attributes, "ApiEndpoint": endpoint}

    return provision_below
