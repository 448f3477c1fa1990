"""Summaries and stamps: what is fit, what is shown, and that a stamp can be put twice the same."""

import hashlib
import html
import io
import logging
import os
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter

from functions.approvals.document import (
    Document,
    DocumentUnfitError,
    Ending,
    Outcome,
    Summary,
    Voice,
)
from functions.approvals.papers import as_filed, summarize
from functions.approvals.stamp import reduced
from functions.shared.question import Answer, Via
from tests.functions.approvals.library import (
    CONTRACT,
    NOTES,
    NOTES_TEXT,
    any_document,
    any_pdf,
    notes_on,
    pdf_of_forms,
    pdf_of_one_page_named,
)
from tests.functions.question_items import ASKED_AT

PASSWORD = "only for those who know"  # noqa: S105  # it protects a page of a test
JOB = "j" * 48


def pdf_document(body: bytes) -> Document:
    return any_document(body, CONTRACT)


def any_voice(
    by: str, via: Via = Via.LINK, answer: Answer = Answer.APPROVE, comment: str | None = None
) -> Voice:
    return Voice(answer=answer, by=by, via=via, at=ASKED_AT, comment=comment)


def any_ending(document: Document, **fields: Any) -> Ending:
    known: dict[str, Any] = {
        "job_id": JOB,
        "submission": f"{JOB} of {ASKED_AT}",
        "outcome": Outcome.APPROVED,
        "at": ASKED_AT,
        "source": document.key,
        "version_id": document.version_id,
        "etag": document.etag,
        "sha256": hashlib.sha256(document.body).hexdigest(),
        "decided_by": "ann@example.com",
        "via": Via.LINK,
        "voices": (any_voice("ann@example.com"),),
    }
    return Ending(**(known | fields))


def test_of_a_pdf_pages_title_and_first_words_are_shown() -> None:
    body = any_pdf("We agree on all of it.", pages=3, title="Contract")

    assert summarize(pdf_document(body)) == Summary(
        "pages", 3, "Contract", "We agree on all of it."
    )


def test_of_a_text_the_words_and_the_first_of_them_are_shown() -> None:
    assert summarize(any_document(NOTES_TEXT)) == Summary(
        "words", 6, None, "# Notes All that was said."
    )


@pytest.mark.parametrize(
    ("text", "measured"),
    [
        ("第1条 甲は乙に\n支払う。", ("characters", 11)),
        ("ข้อตกลงนี้มีผลบังคับใช้", ("characters", 23)),
        ("계약은 오늘부터 유효하다", ("words", 3)),
        ("The word 契約 means contract", ("words", 5)),
    ],
    ids=["Japanese", "Thai", "Korean", "English"],
)
def test_where_no_spaces_stand_between_words_characters_are_counted(
    text: str, measured: tuple[str, int]
) -> None:
    summary = summarize(any_document(text.encode()))

    assert (summary.measure, summary.count) == measured


def test_a_page_that_is_drawn_from_forms_costs_no_time_and_shows_no_excerpt() -> None:
    body = pdf_of_forms(20_000, 1_000)
    assert len(body) < 4_000

    began = time.process_time()
    summary = summarize(pdf_document(body))
    as_filed(pdf_document(body), any_ending(pdf_document(body)))

    # Read through, it takes about twenty minutes.
    assert time.process_time() - began < 10
    assert summary == Summary("pages", 1, None, "")


def test_a_large_page_shows_no_excerpt() -> None:
    body = any_pdf(") Tj (a b" * 60_000)

    began = time.process_time()
    summary = summarize(pdf_document(body))

    assert time.process_time() - began < 10
    assert summary == Summary("pages", 1, None, "")


def test_more_pages_than_anybody_reads_are_refused() -> None:
    assert summarize(pdf_document(pdf_of_one_page_named(10_000))).count == 10_000
    for times in (10_001, 100_000):
        with pytest.raises(DocumentUnfitError):
            summarize(pdf_document(pdf_of_one_page_named(times)))


