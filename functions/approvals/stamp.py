"""What is written on a document that was approved."""

from collections.abc import Iterable

from functions.approvals.document import Ending, Voice
from functions.shared.question import YES, Via

_MAX_NAME_LENGTH = 60
# Beside the words that say what such a name is worth, on the same line.
_MAX_CLAIMED_LENGTH = 40


def stamp_lines(ending: Ending) -> tuple[str, ...]:
    """The same lines for the same ending, so that a repetition stamps the same bytes.

    The digest is of the document as it was reviewed, before the stamp.
    """
    return (
        "APPROVED",
        f"{ending.at:%Y-%m-%d %H:%M:%S} UTC",
        *(f"by {name}" for name in approvers(ending)),
        *(f"against it: {name}" for name in _names(ending.voices, said_yes=False)),
        f"sha256 {ending.sha256}",
        f"job {ending.job_id}",
    )


def approvers(ending: Ending) -> list[str]:
    """Everybody whose yes counted."""
    return _names(ending.voices, said_yes=True) or ["the reviewers"]


def _names(voices: Iterable[Voice], *, said_yes: bool) -> list[str]:
    return [_named(voice) for voice in voices if (voice.answer in YES) is said_yes]


def _named(voice: Voice) -> str:
    if voice.via is Via.CHANNEL:
        name = " ".join(voice.by.split())[:_MAX_CLAIMED_LENGTH]
        return f"the name given in the channel: {name}"
    return reduced(voice.by)


def reduced(name: str) -> str:
    """Enough of who decided for colleagues, and too little of an address to write to.

    Operators come as ARNs, of which the last part tells who it was.
    """
    last = " ".join(name.rpartition("/")[2].split())[:_MAX_NAME_LENGTH]
    mailbox, at, domain = last.rpartition("@")
    return f"{mailbox[:1]}***@{domain}" if at else last
