"""What a payload holds stays in its row: not in Slack, not in a log, not in an error."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.deployed_jobs import SEND_EMAIL, STRANGER, DeployedJobs, mail

pytestmark = pytest.mark.platform

# Found nowhere else, so that finding it anywhere is a leak.
CANARY = "canary7f3a"
CARD = "4111111111111111"
SECRETS = {
    "password": f"{CANARY}-password",
    "token": f"{CANARY}-token",
    "secret": f"{CANARY}-secret",
    "card": CARD,
}


@pytest.fixture(scope="module")
def failed_jobs(deployed: DeployedJobs) -> list[str]:
    """Jobs that carry secrets and fail, each in another part of the system."""
    submitted = {
        # In the workflow, which does not know the fields.
        "leaky-fields": mail("leaky-fields", **SECRETS),
        # At SES, which declines the mail.
        "leaky-text": mail("leaky-text", to=STRANGER, text=json.dumps(SECRETS)),
        # In the workflow, which says what is wrong with the value.
        "leaky-address": mail("leaky-address", to=f"password={CANARY}-address"),
        "leaky-subject": mail("leaky-subject", subject=f"token={CANARY}-subject\n"),
    }
    for job_id, payload in submitted.items():
        deployed.jobs.submit(SEND_EMAIL, payload, job_id=job_id)
    # In the dispatcher, which cannot read the payload.
    deployed.put_row("leaky-json", payload=f'{{"password": "{CANARY}-json"')
    # In the claim, which compares two payloads.
    deployed.submit_mail("leaky-twin", dispatch="direct")
    deployed.invoke(
        {"job_id": "leaky-twin", "job_type": SEND_EMAIL, "payload": mail("leaky-twin", **SECRETS)}
    )
    deployed.invoke({"job_id": "leaky-twin", "job_type": SEND_EMAIL})
    told = [*submitted, "leaky-json", "leaky-twin"]
    deployed.alerts_once_quiet(*told)
    return told


def test_no_secret_of_a_payload_reaches_slack(
    deployed: DeployedJobs, failed_jobs: list[str]
) -> None:
    said = json.dumps(deployed.inbox()["slack"])

    assert all(job_id in said for job_id in failed_jobs)
    assert _found_in(said) == []


def test_no_secret_of_a_payload_reaches_the_error_of_its_row(
    deployed: DeployedJobs, failed_jobs: list[str]
) -> None:
    ended = [deployed.jobs.get(job_id) for job_id in failed_jobs if job_id != "leaky-twin"]

    assert all(job.error for job in ended)
    assert [job.error for job in ended if _found_in(repr(job.error))] == []


@pytest.mark.usefixtures("failed_jobs")
def test_no_secret_of_a_payload_reaches_a_log(deployed: DeployedJobs) -> None:
    logged = "\n".join([*_cloudwatch(deployed), _platform_log(deployed.state)])

    assert "leaky-fields" in logged
    assert _found_in(logged) == []


def _found_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if CANARY in line or CARD in line]


def _cloudwatch(deployed: DeployedJobs) -> list[str]:
    """Every line that a function has logged."""
    logs = deployed.endpoint.client("logs")
    groups: list[dict[str, Any]] = logs.describe_log_groups()["logGroups"]
    return [
        event["message"]
        for group in groups
        for page in logs.get_paginator("filter_log_events").paginate(
            logGroupName=group["logGroupName"]
        )
        for event in page["events"]
    ]


def _platform_log(state: Path) -> str:
    return (state / "ministack.log").read_text(encoding="utf-8", errors="replace")
