"""What reviewers are asked about a document."""

from functions.approvals.approval import ApprovalRequest
from functions.approvals.document import PreparedDocument
from functions.shared.asking import Asking
from functions.shared.errors import PermanentError
from functions.shared.question import MAX_TITLE_LENGTH, Kind


class ReviewersUnreachableError(PermanentError):
    """So few reviewers get mail that the document cannot be approved; it stays where it is."""


def review_of(request: ApprovalRequest, prepared: PreparedDocument) -> Asking:
    """The question; it says nothing that could differ on a replay."""
    summary = prepared.summary
    name = prepared.key.rpartition("/")[2]
    facts = [
        ("Document", prepared.key),
        *([("Read it here", request.read_at)] if request.read_at else []),
        (summary.measure.capitalize(), str(summary.count)),
        ("Size", f"{max(1, round(prepared.size / 1024))} KB"),
        ("SHA-256", prepared.sha256),
    ]
    if request.requester is not None and request.requester.address is not None:
        facts.append(("Requested by", request.requester.address))
    if summary.excerpt:
        facts.append(("Begins with", summary.excerpt))
    return Asking(
        name="approval",
        kind=Kind.APPROVAL,
        title=(request.title or summary.title or name)[:MAX_TITLE_LENGTH],
        people=request.reviewers,
        patience=request.patience,
        facts=tuple(facts),
        rule=request.rule,
        in_channel=request.in_channel,
        announce_to=(request.requester,) if request.requester else (),
        heartbeat=request.heartbeat,
    )
