"""What SES answers, and what that means for the mail."""

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from botocore.stub import Stubber

from functions.jobs import send_email
from functions.shared.mail import Mail
from functions.shared.mail_sender import (
    MailRejectedError,
    MailSenderUnfitError,
    MailServerUnreachableError,
    MailThrottledError,
    MailUnconfirmedError,
    SesMailSender,
)

MAIL = Mail(to=("ann@example.com",), subject="Héllo", text="Hello.", html="<p>Hello.</p>")


def ses() -> Any:
    return boto3.client("sesv2", config=Config(retries={"total_max_attempts": 1}))


def test_a_mail_reaches_ses_as_it_is() -> None:
    client = ses()
    with Stubber(client) as stub:
        stub.add_response(
            "send_email",
            {"MessageId": "0102"},
            {
                "FromEmailAddress": "jobs@example.com",
                "Destination": {"ToAddresses": ["ann@example.com"]},
                "Content": {
                    "Simple": {
                        "Subject": {"Data": "Héllo", "Charset": "UTF-8"},
                        "Body": {
                            "Text": {"Data": "Hello.", "Charset": "UTF-8"},
                            "Html": {"Data": "<p>Hello.</p>", "Charset": "UTF-8"},
                        },
                    }
                },
            },
        )

        assert SesMailSender(client, "jobs@example.com").send(MAIL) == "0102"


ANSWERS: dict[str, tuple[int, type[Exception]]] = {
    "MessageRejected": (400, MailRejectedError),
    "BadRequestException": (400, MailRejectedError),
    "MailFromDomainNotVerifiedException": (400, MailSenderUnfitError),
    "NotFoundException": (404, MailSenderUnfitError),
    "AccountSuspendedException": (400, MailSenderUnfitError),
    "SendingPausedException": (400, MailSenderUnfitError),
    "AccessDeniedException": (403, MailSenderUnfitError),
    "TooManyRequestsException": (429, MailThrottledError),
    "LimitExceededException": (400, MailThrottledError),
    "ThrottlingException": (400, MailThrottledError),
    "InternalServiceErrorException": (500, MailUnconfirmedError),
    "ServiceUnavailableException": (503, MailUnconfirmedError),
}


@pytest.mark.parametrize(("code", "answer"), ANSWERS.items(), ids=ANSWERS.keys())
def test_each_answer_of_ses_says_whether_the_mail_went_out(
    code: str, answer: tuple[int, type[Exception]]
) -> None:
    status, expected = answer
    client = ses()
    with Stubber(client) as stub:
        stub.add_client_error("send_email", code, "said so", http_status_code=status)

        with pytest.raises(expected, match="said so"):
            SesMailSender(client, "jobs@example.com").send(MAIL)


SILENCES: list[tuple[Exception, type[Exception]]] = [
    (EndpointConnectionError(endpoint_url="https://ses"), MailServerUnreachableError),
    (ConnectTimeoutError(endpoint_url="https://ses"), MailServerUnreachableError),
    (ReadTimeoutError(endpoint_url="https://ses"), MailUnconfirmedError),
    (ConnectionClosedError(endpoint_url="https://ses"), MailUnconfirmedError),
]


@pytest.mark.parametrize(("error", "expected"), SILENCES, ids=lambda value: str(value)[:30])
def test_a_silence_is_doubt_only_where_the_mail_may_have_left(
    error: Exception, expected: type[Exception]
) -> None:
    calls: list[str] = []

    def fail(request: Any, **_kwargs: Any) -> None:
        calls.append(request.url)
        raise error

    client = ses()
    client.meta.events.register("before-send.sesv2.SendEmail", fail)

    with pytest.raises(expected):
        SesMailSender(client, "jobs@example.com").send(MAIL)

    assert len(calls) == 1


def test_a_request_that_cannot_be_built_is_rejected_and_not_doubted() -> None:
    illegal: Any = 7

    with pytest.raises(MailRejectedError):
        SesMailSender(ses(), illegal).send(MAIL)


def test_the_jobs_own_client_never_sends_twice_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def fail(request: Any, **_kwargs: Any) -> None:
        calls.append(request.url)
        raise ReadTimeoutError(endpoint_url=request.url)

    events = send_email._ses.meta.events
    events.register("before-send.sesv2.SendEmail", fail, unique_id="silence")
    monkeypatch.setattr(send_email, "sender", SesMailSender(send_email._ses, "jobs@example.com"))

    with pytest.raises(MailUnconfirmedError):
        send_email.sender.send(MAIL)

    events.unregister("before-send.sesv2.SendEmail", unique_id="silence")
    assert len(calls) == 1
