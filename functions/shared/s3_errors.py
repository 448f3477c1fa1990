"""What S3's refusals come to, whoever asked."""

from enum import Enum, auto

from botocore.exceptions import ClientError

from functions.shared.aws_errors import is_server_error, is_throttle

_MISSING = 404
_FORBIDDEN = 403
_CONFLICT = 409
_PRECONDITION_FAILED = 412


class S3Refusal(Enum):
    """Each is told in the words of the port that asked; anything else is raised as it is."""

    MISSING = auto()
    FORBIDDEN = auto()
    CONDITION_FAILED = auto()
    # Another write of the same key at the same moment; a socket that was too slow.
    BUSY = auto()


def s3_refusal(error: ClientError) -> S3Refusal | None:
    """None for throttles and server errors, which are botocore's to tell, and for the unforeseen.

    A bucket that is missing is no missing object: that is a mistake of the deployment.
    """
    code = error.response["Error"].get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if is_throttle(error) or is_server_error(error):
        return None
    if status == _MISSING and code != "NoSuchBucket":
        return S3Refusal.MISSING
    if status == _FORBIDDEN:
        return S3Refusal.FORBIDDEN
    if status == _PRECONDITION_FAILED:
        return S3Refusal.CONDITION_FAILED
    if status == _CONFLICT or code == "RequestTimeout":
        return S3Refusal.BUSY
    return None
