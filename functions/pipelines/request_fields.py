"""What the payloads of pipelines and batches have in common: addresses, names, shares.

Messages name the field and the rule, never the value: keys and names are the data of others. What
is no bucket's name is refused here, since AWS's own client would quote it.
"""

import math
import re
from typing import Any
from urllib.parse import unquote

from functions.pipelines.objects import ObjectRef
from functions.shared.errors import MalformedPayloadError
from functions.shared.payload_fields import is_clean

# S3's limit for a key: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MAX_KEY_BYTES = 1024
MAX_NAME_LENGTH = 40
HUNDRED_PERCENT = 100

_S3 = "s3://"
_NAME = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{MAX_NAME_LENGTH - 1}}}")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# An escape may be escaped again; nobody means it that often.
_UNQUOTINGS = 5


def is_s3(value: Any) -> bool:
    """Whether *value* names its bucket."""
    return isinstance(value, str) and value.startswith(_S3)


def s3_ref(value: Any, where: str, *, is_prefix: bool = False) -> ObjectRef:
    """The object of any bucket, or the prefix there, that `s3://bucket/key` names.

    Raises:
        MalformedPayloadError: It names none.
    """
    bucket, _, key = (value.removeprefix(_S3) if is_s3(value) else "").partition("/")
    if not _BUCKET.fullmatch(bucket) or ".." in bucket or not key:
        raise MalformedPayloadError(f"{where} must be s3://bucket/key, with a bucket and a key")
    return ObjectRef(_key(key, where, is_prefix=is_prefix), bucket)


def own_ref(
    value: Any, where: str, prefixes: tuple[str, ...], *, is_prefix: bool = False
) -> ObjectRef:
    """The object of the data bucket, below one of *prefixes*.

    Raises:
        MalformedPayloadError: It is none.
    """
    if not isinstance(value, str) or not value.startswith(prefixes):
        raise MalformedPayloadError(
            f"{where} must begin with {' or '.join(prefixes)}, or with s3:// and a bucket"
        )
    return ObjectRef(_key(value, where, is_prefix=is_prefix))


def refuse_own_bucket(bucket: str | None, own_bucket: str, where: str) -> None:
    """Let nobody pass by the rule of which prefixes of the data bucket may be read.

    Raises:
        MalformedPayloadError: *bucket* is the data bucket, named as if it were another one.
    """
    if bucket == own_bucket:
        raise MalformedPayloadError(
            f"{where} names the data bucket: name its object by the key alone, without s3://"
        )


def name(value: Any, where: str) -> str:
    """The name of a transform, a processor, an endpoint or a dataset.

    Raises:
        MalformedPayloadError: It is none.
    """
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise MalformedPayloadError(
            f"{where} must be 1 to {MAX_NAME_LENGTH} characters of a-z 0-9 -"
        )
    return value


def number(value: Any, where: str, most: int) -> float:
    """A number from 0 to *most*.

    Raises:
        MalformedPayloadError: It is none.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 <= value <= most:
        raise MalformedPayloadError(f"{where} must be a number from 0 to {most}")
    return float(value)


def percent(value: Any, where: str) -> float:
    """A share of a hundred.

    Raises:
        MalformedPayloadError: It is none.
    """
    return number(value, where, HUNDRED_PERCENT)


def _key(key: str, where: str, *, is_prefix: bool) -> str:
    if not is_clean(key):
        raise MalformedPayloadError(f"{where} must not hold control characters")
    if len(key.encode()) > MAX_KEY_BYTES:
        raise MalformedPayloadError(f"{where} must have at most {MAX_KEY_BYTES} bytes of UTF-8")
    if key.endswith("/") and not is_prefix:
        raise MalformedPayloadError(
            f"{where} must be the key of one object, without a slash behind"
        )
    # S3 takes them as they are; what stands between may not.
    if {"", ".", ".."} & set(_unquoted(key).removesuffix("/").split("/")):
        raise MalformedPayloadError(
            f"{where} must not have empty, . or .. between its slashes, escaped or not"
        )
    return key


def _unquoted(key: str) -> str:
    for _ in range(_UNQUOTINGS):
        before, key = key, unquote(key)
        if key == before:
            break
    return key
