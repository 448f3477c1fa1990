"""Functions log on the local platform as they do in Lambda."""

import json
import logging
import os
import subprocess
import sys
from typing import Any

from local.inside_ministack.json_logs import JsonFormatter
from local.ministack import PROJECT


def test_a_line_is_one_object_with_what_was_given_as_extra() -> None:
    record = logging.makeLogRecord(
        {"name": "dispatcher", "levelname": "INFO", "msg": "job %s", "args": ("a",), "job_id": "a"}
    )

    line: dict[str, Any] = json.loads(JsonFormatter().format(record))

    assert line.pop("timestamp").endswith("Z")
    assert line == {"level": "INFO", "message": "job a", "logger": "dispatcher", "job_id": "a"}


def test_an_error_comes_with_its_type_its_message_and_its_trace() -> None:
    try:
        int("x")
    except ValueError:
        record = logging.makeLogRecord({"msg": "broke", "exc_info": sys.exc_info()})

    line = json.loads(JsonFormatter().format(record))

    assert line["errorType"] == "ValueError"
    assert "invalid literal" in line["errorMessage"]
    assert "test_json_logs" in line["stackTrace"]


def test_only_the_process_of_a_function_logs_so() -> None:
    program = (
        "from local.inside_ministack import json_logs; json_logs.install()\n"
        "import logging; logging.getLogger('work').info('done', extra={'job_id': 'a'})"
    )

    said = {
        name: subprocess.run(
            [sys.executable, "-c", program],
            cwd=PROJECT,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stderr
        for name, environ in (("function", {"AWS_LAMBDA_FUNCTION_NAME": "f"}), ("other", {}))
    }

    assert json.loads(said["function"])["job_id"] == "a"
    assert said["other"] == ""
