"""A mail delivered once, by a service that takes no idempotency key.

Between handing the mail to SES and writing down its answer there is a moment in which a crash
leaves nobody knowing whether the mail went out. The intent written before makes that moment
visible; what to do then, the mail itself says. Everywhere else a repetition sends nothing.
"""

import logging

from botocore.exceptions import BotoCoreError, ClientError

from functions.jobs.delivery_intents import DeliveryIntents
from functions.jobs.mail import OnDoubt, RequestedMail
from functions.shared.errors import PermanentError, TransientError
from functions.shared.mail_sender import MailSender, MailUnconfirmedError
from functions.shared.start_event import JobRun

logger = logging.getLogger(__name__)


class DeliveryUnknownError(PermanentError):
    """Nobody knows whether the mail went out, and the job must not risk a second one."""


class JobLostError(PermanentError):
    """The job ended, or another attempt has it: this execution must not send anything."""


class DeliveryTakenError(TransientError):
    """Another run of the same step writes its intent at the same moment."""


def deliver_once(
    mail: RequestedMail, run: JobRun, *, sender: MailSender, intents: DeliveryIntents, token: str
) -> str:
    """Send *mail* unless it went out before, and return its message id.

    Args:
        mail: What to send.
        run: The attempt that sends it; it must own the job.
        sender: Whom to hand the mail to.
        intents: Where intents are written.
        token: A new one for each try, by which a try knows its own intent.
    """
    message_id = _declare(mail, run, intents=intents, token=token)
    if message_id is not None:
        return message_id
    try:
        message_id = sender.send(mail)
    except MailUnconfirmedError:
        if mail.on_doubt is OnDoubt.STOP:
            raise _delivery_unknown() from None
        raise
    except (PermanentError, TransientError):
        _withdraw(run, intents=intents, token=token)
        raise
    _answer(run, message_id, intents=intents, token=token)
    return message_id


def _declare(
    mail: RequestedMail, run: JobRun, *, intents: DeliveryIntents, token: str
) -> str | None:
    """Write the intent; the message id where the mail went out before."""
    intent = intents.declare(run, token)
    if intent is not None and intent.token != token and intent.message_id is None:
        if mail.on_doubt is OnDoubt.STOP:
            raise _delivery_unknown()
        logger.warning("mail sent again in doubt", extra={"job_id": run.job_id})
        intent = intents.declare(run, token, instead_of=intent.token)
    if intent is None:
        raise JobLostError("the job ended, or belongs to another attempt: nothing was sent")
    if intent.token != token and intent.message_id is None:
        raise DeliveryTakenError("another run of this step is about to send the mail")
    return intent.message_id


def _withdraw(run: JobRun, *, intents: DeliveryIntents, token: str) -> None:
    try:
        intents.withdraw(run, token)
    except (BotoCoreError, ClientError):
        # The refusal tells more than this; the intent left behind counts as doubt.
        logger.warning("intent not withdrawn", extra={"job_id": run.job_id}, exc_info=True)


def _answer(run: JobRun, message_id: str, *, intents: DeliveryIntents, token: str) -> None:
    try:
        intents.answer(run, token, message_id)
    except (BotoCoreError, ClientError):
        # The mail went out and the step's checkpoint will say so. Failing here instead
        # would make a repetition doubt what this one knows.
        logger.warning("answer not written down", extra={"job_id": run.job_id}, exc_info=True)


def _delivery_unknown() -> DeliveryUnknownError:
    return DeliveryUnknownError(
        "nobody knows whether the mail went out, and on_doubt is stop: look into the mailbox; "
        "a retry will not send it, so submit it as a new job if it is missing"
    )
