"""A stage in a mocked account: its table, its bucket, what it publishes in SSM."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from moto import mock_aws
from typer.testing import CliRunner, Result

from functions.shared import names
from functions.shared.job_table import JobTable
from jobctl import cli
from jobctl.client import JobClient
from jobctl.connection import Connection
from jobctl.directory import StageDirectory
from tests.functions.job_table_rows import Rows

REGION: Final = "eu-west-1"
STAGE = "test"
JOB_TABLE = "jobs"
PAYLOAD_BUCKET = "payloads"
ALIAS_ARN = f"arn:aws:lambda:{REGION}:123456789012:function:SendEmail:live"
START = datetime(2026, 1, 31, 9, tzinfo=UTC)


Jobctl = Callable[..., Result]


@dataclass
class FakeClock:
    """Time that passes only by sleeping."""

    moment: datetime = START
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the developer's own account or stage."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL", "JOBCTL_STAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture(scope="session")
def clients() -> Connection:
    """Made once, because making clients is most of what a test here costs."""
    return Connection(region=REGION, access_key_id="testing", secret_access_key="testing")  # noqa: S106  # moto's


@pytest.fixture
def connection(clients: Connection) -> Iterator[Connection]:
    """An empty account."""
    with mock_aws():
        yield clients


@pytest.fixture
def rows(connection: Connection) -> Rows:
    """A deployed stage; its empty job table."""
    rows = Rows.create(connection.dynamodb, JOB_TABLE)
    connection.s3.create_bucket(
        Bucket=PAYLOAD_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    for name, value in {
        names.job_table_parameter(STAGE): JOB_TABLE,
        names.payload_bucket_parameter(STAGE): PAYLOAD_BUCKET,
        f"{names.job_types_path(STAGE)}/send-email": ALIAS_ARN,
        f"{names.job_types_path(STAGE)}/resize-image": ALIAS_ARN,
        f"{names.job_limits_path(STAGE)}/send-email": (
            '{"max_delay_seconds": 900, "run_timeout_seconds": 600}'
        ),
    }.items():
        connection.ssm.put_parameter(Name=name, Value=value, Type="String")
    return rows


@pytest.fixture
def table(rows: Rows) -> JobTable:
    """The job table as the functions write it."""
    return JobTable(rows.client, rows.table_name)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def client(rows: Rows, connection: Connection, clock: FakeClock) -> JobClient:
    return JobClient(
        dynamodb=rows.client,
        table_name=rows.table_name,
        s3=connection.s3,
        directory=StageDirectory(connection, STAGE),
        clock=clock,
    )


@pytest.fixture
def jobctl(
    rows: Rows,  # noqa: ARG001  # the stage is deployed
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> Jobctl:
    """Run a command against the mocked stage; nothing may escape as an exception."""
    monkeypatch.setattr(Connection, "to_aws", lambda: connection)
    monkeypatch.setenv("JOBCTL_STAGE", STAGE)
    monkeypatch.setenv("COLUMNS", "80")
    return run


def run(*arguments: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(cli.app, list(arguments), input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def refused(result: Result, exit_code: int) -> str:
    """The one line of a refusal."""
    assert result.exit_code == exit_code
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith("jobctl: ")
    return line
