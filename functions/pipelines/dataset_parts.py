"""A dataset of many objects: all below a prefix, or those that a manifest names.

Which objects there are, and their ETags, is found out once and kept in the bucket: for a checkpoint
there may be too many of them, and a second look might find others.
"""

import json
import os.path
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

from functions.pipelines.batch_request import PartsDataset
from functions.pipelines.objects import (
    DatasetChangedError,
    ObjectHead,
    ObjectMissingError,
    ObjectRef,
    Objects,
)
from functions.pipelines.record_format import Encoding, encoding_of
from functions.shared.errors import PermanentError
from functions.shared.job import canonical_json
from functions.shared.joined_parts import JoinedParts

# A listing of so many takes a few megabytes, and a few seconds.
MAX_PARTS = 10_000
MAX_MANIFEST_BYTES = 16 * 1024 * 1024


class TooManyObjectsError(PermanentError):
    """The dataset has more objects than one job reads."""


class InvalidManifestError(PermanentError):
    """What the payload calls a manifest is none."""


class MixedFormatsError(PermanentError):
    """The dataset's objects are not written alike."""


@dataclass(frozen=True, slots=True)
class DatasetParts:
    """The objects of a dataset in their order, none of them empty."""

    parts: tuple[ObjectHead, ...]

    @property
    def joined(self) -> JoinedParts:
        return JoinedParts([part.size_bytes for part in self.parts])

    @property
    def digest(self) -> str:
        """Tells these objects, as they are, from all others."""
        return sha256(self._told()).hexdigest()[:32]

    def keep(self, objects: Objects, key: str) -> None:
        objects.put(key, self._told())

    @classmethod
    def kept(cls, objects: Objects, key: str, digest: str) -> Self:
        """What was kept.

        Raises:
            DatasetChangedError: Something else is there.
        """
        try:
            told = json.loads(b"".join(objects.read(ObjectRef(key))))
        except ObjectMissingError:
            raise DatasetChangedError("the list of the dataset's objects was removed") from None
        parts = cls(tuple(ObjectHead(ObjectRef(*ref), etag, size) for ref, etag, size in told))
        if parts.digest != digest:
            raise DatasetChangedError("the list of the dataset's objects is another one")
        return parts

    def _told(self) -> bytes:
        told = [[[it.ref.key, it.ref.bucket], it.etag, it.size_bytes] for it in self.parts]
        return canonical_json(told).encode()


def find_parts(objects: Objects, asked: PartsDataset) -> list[ObjectHead]:
    """The objects of the dataset, also those that are empty.

    Raises:
        ObjectMissingError: The manifest, or a part that it names, is not there.
        InvalidManifestError: It is no manifest.
        DatasetChangedError: A part is not as long as the manifest says.
        TooManyObjectsError: There are too many.
    """
    if asked.is_manifest:
        return _named_parts(objects, asked.ref)
    found: list[ObjectHead] = []
    for head in objects.in_prefix(asked.key, asked.bucket):
        # Not folders, and not what names like `_SUCCESS` say about others.
        name = head.ref.key.rpartition("/")[2]
        if not name or name.startswith(("_", ".")):
            continue
        if len(found) == MAX_PARTS:
            raise TooManyObjectsError(
                f"dataset.prefix: more than {MAX_PARTS} objects are below it: take a longer prefix"
            )
        found.append(head)
    return found


def common_encoding(parts: Sequence[ObjectHead], stated: str | None) -> Encoding:
    """How all of *parts* are written.

    Raises:
        UnknownFormatError: Nothing tells it.
        MixedFormatsError: They are not written alike.
    """
    encodings = [encoding_of(part.ref.key, stated) for part in parts]
    for number, encoding in enumerate(encodings):
        if encoding != encodings[0]:
            raise MixedFormatsError(
                f"dataset: object {number} is not written as the first one is "
                "(by the end of its key): make a dataset of each format"
            )
    return encodings[0]


def _named_parts(objects: Objects, manifest: ObjectRef) -> list[ObjectHead]:
    folder = manifest.key.rpartition("/")[0] + "/"
    named = dict(_named(_json(objects, manifest), folder))
    if len(named) > MAX_PARTS:
        raise TooManyObjectsError(
            f"dataset.manifest: it names more than {MAX_PARTS} parts, which one job reads"
        )
    if not named:
        return []
    # One listing instead of thousands of calls; old parts may lie there too.
    below = os.path.commonprefix(list(named))  # noqa: RUF071  # prefixes in S3 are of characters
    there = {head.ref.key: head for head in objects.in_prefix(below) if head.ref.key in named}
    for number, (key, size_bytes) in enumerate(named.items()):
        if key not in there:
            raise ObjectMissingError(f"part {number} of the manifest is not there")
        if there[key].size_bytes != size_bytes:
            raise DatasetChangedError(f"part {number} is not as long as the manifest says")
    return [there[key] for key in named]


def _json(objects: Objects, manifest: ObjectRef) -> Any:
    if objects.head(manifest).size_bytes > MAX_MANIFEST_BYTES:
        raise _no_manifest(f"it is longer than {MAX_MANIFEST_BYTES} bytes")
    try:
        return json.loads(b"".join(objects.read(manifest)))
    except (ValueError, RecursionError):
        raise _no_manifest("it is no JSON") from None


def _named(told: Any, folder: str) -> Iterator[tuple[str, int]]:
    parts = told.get("parts") if isinstance(told, dict) else None
    if not isinstance(parts, list):
        raise _no_manifest("it is no object with a list of parts")
    for number, part in enumerate(parts):
        match part:
            case {"key": str(key), "bytes": int(size_bytes)} if size_bytes >= 0:
                # Who may write a manifest may not thereby have anything else read.
                if not key.startswith(folder):
                    raise _no_manifest(f"part {number} is not below its own folder")
                yield key, size_bytes
            case _:
                raise _no_manifest(f"part {number} has no key and bytes")


def _no_manifest(why: str) -> InvalidManifestError:
    return InvalidManifestError(
        f"dataset.manifest: {why}; name the _manifest.json that a data-pipeline wrote"
    )
