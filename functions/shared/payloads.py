"""What a producer sent: read from the row or from the payload bucket, checked, never logged."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NoReturn

from botocore.exceptions import ClientError

from functions.shared.errors import MalformedPayloadError, PermanentError
from functions.shared.job import canonical_json

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class PayloadNotFoundError(PermanentError):
    """The row refers to a payload that is not in the bucket."""


class PayloadChangedError(PermanentError):
    """The payload in the bucket is not the one that the row refers to."""


def payload_ref(job_id: str, text: str) -> str:
    """The key under which a large payload is put; it names its own content."""
    return f"payloads/{job_id}/{sha256(text.encode()).hexdigest()}"


def is_payload_ref(job_id: str, reference: str) -> bool:
    prefix, _, digest = reference.rpartition("/")
    return prefix == f"payloads/{job_id}" and len(digest) == sha256().digest_size * 2


def parse_payload(text: str) -> dict[str, Any]:
    """Read a payload's JSON object.

    Raises:
        MalformedPayloadError: It is not the text of one. The message shows nothing of it.
    """
    try:
        payload = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise MalformedPayloadError(
            f"the payload is not JSON: {error.msg} at character {error.pos}"
        ) from None
    except RecursionError:
        raise MalformedPayloadError("the payload is nested too deeply") from None
    except ValueError as error:
        raise MalformedPayloadError(f"the payload is not JSON: {error}") from None
    if not isinstance(payload, dict):
        raise MalformedPayloadError(f"the payload must be a JSON object, not {_json_type(payload)}")
    return payload


def same_json(first: Any, second: Any) -> bool:
    """Whether two values are the same JSON; unlike `==`, 1 is not true."""
    try:
        return canonical_json(first) == canonical_json(second)
    except (ValueError, RecursionError):
        return False


class PayloadStore:
    """Payloads too large for their row."""

    def __init__(self, client: "S3Client", bucket_name: str) -> None:
        self._client = client
        self._bucket_name = bucket_name

    def load(self, reference: str) -> str:
        """The text behind *reference*, verified by the digest that the key ends with.

        Raises:
            PayloadNotFoundError: There is none.
            PayloadChangedError: Something else is there.
            MalformedPayloadError: It is no text.
        """
        try:
            body = self._client.get_object(Bucket=self._bucket_name, Key=reference)["Body"].read()
        except ClientError as error:
            # Without the right to list, S3 answers 403 for a key that does not exist.
            if error.response["Error"]["Code"] in {"NoSuchKey", "AccessDenied"}:
                raise PayloadNotFoundError(
                    f"nothing can be read under {reference} in the payload bucket"
                ) from None
            raise
        if sha256(body).hexdigest() != reference.rpartition("/")[2]:
            raise PayloadChangedError(f"what is under {reference} is not what was submitted")
        try:
            return body.decode()
        except UnicodeDecodeError:
            raise MalformedPayloadError("the payload is not UTF-8 text") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _json_type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case Mapping():
            return "an object"
        case _:
            return "an array"
