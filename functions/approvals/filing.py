"""How a review ends in the bucket: once, whatever breaks and however often it is repeated.

The record of the ending is written first, and only if there is none: from then on the ending is
what it says, and everything else follows from it. So a repetition, and the next attempt at the job,
finish what the record tells, with its time in the stamp; the document is put only if it is not
there, and the incoming one is taken away only while it is the reviewed one.

A record outlasts the row of its job, and a later job may have the same id. So a record counts only
for the submission that it names; another one's stays, and the job fails.
"""

from collections.abc import Callable
from datetime import datetime

from functions.approvals.document import (
    Document,
    DocumentChangedError,
    DocumentConflictError,
    Ending,
    Outcome,
    PreparedDocument,
    Summary,
    Voice,
    records_of,
)
from functions.approvals.documents import DocumentNotFoundError, Documents
from functions.approvals.papers import as_filed, summarize
from functions.shared.question import Decision

Clock = Callable[[], datetime]


def prepare(
    documents: Documents, job_id: str, submission: str, key: str, now: Clock
) -> PreparedDocument:
    """Read the document, check it, and say what it is.

    Raises:
        DocumentNotFoundError: There is none.
        DocumentUnfitError: It cannot be reviewed, or would take no stamp: nobody is asked in vain.
        DocumentConflictError: Something is filed under the job's id: likewise.
    """
    document = documents.read(key)
    summary: Summary = summarize(document)
    prepared = PreparedDocument.of(document, summary, submission)
    as_filed(document, _ending(document, job_id, submission, Outcome.APPROVED, None, now()))
    if any(documents.has(place) for place in records_of(job_id, key)):
        raise _conflict()
    return prepared


def finalize(
    documents: Documents, job_id: str, prepared: PreparedDocument, decision: Decision, now: Clock
) -> Ending:
    """Stamp the document and move it to its final place.

    Raises:
        DocumentChangedError: It is not what was reviewed any more.
        DocumentConflictError: Its place is taken.
    """
    ended = _finish_begun(documents, job_id, prepared)
    if ended is not None:
        return ended
    # As it is now, not as it was: who uploads another one wants that one approved.
    document = _reviewed(documents.read(prepared.key), prepared)
    return _file(documents, document, job_id, prepared, Outcome.APPROVED, decision, now)


def archive(
    documents: Documents,
    job_id: str,
    prepared: PreparedDocument,
    decision: Decision | None,
    now: Clock,
) -> Ending:
    """Put what was reviewed aside, even where another one was uploaded meanwhile, which stays.

    Raises:
        DocumentConflictError: Its place is taken.
    """
    ended = _finish_begun(documents, job_id, prepared)
    if ended is not None:
        return ended
    document = _reviewed(documents.read(prepared.key, prepared.version_id), prepared)
    outcome = Outcome.EXPIRED if decision is None else Outcome.REJECTED
    return _file(documents, document, job_id, prepared, outcome, decision, now)


def finish_earlier(documents: Documents, job_id: str, submission: str, key: str) -> Ending | None:
    """Finish what an earlier attempt had begun to file; None where it had not.

    Raises:
        DocumentConflictError: Another job of this id had.
    """
    ending = _recorded(documents, job_id, key)
    if ending is None:
        return None
    if (ending.submission, ending.source) != (submission, key):
        raise _conflict()
    return _finish(documents, ending)


def _finish_begun(documents: Documents, job_id: str, prepared: PreparedDocument) -> Ending | None:
    """Finish what a try that was interrupted had begun to file; None where it had not."""
    ending = _recorded(documents, job_id, prepared.key)
    return None if ending is None else _finish(documents, _own(ending, prepared))


def _recorded(documents: Documents, job_id: str, key: str) -> Ending | None:
    for place in records_of(job_id, key):
        try:
            return Ending.from_json(documents.read(place).body)
        except DocumentNotFoundError:
            continue
        except (ValueError, LookupError, TypeError):
            # It was not written by a job such as this one.
            raise _conflict() from None
    return None


def _own(ending: Ending, prepared: PreparedDocument) -> Ending:
    recorded = (ending.submission, ending.source, ending.sha256)
    if recorded != (prepared.submission, prepared.key, prepared.sha256):
        raise _conflict()
    return ending


def _conflict() -> DocumentConflictError:
    return DocumentConflictError(
        "the job's id was used for another document before: submit it under a new id"
    )


def _finish(documents: Documents, ending: Ending) -> Ending:
    if not documents.has(ending.document):
        document = documents.read(ending.source, ending.version_id)
        if document.sha256 != ending.sha256:
            raise DocumentChangedError("the reviewed document is not in the bucket any more")
        documents.put_once(ending.document, as_filed(document, ending), _metadata(ending))
    documents.remove(ending.source, ending.etag)
    return ending


def _reviewed(document: Document, prepared: PreparedDocument) -> Document:
    if document.sha256 != prepared.sha256:
        raise DocumentChangedError(
            "the document was changed while it was reviewed: nothing was finalized; "
            "retry the job to have the new one reviewed"
        )
    return document


def _file(
    documents: Documents,
    document: Document,
    job_id: str,
    prepared: PreparedDocument,
    outcome: Outcome,
    decision: Decision | None,
    now: Clock,
) -> Ending:
    ending = _ending(document, job_id, prepared.submission, outcome, decision, now())
    # Before anything is written: what takes no stamp ends nothing.
    body = as_filed(document, ending)
    if not documents.put_once(ending.record, ending.to_json(), _metadata(ending)):
        # Our own write whose answer was lost, or an earlier attempt that was not quite dead.
        standing = Ending.from_json(documents.read(ending.record).body)
        return _finish(documents, _own(standing, prepared))
    documents.put_once(ending.document, body, _metadata(ending))
    documents.remove(ending.source, ending.etag)
    return ending


def _ending(
    document: Document,
    job_id: str,
    submission: str,
    outcome: Outcome,
    decision: Decision | None,
    at: datetime,
) -> Ending:
    # An operator's decision rests on no votes.
    votes = () if decision is None else decision.votes or (decision,)
    return Ending(
        job_id=job_id,
        submission=submission,
        outcome=outcome,
        at=at,
        source=document.key,
        version_id=document.version_id,
        etag=document.etag,
        sha256=document.sha256,
        decided_by=decision.act.by if decision else None,
        via=decision.act.via if decision else None,
        comment=decision.act.comment if decision else None,
        voices=tuple(Voice.of(vote) for vote in votes),
    )


def _metadata(ending: Ending) -> dict[str, str]:
    """For whoever finds the object; who decided and why is in the record, which takes any text."""
    return {
        "job-id": ending.job_id,
        "outcome": ending.outcome.value,
        "ended-at": ending.to_event()["at"],
        "sha256": ending.sha256,
    }
