"""Where datasets are kept: objects that are read in ranges, and never changed once they are there.

The port; S3 is behind it. Keys and contents are the data of others: no error and no log names them
other than by the field of the payload that they came from.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from functions.shared.errors import PermanentError, TransientError


class ObjectMissingError(PermanentError):
    """Nothing is there."""


class ObjectAccessError(PermanentError):
    """The function may not do this."""


class DatasetChangedError(PermanentError):
    """It is not the object any more that was looked at first: its ETag is another one."""


class ObjectsBusyError(TransientError):
    """S3 could not do it now, or stopped in the middle."""


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object's address; without a *bucket* it is in the data bucket."""

    key: str
    bucket: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """What is known of an object without reading it."""

    ref: ObjectRef
    etag: str
    size_bytes: int
    metadata: Mapping[str, str] = field(default_factory=dict)


class Objects(Protocol):
    """The store.

    Every call raises `ObjectsBusyError` (or botocore's own throttles and server errors) where it
    may be tried again, and `ObjectAccessError` where it is not allowed.
    """

    def head(self, ref: ObjectRef) -> ObjectHead:
        """Raises `ObjectMissingError`."""
        ...

    def read(
        self, ref: ObjectRef, *, etag: str | None = None, first: int = 0, last: int | None = None
    ) -> Iterator[bytes]:
        """The bytes from *first* to *last* (both included; None: to the end), as they arrive.

        Raises:
            ObjectMissingError: Nothing is there.
            DatasetChangedError: It has another ETag than *etag*.
        """
        ...

    def put(self, key: str, body: bytes, metadata: Mapping[str, str] | None = None) -> None:
        """Write an object of the data bucket; metadata is ASCII, 2 KB at most together."""
        ...

    def put_if(
        self,
        key: str,
        body: bytes,
        metadata: Mapping[str, str] | None = None,
        *,
        etag: str | None,
    ) -> bool:
        """Write an object of the data bucket, unless something else has come there meanwhile.

        True: nothing was there (*etag* None), or what was there still had *etag*. Whose answer was
        lost may be told False of its own write, so who is told False looks at what is there. An
        ETag tells of the bytes alone: with other metadata they have the same one.

        Raises:
            ObjectsBusyError: Another write is under way; nobody knows yet which one stays.
        """
        ...

    def put_joined(self, key: str, pieces: Iterable[bytes]) -> int:
        """Write *pieces* as one object without ever holding all of them; the bytes written."""
        ...

    def put_copied(self, key: str, refs: Sequence[ObjectRef]) -> None:
        """Write objects of the data bucket as one, without reading them.

        Each is 5 MiB to 5 GiB, and the last one may be smaller.
        """
        ...

    def in_prefix(self, prefix: str, bucket: str | None = None) -> Iterator[ObjectHead]:
        """The objects below *prefix* in the order of their keys, without their metadata."""
        ...
