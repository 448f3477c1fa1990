"""Summaries and stamps of documents, whatever kind they are."""

from functions.approvals.document import (
    Document,
    DocumentUnfitError,
    Ending,
    Kind,
    Outcome,
    Summary,
)
from functions.approvals.text_document import stamp_text, summarize_text


def summarize(document: Document) -> Summary:
    """What reviewers are told of a document.

    Raises:
        DocumentUnfitError: It is not what its name says, or not fit to be reviewed.
    """
    match Kind.of(document.key):
        case Kind.PDF:
            from functions.approvals import pdf  # noqa: PLC0415  # 0.3 s that replays need not pay

            return pdf.summarize_pdf(document.body)
        case Kind.TEXT:
            return summarize_text(document.body)
        case _:
            raise DocumentUnfitError(f"the document must end with {', '.join(Kind.suffixes())}")


def as_filed(document: Document, ending: Ending) -> bytes:
    """The bytes that are kept in the end: stamped where the document was approved."""
    if ending.outcome is not Outcome.APPROVED:
        return document.body
    if Kind.of(document.key) is Kind.PDF:
        from functions.approvals import pdf  # noqa: PLC0415  # likewise

        return pdf.stamp_pdf(document.body, ending)
    return stamp_text(document.body, ending)
