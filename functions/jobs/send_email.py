"""The job type `send-email`: one mail, sent once."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self
from uuid import uuid4

import boto3
from aws_durable_execution_sdk_python import DurableContext, StepContext
from aws_durable_execution_sdk_python.config import StepConfig

from functions.jobs.delivery import deliver_once
from functions.jobs.delivery_intents import DeliveryIntents, RowDeliveryIntents
from functions.jobs.mail import RequestedMail
from functions.shared import durable_job as job_function
from functions.shared import names
from functions.shared.durable_job import durable_job, job_run
from functions.shared.mail_sender import SES_CONFIG, MailSender, SesMailSender
from functions.shared.retries import PATIENTLY
from functions.shared.start_event import JobRun


@dataclass(frozen=True, slots=True)
class Settings:
    """What this job type reads besides the settings of every job."""

    mail_from: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(mail_from=environ[names.MAIL_FROM])


@dataclass(frozen=True, slots=True)
class Receipt:
    """What SES calls the mail, for whoever looks for it there."""

    message_id: str


settings = Settings.from_environ(os.environ)
_ses = boto3.client("sesv2", config=SES_CONFIG)
sender: MailSender = SesMailSender(_ses, settings.mail_from)
intents: DeliveryIntents = RowDeliveryIntents(
    job_function.dynamodb, job_function.settings.job_table_name
)

SENDING = StepConfig(retry_strategy=PATIENTLY)


@durable_job
def handler(mail: RequestedMail, context: DurableContext) -> Receipt:
    """Send the mail and tell what SES calls it."""
    message_id = context.step(send(mail, job_run(context)), name="send-email", config=SENDING)
    return Receipt(message_id)


def send(mail: RequestedMail, run: JobRun) -> Callable[[StepContext], str]:
    def send(_step: StepContext) -> str:
        return deliver_once(mail, run, sender=sender, intents=intents, token=uuid4().hex)

    return send
