"""Documents in S3: exact versions, written once, and each refusal in the port's words."""

import hashlib
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError

from functions.approvals import s3_documents
from functions.approvals.document import DocumentUnfitError
from functions.approvals.documents import (
    DocumentAccessError,
    DocumentNotFoundError,
    DocumentsBusyError,
)
from functions.approvals.s3_documents import MAX_BYTES, S3Documents
from functions.shared.aws_errors import is_transient
from tests.functions.approvals.library import Library

KEY = "incoming/契約書 (最終版) é+&?.txt"


@pytest.fixture
def documents(library: Library) -> S3Documents:
    return S3Documents(library.client, library.bucket)


def test_a_document_is_read_with_its_version_and_digest(
    documents: S3Documents, library: Library
) -> None:
    body = b"a" * (3 * 256 * 1024 + 1)
    version = library.put(KEY, body)

    document = documents.read(KEY)

    assert document.body == body
    assert document.sha256 == hashlib.sha256(body).hexdigest()
    assert document.version_id == version
    assert document.etag.startswith('"')


def test_a_version_is_read_whatever_came_after_it(documents: S3Documents, library: Library) -> None:
    first = library.put(KEY, b"first")
    library.put(KEY, b"second")
    documents.remove(KEY, documents.read(KEY).etag)

    assert documents.read(KEY, first).body == b"first"
    with pytest.raises(DocumentNotFoundError):
        documents.read(KEY)


def test_what_is_not_there_is_not_found(documents: S3Documents, library: Library) -> None:
    library.put(KEY, b"first")

    with pytest.raises(DocumentNotFoundError):
        documents.read("incoming/nothing.txt")
    with pytest.raises(DocumentNotFoundError):
        documents.read(KEY, "no-such-version")
    assert not documents.has("incoming/nothing.txt")
    assert documents.has(KEY)


def test_a_document_that_is_too_large_is_refused_before_it_is_read(
    documents: S3Documents, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.put(KEY, b"a" * (MAX_BYTES + 1))
    monkeypatch.setattr(s3_documents, "_drained", None)

    with pytest.raises(DocumentUnfitError, match="at most 20 MB"):
        documents.read(KEY)


def test_a_document_of_just_that_size_is_read(documents: S3Documents, library: Library) -> None:
    library.put(KEY, b"a" * MAX_BYTES)

    assert len(documents.read(KEY).body) == MAX_BYTES


def test_the_first_write_stands(documents: S3Documents, library: Library) -> None:
    key = "final/job-1/notes.md"

    assert documents.put_once(key, b"first", {"job-id": "job-1"})
    assert not documents.put_once(key, b"second", {"job-id": "job-2"})

    assert library.get(key) == b"first"
    assert library.metadata(key) == {"job-id": "job-1"}
    assert library.versions(key) == 1


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.PDF", "application/pdf"),
        ("a.md", "text/markdown; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.pdf.decision.json", "application/json"),
    ],
)
def test_an_object_says_what_it_is(
    documents: S3Documents, library: Library, name: str, content_type: str
) -> None:
    documents.put_once(name, b"any", {})

    head = library.client.head_object(Bucket=library.bucket, Key=name)
    assert head["ContentType"] == content_type


def test_only_the_document_that_was_meant_is_taken_away(
    documents: S3Documents, library: Library
) -> None:
    library.put(KEY, b"first")
    meant = documents.read(KEY).etag
    library.put(KEY, b"second")

    documents.remove(KEY, meant)

    assert library.get(KEY) == b"second"


def test_taking_away_what_is_gone_changes_nothing(documents: S3Documents, library: Library) -> None:
    library.put(KEY, b"first")
    etag = documents.read(KEY).etag

    documents.remove(KEY, etag)
    once = library.snapshot()
    documents.remove(KEY, etag)

    assert library.snapshot() == once


@dataclass
class Refusing:
    """S3, that answers every call with an error."""

    error: Exception

    def __getattr__(self, method: str) -> Any:
        def call(**_request: Any) -> Any:
            raise self.error

        return call


def refusal(code: str, status: int) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "AnyOperation")


CALLS = {
    "read": lambda documents: documents.read(KEY),
    "has": lambda documents: documents.has(KEY),
    "put": lambda documents: documents.put_once(KEY, b"any", {}),
    "remove": lambda documents: documents.remove(KEY, "etag"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize(
    ("error", "raised", "is_worth_another_try"),
    [
        (refusal("AccessDenied", 403), DocumentAccessError, False),
        (refusal("403", 403), DocumentAccessError, False),
        (refusal("SlowDown", 503), ClientError, True),
        (refusal("InternalError", 500), ClientError, True),
        (refusal("RequestTimeout", 400), DocumentsBusyError, True),
        (refusal("ConditionalRequestConflict", 409), DocumentsBusyError, True),
        (refusal("NoSuchBucket", 404), ClientError, False),
        (refusal("InvalidRequest", 400), ClientError, False),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), DocumentsBusyError, True),
        (ReadTimeoutError(endpoint_url="https://s3"), ReadTimeoutError, True),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, Exception) else "",
)
def test_only_what_another_try_may_mend_is_tried_again(
    call: Any, error: Exception, raised: type[Exception], *, is_worth_another_try: bool
) -> None:
    client: Any = Refusing(error)

    with pytest.raises(raised) as caught:
        call(S3Documents(client, "documents"))

    assert is_transient(caught.value) is is_worth_another_try
    assert KEY not in str(caught.value)
