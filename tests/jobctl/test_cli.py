"""`jobctl` as a person or a script uses it: what it prints, where, and how it exits."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from typer.testing import CliRunner

from functions.shared.job import JobError, JobStatus, Progress
from functions.shared.job_table import JobTable
from jobctl import cli
from jobctl.client import SystemClock
from jobctl.connection import Connection
from tests.functions.job_table_rows import Rows
from tests.jobctl.conftest import Jobctl, refused, run
from tests.jobctl.histories import PARENT, PAYMENT, FakeLambda, order_that_is_declined

ROOT = Path(__file__).parents[2]
MAIL = '{"to":"ann@example.com"}'
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:SendEmail:7/durable-execution/job-1-1/9e3f"

# The command line looks at the real clock, and expired rows are not there for it.
NOW = datetime.now(UTC)


@pytest.fixture
def on_each_look(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let something happen to the job each time that a waiting command pauses."""

    def arrange(*happenings: Callable[[], object]) -> None:
        left = iter(happenings)

        def sleep(_self: SystemClock, _seconds: float) -> None:
            next(left)()

        monkeypatch.setattr(SystemClock, "sleep", sleep)

    return arrange


def claim(table: JobTable) -> None:
    assert table.claim("job-1", "send-email", 1, ARN, NOW).is_granted


def progress(table: JobTable) -> None:
    assert table.note_progress("job-1", 1, ARN, Progress(3, 10, "mails"), NOW)


def complete(table: JobTable) -> None:
    assert table.complete("job-1", 1, ARN, '{"message_id":"m-1"}', NOW)


def fail(table: JobTable) -> None:
    error = JobError("mail_rejected", "the address is on the suppression list", "send-mail")
    assert table.end("job-1", 1, JobStatus.FAILED, error, NOW, execution_arn=ARN)


