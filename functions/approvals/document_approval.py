"""The job type `document-approval`: people say yes or no to a document, which then goes its way.

An approval is worth what was reviewed: it counts for the attempt that asked, and for the bytes that
it asked about. What outlives an attempt that was interrupted is an ending that is on record in the
bucket; without one, the next attempt reads the document anew and asks again.
"""

from aws_durable_execution_sdk_python import DurableContext

from functions.approvals.approval import ApprovalRequest
from functions.approvals.document import Approved, Archived, result_of
from functions.approvals.document_steps import (
    FILING,
    PREPARING,
    archive,
    breaking_documents,
    finalize,
    finish_earlier,
    prepare,
)
from functions.approvals.review import ReviewersUnreachableError, review_of
from functions.shared.asking import ask
from functions.shared.durable_job import durable_job, job_run
from functions.shared.question import Answer


@durable_job
def handler(request: ApprovalRequest, context: DurableContext) -> Approved | Archived:
    """Prepare the document, ask, and do what the answer says; silence archives it."""
    run = job_run(context)
    with breaking_documents():
        if run.attempt > 1:
            ended = context.step(
                finish_earlier(request.document, run), name="finish-earlier-ending", config=FILING
            )
            if ended is not None:
                return result_of(ended)

        prepared = context.step(
            prepare(request.document, run), name="prepare-document", config=PREPARING
        )
        decision = ask(review_of(request, prepared), context)

        if decision is not None and decision.answer is Answer.UNREACHABLE:
            raise ReviewersUnreachableError("too few reviewers get mail: correct their addresses")
        if decision is not None and decision.is_yes:
            filed = context.step(
                finalize(prepared, decision, run), name="finalize-document", config=FILING
            )
        else:
            filed = context.step(
                archive(prepared, decision, run), name="archive-document", config=FILING
            )
    return result_of(filed)
