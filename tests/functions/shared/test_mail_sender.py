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
    # No code that SES is known for: whatever it is, no reader is to blame.
    "UnrecognizedClientException": (403, MailSenderUnfitError),
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


def answer_to(mail: Mail, code: str, said: str, mail_from: str = "jobs@example.com") -> Exception:
    """What becomes of a refusal of SES."""
    client = ses()
    with Stubber(client) as stub:
        stub.add_client_error("send_email", code, said, http_status_code=400)
        with pytest.raises((MailRejectedError, MailSenderUnfitError)) as refused:
            SesMailSender(client, mail_from, "mail-events").send(mail)
    return refused.value


NOT_VERIFIED = "Email address is not verified."
FAILED = f"{NOT_VERIFIED} The following identities failed the check in region EU-WEST-1: "


@pytest.mark.parametrize(
    ("mail_from", "said"),
    [
        ("jobs@example.com", f"{FAILED}jobs@example.com"),
        ("Jobs@Example.com", f"{FAILED}ann@example.com, JOBS@EXAMPLE.COM"),
        ("jobs@example.com", f"{FAILED}Jobs <jobs@example.com>, ann@example.com"),
        ("Jobs <jobs@example.com>", f"{FAILED}jobs@example.com"),
        ('"Jobs, Ltd" <jobs@example.com>', f'{FAILED}"Jobs, Ltd" <jobs@example.com>'),
        # The domain of both: nobody's reader is to blame for the sender's.
        ("jobs@example.com", f"{FAILED}example.com"),
        # SES leaves some out, or names none.
        ("jobs@example.com", f"{FAILED}ann@example.com, ..."),
        ("jobs@example.com", NOT_VERIFIED),
        # Somebody else, who is neither.
        ("jobs@example.com", f"{FAILED}other@example.org"),
    ],
)
def test_a_sender_that_is_not_verified_is_no_fault_of_the_reader(mail_from: str, said: str) -> None:
    refused = answer_to(MAIL, "MessageRejected", said, mail_from)

    assert isinstance(refused, MailSenderUnfitError)


@pytest.mark.parametrize(
    "said",
    [f"{FAILED}ann@example.org", f"{FAILED}Ann <ANN@example.org>", f"{FAILED}example.org"],
)
def test_a_reader_who_is_not_verified_in_the_sandbox_gets_no_mail_and_others_do(said: str) -> None:
    to_ann = Mail(to=("Ann@example.org",), subject="Hello", text="Hello.")

    assert isinstance(answer_to(to_ann, "MessageRejected", said), MailRejectedError)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Invalid domain name: 'ann@-'", MailRejectedError),
        ("Message contains invalid content", MailRejectedError),
        ("Illegal address: njobs@example.com", MailRejectedError),
        ("Illegal address: <jobs@example.com>", MailSenderUnfitError),
        ("Configuration set does not exist", MailSenderUnfitError),
        ("'mail-events' is paused", MailSenderUnfitError),
    ],
)
def test_what_names_our_own_sender_or_settings_is_no_fault_of_the_reader(
    said: str, expected: type[Exception]
) -> None:
    for code in ("BadRequestException", "MessageRejected"):
        assert type(answer_to(MAIL, code, said)) is expected


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
