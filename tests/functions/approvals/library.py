"""The documents' bucket as a test sees it, and documents to put into it."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
)

from functions.approvals.document import Document

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONTRACT = "incoming/contract.pdf"
NOTES = "incoming/notes.md"
NOTES_TEXT = b"# Notes\n\nAll that was said.\n"


def any_pdf(
    text: str = "We agree.", *, pages: int = 1, title: str | None = None, password: str = ""
) -> bytes:
    writer = PdfWriter()
    for _ in range(pages):
        page = writer.add_blank_page(595, 842)
        content = DecodedStreamObject()
        content.set_data(f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(content)
        font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
        page[NameObject("/Resources")] = DictionaryObject(
            {
                NameObject("/Font"): DictionaryObject(
                    {NameObject("/F1"): DictionaryObject(_named(font))}
                )
            }
        )
    if title:
        writer.add_metadata({"/Title": title})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def pdf_of_forms(operators: int, uses: int) -> bytes:
    """Two kilobytes that take minutes to read: one form of many operators, drawn many times."""
    reader = PdfReader(io.BytesIO(any_pdf()))
    writer = PdfWriter(clone_from=reader)
    page = writer.pages[0]
    resources: Any = page["/Resources"]
    form = DecodedStreamObject()
    form.update(_named({"/Type": "/XObject", "/Subtype": "/Form"}))
    form[NameObject("/BBox")] = ArrayObject(map(NumberObject, (0, 0, 9, 9)))
    form[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): resources["/Font"]})
    form.set_data(b"BT /F1 9 Tf " + b"1 0 0 1 5 5 Tm (a b) Tj " * operators + b"ET")
    resources[NameObject("/XObject")] = DictionaryObject(
        {NameObject("/X"): writer._add_object(form.flate_encode(9))}
    )
    drawn = DecodedStreamObject()
    drawn.set_data(b"BT /F1 9 Tf (We agree.) Tj ET " + b"/X Do " * uses)
    page[NameObject("/Contents")] = writer._add_object(drawn.flate_encode(9))
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def pdf_of_one_page_named(times: int) -> bytes:
    """A page tree that names one page over and over."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(any_pdf())))
    pages: Any = writer.root_object["/Pages"]
    kids = pages["/Kids"]
    pages[NameObject("/Kids")] = ArrayObject([kids[0]] * times)
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def _named(fields: dict[str, str]) -> dict[Any, Any]:
    return {NameObject(key): NameObject(value) for key, value in fields.items()}


def any_document(body: bytes = NOTES_TEXT, key: str = NOTES) -> Document:
    return Document(key, "version-1", '"etag"', "ab" * 32, body)


def notes_on(pdf: bytes) -> list[str]:
    """What the annotations of the first page say."""
    annotations: list[Any] = PdfReader(io.BytesIO(pdf)).pages[0].annotations or []
    return [annotation.get_object()["/Contents"] for annotation in annotations]


@dataclass(frozen=True)
class Library:
    """Raw access to the documents' bucket, inside `mock_aws`."""

    client: "S3Client"
    bucket: str

    @classmethod
    def create(cls, client: "S3Client", bucket: str) -> Self:
        client.create_bucket(
            Bucket=bucket,
            CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
        )
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        return cls(client, bucket)

    def put(self, key: str, body: bytes) -> str:
        """Upload a document, and tell the version."""
        return self.client.put_object(Bucket=self.bucket, Key=key, Body=body)["VersionId"]

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def metadata(self, key: str) -> dict[str, str]:
        return self.client.head_object(Bucket=self.bucket, Key=key)["Metadata"]

    def record(self, key: str) -> dict[str, Any]:
        """The record of the ending beside a document."""
        record: dict[str, Any] = json.loads(self.get(f"{key}.decision.json"))
        return record

    @property
    def keys(self) -> set[str]:
        """What somebody who looks finds: not what was taken away."""
        listed = self.client.list_objects_v2(Bucket=self.bucket)
        return {found["Key"] for found in listed.get("Contents", [])}

    def versions(self, key: str) -> int:
        """How often something was written under *key*."""
        return len([each for each in self._stored(key) if hasattr(each, "value")])

    def snapshot(self) -> dict[str, list[Any]]:
        """Every version of everything, bytes and metadata, taken away or not, but for its name."""
        uploads = [each.version_id for key in (CONTRACT, NOTES) for each in self._stored(key)]

        def unnamed(body: bytes) -> bytes:
            for number, version in enumerate(uploads):
                body = body.replace(str(version).encode(), f"upload-{number}".encode())
            return body

        return {
            key: [self._described(each, unnamed) for each in self._stored(key)]
            for key in sorted(self._backend().keys.keys())
        }

    def clear(self) -> None:
        self._backend().keys.clear()

    def _stored(self, key: str) -> list[Any]:
        stored: list[Any] = self._backend().keys.getlist(key, [])
        return stored

    @staticmethod
    def _described(stored: Any, unnamed: Callable[[bytes], bytes]) -> Any:
        if not hasattr(stored, "value"):
            return "taken away"
        return unnamed(stored.value), dict(stored.metadata)

    def _backend(self) -> Any:
        return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[self.bucket]
