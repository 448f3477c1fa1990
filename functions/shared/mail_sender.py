"""Handing a mail to SES, and telling three answers apart: sent, surely not sent, nobody knows."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    SSLError,
)

from functions.shared.aws_errors import is_server_error, is_throttle
from functions.shared.errors import PermanentError, TransientError
from functions.shared.mail import Mail

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sesv2.type_defs import BodyTypeDef

# SES refuses every mail of ours, not this one; a person has to act first.
_SENDER_UNFIT = frozenset(
    {
        "AccessDeniedException",
        "AccountSuspendedException",
        "MailFromDomainNotVerifiedException",
        "NotFoundException",
        "SendingPausedException",
    }
)
# The request did not leave, or nobody was there to take it.
_NEVER_SENT = (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ProxyConnectionError,
    SSLError,
)


class MailRejectedError(PermanentError):
    """SES does not take this mail: a bad address, a bad message."""


class MailSenderUnfitError(PermanentError):
    """SES takes no mail from this sender: not verified, paused, suspended, not allowed."""


class MailThrottledError(TransientError):
    """SES did not take the mail now: over the rate or the quota."""


class MailServerUnreachableError(TransientError):
    """No connection to SES was made."""


class MailUnconfirmedError(TransientError):
    """The mail was handed over and no answer came: it may have gone out."""


class MailSender(Protocol):
    """Sends mails; SES knows no idempotency key, so each call may send another one."""

    def send(self, mail: Mail, tags: Mapping[str, str] | None = None) -> str:
        """Send *mail* and return the message id.

        Args:
            mail: What to send.
            tags: What SES's events about this mail are to carry: names and values of
                `[A-Za-z0-9_-]`, at most 256 characters each.

        Raises:
            MailUnconfirmedError: It may have gone out.
            PermanentError: It did not, and never will.
            TransientError: It did not; later it may.
        """
        ...


class SesMailSender:
    """`MailSender` with SES; its client must not retry by itself: a retry may send twice."""

    def __init__(
        self, client: "SESV2Client", mail_from: str, configuration_set: str | None = None
    ) -> None:
        self._client = client
        self._mail_from = mail_from
        # Without one, SES tells nobody what became of a mail.
        self._events: dict[str, Any] = (
            {"ConfigurationSetName": configuration_set} if configuration_set else {}
        )

    def send(self, mail: Mail, tags: Mapping[str, str] | None = None) -> str:
        body: BodyTypeDef = {"Text": {"Data": mail.text, "Charset": "UTF-8"}}
        if mail.html is not None:
            body["Html"] = {"Data": mail.html, "Charset": "UTF-8"}
        try:
            answer = self._client.send_email(
                FromEmailAddress=self._mail_from,
                **self._events,
                **_tagged(tags or {}),
                Destination={"ToAddresses": list(mail.to)},
                Content={
                    "Simple": {
                        "Subject": {"Data": mail.subject, "Charset": "UTF-8"},
                        "Body": body,
                    }
                },
            )
        except ClientError as error:
            raise _told_by_ses(error) from error
        except ParamValidationError as error:
            raise MailRejectedError("the mail is not a legal request to SES") from error
        except _NEVER_SENT as error:
            raise MailServerUnreachableError(
                f"SES cannot be reached: {type(error).__name__}"
            ) from error
        except BotoCoreError as error:
            raise MailUnconfirmedError(f"SES did not answer: {type(error).__name__}") from error
        return answer["MessageId"]


def _tagged(tags: Mapping[str, str]) -> dict[str, Any]:
    named = [{"Name": name, "Value": value} for name, value in tags.items()]
    return {"EmailTags": named} if named else {}


def _told_by_ses(error: ClientError) -> Exception:
    code = error.response["Error"].get("Code", "")
    message = f"{code}: {error.response['Error'].get('Message', '')}"
    if is_server_error(error):
        return MailUnconfirmedError(message)
    if is_throttle(error):
        return MailThrottledError(message)
    if code in _SENDER_UNFIT:
        return MailSenderUnfitError(message)
    return MailRejectedError(message)
