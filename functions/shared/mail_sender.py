"""Handing a mail to SES, and telling three answers apart: sent, surely not sent, nobody knows."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from botocore.config import Config
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

# Only these can be about one mail: its reader or its words. With any other refusal SES takes no
# mail of ours until a person has acted.
# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors
_OF_ONE_MAIL = frozenset({"BadRequestException", "MessageRejected"})
_NOT_VERIFIED = re.compile(r"\bis not verified\b", re.IGNORECASE)
# What follows is a list of addresses and domains, each as it was written in the request; it ends
# with an ellipsis where SES leaves some out.
# https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html
_FAILED_IDENTITIES = re.compile(r"failed the check in region\s[^:]*:(?P<list>.*)", re.DOTALL)
_WORD = re.compile(r"[^\s<>,;:\"'()]+")
# The request did not leave, or nobody was there to take it.
_NEVER_SENT = (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ProxyConnectionError,
    SSLError,
)


# For every client of SES. No retries: after a lost answer botocore would send the mail again
# without anyone knowing.
SES_CONFIG = Config(connect_timeout=3, read_timeout=15, retries={"total_max_attempts": 1})


class MailRejectedError(PermanentError):
    """SES does not take this mail, and its reader or its words are the reason."""


class MailSenderUnfitError(PermanentError):
    """SES takes no mail from this sender: not verified, paused, suspended, not allowed.

    Nobody who was to get one is to blame for it.
    """


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
            raise self._told_by_ses(error, mail) from error
        except ParamValidationError as error:
            raise MailRejectedError("the mail is not a legal request to SES") from error
        except _NEVER_SENT as error:
            raise MailServerUnreachableError(
                f"SES cannot be reached: {type(error).__name__}"
            ) from error
        except BotoCoreError as error:
            raise MailUnconfirmedError(f"SES did not answer: {type(error).__name__}") from error
        return answer["MessageId"]

    def _told_by_ses(self, error: ClientError, mail: Mail) -> Exception:
        code = error.response["Error"].get("Code", "")
        said = error.response["Error"].get("Message", "")
        message = f"{code}: {said}"
        if is_server_error(error):
            return MailUnconfirmedError(message)
        if is_throttle(error):
            return MailThrottledError(message)
        if code not in _OF_ONE_MAIL or self._is_about_us(said, mail):
            return MailSenderUnfitError(message)
        return MailRejectedError(message)

    def _is_about_us(self, said: str, mail: Mail) -> bool:
        """Whether what SES *said* is about the sender; in doubt no reader is blamed for it."""
        own = _identities(self._mail_from)
        if _NOT_VERIFIED.search(said):
            # In the sandbox, readers have to be verified too: then they alone are named.
            readers = {identity for to in mail.to for identity in _identities(to)} - own
            failed = _failed_identities(said)
            return not failed or not failed <= readers
        ours = {_bare(self._mail_from), *map(str.lower, self._events.values())}
        return "configuration set" in said.lower() or any(
            word.lower() in ours for word in _WORD.findall(said)
        )


def _failed_identities(said: str) -> set[str]:
    """The addresses and domains that SES names as not verified, in small letters.

    A name with a comma before an address leaves a piece that is no address, and so nobody's.
    """
    found = _FAILED_IDENTITIES.search(said)
    if found is None:
        return set()
    return {_bare(identity) for identity in found["list"].split(",") if identity.strip()}


def _identities(written: str) -> set[str]:
    """What can be verified for an address: itself, or its domain."""
    address = _bare(written)
    return {address, address.rpartition("@")[2]}


def _bare(written: str) -> str:
    """`Ann <ann@example.com>` is `ann@example.com`; a domain stays as it is."""
    text = written.strip().lower()
    return text.rpartition("<")[2].removesuffix(">").strip() if text.endswith(">") else text


def _tagged(tags: Mapping[str, str]) -> dict[str, Any]:
    named = [{"Name": name, "Value": value} for name, value in tags.items()]
    return {"EmailTags": named} if named else {}