def test_a_byte_order_mark_is_not_shown_and_not_lost() -> None:
    document = any_document(b"\xef\xbb\xbfHello")

    assert summarize(document).excerpt == "Hello"
    assert as_filed(document, any_ending(document)).startswith(document.body)


@pytest.mark.parametrize("body", [b"word " * 5_000, "語".encode() * 5_000], ids=["words", "one"])
def test_of_a_long_text_three_hundred_characters_are_shown(body: bytes) -> None:
    excerpt = summarize(any_document(body)).excerpt

    assert len(excerpt) == 300
    assert excerpt.endswith("…")


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (any_document("Größe".encode("latin-1")), "must be UTF-8 text, and is not at byte 2"),
        (any_document("Hello".encode("utf-16")), "must be UTF-8 text"),
        (any_document(b"Hel\0lo"), "holds zero bytes"),
        (any_document(b" \n "), "is empty"),
        (any_document(b"\xef\xbb\xbf"), "is empty"),
        (pdf_document(b""), "cannot be read as PDF"),
        (pdf_document(b"Hello"), "cannot be read as PDF"),
        (pdf_document(any_pdf()[:-200]), "cannot be read as PDF"),
        (pdf_document(b"%PDF-1.7\n" + os.urandom(2_000)), "cannot be read as PDF"),
        (pdf_document(any_pdf(password=PASSWORD)), "is encrypted: remove its password"),
        (any_document(b"Hello", "incoming/contract.docx"), "must end with .pdf"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_document_that_cannot_be_reviewed_is_refused_with_the_reason(
    document: Document, why: str
) -> None:
    with pytest.raises(DocumentUnfitError, match=why):
        summarize(document)


def test_a_pdf_without_pages_is_refused() -> None:
    written = io.BytesIO()
    PdfWriter().write(written)

    with pytest.raises(DocumentUnfitError):
        summarize(pdf_document(written.getvalue()))


@given(st.binary(max_size=400), st.integers(0, 900))
def test_a_damaged_pdf_is_read_or_refused_and_never_breaks_the_step(
    damage: bytes, place: int
) -> None:
    body = any_pdf()
    document = pdf_document(body[:place] + damage + body[place + len(damage) :])

    try:
        summarize(document)
        as_filed(document, any_ending(document))
    except DocumentUnfitError:
        return


def test_nothing_of_a_broken_document_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(DocumentUnfitError):
        summarize(pdf_document(b"top secret" * 100))

    assert caplog.records == []


@pytest.mark.parametrize("key", [CONTRACT, NOTES])
def test_a_stamp_is_the_same_however_often_it_is_put_and_leaves_what_was_approved(key: str) -> None:
    body = any_pdf(title="Contract") if key == CONTRACT else NOTES_TEXT
    document = any_document(body, key)
    ending = any_ending(document)

    stamped = as_filed(document, ending)

    assert stamped == as_filed(document, ending)
    assert stamped != as_filed(document, replace(ending, voices=(any_voice("bob@example.com"),)))
    assert hashlib.sha256(stamped[: len(body)]).hexdigest() == ending.sha256


def test_the_stamp_of_a_pdf_is_seen_printed_and_found_in_its_metadata() -> None:
    document = pdf_document(any_pdf(pages=2, title="Contract"))
    ending = any_ending(document)

    reader = PdfReader(io.BytesIO(as_filed(document, ending)), strict=True)

    lines = ["APPROVED", "2026-01-31 09:00:00 UTC", "by a***@example.com"]
    lines += [f"sha256 {ending.sha256}", f"job {JOB}"]
    annotations: list[Any] = reader.pages[0].annotations or []
    [note] = [each.get_object() for each in annotations]
    assert note["/Contents"].splitlines() == lines
    assert note["/F"] & 4
    drawn = note["/AP"]["/N"].get_data()
    assert all(line.encode().hex().encode() in drawn for line in lines)
    left, bottom, right, top = note["/Rect"]
    assert 0 < left < right < 595
    assert 0 < bottom < top < 842
    assert reader.pages[1].annotations is None
    metadata: Any = reader.metadata
    assert metadata.title == "Contract"
    assert metadata["/ApprovedAt"] == "2026-01-31 09:00:00 UTC"
    assert metadata["/ApprovedBy"] == "a***@example.com"
    assert metadata["/ApprovedSha256"] == ending.sha256
    assert metadata["/ApprovalJob"] == JOB


@pytest.mark.parametrize("box", [b"0 0 50 20", b"595 842 0 0", b"-300 -300 -10 -10"])
def test_a_stamp_fits_on_any_page(box: bytes) -> None:
    written = any_pdf()
    document = pdf_document(written.replace(b"0.0 0.0 595 842", box))
    assert document.body != written

    page = PdfReader(io.BytesIO(as_filed(document, any_ending(document)))).pages[0]

    annotations: list[Any] = page.annotations or []
    rect = [float(side) for side in annotations[0].get_object()["/Rect"]]
    sides = [float(side) for side in box.split()]
    assert min(sides[0], sides[2]) < rect[0] < rect[2] < max(sides[0], sides[2])
    assert min(sides[1], sides[3]) < rect[1] < rect[3] < max(sides[1], sides[3])


def test_a_document_that_was_stamped_before_takes_another_stamp() -> None:
    document = pdf_document(any_pdf())
    again = replace(document, body=as_filed(document, any_ending(document)))

    assert len(notes_on(as_filed(again, any_ending(again)))) == 2


def test_what_was_not_approved_is_kept_as_it_was() -> None:
    document = pdf_document(any_pdf())

    for outcome in (Outcome.REJECTED, Outcome.EXPIRED):
        assert as_filed(document, any_ending(document, outcome=outcome)) == document.body


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ann@example.com", "a***@example.com"),
        ("Ann from\nsales", "Ann from sales"),
        ("山田", "山田"),
        ("arn:aws:sts::123456789012:assumed-role/Operator/ann@example.com", "a***@example.com"),
        ("arn:aws:iam::123456789012:user/ann", "ann"),
        ("a" * 100, "a" * 60),
    ],
)
def test_a_stamp_shows_who_it_was_and_no_address(name: str, shown: str) -> None:
    assert reduced(name) == shown


