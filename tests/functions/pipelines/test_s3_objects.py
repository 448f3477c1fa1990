"""What only S3 does: broken answers, refusals, and uploads of several parts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import urllib3
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from moto import mock_aws

from functions.pipelines import s3_objects
from functions.pipelines.objects import (
    DatasetChangedError,
    ObjectAccessError,
    ObjectMissingError,
    ObjectRef,
    ObjectsBusyError,
)
from functions.pipelines.s3_objects import PART_BYTES, S3Objects
from functions.shared.aws_errors import is_transient
from tests.functions.pipelines.fake_objects import ProcessDiedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "incoming/secret-key.jsonl"
REF = ObjectRef(KEY)
BUCKET = "data"
URL = f"https://data.s3.amazonaws.com/{KEY}"


@dataclass
class Meddling:
    """S3, with somebody who sees each call before it is made, and may do otherwise."""

    client: Any
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    instead: Callable[[str, dict[str, Any]], Any] = lambda _method, _request: None

    def __getattr__(self, method: str) -> Any:
        do = getattr(self.client, method)
        if method == "get_paginator":
            return do

        def call(**request: Any) -> Any:
            self.calls.append((method, request))
            return self.instead(method, request) or do(**request)

        return call

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]


@pytest.fixture(scope="module")
def _client() -> Iterator["S3Client"]:
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield client


@pytest.fixture
def s3(_client: "S3Client") -> Iterator[Meddling]:
    """A client of its own, since tests meddle with it, and a bucket that is empty."""
    yield Meddling(boto3.client("s3"))
    client = _client
    for found in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=found["Key"])


@pytest.fixture
def objects(s3: Meddling) -> S3Objects:
    client: Any = s3
    return S3Objects(client, BUCKET)


def unfinished_uploads(s3: Meddling) -> int:
    return len(s3.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))


def test_only_the_range_is_asked_for_and_under_the_etag(s3: Meddling, objects: S3Objects) -> None:
    etag = s3.client.put_object(Bucket=BUCKET, Key=KEY, Body=b"0123456789")["ETag"]

    list(objects.read(REF, etag=etag, first=2, last=5))
    list(objects.read(REF, first=2))
    list(objects.read(REF))
    list(objects.read(REF, first=5, last=4))

    assert [
        {name: request.get(name) for name in ("Range", "IfMatch")} for _, request in s3.calls
    ] == [
        {"Range": "bytes=2-5", "IfMatch": etag},
        {"Range": "bytes=2-", "IfMatch": None},
        {"Range": None, "IfMatch": None},
    ]


def test_an_answer_with_another_etag_is_not_read_though_the_store_gave_it(
    s3: Meddling, objects: S3Objects
) -> None:
    s3.client.put_object(Bucket=BUCKET, Key=KEY, Body=b"0123456789")

    def heedless(method: str, request: dict[str, Any]) -> Any:
        request.pop("IfMatch", None)
        return getattr(s3.client, method)(**request)

    s3.instead = heedless

    with pytest.raises(DatasetChangedError):
        list(objects.read(REF, etag='"other"'))


class Body:
    """An answer's body that gives *blocks* and then breaks off, and knows whether it was closed."""

    def __init__(self, *blocks: bytes, error: Exception | None = None) -> None:
        self._blocks = list(blocks)
        self._error = error
        self.is_closed = False

    def read(self, _size: int) -> bytes:
        if self._blocks:
            return self._blocks.pop(0)
        if self._error is not None:
            raise self._error
        return b""

    def close(self) -> None:
        self.is_closed = True


BROKEN_OFF: tuple[Exception, ...] = (
    IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ReadTimeoutError(endpoint_url=URL),
    ResponseStreamingError(error=f"reset {URL}"),
    urllib3.exceptions.ProtocolError(f"reset {URL}"),
    urllib3.exceptions.SSLError(f"broken {URL}"),
    ConnectionResetError(f"reset {URL}"),
)


@pytest.mark.parametrize("error", BROKEN_OFF, ids=lambda error: type(error).__name__)
def test_an_answer_that_breaks_off_is_worth_another_try_and_its_connection_is_closed(
    s3: Meddling, objects: S3Objects, error: Exception
) -> None:
    body = Body(b"first", error=error)
    s3.instead = lambda _method, _request: {"Body": body, "ETag": '"a"'}
    given: list[bytes] = []

    with pytest.raises(ObjectsBusyError) as busy:
        given.extend(objects.read(REF, etag='"a"'))

    assert is_transient(busy.value)
    assert "secret-key" not in str(busy.value)
    assert body.is_closed


