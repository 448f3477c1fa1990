"""Texts of others made harmless for whoever reads them: nothing hidden, nothing turned around."""

import re
import unicodedata

# Stands where something was that cannot be seen, so that the reader knows.
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# They join letters and emoji, and turn nothing around.
_JOINERS = frozenset("\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}")
# Controls, direction marks and other formatting, halves of surrogate pairs, private letters.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})

# Whoever signs somebody else up chooses what is said of them. With one of these in it, it could
# be an advertisement, or lead to one.
_LEADS_SOMEWHERE = re.compile(r"[:/@\\]|www\.|\w\.\w", re.IGNORECASE)


def leads_somewhere(text: str) -> bool:
    """Whether a reader's mail program could take *text*, or a part of it, for a link."""
    return _LEADS_SOMEWHERE.search(text) is not None


def one_line(text: str, most: int) -> str:
    """*text* in one line of at most *most* characters; what was cut shows as an ellipsis."""
    seen = " ".join(_seen(text, keep="").split())
    return seen if len(seen) <= most else seen[: most - 1] + "…"


def lines(text: str) -> str:
    """*text* with its line breaks, whichever way they were written."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    return _seen(unified, keep="\n").strip()


def _seen(text: str, keep: str) -> str:
    return "".join(
        character
        if character in keep or character in _JOINERS
        else " "
        if character.isspace()
        else REPLACEMENT
        if unicodedata.category(character) in _UNSEEN
        else character
        for character in text
    )
