"""Signatures by keys that never leave KMS, one key per generation."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

_ALGORITHM: Final = "HMAC_SHA_256"


class LinkKeysError(ValueError):
    """The variable with the keys cannot be read; the message says how it should look."""


class LinkSigner(Protocol):
    """Signs by the newest key, and knows the signatures of all."""

    @property
    def generation(self) -> int:
        """Which key signs."""
        ...

    def sign(self, message: bytes) -> bytes: ...

    def is_signature(self, generation: int, message: bytes, mac: bytes) -> bool:
        """Whether the key of *generation* made *mac* of *message*; False without such a key."""
        ...


class KmsLinkSigner:
    """`LinkSigner` with KMS: the highest generation signs, every one verifies."""

    def __init__(self, client: "KMSClient", keys: Mapping[int, str]) -> None:
        self._client = client
        self._keys = keys
        self.generation = max(keys)

    def sign(self, message: bytes) -> bytes:
        return self._client.generate_mac(
            KeyId=self._keys[self.generation], Message=message, MacAlgorithm=_ALGORITHM
        )["Mac"]

    def is_signature(self, generation: int, message: bytes, mac: bytes) -> bool:
        key = self._keys.get(generation)
        if key is None:
            return False
        try:
            return self._client.verify_mac(
                KeyId=key, Message=message, Mac=mac, MacAlgorithm=_ALGORITHM
            )["MacValid"]
        except self._client.exceptions.KMSInvalidMacException:
            return False


def link_keys(text: str) -> dict[int, str]:
    """The keys by generation, from JSON such as `{"1": "arn:aws:kms:..."}`.

    Raises:
        LinkKeysError: It is not such.
    """
    try:
        keys = {int(generation): str(arn) for generation, arn in json.loads(text).items()}
    except (AttributeError, ValueError):
        keys = {}
    if not keys:
        raise LinkKeysError('LINK_KEYS must be JSON such as {"1": "<key arn>"}, with one at least')
    return keys
