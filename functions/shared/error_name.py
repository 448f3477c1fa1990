"""An exception's name for a log line, without the message, which may quote anything."""

from botocore.exceptions import ClientError


def error_name(error: BaseException) -> str:
    """AWS's code and operation where it is AWS's error, else the class."""
    if isinstance(error, ClientError):
        return f"{error.response.get('Error', {}).get('Code', 'Unknown')} in {error.operation_name}"
    return type(error).__name__
