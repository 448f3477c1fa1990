"""send-email with a mail sender that remembers."""

import pytest

from functions.jobs import send_email
from tests.functions.jobs.fake_mail_sender import FakeMailSender


@pytest.fixture
def mail_sender(monkeypatch: pytest.MonkeyPatch) -> FakeMailSender:
    sender = FakeMailSender()
    monkeypatch.setattr(send_email, "sender", sender)
    return sender
