"""Links as a test makes them: real signatures, by keys that lie about in memory."""

import hashlib
import hmac
from dataclasses import dataclass, field

from functions.callbacks.links import Links

STAGE = "test"
BASE_URL = "https://links.example.com"


@dataclass
class FakeLinkSigner:
    """`LinkSigner` without KMS; it remembers which generations it was asked about."""

    keys: dict[int, bytes] = field(default_factory=lambda: {1: b"the first key"})
    verified: list[int] = field(default_factory=list)

    @property
    def generation(self) -> int:
        return max(self.keys)

    def sign(self, message: bytes) -> bytes:
        return self._mac(self.generation, message)

    def is_signature(self, generation: int, message: bytes, mac: bytes) -> bool:
        self.verified.append(generation)
        if generation not in self.keys:
            return False
        return hmac.compare_digest(self._mac(generation, message), mac)

    def _mac(self, generation: int, message: bytes) -> bytes:
        return hmac.new(self.keys[generation], message, hashlib.sha256).digest()


def any_links(signer: FakeLinkSigner | None = None, stage: str = STAGE) -> Links:
    return Links(signer or FakeLinkSigner(), BASE_URL, stage)


def token_of(url: str) -> str:
    return url.removeprefix(f"{BASE_URL}/q/")
