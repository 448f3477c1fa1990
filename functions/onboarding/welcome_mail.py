"""The mail that welcomes somebody, sent once for a job however often the job is tried.

Whoever submits the job chooses what it says of them, and nothing of that leads anywhere.
"""

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3
from aws_durable_execution_sdk_python import DurableContext, StepContext, StepError
from aws_durable_execution_sdk_python.config import StepConfig

from functions.onboarding.accounts import Account
from functions.onboarding.profile_setup import ProfileSetup
from functions.onboarding.profiles import Part
from functions.onboarding.registration import Registration, Setting
from functions.onboarding.welcome_content import choose_topics
from functions.shared import asking, names
from functions.shared import durable_job as job_function
from functions.shared.durable_job import job_run
from functions.shared.failures import code_of
from functions.shared.mail import Mail
from functions.shared.mail_ledger import MailLedger
from functions.shared.mail_sender import SES_CONFIG, SesMailSender
from functions.shared.plain_text import leads_somewhere
from functions.shared.question_table import now
from functions.shared.retries import PATIENTLY

if TYPE_CHECKING:
    from functions.shared.mail_templates import MailTemplates


@dataclass(frozen=True, slots=True)
class Settings:
    """What this job type reads to send mails."""

    mail_from: str
    configuration_set: str
    doubt: timedelta

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(
            mail_from=environ[names.MAIL_FROM],
            configuration_set=environ[names.MAIL_CONFIGURATION_SET],
            doubt=timedelta(seconds=float(environ[names.MAIL_DOUBT_SECONDS])),
        )


settings = Settings.from_environ(os.environ)
_ses = boto3.client("sesv2", config=SES_CONFIG)
ledger = MailLedger(
    job_function.dynamodb,
    asking.settings.question_table_name,
    SesMailSender(_ses, settings.mail_from, settings.configuration_set),
    doubt=settings.doubt,
    now=now,
)

# Also through the doubt about a mail that may be on its way.
_WELCOMING = StepConfig(retry_strategy=PATIENTLY)
_TEMPLATE = "welcome"


def welcome(
    account: Account, registration: Registration, setup: ProfileSetup, context: DurableContext
) -> None:
    """Send the mail.

    Raises:
        ProfileIncompleteError: It was not sent, and neither is the profile complete: both are told.
    """
    job_id = job_run(context).job_id
    # Without the attempt: it is one mail for all of them. With the account: the job's id may come
    # again, and the ledger remembers for longer than the row.
    mail = f"{_TEMPLATE}-{account.account_id}"
    try:
        context.step(
            _send(job_id, mail, registration, setup), name="send-welcome-mail", config=_WELCOMING
        )
    except StepError as error:
        setup.require_complete(f"the welcome mail ({code_of(error)})")
        raise


def _send(
    job_id: str, mail: str, registration: Registration, setup: ProfileSetup
) -> Callable[[StepContext], str]:
    def send(_step: StepContext) -> str:
        return ledger.send_once(job_id, mail, welcome_mail(registration, setup), {})

    return send


def welcome_mail(registration: Registration, setup: ProfileSetup) -> Mail:
    """Welcome somebody, and say what was set up for them: of what failed, nothing."""
    return _templates().mail(
        _TEMPLATE,
        registration.language,
        to=registration.email,
        values=_values(registration, setup),
    )


def _values(registration: Registration, setup: ProfileSetup) -> dict[str, Any]:
    contents: dict[Part, Any] = {
        Part.PREFERENCES: _shown(registration.preferences),
        Part.NOTIFICATIONS: _shown(registration.notifications),
        Part.WELCOME_CONTENT: choose_topics(registration.interests),
    }
    return {
        "name": None if leads_somewhere(registration.name) else registration.name,
        **{part.value: content for part, content in contents.items() if part in setup.done},
    }


def _shown(settings: Mapping[str, Setting]) -> dict[str, Setting | None]:
    """The settings as the mail shows them: None says that there is a value."""
    return {
        name: None if isinstance(value, str) and leads_somewhere(value) else value
        for name, value in settings.items()
        if not leads_somewhere(name)
    }


@functools.cache
def _templates() -> "MailTemplates":
    """Made on first use: most invocations of an onboarding write no mail."""
    from functions.shared.mail_templates import MailTemplates  # noqa: PLC0415  # see above

    return MailTemplates(Path(__file__).parent / "templates")
