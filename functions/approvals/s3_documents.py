"""Documents in an S3 bucket, which keeps versions."""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NoReturn

from botocore.exceptions import ClientError, IncompleteReadError

from functions.approvals.document import Document, DocumentUnfitError
from functions.approvals.documents import (
    DocumentAccessError,
    DocumentNotFoundError,
    DocumentsBusyError,
)
from functions.shared.s3_errors import S3Refusal, s3_refusal

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

# pypdf holds a document several times over; the function's memory must hold that.
MAX_BYTES = 20 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024

_CONTENT_TYPES = {
    "json": "application/json",
    "md": "text/markdown; charset=utf-8",
    "markdown": "text/markdown; charset=utf-8",
    "pdf": "application/pdf",
}


class S3Documents:
    """The port, on S3.

    Without the right to list the bucket, S3 answers 403 for a key that does not exist; the
    function is granted it, so that what is missing can be told from what is forbidden.
    """

    def __init__(self, client: "S3Client", bucket_name: str) -> None:
        self._client = client
        self._bucket_name = bucket_name

    def read(self, key: str, version_id: str | None = None) -> Document:
        with _translated():
            if version_id is None:
                answer = self._client.get_object(Bucket=self._bucket_name, Key=key)
            else:
                answer = self._client.get_object(
                    Bucket=self._bucket_name, Key=key, VersionId=version_id
                )
            with contextlib.closing(answer["Body"]) as stream:
                if answer["ContentLength"] > MAX_BYTES:
                    raise DocumentUnfitError(
                        f"the document must have at most {MAX_BYTES // 1024**2} MB"
                    )
                body, sha256 = _drained(stream)
        return Document(key, answer.get("VersionId"), answer["ETag"], sha256, body)

    def has(self, key: str) -> bool:
        try:
            with _translated():
                self._client.head_object(Bucket=self._bucket_name, Key=key)
        except DocumentNotFoundError:
            return False
        return True

    def put_once(self, key: str, body: bytes, metadata: Mapping[str, str]) -> bool:
        try:
            with _translated():
                self._client.put_object(
                    Bucket=self._bucket_name,
                    Key=key,
                    Body=body,
                    ContentType=_content_type(key),
                    Metadata=dict(metadata),
                    IfNoneMatch="*",
                )
        except _ConditionFailedError:
            return False
        return True

    def remove(self, key: str, etag: str) -> None:
        # In a bucket with versions this hides the document and destroys nothing. What else is
        # there by now, or that nothing is, is as good.
        with contextlib.suppress(_ConditionFailedError, DocumentNotFoundError), _translated():
            self._client.delete_object(Bucket=self._bucket_name, Key=key, IfMatch=etag)


class _ConditionFailedError(Exception):
    """Something else is there than the call was meant for."""


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Say what S3 says in the port's words; the messages name no key, which may be personal."""
    try:
        yield
    except IncompleteReadError:
        raise DocumentsBusyError("S3 stopped in the middle of the document") from None
    except ClientError as error:
        _raise(error)


def _raise(error: ClientError) -> NoReturn:
    code = error.response["Error"].get("Code", "")
    match s3_refusal(error):
        case S3Refusal.MISSING:
            raise DocumentNotFoundError("the document is not in the bucket") from None
        case S3Refusal.FORBIDDEN:
            raise DocumentAccessError(f"S3 does not let the function do this: {code}") from None
        case S3Refusal.CONDITION_FAILED:
            raise _ConditionFailedError from None
        case S3Refusal.BUSY:
            raise DocumentsBusyError(f"S3 could not do it now: {code}") from None
        case None:
            raise error


def _drained(stream: "StreamingBody") -> tuple[bytes, str]:
    body = bytearray()
    digest = hashlib.sha256()
    for chunk in stream.iter_chunks(_CHUNK_BYTES):
        body += chunk
        digest.update(chunk)
    return bytes(body), digest.hexdigest()


def _content_type(key: str) -> str:
    suffix = key.lower().rpartition(".")[2]
    return _CONTENT_TYPES.get(suffix, "text/plain; charset=utf-8")
