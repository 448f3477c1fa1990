"""The functions of the jobs family, with AWS behind them replaced by what remembers."""

from typing import Any

import pytest

from functions.jobs import dispatcher, recorder, send_email, watchdog
from functions.jobs.job_types import JobTypes
from functions.shared import names
from functions.shared.dead_letters import DeadLetters
from tests.functions.fake_mail_sender import FakeMailSender
from tests.functions.jobs.fake_aws import ALIAS_ARN, FakeLambda, FakeSns, FakeSsm


@pytest.fixture
def mail_sender(monkeypatch: pytest.MonkeyPatch) -> FakeMailSender:
    sender = FakeMailSender()
    monkeypatch.setattr(send_email, "sender", sender)
    return sender


@pytest.fixture
def fake_lambda(monkeypatch: pytest.MonkeyPatch) -> FakeLambda:
    fake = FakeLambda()
    for module in (dispatcher, recorder, watchdog):
        monkeypatch.setattr(module, "lambda_client", fake)
    return fake


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> FakeSns:
    fake: Any = FakeSns()
    for module in (dispatcher, recorder):
        monkeypatch.setattr(module, "dead_letters", DeadLetters(fake, "arn:topic"))
    told: FakeSns = fake
    return told


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> FakeSsm:
    """`send-email` is registered, with a quarter of an hour of delay."""
    fake: Any = FakeSsm(
        {
            names.job_types_path("test") + "/send-email": ALIAS_ARN,
            names.job_limits_path("test") + "/send-email": '{"max_delay_seconds": 900}',
        }
    )
    for module in (dispatcher, watchdog):
        job_types = JobTypes(
            fake,
            types_path=names.job_types_path("test"),
            limits_path=names.job_limits_path("test"),
        )
        monkeypatch.setattr(module, "job_types", job_types)
    parameters: FakeSsm = fake
    return parameters
