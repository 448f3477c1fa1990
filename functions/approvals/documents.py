"""The port to wherever documents are kept."""

from collections.abc import Mapping
from typing import Protocol

from functions.approvals.document import Document
from functions.shared.errors import PermanentError, TransientError


class DocumentNotFoundError(PermanentError):
    """There is no such document, or no such version of it."""


class DocumentAccessError(PermanentError):
    """The function may not do this with the document."""


class DocumentsBusyError(TransientError):
    """The store could not do it now; nothing is known of whether it did."""


class Documents(Protocol):
    """Keeps documents and their versions under keys; every error but these is the store's own."""

    def read(self, key: str, version_id: str | None = None) -> Document:
        """The document as it is now, or as it was in a version.

        Raises:
            DocumentNotFoundError: There is none.
            DocumentUnfitError: It is too large.
        """
        ...

    def has(self, key: str) -> bool:
        """Whether something is under *key*."""
        ...

    def put_once(self, key: str, body: bytes, metadata: Mapping[str, str]) -> bool:
        """Write it, unless something is there; False: something was, and stays as it is."""
        ...

    def remove(self, key: str, etag: str) -> None:
        """Take the document away, unless it is another one by now, which stays."""
        ...
