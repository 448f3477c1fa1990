"""Finding AWS, or the platform on this machine."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from jobctl.client import JobClient
from jobctl.connection import Connection
from jobctl.errors import JobClientError, UnreachableError

PLATFORM = {
    "endpoint": "http://127.0.0.1:1",
    "region": "eu-west-1",
    "account": "123456789012",
    "access_key_id": "local",
    "secret_access_key": "s3cret",
    "inbox": "http://127.0.0.1:1/_local/inbox",
    "pid": 1,
}


def write_platform(folder: Path, text: str) -> None:
    (folder / ".local").mkdir()
    (folder / ".local/platform.json").write_text(text)


def test_the_platform_is_found_from_a_folder_below(tmp_path: Path) -> None:
    write_platform(tmp_path, json.dumps(PLATFORM))
    below = tmp_path / "functions/jobs"
    below.mkdir(parents=True)

    connection = Connection.to_platform(below)

    assert connection.place == "http://127.0.0.1:1"
    assert connection.inbox == "http://127.0.0.1:1/_local/inbox"
    assert connection.dynamodb.meta.endpoint_url == "http://127.0.0.1:1"
    assert "s3cret" not in repr(connection)


def test_a_platform_that_does_not_run_is_said_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=r"not running .* `make up`"):
        Connection.to_platform(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"region": "eu-west-1"}'])
def test_a_broken_platform_file_is_said_with_the_fix(tmp_path: Path, text: str) -> None:
    write_platform(tmp_path, text)

    with pytest.raises(UnreachableError, match="`make up`"):
        Connection.to_platform(tmp_path)


def test_a_platform_that_has_stopped_is_unreachable(tmp_path: Path) -> None:
    write_platform(tmp_path, json.dumps(PLATFORM))

    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1.*`make up` runs"):
        JobClient.for_platform(Connection.to_platform(tmp_path))


@pytest.fixture
def platform(told: dict[str, object]) -> Iterator[str]:
    """A platform that says nothing but its time."""

    class Clock(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/_local/clock"
            self.send_response(HTTPStatus.OK)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Clock)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def told() -> dict[str, object]:
    return {"advanced_seconds": 86_400.0}


def test_the_time_is_that_of_the_platform(platform: str) -> None:
    ahead = Connection(endpoint_url=platform).now() - datetime.now(UTC)

    assert abs(ahead - timedelta(days=1)) < timedelta(seconds=5)


def test_the_time_of_aws_is_this_machines() -> None:
    assert abs(Connection().now() - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize("told", [{}, {"advanced_seconds": "a day"}])
def test_a_platform_that_does_not_tell_its_time_is_said_with_the_fix(platform: str) -> None:
    with pytest.raises(UnreachableError, match=r"does not tell its time.*make up"):
        Connection(endpoint_url=platform).now()


def test_a_platform_that_is_gone_does_not_tell_its_time() -> None:
    with pytest.raises(UnreachableError, match="does not tell its time"):
        Connection(endpoint_url="http://127.0.0.1:1").now()


def test_the_region_is_found_where_the_aws_tools_look_for_it() -> None:
    assert Connection.to_aws({"AWS_REGION": "eu-central-1"}).place == "eu-central-1"
    assert Connection.to_aws({}).place == "eu-west-1"


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("AWS_DEFAULT_REGION", None, "You must specify a region: check AWS_PROFILE"),
        ("AWS_DEFAULT_REGION", "", "Invalid endpoint: .*: check AWS_REGION"),
        ("AWS_REGION", "no region", "'no region' doesn't match .*: check AWS_REGION"),
        ("AWS_PROFILE", "nobody", r"profile \(nobody\) could not be found: check AWS_PROFILE"),
    ],
)
def test_an_unusable_environment_is_said_with_the_fix(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None, reason: str
) -> None:
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)

    with pytest.raises(JobClientError, match=reason):
        JobClient.for_stage("dev")