def test_who_stops_reading_gives_the_connection_back(s3: Meddling, objects: S3Objects) -> None:
    body = Body(b"first", b"second")
    s3.instead = lambda _method, _request: {"Body": body, "ETag": '"a"'}
    reading: Any = objects.read(REF)
    next(reading)

    reading.close()

    assert body.is_closed


def refusal(code: str, status: int) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": f"no {KEY}"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "AnyOperation")


CALLS: dict[str, Callable[[S3Objects], Any]] = {
    "head": lambda objects: objects.head(REF),
    "read": lambda objects: list(objects.read(REF)),
    "put": lambda objects: objects.put(KEY, b"any"),
    "put_joined": lambda objects: objects.put_joined(KEY, [b"any"]),
    "upload": lambda objects: objects.put_joined(KEY, [b"a" * PART_BYTES]),
}


@pytest.mark.parametrize(
    ("etag", "error"),
    [
        (None, refusal("PreconditionFailed", 412)),
        ('"abc"', refusal("PreconditionFailed", 412)),
        ('"abc"', refusal("NoSuchKey", 404)),
    ],
)
def test_a_condition_that_does_not_hold_is_an_answer_and_no_error(
    etag: str | None, error: ClientError
) -> None:
    client: Any = Meddling(boto3.client("s3"), instead=raising(error))

    assert not S3Objects(client, BUCKET).put_if(KEY, b"any", etag=etag)


@pytest.mark.parametrize("etag", [None, '"abc"'])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (refusal("ConditionalRequestConflict", 409), ObjectsBusyError),
        (refusal("AccessDenied", 403), ObjectAccessError),
        (refusal("SlowDown", 503), ClientError),
        (refusal("NoSuchBucket", 404), ClientError),
    ],
)
def test_a_conditional_write_that_was_not_judged_is_no_answer(
    etag: str | None, error: ClientError, raised: type[Exception]
) -> None:
    client: Any = Meddling(boto3.client("s3"), instead=raising(error))

    with pytest.raises(raised):
        S3Objects(client, BUCKET).put_if(KEY, b"any", etag=etag)


def raising(error: Exception) -> Callable[[str, dict[str, Any]], Any]:
    def raises(_method: str, _request: dict[str, Any]) -> Any:
        raise error

    return raises


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize(
    ("error", "raised", "is_worth_another_try"),
    [
        (refusal("AccessDenied", 403), ObjectAccessError, False),
        (refusal("403", 403), ObjectAccessError, False),
        (refusal("NoSuchKey", 404), ObjectMissingError, False),
        (refusal("404", 404), ObjectMissingError, False),
        (refusal("PreconditionFailed", 412), DatasetChangedError, False),
        (refusal("SlowDown", 503), ClientError, True),
        (refusal("InternalError", 500), ClientError, True),
        (refusal("RequestTimeout", 400), ObjectsBusyError, True),
        (refusal("OperationAborted", 409), ObjectsBusyError, True),
        (refusal("NoSuchUpload", 404), ObjectsBusyError, True),
        (refusal("NoSuchBucket", 404), ClientError, False),
        (EndpointConnectionError(endpoint_url=URL), ObjectsBusyError, True),
        (ConnectionClosedError(endpoint_url=URL), ObjectsBusyError, True),
        (ReadTimeoutError(endpoint_url=URL), ObjectsBusyError, True),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, Exception) else "",
)
def test_only_what_another_try_may_mend_is_tried_again(
    call: Any, error: Exception, raised: type[Exception], *, is_worth_another_try: bool
) -> None:
    def refuses(_method: str, _request: dict[str, Any]) -> Any:
        raise error

    client: Any = Meddling(boto3.client("s3"), instead=refuses)

    with pytest.raises(raised) as caught:
        call(S3Objects(client, BUCKET))

    assert is_transient(caught.value) is is_worth_another_try
    if raised is not ClientError:
        assert "secret-key" not in str(caught.value)


