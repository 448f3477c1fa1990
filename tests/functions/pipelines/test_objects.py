"""What holds of objects wherever they are: the same promises of S3 as others play it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import boto3
import pytest
from moto import mock_aws

from functions.pipelines import s3_objects
from functions.pipelines.objects import (
    DatasetChangedError,
    ObjectMissingError,
    ObjectRef,
    Objects,
)
from functions.pipelines.s3_objects import S3Objects
from local.ministack import MiniStack
from tests.functions.pipelines.fake_objects import DATA_BUCKET, FakeObjects

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REF = ObjectRef("incoming/データ é+&?.jsonl")
ELSEWHERE = "partner"


class Store(Protocol):
    """The port, and a way to put what a producer puts."""

    @property
    def objects(self) -> Objects: ...

    def store(self, key: str, body: bytes, bucket: str = DATA_BUCKET) -> str: ...


class FakeStore:
    def __init__(self) -> None:
        self.objects = FakeObjects(block_bytes=16)

    def store(self, key: str, body: bytes, bucket: str = DATA_BUCKET) -> str:
        return self.objects.store(key, body, bucket=bucket).etag


class S3Store:
    def __init__(self, client: "S3Client") -> None:
        self.client = client
        for bucket in (DATA_BUCKET, ELSEWHERE):
            self.client.create_bucket(
                Bucket=bucket,
                CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
            )
        self.objects = S3Objects(self.client, DATA_BUCKET)

    def store(self, key: str, body: bytes, bucket: str = DATA_BUCKET) -> str:
        return self.client.put_object(Bucket=bucket, Key=key, Body=body)["ETag"]

    def clear(self) -> None:
        for bucket in (DATA_BUCKET, ELSEWHERE):
            for found in self.client.list_objects_v2(Bucket=bucket).get("Contents", []):
                self.client.delete_object(Bucket=bucket, Key=found["Key"])


@pytest.fixture(scope="module")
def _moto() -> Iterator[S3Store]:
    with mock_aws():
        yield S3Store(boto3.client("s3"))


@pytest.fixture(scope="module")
def _ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Store]:
    """What the local platform runs on must not differ from S3."""
    with MiniStack(tmp_path_factory.mktemp("ministack")) as ministack:
        yield S3Store(ministack.endpoint.client("s3"))


@pytest.fixture(params=["fake", "moto", pytest.param("ministack", marks=pytest.mark.platform)])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    if request.param == "fake":
        yield FakeStore()
        return
    monkeypatch.setattr(s3_objects, "BLOCK_BYTES", 16)
    store: S3Store = request.getfixturevalue(f"_{request.param}")
    yield store
    store.clear()


def test_a_head_tells_what_an_object_is_without_reading_it(store: Store) -> None:
    store.objects.put(REF.key, b"abc", {"summary": '{"records":1}'})

    head = store.objects.head(REF)

    assert head.ref == REF
    assert head.size_bytes == 3
    assert head.etag.startswith('"')
    assert head.metadata == {"summary": '{"records":1}'}


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0, None, b"0123456789"),
        (0, 9, b"0123456789"),
        (3, None, b"3456789"),
        (3, 5, b"345"),
        (0, 0, b"0"),
        (9, 9, b"9"),
        (8, 100, b"89"),
        (10, 20, b""),
        (10, None, b""),
        (5, 4, b""),
        (0, -1, b""),
    ],
)
def test_a_range_is_read_with_both_its_ends(
    store: Store, first: int, last: int | None, expected: bytes
) -> None:
    etag = store.store(REF.key, b"0123456789")

    read = b"".join(store.objects.read(REF, etag=etag, first=first, last=last))

    assert read == expected


@pytest.mark.parametrize(("first", "last"), [(0, None), (0, 10), (1, None)])
def test_an_empty_object_has_no_bytes_in_any_range(
    store: Store, first: int, last: int | None
) -> None:
    etag = store.store(REF.key, b"")

    assert list(store.objects.read(REF, etag=etag, first=first, last=last)) == []


def test_bytes_come_in_blocks(store: Store) -> None:
    store.store(REF.key, b"a" * 50)

    assert [len(block) for block in store.objects.read(REF)] == [16, 16, 16, 2]


@pytest.mark.parametrize("first", [0, 2, 99])
def test_an_object_that_was_put_anew_is_not_read(store: Store, first: int) -> None:
    etag = store.store(REF.key, b"before")
    store.store(REF.key, b"after it")

    with pytest.raises(DatasetChangedError):
        list(store.objects.read(REF, etag=etag, first=first))


def test_the_same_content_put_anew_is_the_same_dataset(store: Store) -> None:
    etag = store.store(REF.key, b"same")

    assert store.store(REF.key, b"same") == etag


def test_what_is_not_there_is_missing(store: Store) -> None:
    nothing = ObjectRef("incoming/nothing.jsonl")

    with pytest.raises(ObjectMissingError) as of_head:
        store.objects.head(nothing)
    with pytest.raises(ObjectMissingError) as of_read:
        list(store.objects.read(nothing, etag='"any"'))

    assert "nothing.jsonl" not in f"{of_head.value}{of_read.value}"


def test_an_object_of_another_bucket_is_read_from_there(store: Store) -> None:
    store.store(REF.key, b"here")
    etag = store.store(REF.key, b"there!", ELSEWHERE)
    there = ObjectRef(REF.key, ELSEWHERE)

    assert store.objects.head(there).size_bytes == 6
    assert b"".join(store.objects.read(there, etag=etag)) == b"there!"
    assert list(store.objects.in_prefix("incoming/", ELSEWHERE)) == [store.objects.head(there)]


def test_a_put_replaces_body_and_metadata(store: Store) -> None:
    store.objects.put("work/part", b"first", {"attempt": "1"})
    store.objects.put("work/part", b"second")

    assert b"".join(store.objects.read(ObjectRef("work/part"))) == b"second"
    assert store.objects.head(ObjectRef("work/part")).metadata == {}


def test_of_two_who_write_where_nothing_is_the_first_one_wins(store: Store) -> None:
    assert store.objects.put_if("work/part", b"first", {"attempt": "1"}, etag=None)
    assert not store.objects.put_if("work/part", b"second", {"attempt": "2"}, etag=None)

    assert b"".join(store.objects.read(ObjectRef("work/part"))) == b"first"
    assert store.objects.head(ObjectRef("work/part")).metadata == {"attempt": "1"}


def test_only_what_was_looked_at_is_replaced(store: Store) -> None:
    etag = store.store("work/part", b"first")

    assert store.objects.put_if("work/part", b"second", {"attempt": "2"}, etag=etag)
    assert not store.objects.put_if("work/part", b"third", etag=etag)

    assert b"".join(store.objects.read(ObjectRef("work/part"))) == b"second"
    assert store.objects.head(ObjectRef("work/part")).metadata == {"attempt": "2"}


def test_what_was_looked_at_and_is_gone_is_not_written(store: Store) -> None:
    assert not store.objects.put_if("work/part", b"second", etag='"abc"')

    with pytest.raises(ObjectMissingError):
        store.objects.head(ObjectRef("work/part"))


def test_a_conditional_write_takes_no_metadata_that_s3_does_not_take(store: Store) -> None:
    with pytest.raises(ValueError, match="metadata"):
        store.objects.put_if("work/part", b"any", {"summary": "é"}, etag=None)


@pytest.mark.parametrize("metadata", [{"summary": "é"}, {"summary": "a" * 2049}])
def test_metadata_that_s3_does_not_take_is_refused(store: Store, metadata: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="metadata"):
        store.objects.put("work/part", b"any", metadata)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_pieces_are_joined_into_one_object(store: Store, count: int) -> None:
    written = store.objects.put_joined("results/all", (b"piece\n" for _ in range(count)))

    assert written == 6 * count
    assert b"".join(store.objects.read(ObjectRef("results/all"))) == b"piece\n" * count


def test_a_join_whose_pieces_fail_writes_nothing(store: Store) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a"
        raise LookupError

    with pytest.raises(LookupError):
        store.objects.put_joined("results/all", pieces())

    with pytest.raises(ObjectMissingError):
        store.objects.head(ObjectRef("results/all"))


def test_objects_are_put_together_without_being_read(store: Store) -> None:
    store.objects.put("results/1", b"a" * 5 * 1024 * 1024)
    store.objects.put("results/2", b"b")

    store.objects.put_copied("results/all", [ObjectRef("results/1"), ObjectRef("results/2")])

    joined = b"".join(store.objects.read(ObjectRef("results/all")))
    assert joined == b"a" * 5 * 1024 * 1024 + b"b"


def test_nothing_is_put_together_where_an_object_is_missing(store: Store) -> None:
    store.objects.put("results/1", b"a" * 5 * 1024 * 1024)

    with pytest.raises(ObjectMissingError):
        store.objects.put_copied("results/all", [ObjectRef("results/1"), ObjectRef("results/2")])

    with pytest.raises(ObjectMissingError):
        store.objects.head(ObjectRef("results/all"))


def test_objects_below_a_prefix_come_in_the_order_of_their_keys(store: Store) -> None:
    keys = ["in/b", "in/a/1", "in/é", "in/a-1", "in/B", "in/z", "in/\U0001f600", "in/\uffee"]
    for key in [*keys, "other/a", "in"]:
        store.store(key, key.encode())

    found = list(store.objects.in_prefix("in/"))

    assert [head.ref.key for head in found] == sorted(keys, key=str.encode)
    assert [head.size_bytes for head in found] == [len(head.ref.key.encode()) for head in found]
    assert [head.etag for head in found] == [store.objects.head(head.ref).etag for head in found]


def test_a_prefix_without_objects_is_empty(store: Store) -> None:
    assert list(store.objects.in_prefix("in/")) == []
