"""Objects in S3: read in ranges as they arrive, written whole."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import urllib3
from botocore.exceptions import (
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)

from functions.pipelines.objects import (
    DatasetChangedError,
    ObjectAccessError,
    ObjectHead,
    ObjectMissingError,
    ObjectRef,
    ObjectsBusyError,
)
from functions.shared.s3_errors import S3Refusal, s3_refusal

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, GetObjectOutputTypeDef

BLOCK_BYTES = 256 * 1024
# S3 takes no part below 5 MiB but the last, and 10,000 parts: objects of up to 78 GiB.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PART_BYTES = 8 * 1024 * 1024
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html#UserMetadata
METADATA_BYTES = 2 * 1024

# What ends an answer in its middle, or lets none come; their texts quote addresses, keys and all.
_BROKEN_OFF = (
    ConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    urllib3.exceptions.HTTPError,
    OSError,
)


class S3Objects:
    """The port, on S3.

    Without the right to list a bucket, S3 answers 403 for a key that does not exist; the function
    is granted it, so that what is missing can be told from what is forbidden.
    """

    def __init__(self, client: "S3Client", bucket_name: str) -> None:
        self._client = client
        self._bucket_name = bucket_name

    def head(self, ref: ObjectRef) -> ObjectHead:
        with _translated():
            answer = self._client.head_object(Bucket=ref.bucket or self._bucket_name, Key=ref.key)
        return ObjectHead(ref, answer["ETag"], answer["ContentLength"], answer["Metadata"])

    def read(
        self, ref: ObjectRef, *, etag: str | None = None, first: int = 0, last: int | None = None
    ) -> Iterator[bytes]:
        # S3 gives the whole object for a range that ends before it begins.
        if last is not None and last < first:
            return
        answer = self._get(ref, etag, first, last)
        if answer is None:
            return
        # Who stops reading gives the connection back.
        with contextlib.closing(answer["Body"]) as stream:
            # Not every store that speaks S3 heeds the condition.
            if etag is not None and answer["ETag"] != etag:
                raise DatasetChangedError("the object is not the one that was looked at first")
            while True:
                with _translated():
                    block = stream.read(BLOCK_BYTES)
                if not block:
                    return
                yield block

    def put(self, key: str, body: bytes, metadata: Mapping[str, str] | None = None) -> None:
        fitting = fitting_metadata(metadata or {})
        with _translated():
            self._client.put_object(Bucket=self._bucket_name, Key=key, Body=body, Metadata=fitting)

    def put_if(
        self,
        key: str,
        body: bytes,
        metadata: Mapping[str, str] | None = None,
        *,
        etag: str | None,
    ) -> bool:
        fitting = fitting_metadata(metadata or {})
        condition: Any = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        try:
            with _translated():
                self._client.put_object(
                    Bucket=self._bucket_name, Key=key, Body=body, Metadata=fitting, **condition
                )
        # Missing is what was to have *etag*; changed, what was not to be there at all too.
        except (DatasetChangedError, ObjectMissingError):
            return False
        return True

    def put_joined(self, key: str, pieces: Iterable[bytes]) -> int:
        parts = _parts(pieces)
        head = next(parts, b"")
        if len(head) < PART_BYTES:
            self.put(key, head)
            return len(head)
        return self._upload(key, head, parts)

    def put_copied(self, key: str, refs: Sequence[ObjectRef]) -> None:
        def copied(upload_id: str) -> Iterator["CompletedPartTypeDef"]:
            for number, ref in enumerate(refs, start=1):
                yield self._copy_part(key, upload_id, number, ref)

        self._in_parts(key, copied)

    def in_prefix(self, prefix: str, bucket: str | None = None) -> Iterator[ObjectHead]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket or self._bucket_name, Prefix=prefix
        )
        listing = iter(pages)
        while True:
            with _translated():
                page = next(listing, None)
            if page is None:
                return
            for found in page.get("Contents", ()):
                yield ObjectHead(ObjectRef(found["Key"], bucket), found["ETag"], found["Size"])

    def _get(
        self, ref: ObjectRef, etag: str | None, first: int, last: int | None
    ) -> "GetObjectOutputTypeDef | None":
        """The answer whose body is to be read; None where the object ends before *first*."""
        wanted: Any = {} if etag is None else {"IfMatch": etag}
        if first or last is not None:
            wanted["Range"] = f"bytes={first}-{'' if last is None else last}"
        try:
            with _translated():
                return self._client.get_object(
                    Bucket=ref.bucket or self._bucket_name, Key=ref.key, **wanted
                )
        except _NothingThereError:
            return None

    def _upload(self, key: str, head: bytes, parts: Iterator[bytes]) -> int:
        written = 0

        def uploaded(upload_id: str) -> Iterator["CompletedPartTypeDef"]:
            nonlocal written
            for number, part in enumerate(_prepended(head, parts), start=1):
                yield self._upload_part(key, upload_id, number, part)
                written += len(part)

        self._in_parts(key, uploaded)
        return written

    def _in_parts(
        self, key: str, made_by: Callable[[str], Iterable["CompletedPartTypeDef"]]
    ) -> None:
        """Write an object in parts, which *made_by* makes for an upload; all of them or none."""
        with _translated():
            upload = self._client.create_multipart_upload(Bucket=self._bucket_name, Key=key)
        upload_id = upload["UploadId"]
        try:
            made = list(made_by(upload_id))
            with _translated():
                self._client.complete_multipart_upload(
                    Bucket=self._bucket_name,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": made},
                )
        except BaseException:
            self._abort(key, upload_id)
            raise

    def _copy_part(
        self, key: str, upload_id: str, number: int, ref: ObjectRef
    ) -> "CompletedPartTypeDef":
        with _translated():
            answer = self._client.upload_part_copy(
                Bucket=self._bucket_name,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                CopySource={"Bucket": ref.bucket or self._bucket_name, "Key": ref.key},
            )
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    def _upload_part(
        self, key: str, upload_id: str, number: int, body: bytes
    ) -> "CompletedPartTypeDef":
        with _translated():
            answer = self._client.upload_part(
                Bucket=self._bucket_name,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=body,
            )
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def _abort(self, key: str, upload_id: str) -> None:
        # What cannot be aborted, or dies before it is, the bucket's lifecycle rule removes.
        with contextlib.suppress(Exception):
            self._client.abort_multipart_upload(
                Bucket=self._bucket_name, Key=key, UploadId=upload_id
            )


def fitting_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """*metadata*, which S3 sends in headers.

    Raises:
        ValueError: It does not fit there, which not every store that speaks S3 says.
    """
    for name, value in metadata.items():
        if not (name.isascii() and value.isascii()):
            raise ValueError(f"the metadata {name!r} must be ASCII")
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > METADATA_BYTES:
        raise ValueError(f"metadata of {size} bytes is more than {METADATA_BYTES}")
    return dict(metadata)


class _NothingThereError(Exception):
    """The object has no byte in the range."""


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Say what S3 says in the port's words; the messages name no key."""
    try:
        yield
    except ClientError as error:
        _raise(error)
    except _BROKEN_OFF as error:
        raise ObjectsBusyError(f"S3 gave no whole answer: {type(error).__name__}") from None


def _raise(error: ClientError) -> NoReturn:
    code = error.response["Error"].get("Code", "")
    if code == "InvalidRange":
        raise _NothingThereError from None
    # The upload was completed and the answer lost, or somebody aborted it: written anew, it is
    # there either way.
    if code == "NoSuchUpload":
        raise ObjectsBusyError("S3 does not know the upload any more") from None
    match s3_refusal(error):
        case S3Refusal.MISSING:
            raise ObjectMissingError("nothing is under this key in the bucket") from None
        case S3Refusal.FORBIDDEN:
            raise ObjectAccessError(f"S3 does not let the function do this: {code}") from None
        case S3Refusal.CONDITION_FAILED:
            raise DatasetChangedError(
                "the object is not the one that was looked at first"
            ) from None
        case S3Refusal.BUSY:
            raise ObjectsBusyError(f"S3 could not do it now: {code}") from None
        case None:
            raise error


def _parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """*pieces* joined and cut again; no more than one part and one piece is held at a time."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= PART_BYTES:
            yield bytes(held[:PART_BYTES])
            del held[:PART_BYTES]
    if held:
        yield bytes(held)


def _prepended(head: bytes, parts: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from parts
