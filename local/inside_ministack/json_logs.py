"""Logs of functions as Lambda's runtime writes them in JSON: one object a line, `extra` included.

MiniStack's workers leave Python's logging as it is, which drops INFO and every `extra`: a developer
would not see the job's id, and a test for secrets in logs would prove nothing.
https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
"""

import json
import logging
import os
import sys
import time
import traceback

# What every record has by itself; all else was given as `extra`.
_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "timestamp": f"{moment}.{int(record.msecs):03}Z",
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            kind, error, trace = record.exc_info
            line["errorType"] = kind.__name__
            line["errorMessage"] = str(error)
            line["stackTrace"] = "".join(traceback.format_tb(trace))
        extra = {name: item for name, item in vars(record).items() if name not in _OF_EVERY_RECORD}
        return json.dumps(line | extra, default=str)


def install() -> None:
    """Log so in a function's process; in any other, do nothing."""
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return
    # Standard output is MiniStack's way to talk to the process.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO)
