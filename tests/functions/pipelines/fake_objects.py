"""Objects in memory, that count their calls and fail or die when they are told to."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from functions.pipelines.objects import (
    DatasetChangedError,
    ObjectAccessError,
    ObjectHead,
    ObjectMissingError,
    ObjectRef,
)
from functions.pipelines.s3_objects import fitting_metadata

DATA_BUCKET = "data"


class ProcessDiedError(BaseException):
    """The process is gone; no `except Exception` sees it."""


class Moment(StrEnum):
    """Which side of a call: BEFORE it was done, or AFTER, with the answer lost."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Call:
    """One call: *method* is that of the port, and *key* of what."""

    method: str
    key: str


@dataclass(frozen=True, slots=True)
class Stored:
    """What is under a key; *writes* counts how often it was written."""

    body: bytes
    metadata: Mapping[str, str]
    etag: str
    writes: int = 1


@dataclass(frozen=True, slots=True)
class _Trouble:
    method: str | None
    nth: int
    moment: Moment
    error: BaseException
    for_good: bool = False


@dataclass
class FakeObjects:
    """The port in memory, as several threads may use it.

    `store` is what somebody else puts and `written` what is there; neither counts as a call.
    Trouble is told with `fail`: for the *nth* call of a method (from 1, from now on), or of any.
    A read happens when its first block is asked for; its AFTER comes behind its last block.
    """

    block_bytes: int = 256 * 1024
    # Buckets that answer 403.
    forbidden: frozenset[str] = frozenset()
    calls: list[Call] = field(default_factory=list)
    # What somebody else does just before the next conditional write.
    meanwhile: Callable[[], object] | None = None
    # How many blocks were handed out by reads.
    blocks: int = 0
    _stored: dict[tuple[str, str], Stored] = field(default_factory=dict)
    _troubles: list[_Trouble] = field(default_factory=list)
    _numbers: Counter[str | None] = field(default_factory=Counter)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def store(
        self,
        key: str,
        body: bytes,
        *,
        bucket: str = DATA_BUCKET,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectHead:
        """Put as a producer does."""
        with self._lock:
            before = self._stored.get((bucket, key))
            etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
            writes = before.writes + 1 if before else 1
            self._stored[bucket, key] = Stored(body, dict(metadata or {}), etag, writes)
        ref = ObjectRef(key, None if bucket == DATA_BUCKET else bucket)
        return ObjectHead(ref, etag, len(body), dict(metadata or {}))

    def remove(self, key: str, *, bucket: str = DATA_BUCKET) -> None:
        with self._lock:
            del self._stored[bucket, key]

    @property
    def written(self) -> dict[str, Stored]:
        """All of the data bucket, by key."""
        with self._lock:
            return {key: it for (bucket, key), it in self._stored.items() if bucket == DATA_BUCKET}

    def body(self, key: str) -> bytes:
        return self.written[key].body

    def count(self, method: str | None = None, prefix: str = "") -> int:
        """How many calls there were, of *method* and of keys that begin with *prefix*."""
        with self._lock:
            return sum(
                call.method == (method or call.method) and call.key.startswith(prefix)
                for call in self.calls
            )

    def fail(
        self,
        error: BaseException,
        *,
        nth: int = 1,
        method: str | None = None,
        moment: Moment = Moment.BEFORE,
        for_good: bool = False,
    ) -> None:
        """Let the *nth* call from now on end in *error*; *for_good*: and all after it."""
        with self._lock:
            self._troubles.append(
                _Trouble(method, self._numbers[method] + nth, moment, error, for_good)
            )

    def die(
        self, *, nth: int = 1, method: str | None = None, moment: Moment = Moment.BEFORE
    ) -> None:
        """Let the process die in the *nth* call from now on."""
        self.fail(ProcessDiedError(), nth=nth, method=method, moment=moment)

    def heal(self) -> None:
        """No trouble from here on."""
        with self._lock:
            self._troubles.clear()

    def head(self, ref: ObjectRef) -> ObjectHead:
        number = self._begin("head", ref.key)
        stored = self._find(ref)
        self._end("head", number)
        return ObjectHead(ref, stored.etag, len(stored.body), dict(stored.metadata))

    def read(
        self, ref: ObjectRef, *, etag: str | None = None, first: int = 0, last: int | None = None
    ) -> Iterator[bytes]:
        if last is not None and last < first:
            return
        number = self._begin("read", ref.key)
        stored = self._find(ref)
        if etag is not None and stored.etag != etag:
            raise DatasetChangedError("the object is not the one that was looked at first")
        # What was begun is read to its end, whatever is put meanwhile: so it is in S3.
        wanted = stored.body[first : None if last is None else last + 1]
        for start in range(0, len(wanted), self.block_bytes):
            with self._lock:
                self.blocks += 1
            yield wanted[start : start + self.block_bytes]
        self._end("read", number)

    def put(self, key: str, body: bytes, metadata: Mapping[str, str] | None = None) -> None:
        number = self._begin("put", key)
        self._write(key, body, metadata or {})
        self._end("put", number)

    def put_if(
        self,
        key: str,
        body: bytes,
        metadata: Mapping[str, str] | None = None,
        *,
        etag: str | None,
    ) -> bool:
        if (meanwhile := self.meanwhile) is not None:
            self.meanwhile = None
            meanwhile()
        number = self._begin("put_if", key)
        with self._lock:
            there = self._stored.get((DATA_BUCKET, key))
            is_as_wanted = etag == (None if there is None else there.etag)
            if is_as_wanted:
                self._write(key, body, metadata or {})
        self._end("put_if", number)
        return is_as_wanted

    def put_joined(self, key: str, pieces: Iterable[bytes]) -> int:
        number = self._begin("put_joined", key)
        body = b"".join(pieces)
        self._write(key, body, {})
        self._end("put_joined", number)
        return len(body)

    def put_copied(self, key: str, refs: Sequence[ObjectRef]) -> None:
        number = self._begin("put_copied", key)
        self._write(key, b"".join(self._find(ref).body for ref in refs), {})
        self._end("put_copied", number)

    def in_prefix(self, prefix: str, bucket: str | None = None) -> Iterator[ObjectHead]:
        number = self._begin("in_prefix", prefix)
        where = bucket or DATA_BUCKET
        self._allow(where)
        with self._lock:
            found = sorted(
                (key.encode(), ObjectHead(ObjectRef(key, bucket), it.etag, len(it.body)))
                for (its_bucket, key), it in self._stored.items()
                if its_bucket == where and key.startswith(prefix)
            )
        for _, head in found:
            yield head
        self._end("in_prefix", number)

    def _write(self, key: str, body: bytes, metadata: Mapping[str, str]) -> None:
        self.store(key, body, metadata=fitting_metadata(metadata))

    def _find(self, ref: ObjectRef) -> Stored:
        bucket = ref.bucket or DATA_BUCKET
        self._allow(bucket)
        with self._lock:
            stored = self._stored.get((bucket, ref.key))
        if stored is None:
            raise ObjectMissingError("nothing is under this key in the bucket")
        return stored

    def _allow(self, bucket: str) -> None:
        if bucket in self.forbidden:
            raise ObjectAccessError("S3 does not let the function do this: AccessDenied")

    def _begin(self, method: str, key: str) -> tuple[int, int]:
        with self._lock:
            self.calls.append(Call(method, key))
            self._numbers[method] += 1
            self._numbers[None] += 1
            number = self._numbers[method], self._numbers[None]
        self._meet(Moment.BEFORE, method, number)
        return number

    def _end(self, method: str, number: tuple[int, int]) -> None:
        self._meet(Moment.AFTER, method, number)

    def _meet(self, moment: Moment, method: str, number: tuple[int, int]) -> None:
        of_method, of_all = number
        with self._lock:
            for trouble in self._troubles:
                mine = of_all if trouble.method is None else of_method
                is_here = (
                    trouble.moment is moment
                    and trouble.method in {None, method}
                    and (mine == trouble.nth or (trouble.for_good and mine > trouble.nth))
                )
                if is_here:
                    raise trouble.error