class TestSubmit:
    def test_a_job_is_submitted_and_the_way_to_watch_it_named(
        self, jobctl: Jobctl, rows: Rows
    ) -> None:
        result = jobctl("submit", "send-email", "--payload", MAIL, "--job-id", "job-1")

        assert result.exit_code == 0
        assert result.stdout.splitlines() == [
            "submitted job-1",
            "watch it: bin/jobctl watch job-1 --stage test",
        ]
        assert rows.get("job-1")["payload"] == MAIL

    def test_the_payload_comes_from_a_file_or_from_stdin(
        self, jobctl: Jobctl, rows: Rows, tmp_path: Path
    ) -> None:
        file = tmp_path / "mail.json"
        file.write_text(MAIL)

        jobctl("submit", "send-email", "--payload", f"@{file}", "--job-id", "file")
        jobctl("submit", "send-email", "--payload", "-", "--job-id", "stdin", stdin=MAIL)

        assert rows.get("file")["payload"] == MAIL
        assert rows.get("stdin")["payload"] == MAIL

    def test_a_job_submitted_twice_is_told_as_one(self, jobctl: Jobctl) -> None:
        command = ("submit", "send-email", "--payload", MAIL, "--job-id", "job-1")
        jobctl(*command)

        result = jobctl(*command)

        assert result.exit_code == 0
        assert result.stdout.startswith("was submitted before and is pending: job-1\n")

    def test_an_id_with_another_payload_is_refused(self, jobctl: Jobctl) -> None:
        jobctl("submit", "send-email", "--payload", MAIL, "--job-id", "job-1")

        result = jobctl("submit", "send-email", "--payload", "{}", "--job-id", "job-1")

        assert "job-1 belongs to a job with another payload" in refused(result, 2)

    def test_a_script_gets_json(self, jobctl: Jobctl) -> None:
        result = jobctl(
            "submit", "send-email", "--payload", MAIL, "--run-at", "+10m", "--dispatch", "direct"
        )
        assert "run_at cannot be combined" in refused(result, 2)

        result = jobctl("submit", "send-email", "--payload", MAIL, "--run-at", "+10m", "--json")

        assert json.loads(result.stdout)["status"] == "pending"
        assert "run_at" in json.loads(result.stdout)

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["--payload", "{to: ann}"], "payload is not JSON"),
            (["--payload", "[]"], "payload must be a JSON object, not an array"),
            (["--payload", '{"n": NaN}'], "payload holds NaN"),
            (["--payload", "@nowhere.json"], "payload file 'nowhere.json': No such file"),
            (["--payload", "@."], "payload file '.': Is a directory"),
            (["--payload", MAIL, "--job-id", "order#1"], "job id 'order#1' must be"),
            (["--payload", MAIL, "--run-at", "soon"], "--run-at 'soon' is not"),
            (["--payload", MAIL, "--run-at", "+1h"], "delayed by 15 min 00 s at most"),
            (["--payload", MAIL, "--dispatch", "later"], "--dispatch"),
            (["--payload", MAIL, "--timeout", "soon"], "--timeout"),
            ([], "Missing option '--payload'; see jobctl submit --help"),
        ],
    )
    def test_bad_input_is_one_line_that_names_it(
        self, jobctl: Jobctl, arguments: list[str], reason: str
    ) -> None:
        assert reason in refused(jobctl("submit", "send-email", *arguments), 2)

    def test_a_file_that_is_not_text_is_named(self, jobctl: Jobctl, tmp_path: Path) -> None:
        file = tmp_path / "photo"
        file.write_bytes(b"\xff\xd8")

        result = jobctl("submit", "send-email", "--payload", f"@{file}")

        assert "is not UTF-8 text" in refused(result, 2)

    def test_an_unregistered_type_is_refused_with_those_that_are(self, jobctl: Jobctl) -> None:
        result = jobctl("submit", "send-mail", "--payload", MAIL)

        line = refused(result, 3)
        assert "'send-mail' is not registered" in line
        assert "resize-image, send-email" in line

    def test_waiting_ends_with_what_became_of_the_job(
        self, jobctl: Jobctl, table: JobTable, on_each_look: Callable[..., None]
    ) -> None:
        on_each_look(lambda: claim(table), lambda: progress(table), lambda: complete(table))

        result = jobctl("submit", "send-email", "--payload", MAIL, "--job-id", "job-1", "--wait")

        assert result.exit_code == 0
        assert "status     completed, attempt 1" in result.stdout
        assert [line.split("Z  ")[1] for line in result.stderr.splitlines()] == [
            "pending  attempt 1",
            "processing  attempt 1",
            "processing  attempt 1  3/10 mails, 30 %",
            "completed  attempt 1",
        ]

    def test_waiting_for_a_job_that_fails_exits_1(
        self, jobctl: Jobctl, table: JobTable, on_each_look: Callable[..., None]
    ) -> None:
        on_each_look(lambda: claim(table), lambda: fail(table))

        result = jobctl("submit", "send-email", "--payload", MAIL, "--job-id", "job-1", "--wait")

        assert result.exit_code == 1
        assert "error      mail_rejected in step send-mail" in result.stdout

    def test_waiting_no_longer_than_told_exits_5(self, jobctl: Jobctl) -> None:
        result = jobctl("submit", "send-email", "--payload", MAIL, "--wait", "--timeout", "0")

        assert result.exit_code == 5
        assert "is still pending after 0 s; it goes on by itself" in result.stderr


