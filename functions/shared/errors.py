"""The two kinds of error a job can meet: one that another try may mend, one that it cannot.

The durable SDK loses an exception's class when it leaves a step and keeps only its qualified
name; `error_code` turns that name into the short code that the job's row and the alerts show.
"""

import re


class TransientError(Exception):
    """Worth another try: throttling, a timeout, an answer of 5xx."""


class PermanentError(Exception):
    """Not mended by another try: declined, invalid, not found."""


class MalformedPayloadError(PermanentError):
    """The payload is not what the job type takes."""


class JobNotFoundError(PermanentError):
    """An execution was started for a job that has no row."""


class PayloadMismatchError(PermanentError):
    """A direct invoke carried another payload than the job's row."""


class ClaimFailedError(TransientError):
    """The job could not be claimed, nor could it when tried again; nothing was done."""


class ResultNotRecordedError(TransientError):
    """The work was done and its result could not be written, nor could it when tried again."""


class ResultTooLargeError(PermanentError):
    """The workflow's result does not fit the row; put it into S3 and return a reference."""


_SUFFIX = re.compile(r"(Error|Exception)$")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


# botocore raises one class for nearly every refusal of AWS; which one it was, the message says.
_REFUSED_BY_AWS = "ClientError"
_AWS_CODE = re.compile(r"An error occurred \((?P<code>[A-Za-z0-9.]+)\)")


def error_code(error_type: str, message: str | None = None) -> str:
    """The code of an exception's name.

    `functions.jobs.send_email.MailRejectedError` becomes `mail_rejected`; what is
    a code already stays as it is. For botocore's `ClientError` it is AWS's own code, from the
    *message*: `access_denied`.
    """
    name = error_type.rpartition(".")[2]
    if name == _REFUSED_BY_AWS and (found := _AWS_CODE.match(message or "")):
        name = found["code"].rpartition(".")[2]
    bare = _SUFFIX.sub("", name) or name
    return _HUMP.sub("_", bare).lower()


# Starts that were turned away before the claim: the job itself is not to blame.
REFUSALS = frozenset(error_code(kind.__name__) for kind in (JobNotFoundError, PayloadMismatchError))
