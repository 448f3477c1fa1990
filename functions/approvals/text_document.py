"""Text and Markdown documents."""

import re

from functions.approvals.document import (
    MAX_EXCERPT_LENGTH,
    DocumentUnfitError,
    Ending,
    Summary,
)
from functions.approvals.stamp import stamp_lines

# So much of a text shows whether spaces stand between its words.
_SAMPLE_LENGTH = 10_000
# Thai, Lao, Burmese and Khmer; kana; Chinese characters.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]"
)
# What Markdown takes for markup, as what HTML shows as itself.
_AS_ENTITIES = str.maketrans({character: f"&#{ord(character)};" for character in "<>&[]`"})


def summarize_text(body: bytes) -> Summary:
    """Words, or characters where none stand apart, and how the text begins.

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
    measure, count = ("words", len(words))
    if _is_unspaced(text):
        measure, count = ("characters", sum(map(len, words)))
    return Summary(measure, count, None, excerpt(" ".join(words[:MAX_EXCERPT_LENGTH])))


def stamp_text(body: bytes, ending: Ending) -> bytes:
    """The text as it was, byte for byte, and the stamp after it."""
    lines = [f"{line.translate(_AS_ENTITIES)}  " for line in stamp_lines(ending)]
    # A paragraph of its own, also where Markdown would take the rule for a heading's underline.
    footer = "\n".join(["", "", "---", "", *lines, ""])
    return body + footer.encode()


def excerpt(text: str) -> str:
    """*text* as one line, cut to what reviewers are shown."""
    line = " ".join(text.encode(errors="replace").decode().split())
    if len(line) <= MAX_EXCERPT_LENGTH:
        return line
    return f"{line[: MAX_EXCERPT_LENGTH - 1]}…"


def _is_unspaced(text: str) -> bool:
    sample = "".join(text[:_SAMPLE_LENGTH].split())
    return 2 * len(_UNSPACED.findall(sample)) > len(sample)