class TestLookAfter:
    @pytest.fixture(autouse=True)
    def submitted(self, jobctl: Jobctl, table: JobTable) -> None:
        jobctl("submit", "send-email", "--payload", MAIL, "--job-id", "job-1")
        job = table.get("job-1")
        assert job is not None
        table.admit(job, NOW)

    def test_a_job_is_shown_without_its_payload(self, jobctl: Jobctl) -> None:
        result = jobctl("show", "job-1")

        assert result.exit_code == 0
        assert "status     pending, attempt 1" in result.stdout
        assert "ann@example.com" not in result.stdout
        assert "ann@example.com" not in jobctl("show", "job-1", "--json").stdout

    def test_a_result_is_shown_when_it_is_asked_for(self, jobctl: Jobctl, table: JobTable) -> None:
        claim(table)
        complete(table)

        assert "m-1" not in jobctl("show", "job-1").stdout
        assert "m-1" in jobctl("show", "job-1", "--result").stdout
        assert "m-1" in jobctl("show", "job-1", "--json", "--result").stdout

    @pytest.mark.parametrize("command", ["show", "watch", "retry", "stop"])
    def test_an_unknown_job_exits_3(self, jobctl: Jobctl, command: str) -> None:
        assert "job job-9 does not exist" in refused(jobctl(command, "job-9"), 3)

    @pytest.mark.parametrize("command", ["show", "watch", "retry", "stop"])
    def test_an_illegal_id_exits_2(self, jobctl: Jobctl, command: str) -> None:
        assert "job id 'a b'" in refused(jobctl(command, "a b"), 2)

    def test_jobs_are_listed(self, jobctl: Jobctl) -> None:
        result = jobctl("list")

        assert result.exit_code == 0
        header, line = result.stdout.splitlines()
        assert header.split() == ["JOB", "TYPE", "STATUS", "AGE"]
        assert line.split()[:3] == ["job-1", "send-email", "pending"]

    def test_jobs_are_listed_by_status_and_type(self, jobctl: Jobctl) -> None:
        assert "job-1" in jobctl("list", "--status", "pending", "--type", "send-email").stdout
        assert jobctl("list", "--status", "failed").stdout == "no such jobs\n"

    def test_a_running_job_is_listed_with_its_share(self, jobctl: Jobctl, table: JobTable) -> None:
        claim(table)
        progress(table)

        assert "processing 30 %" in jobctl("list", "--status", "processing").stdout

    def test_a_row_that_cannot_be_read_is_listed_nevertheless(
        self, jobctl: Jobctl, rows: Rows, table: JobTable
    ) -> None:
        claim(table)
        rows.client.update_item(
            TableName=rows.table_name,
            Key={"job_id": {"S": "job-1"}},
            UpdateExpression="SET progress = :progress",
            ExpressionAttributeValues={":progress": {"S": "half"}},
        )

        result = jobctl("list", "--status", "processing")

        assert result.exit_code == 0
        assert "job-1" in result.stdout

    def test_a_list_that_was_cut_says_so(self, jobctl: Jobctl) -> None:
        assert "--limit shows more" in jobctl("list", "--limit", "1").stdout

    def test_a_script_gets_a_json_list(self, jobctl: Jobctl) -> None:
        [job] = json.loads(jobctl("list", "--json").stdout)

        assert (job["job_id"], job["status"]) == ("job-1", "pending")

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["--status", "done"], "'done'"),
            (["--limit", "0"], "--limit"),
            (["--limit", "many"], "--limit"),
            (["--type", "Send_Email"], "job type 'Send_Email'"),
            (["--sort"], "--sort"),
        ],
    )
    def test_a_wrong_filter_is_one_line_that_names_it(
        self, jobctl: Jobctl, arguments: list[str], reason: str
    ) -> None:
        assert reason in refused(jobctl("list", *arguments), 2)

    def test_a_watched_job_is_shown_when_it_has_ended(
        self, jobctl: Jobctl, table: JobTable
    ) -> None:
        claim(table)
        complete(table)

        result = jobctl("watch", "job-1")

        assert result.exit_code == 0
        assert "status     completed" in result.stdout

    def test_on_a_terminal_a_watched_job_moves_in_place(
        self,
        jobctl: Jobctl,
        table: JobTable,
        on_each_look: Callable[..., None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        on_each_look(
            lambda: claim(table), lambda: progress(table), lambda: sleep(0.2), lambda: fail(table)
        )

        result = jobctl("watch", "job-1")

        assert result.exit_code == 1
        assert "3/10 mails" in result.stdout
        assert "\x1b[" in result.stdout
        assert "mail_rejected in step send-mail" in result.stdout
        assert result.stderr == ""

    def test_a_failed_job_is_retried(self, jobctl: Jobctl, table: JobTable) -> None:
        claim(table)
        fail(table)

        result = jobctl("retry", "job-1")

        assert result.exit_code == 0
        assert result.stdout.startswith("job-1 is pending again, attempt 2\n")

    def test_a_retry_that_does_not_help_is_warned_of(self, jobctl: Jobctl, table: JobTable) -> None:
        claim(table)
        fail(table)

        result = jobctl("retry", "job-1")

        [line] = result.stderr.splitlines()
        assert line.startswith("jobctl: warning: mail_rejected is not mended by a retry: ")
        job = table.get("job-1")
        assert job is not None
        assert job.status is JobStatus.PENDING

    def test_a_job_that_did_not_fail_is_not_retried(self, jobctl: Jobctl) -> None:
        assert "job-1 is pending" in refused(jobctl("retry", "job-1"), 2)

    def test_a_pending_job_is_stopped(self, jobctl: Jobctl, table: JobTable) -> None:
        result = jobctl("stop", "job-1", "--reason", "wrong customer")

        assert result.stdout == "job-1 is cancelled; nothing was running\n"
        job = table.get("job-1")
        assert job is not None
        assert job.status is JobStatus.CANCELLED

    def test_an_interrupted_watch_leaves_the_job_alone(
        self, jobctl: Jobctl, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(_self: SystemClock, _seconds: float) -> NoReturn:
            raise KeyboardInterrupt

        monkeypatch.setattr(SystemClock, "sleep", interrupt)

        result = jobctl("watch", "job-1")

        assert result.exit_code == 130
        assert "no longer watching job-1; the job goes on" in result.stderr


class TestExecution:
    @pytest.fixture(autouse=True)
    def submitted(self, jobctl: Jobctl) -> None:
        jobctl("submit", "send-email", "--payload", MAIL, "--job-id", "job-1")

    @pytest.fixture
    def executions(self, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> FakeLambda:
        fake = FakeLambda({ARN: order_that_is_declined()[PARENT]})
        # A cached property lets itself be set on the instance only.
        monkeypatch.setitem(vars(connection), "lambda_", fake)
        return fake

    def test_what_the_execution_did_is_drawn_before_what_to_do_next(
        self, jobctl: Jobctl, table: JobTable, executions: FakeLambda
    ) -> None:
        claim(table)
        fail(table)

        lines = jobctl("show", "job-1").stdout.splitlines()

        first = lines.index("operations failed: payment_declined in 11.0 s, 2 invocations")
        assert lines[first + 1] == "├── claim  step  1.0 s"
        assert lines[-1].startswith("next")
        assert {request["DurableExecutionArn"] for request in executions.requests} >= {ARN}

    def test_a_script_gets_it_as_data(
        self, jobctl: Jobctl, table: JobTable, executions: FakeLambda
    ) -> None:
        claim(table)
        executions.refusals = {PAYMENT: "AccessDeniedException"}

        execution = json.loads(jobctl("show", "job-1", "--json").stdout)["execution"]

        assert execution["operations"][0]["name"] == "claim"
        assert "no right" in execution["operations"][2]["child"]["unread"]

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            ("AccessDeniedException", "operations no right to read its history"),
            ("ResourceNotFoundException", "operations its history is gone"),
        ],
    )
    def test_a_history_that_cannot_be_read_costs_a_line_and_not_the_job(
        self, jobctl: Jobctl, table: JobTable, executions: FakeLambda, code: str, reason: str
    ) -> None:
        claim(table)
        executions.refusals = {ARN: code}

        result = jobctl("show", "job-1")

        assert result.exit_code == 0
        assert "status     processing" in result.stdout
        assert reason in result.stdout

    def test_a_job_without_an_execution_costs_no_call(
        self, jobctl: Jobctl, executions: FakeLambda
    ) -> None:
        assert "operations none yet\n" in jobctl("show", "job-1").stdout

        jobctl("stop", "job-1")

        assert "operations none: it ended without having run\n" in jobctl("show", "job-1").stdout
        assert executions.requests == []

    def test_a_watched_job_is_shown_without_it(
        self, jobctl: Jobctl, table: JobTable, executions: FakeLambda
    ) -> None:
        claim(table)
        complete(table)

        assert "operations" not in jobctl("watch", "job-1").stdout
        assert executions.requests == []

    @pytest.mark.usefixtures("executions")
    def test_a_terminal_that_knows_ascii_only_gets_ascii(self, table: JobTable) -> None:
        assert table.claim("job-1", "send-email", 1, ARN, NOW).is_granted
        error = JobError("mail_rejected", "l\N{LATIN SMALL LETTER U WITH DIAERESIS}ge")
        assert table.end("job-1", 1, JobStatus.FAILED, error, NOW, execution_arn=ARN)

        result = CliRunner(charset="ascii").invoke(cli.app, ["show", "job-1"])

        assert result.exit_code == 0
        assert "l?ge" in result.stdout
        assert "+-- claim  step  1.0 s" in result.stdout


class TestPlace:
    @pytest.mark.parametrize(
        "line",
        [
            "--stage nope show job-1",
            "show job-1 --stage nope",
            "show --stage nope -- -job",
            "retry job-1 --stage=nope",
            "stop job-1 --stage nope",
            "watch job-1 --stage nope",
            "list --status pending --stage nope",
            "submit send-email --payload {} --stage nope",
        ],
    )
    def test_the_stage_stands_before_the_command_or_after_it(
        self, jobctl: Jobctl, line: str
    ) -> None:
        assert "'nope'" in refused(jobctl(*line.split()), 3)

    def test_a_stage_that_is_not_deployed_exits_3(self, jobctl: Jobctl) -> None:
        line = refused(jobctl("--stage", "nope", "show", "job-1"), 3)

        assert "stage 'nope' is not deployed in eu-west-1" in line

    def test_a_platform_that_does_not_run_exits_4(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)

        assert "start it with `make up`" in refused(run("--local", "list"), 4)
        assert "start it with `make up`" in refused(run("--stage", "local", "list"), 4)
        assert "start it with `make up`" in refused(run("list", "--local"), 4)

    @pytest.mark.parametrize(
        ("code", "fix"),
        [
            ("AccessDeniedException", "operator policy"),
            ("ExpiredTokenException", "renew the credentials"),
            ("ThrottlingException", "wait a little"),
        ],
    )
    def test_what_aws_refuses_exits_4_with_the_fix(
        self, jobctl: Jobctl, rows: Rows, code: str, fix: str
    ) -> None:
        answer: Any = {"Error": {"Code": code, "Message": "AWS says why"}}

        def refuse(**_: Any) -> NoReturn:
            raise ClientError(answer, "GetItem")

        rows.client.meta.events.register("before-call.dynamodb.GetItem", refuse)
        result = jobctl("show", "job-1")
        rows.client.meta.events.unregister("before-call.dynamodb.GetItem", refuse)

        line = refused(result, 4)
        assert f"{code}: AWS says why" in line
        assert fix in line

    def test_missing_credentials_exit_4_with_the_fix(self, jobctl: Jobctl, rows: Rows) -> None:
        def refuse(**_: Any) -> NoReturn:
            raise NoCredentialsError

        rows.client.meta.events.register("before-call.dynamodb.GetItem", refuse)
        result = jobctl("show", "job-1")
        rows.client.meta.events.unregister("before-call.dynamodb.GetItem", refuse)

        assert "Unable to locate credentials: check AWS_PROFILE" in refused(result, 4)

    def test_an_unknown_command_is_one_line(self) -> None:
        assert "No such command 'submitt'. Did you mean 'submit'?" in refused(run("submitt"), 2)

    def test_the_shell_script_runs_from_anywhere(self, tmp_path: Path) -> None:
        done = subprocess.run(  # the project's own script
            [ROOT / "bin/jobctl", "--local", "list"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

        assert done.returncode == 4
        assert done.stderr.startswith("jobctl: the local platform is not running")

    def test_the_module_runs_too(self) -> None:
        done = subprocess.run(  # the project's own module
            [sys.executable, "-m", "jobctl", "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

        assert done.returncode == 0
        assert "submit" in done.stdout