def test_a_listing_that_is_refused_says_so(s3: Meddling, objects: S3Objects) -> None:
    def forbid(**_: Any) -> None:
        raise refusal("AccessDenied", 403)

    s3.client.meta.events.register("before-call.s3.ListObjectsV2", forbid)

    with pytest.raises(ObjectAccessError):
        list(objects.in_prefix("incoming/"))


def test_a_listing_goes_on_from_page_to_page(s3: Meddling, objects: S3Objects) -> None:
    keys = [f"incoming/{number}" for number in range(5)]
    for key in keys:
        s3.client.put_object(Bucket=BUCKET, Key=key, Body=b"")
    pages = []

    def two_at_once(params: dict[str, Any], **_: Any) -> dict[str, Any]:
        pages.append(params)
        return {**params, "MaxKeys": 2}

    s3.client.meta.events.register("provide-client-params.s3.ListObjectsV2", two_at_once)

    assert [head.ref.key for head in objects.in_prefix("incoming/")] == keys
    assert len(pages) == 3


@pytest.mark.parametrize("size", [PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 5])
def test_pieces_of_any_size_are_put_together_in_parts(
    s3: Meddling, objects: S3Objects, size: int
) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    cuts = [*range(0, size, 3_000_001), size]
    pieces = [content[first:last] for first, last in pairwise(cuts)]

    assert objects.put_joined(KEY, iter(pieces)) == size

    assert b"".join(objects.read(REF)) == content[:size]
    parts = [len(request["Body"]) for method, request in s3.calls if method == "upload_part"]
    assert ("put_object" in s3.methods) is (size < PART_BYTES)
    assert parts == ([] if size < PART_BYTES else parts)
    assert sum(parts) in {0, size}
    assert all(part == PART_BYTES for part in parts[:-1])
    assert unfinished_uploads(s3) == 0


def test_one_piece_larger_than_a_part_is_cut(s3: Meddling, objects: S3Objects) -> None:
    objects.put_joined(KEY, [b"a" * (2 * PART_BYTES + 1)])

    assert s3.methods.count("upload_part") == 3


def test_no_more_than_a_part_is_read_ahead(s3: Meddling, objects: S3Objects) -> None:
    given = uploaded = 0

    def uploads(method: str, request: dict[str, Any]) -> None:
        nonlocal uploaded
        if method == "upload_part":
            uploaded += len(request["Body"])

    s3.instead = uploads

    def pieces() -> Iterator[bytes]:
        nonlocal given
        for _ in range(40):
            given += 1024**2
            yield bytes(1024**2)
            assert given - uploaded <= PART_BYTES

    assert objects.put_joined(KEY, pieces()) == 40 * 1024**2


@pytest.mark.parametrize("error", [LookupError(), ProcessDiedError(), KeyboardInterrupt()])
@pytest.mark.parametrize("method", ["pieces", "upload_part", "complete_multipart_upload"])
def test_what_failed_is_aborted_and_leaves_what_was_there(
    s3: Meddling, objects: S3Objects, method: str, error: BaseException
) -> None:
    objects.put(KEY, b"before")

    def fails(called: str, _request: dict[str, Any]) -> Any:
        if called == method:
            raise error

    def pieces() -> Iterator[bytes]:
        yield b"a" * (PART_BYTES + 1)
        if method == "pieces":
            raise error

    s3.instead = fails

    with pytest.raises(type(error)):
        objects.put_joined(KEY, pieces())

    assert s3.methods[-1] == "abort_multipart_upload"
    assert unfinished_uploads(s3) == 0
    assert b"".join(objects.read(REF)) == b"before"


def test_an_abort_that_fails_does_not_hide_why(s3: Meddling, objects: S3Objects) -> None:
    def fails(called: str, _request: dict[str, Any]) -> Any:
        if called == "upload_part":
            raise refusal("AccessDenied", 403)
        if called == "abort_multipart_upload":
            raise refusal("InternalError", 500)

    s3.instead = fails

    with pytest.raises(ObjectAccessError):
        objects.put_joined(KEY, [b"a" * PART_BYTES])


def test_blocks_have_a_quarter_of_a_mebibyte(s3: Meddling, objects: S3Objects) -> None:
    s3.client.put_object(Bucket=BUCKET, Key=KEY, Body=b"a" * (600 * 1024))

    assert [len(block) // 1024 for block in objects.read(REF)] == [256, 256, 88]
    assert s3_objects.BLOCK_BYTES == 256 * 1024
