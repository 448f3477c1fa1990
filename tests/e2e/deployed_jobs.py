"""The real stacks on a platform, and what tests do with them in one line."""

import json
import re
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from functions.shared import names
from functions.shared.job import Job, JobStatus, canonical_json
from jobctl.client import JobClient
from jobctl.connection import Connection
from local import people
from local.documents import Documents
from local.endpoint import Endpoint
from local.shop import CURRENCY, RICH

Found = TypeVar("Found")

STAGE = "local"
SEND_EMAIL = "send-email"
ORDER_TYPES = ("order-transaction", "order-processing", "order-orchestration")
APPROVAL, ONBOARDING = "document-approval", "user-onboarding"
# SES's mailbox simulator takes any local part after the plus sign.
SIMULATOR = "success+{job_id}@simulator.amazonses.com"
# A new SES account is in the sandbox and declines addresses that nobody verified.
STRANGER = "stranger@example.net"
SLACK_SECRET = "durable-jobs/local/slack-webhook"  # noqa: S105  # its name, not the secret

# A noisy machine is slow; a lost job stays lost.
PATIENCE_SECONDS = 120.0
# An alert told twice would come within moments: both its messages are sent at once.
QUIET_SECONDS = 2.0


@dataclass
class DeployedJobs:
    """A producer's, an operator's and a reader's view of the deployed stacks."""

    endpoint: Endpoint
    state: Path

    @cached_property
    def jobs(self) -> JobClient:
        return JobClient.for_stage(
            STAGE,
            Connection(
                region=self.endpoint.region,
                endpoint_url=self.endpoint.url,
                access_key_id=self.endpoint.access_key_id,
                secret_access_key=self.endpoint.secret_access_key,
            ),
        )

    @cached_property
    def lambda_(self) -> Any:
        return self.endpoint.client("lambda", connections=32)

    @cached_property
    def dynamodb(self) -> Any:
        return self.endpoint.client("dynamodb")

    @cached_property
    def sqs(self) -> Any:
        return self.endpoint.client("sqs")

    @cached_property
    def table_name(self) -> str:
        return self.parameter(names.job_table_parameter(STAGE))

    @cached_property
    def alias_arn(self) -> str:
        """Where `send-email` is started."""
        return self.alias_arn_of(SEND_EMAIL)

    @property
    def function_name(self) -> str:
        return self.alias_arn.split(":")[6]

    def alias_arn_of(self, job_type: str) -> str:
        """Where jobs of this type are started."""
        return self.parameter(f"{names.job_types_path(STAGE)}/{job_type}")

    def alias_of(self, app: str) -> str:
        """What invokes the function that AWS calls know as *app*."""
        pages = self.lambda_.get_paginator("list_functions").paginate()
        [name] = [
            function["FunctionName"]
            for page in pages
            for function in page["Functions"]
            if function.get("Environment", {}).get("Variables", {}).get(names.APP_ID) == app
        ]
        return f"{name}:{names.LIVE_ALIAS}"

    def parameter(self, name: str) -> str:
        value: str = self.endpoint.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        return value

    def submit_mail(
        self,
        job_id: str,
        *,
        to: str = SIMULATOR,
        dispatch: Literal["direct"] | None = None,
        **fields: Any,
    ) -> None:
        """Submit a mail that names the job in its address, so that its calls can be told apart."""
        payload = mail(job_id, to=to, **fields)
        self.jobs.submit(SEND_EMAIL, payload, job_id=job_id, dispatch=dispatch)

    def submit_order(
        self,
        job_type: str,
        job_id: str,
        *,
        customer: str = RICH,
        sku: str = "tea",
        dispatch: Literal["direct"] | None = None,
    ) -> None:
        """Submit an order of one piece."""
        payload = an_order(customer=customer, sku=sku)
        self.jobs.submit(job_type, payload, job_id=job_id, dispatch=dispatch)

    def submit_document(
        self, job_id: str, *, dispatch: Literal["direct"] | None = None, **payload: Any
    ) -> None:
        """Submit a document; its reviewer's address names the job."""
        key = Documents(self.endpoint).upload(job_id, f"The document {job_id}.")
        reviewers = [SIMULATOR.format(job_id=job_id)]
        known = {"document": key, "title": f"Document {job_id}", "reviewers": reviewers}
        self.jobs.submit(APPROVAL, known | payload, job_id=job_id, dispatch=dispatch)

    def submit_newcomer(
        self,
        job_id: str,
        *,
        local_part: str = "success",
        language: str = "en",
        dispatch: Literal["direct"] | None = None,
    ) -> None:
        """Submit a new user, whose address names the job."""
        payload = {
            "email": f"{local_part}+{job_id}@simulator.amazonses.com",
            "name": "Ann",
            "language": language,
            "preferences": {"theme": "dark"},
            "notifications": {"weekly": True},
            "interests": ["tea"],
        }
        self.jobs.submit(ONBOARDING, payload, job_id=job_id, dispatch=dispatch)

    def ask_for_approval(self, job_id: str, **payload: Any) -> str:
        """Submit a document, and return the link that its reviewer gets."""
        self.submit_document(job_id, **payload)
        return self.link_to(job_id)

    def link_to(self, name: str) -> str:
        """The link in the mail to the one whose address has *name* after its plus sign."""

        def look() -> str | None:
            links = [people.link_in(sent) for sent in self.mails_to(name)]
            return next((link for link in links if link is not None), None)

        return eventually(look, what=f"a link to {name}")

    def mails_to(self, name: str) -> list[dict[str, Any]]:
        recipient = f"+{name}@simulator.amazonses.com"
        return [sent for sent in self.inbox()["mails"] if sent["to"][0].endswith(recipient)]

    def submit_later(self, job_id: str, *, seconds: float) -> None:
        """Submit a mail that may not be sent before some seconds have passed."""
        run_at = datetime.now(UTC) + timedelta(seconds=seconds)
        self.jobs.submit(SEND_EMAIL, mail(job_id), job_id=job_id, run_at=run_at)

    def put_row(self, job_id: str, **attributes: str) -> None:
        """Write a row by hand, as a producer without the client might write a wrong one."""
        created_at = "2026-01-31T09:00:00.000Z"
        row = {
            "job_id": job_id,
            "job_type": SEND_EMAIL,
            "status": "pending",
            "payload": canonical_json(mail(job_id)),
            "created_at": created_at,
            "open_status": "pending",
            "open_since": created_at,
        } | attributes
        self.dynamodb.put_item(
            TableName=self.table_name, Item={name: {"S": text} for name, text in row.items()}
        )

    def invoke(
        self,
        event: Mapping[str, Any],
        *,
        invocation_type: str = "RequestResponse",
        execution_name: str | None = None,
    ) -> dict[str, Any]:
        """Start `send-email` as a producer that does not leave it to the dispatcher."""
        named = {} if execution_name is None else {"DurableExecutionName": execution_name}
        answer: dict[str, Any] = self.lambda_.invoke(
            FunctionName=self.alias_arn,
            InvocationType=invocation_type,
            Payload=canonical_json(event).encode(),
            **named,
        )
        return answer

    def ended(self, job_id: str, *, seconds: float = PATIENCE_SECONDS) -> Job:
        """The job, once it has ended."""
        return self.jobs.wait(job_id, timeout=seconds)

    def reached(self, job_id: str, status: JobStatus) -> Job:
        """The job, once it is in *status*."""

        def look() -> Job | None:
            job = self.jobs.get(job_id)
            return job if job.status is status else None

        return eventually(look, what=f"{job_id} {status}")

    def execution_ended(self, arn: str) -> dict[str, Any]:
        """The execution, once it has ended."""

        def look() -> dict[str, Any] | None:
            execution: dict[str, Any] = self.lambda_.get_durable_execution(DurableExecutionArn=arn)
            return None if execution["Status"] == "RUNNING" else execution

        return eventually(look, what=f"the end of {arn}")

    def mails(self, job_id: str, *, to: str = SIMULATOR) -> int:
        """How many mails of the job went out."""
        recipient = to.format(job_id=job_id)
        return sum(recipient in sent["to"] for sent in self.inbox()["mails"])

    def alerts(self, job_id: str) -> list[str]:
        """The Slack messages that speak of the job, each as one text."""
        word = re.compile(rf"(?<![\w-]){re.escape(job_id)}(?![\w-])")
        messages = [json.dumps(entry["message"]) for entry in self.inbox()["slack"]]
        return [message for message in messages if word.search(message)]

    def alerts_once_quiet(self, *job_ids: str, at_least: int = 1) -> list[str]:
        """The Slack messages of the jobs, once nothing is on its way to Slack any more."""
        eventually(
            lambda: all(len(self.alerts(job_id)) >= at_least for job_id in job_ids) or None,
            what=f"{at_least} alerts of {', '.join(job_ids)}",
        )
        self.wait_until_quiet()
        return [alert for job_id in job_ids for alert in self.alerts(job_id)]

    def wait_until_quiet(self) -> None:
        """Wait until the alert queue has been empty for a while."""
        quiet_since = time.monotonic()

        def look() -> bool | None:
            nonlocal quiet_since
            if self.alerts_under_way():
                quiet_since = time.monotonic()
            return time.monotonic() - quiet_since > QUIET_SECONDS or None

        eventually(look, what="an empty alert queue")

    def alerts_under_way(self) -> int:
        """Messages in the alert queue: waiting, being read, or put off."""
        return self._length(self.stack_output("Alerts-local", "AlertQueueUrl"))

    def undelivered_alerts(self) -> int:
        """Messages that the notifier was given up on."""
        arn = self.stack_output("Alerts-local", "UndeliveredAlertsQueueArn")
        url = self.sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
        return self._length(url)

    def _length(self, queue_url: str) -> int:
        counts = self.sqs.get_queue_attributes(
            QueueUrl=queue_url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed",
            ],
        )["Attributes"]
        return sum(map(int, counts.values()))

    def stack_output(self, stack: str, key: str) -> str:
        if stack not in self._outputs:
            [found] = self.endpoint.client("cloudformation").describe_stacks(StackName=stack)[
                "Stacks"
            ]
            self._outputs[stack] = {
                output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]
            }
        return self._outputs[stack][key]

    @cached_property
    def _outputs(self) -> dict[str, dict[str, str]]:
        return {}

    def inbox(self) -> dict[str, Any]:
        document: dict[str, Any] = self.control("GET", "inbox.json")
        return document

    def expire(self, job_id: str, attempt: int = 1) -> None:
        """Let the time of the job's execution run out now."""
        self.control("POST", f"executions/{self.function_name}/{job_id}-{attempt}/expire")

    def control(self, method: str, path: str, document: Any = None) -> Any:
        """Ask the platform's own API."""
        request = urllib.request.Request(  # noqa: S310  # loopback
            f"{self.endpoint.url}/_local/{path}",
            method=method,
            data=None if document is None else json.dumps(document).encode(),
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # loopback
            return json.loads(answer.read() or b"null")


class Faults:
    """Faults for one test; those that struck can be counted afterwards."""

    def __init__(self, deployed: DeployedJobs) -> None:
        self._deployed = deployed

    def add(self, action: str, *, app: str = SEND_EMAIL, **rule: Any) -> str:
        """Add a rule and return its id; a rule without `times` strikes once."""
        fault = self._deployed.control("POST", "faults", {"action": action, "app": app} | rule)
        fault_id: str = fault["fault_id"]
        return fault_id

    def count(self, *, app: str = SEND_EMAIL, **rule: Any) -> str:
        """Add a rule that only counts the calls it would strike."""
        return self.add("delay", app=app, seconds=0, times=None, **rule)

    def applied(self, fault_id: str) -> int:
        """How often the rule has struck."""
        [applied] = [
            rule["applied"]
            for rule in self._deployed.control("GET", "faults")
            if rule["fault_id"] == fault_id
        ]
        return int(applied)

    def clear(self) -> None:
        self._deployed.control("DELETE", "faults")


def mail(job_id: str, *, to: str = SIMULATOR, **fields: Any) -> dict[str, Any]:
    """The payload of a `send-email` job."""
    return {
        "to": to.format(job_id=job_id),
        "subject": f"Job {job_id}",
        "text": "Sent end to end.",
    } | fields


def an_order(*, customer: str = RICH, sku: str = "tea") -> dict[str, Any]:
    """The payload of an order of one piece."""
    return {
        "customer_id": customer,
        "currency": CURRENCY,
        "items": [{"sku": sku, "quantity": 1, "unit_price": 250}],
    }


def eventually(
    look: Callable[[], Found | None], *, seconds: float = PATIENCE_SECONDS, what: str = "anything"
) -> Found:
    """What *look* finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds:g} s")