def test_a_stamp_names_everybody_whose_vote_counted() -> None:
    document = pdf_document(any_pdf())
    voices = (
        any_voice("ann@example.com"),
        any_voice("bob@example.com", answer=Answer.REJECT),
        any_voice("carl@example.com"),
    )

    stamped = as_filed(document, any_ending(document, voices=voices))

    assert notes_on(stamped)[0].splitlines()[2:5] == [
        "by a***@example.com",
        "by c***@example.com",
        "against it: b***@example.com",
    ]
    metadata: Any = PdfReader(io.BytesIO(stamped)).metadata
    assert metadata["/ApprovedBy"] == "a***@example.com; c***@example.com"


def test_a_name_that_was_given_in_the_channel_is_stamped_as_what_it_is() -> None:
    document = any_document()
    claimed = any_voice("Bob from legal", Via.CHANNEL)

    stamped = as_filed(document, any_ending(document, voices=(claimed,)))

    assert b"\nby the name given in the channel: Bob from legal  \n" in stamped


def test_nothing_in_a_name_is_markup_on_a_text() -> None:
    document = any_document()
    hostile = any_voice("<img src=x>&lt; [a](b) `c`", Via.CHANNEL)

    footer = as_filed(document, any_ending(document, voices=(hostile,)))[len(NOTES_TEXT) :]

    assert not set(b"<>[]`") & set(footer)
    assert html.unescape(footer.decode()).count("<img src=x>&lt; [a](b) `c`") == 1
