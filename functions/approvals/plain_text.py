"""Text and Markdown documents."""

from functions.approvals.document import (
    MAX_EXCERPT_LENGTH,
    DocumentUnfitError,
    Ending,
    Summary,
)
from functions.approvals.stamp import stamp_lines


def summarize_text(body: bytes) -> Summary:
    """Words, and how the text begins.

    Raises:
        DocumentUnfitError: It is not UTF-8 text, or there is none.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentUnfitError(
            f"the document must be UTF-8 text, and is not at byte {error.start}: convert it"
        ) from None
    if "\0" in text:
        raise DocumentUnfitError("the document must be UTF-8 text, and holds zero bytes")
    words = text.split()
    if not words:
        raise DocumentUnfitError("the document is empty")
    return Summary("words", len(words), None, excerpt(" ".join(words[:MAX_EXCERPT_LENGTH])))


def stamp_text(body: bytes, ending: Ending) -> bytes:
    """The text as it was, byte for byte, and the stamp after it."""
    # A paragraph of its own, also where Markdown would take the rule for a heading's underline.
    footer = "\n".join(["", "", "---", "", *(f"{line}  " for line in stamp_lines(ending)), ""])
    return body + footer.encode()


def excerpt(text: str) -> str:
    """*text* as one line, cut to what reviewers are shown."""
    line = " ".join(text.encode(errors="replace").decode().split())
    if len(line) <= MAX_EXCERPT_LENGTH:
        return line
    return f"{line[: MAX_EXCERPT_LENGTH - 1]}…"
