"""The entry point: what it loads, what it is told, and one batch through it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from functions.alerts.settings import Settings
from functions.shared import names
from tests.functions.alerts.fakes import FakeChannel, FakeQueue, FakeReasons, FakeToldAlerts
from tests.functions.alerts.messages import RUNBOOK, dead_letter_body, sqs_record

ENVIRON = {
    names.STAGE: "dev",
    names.JOB_TABLE_PARAMETER: "/durable-jobs/dev/job-table",
    names.ALERT_TABLE_NAME: "told",
    names.ALERT_QUEUE_URL: "https://sqs.eu-west-1.amazonaws.com/123456789012/alerts",
    names.ALERT_RETRY_BASE_SECONDS: "30",
    names.ALERT_RETRY_MAX_SECONDS: "900",
    names.SLACK_SECRET_ARN: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:webhook",
    names.RUNBOOK_URL: RUNBOOK,
}
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name, value in {**ENVIRON, "AWS_DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "functions.alerts.slack_notifier", raising=False)
    from functions.alerts import slack_notifier  # noqa: PLC0415  # reads its settings at import

    return slack_notifier


def test_only_what_could_not_be_told_goes_back_to_the_queue(
    entry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = FakeChannel(errors=[None, ValueError("any")])
    fakes = replace(
        entry.notifier,
        reasons=FakeReasons(),
        told=FakeToldAlerts(),
        channel=channel,
        queue=FakeQueue(),
    )
    monkeypatch.setattr(entry, "notifier", fakes)
    records = [sqs_record(dead_letter_body(f"job-{n}"), message_id=f"m-{n}") for n in range(3)]
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)

    answer = entry.handler({"Records": records}, context)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    assert len(channel.told) == 2


@pytest.mark.parametrize("missing", sorted(ENVIRON))
def test_a_missing_variable_is_a_failure_at_start(missing: str) -> None:
    environ = {name: value for name, value in ENVIRON.items() if name != missing}

    with pytest.raises(KeyError, match=missing):
        Settings.from_environ(environ)


def test_importing_the_notifier_loads_boto3_and_nothing_else_that_is_heavy() -> None:
    script = (
        "import json, sys; import functions.alerts.slack_notifier;"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    finished = subprocess.run(  # our own script
        [sys.executable, "-c", script],
        env={**ENVIRON, "AWS_DEFAULT_REGION": "eu-west-1"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    loaded = set(json.loads(finished.stdout))
    assert {"boto3", "botocore", "urllib3"} <= loaded
    assert loaded.isdisjoint(
        {"aws_durable_execution_sdk_python", "aws_lambda_powertools", "requests", "pydantic"}
    )


def test_the_pure_modules_load_no_aws() -> None:
    script = (
        "import sys; import functions.alerts.block_kit, functions.alerts.wording,"
        "functions.alerts.fingerprint;"
        "sys.exit('botocore' in sys.modules or 'urllib3' in sys.modules)"
    )

    subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, check=True, timeout=60
    )  # our own script
