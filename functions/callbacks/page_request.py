"""What a browser sent, out of the event of an HTTP API (payload format 2.0)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from functions.callbacks.language_choice import preferred_language
from functions.shared.question import Language


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """One request for the page of one link."""

    method: str
    token: str
    language: Language
    content_type: str
    body: bytes
    source: str | None

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read the event; whatever is absent reads as empty.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
        """
        http = event["requestContext"]["http"]
        headers = event.get("headers") or {}
        return cls(
            method=http["method"],
            token=(event.get("pathParameters") or {}).get("token", ""),
            language=preferred_language(headers.get("accept-language", "")),
            content_type=headers.get("content-type", ""),
            body=_body(event),
            source=http.get("sourceIp"),
        )

    @property
    def is_answer(self) -> bool:
        return self.method == "POST"

    @property
    def is_look(self) -> bool:
        return self.method in {"GET", "HEAD"}


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(body).encode(errors="replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        # API Gateway encodes well; whoever else sends this gets the answer to a bad form.
        return b"\0"
