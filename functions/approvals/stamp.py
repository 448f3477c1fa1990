"""What is written on a document that was approved."""

from functions.approvals.document import Ending

_MAX_NAME_LENGTH = 60


def stamp_lines(ending: Ending) -> tuple[str, ...]:
    """The same lines for the same ending, so that a repetition stamps the same bytes.

    The digest is of the document as it was reviewed, before the stamp.
    """
    return (
        "APPROVED",
        f"{ending.at:%Y-%m-%d %H:%M:%S} UTC",
        f"by {reduced(ending.decided_by or 'the reviewers')}",
        f"sha256 {ending.sha256}",
        f"job {ending.job_id}",
    )


def reduced(name: str) -> str:
    """Enough of who decided for colleagues, and too little of an address to write to.

    Operators come as ARNs, of which the last part tells who it was.
    """
    last = " ".join(name.rpartition("/")[2].split())[:_MAX_NAME_LENGTH]
    mailbox, at, domain = last.rpartition("@")
    return f"{mailbox[:1]}***@{domain}" if at else last
