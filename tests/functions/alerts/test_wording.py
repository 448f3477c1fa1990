import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from aws_durable_execution_sdk_python.exceptions import UnrecoverableError
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension
from typer.testing import CliRunner

from functions.alerts import block_kit
from functions.alerts.alert import alert_from_body
from functions.alerts.fingerprint import fingerprint, normalised
from functions.alerts.job_finding import Finding, Situation
from functions.alerts.notice import Notice, Sightings
from functions.alerts.wording import (
    CUT_OFF,
    FOR_A_NEW_JOB,
    WITHOUT_UNDO,
    Surroundings,
    notice,
)
from functions.shared.errors import error_code
from functions.shared.job import RETRYABLE, JobError, JobStatus
from jobctl import cli
from jobctl.contract import CONTRACT, Source
from tests.functions.alerts.fakes import NOW, any_job, ended
from tests.functions.alerts.messages import (
    EXECUTION_ARN,
    RUNBOOK,
    alarm_message,
    dead_letter_body,
    sns_envelope,
    status_event,
    stream_failure_message,
)

RUNBOOK_FILE = Path(__file__).parents[3] / "docs" / "runbook.md"
SIGHTINGS = Sightings(3, "2026-01-31T08:00:00.000Z", "2026-01-31T09:00:05.000Z")


@pytest.fixture
def as_json(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(JSONSnapshotExtension)


def said(body: str, found: Finding | None = None) -> Notice:
    return notice(
        alert_from_body(body, "sqs-1"),
        Surroundings(
            stage="dev",
            runbook_url=RUNBOOK,
            now=NOW,
            found=found,
            log_group="/aws/lambda/Jobs-dev-SendEmail-Abc",
            sightings=SIGHTINGS,
        ),
    )


def gave_up() -> Finding:
    return ended(
        error=JobError(
            "rollback_incomplete",
            "refund-charge (payment_contended) gave up after out_of_stock; money or stock is in"
            " the wrong place and a person must look",
            undone=("shipment cancelled", "stock released"),
        )
    )


def facts(told: Notice) -> dict[str, str]:
    return {fact.label: str(fact.value) for fact in told.facts}


def test_this_is_what_arrives_when_a_job_failed(as_json: SnapshotAssertion) -> None:
    assert block_kit.message(said(dead_letter_body(), ended())) == as_json


def test_this_is_what_arrives_when_a_rollback_gave_up(as_json: SnapshotAssertion) -> None:
    assert block_kit.message(said(dead_letter_body(job_type="order-transaction"), gave_up())) == (
        as_json
    )


def test_this_is_what_arrives_when_an_alarm_rings(as_json: SnapshotAssertion) -> None:
    assert block_kit.message(said(sns_envelope(alarm_message()))) == as_json


def test_this_is_what_arrives_when_stream_records_are_given_up(as_json: SnapshotAssertion) -> None:
    assert block_kit.message(said(sns_envelope(stream_failure_message()))) == as_json


def test_a_failure_tells_every_field_that_a_person_needs() -> None:
    told = said(dead_letter_body(attempt=2), ended())

    assert facts(told) == {
        "Job": "job-1",
        "Type": "send-email",
        "Status": "failed",
        "Error": "mail_rejected",
        "Step": "send-email",
        "Attempt": "2",
        "Stage": "dev · eu-west-1",
        "Alike": "3 like this",
        "First · last seen": "2026-01-31T08:00:00.000Z · 2026-01-31T09:00:05.000Z",
    }
    assert told.said == "The address is not deliverable."
    assert [link.label for link in told.links] == ["Execution", "Logs", "Runbook"]


LOOK, RETRY = "jobctl --stage dev show job-1", "jobctl --stage dev retry job-1"


def commands(error: str) -> list[str]:
    told = said(dead_letter_body(), ended(error=JobError(error, "why")))
    return [command.line for command in told.commands]


@pytest.mark.parametrize("error", ["mail_throttled", "payment_declined", "checkpoint", "key"])
def test_what_another_try_may_mend_comes_with_the_command_to_retry(error: str) -> None:
    assert commands(error) == [LOOK, RETRY]


@pytest.mark.parametrize("error", [*sorted(FOR_A_NEW_JOB), "rollback_incomplete"])
def test_what_a_retry_alone_does_not_mend_comes_without_that_command(error: str) -> None:
    assert commands(error) == [LOOK]


def test_records_that_failed_are_offered_before_the_whole_batch() -> None:
    told = said(
        dead_letter_body(job_type="batch-processing"),
        ended(error=JobError("too_many_failures", "20 of 100 records failed; not_json 20")),
    )

    assert [command.line for command in told.commands] == [
        LOOK,
        "jobctl --stage dev retry-failed job-1",
        RETRY,
    ]
    assert "Where the destination was at fault, retry the failed ones at once." in told.advice
    assert "Where the records are, they fail again as they are" in told.advice


def test_what_a_retry_does_not_mend_is_as_the_error_contract_has_it() -> None:
    entries = (entry for entry in CONTRACT if entry.source is Source.ROW)

    assert {
        name for entry in entries if entry.is_for_a_new_job for name in entry.names
    } == FOR_A_NEW_JOB


@pytest.mark.parametrize(
    ("status", "error", "title"),
    [
        (JobStatus.FAILED, "mail_rejected", "Job failed: send-email"),
        (JobStatus.TIMED_OUT, "execution_timed_out", "Job timed out: send-email"),
        (JobStatus.CANCELLED, "execution_stopped", "Job stopped: send-email"),
        (JobStatus.FAILED, "checkpoint", "Job cut off: send-email"),
        (JobStatus.FAILED, "result_not_recorded", "Result not recorded: send-email"),
        (JobStatus.FAILED, "delivery_unknown", "Delivery unknown: send-email"),
        (JobStatus.FAILED, "rollback_incomplete", "Money or stock in the wrong place: send-email"),
    ],
)
def test_each_way_to_end_badly_has_its_own_words(status: JobStatus, error: str, title: str) -> None:
    assert said(dead_letter_body(), ended(status, JobError(error, "why"))).title == title


def test_an_effect_that_could_not_be_undone_is_the_highest_alarm_and_nothing_else_is() -> None:
    told = said(dead_letter_body(), gave_up())
    others = [said(dead_letter_body(), ended(status)) for status in RETRYABLE]

    assert (told.symbol, told.is_for_everyone) == ("🚨", True)
    assert told.links[-1].url == f"{RUNBOOK}#rollback-incomplete"
    assert all(other.symbol != told.symbol and not other.is_for_everyone for other in others)


def test_what_was_undone_is_told_with_whatever_the_job_failed_of() -> None:
    error = JobError("payment_declined", "no", "charge-customer", ("stock released",))

    assert facts(said(dead_letter_body(), ended(error=error)))["Undone"] == "stock released"
    assert facts(said(dead_letter_body(), gave_up()))["Undone"] == (
        "shipment cancelled · stock released"
    )
    assert "Undone" not in facts(said(dead_letter_body(), ended()))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (JobStatus.TIMED_OUT, "execution_timed_out"),
        (JobStatus.CANCELLED, "execution_stopped"),
        *((JobStatus.FAILED, code) for code in sorted(CUT_OFF)),
    ],
)
def test_a_job_that_was_cut_off_is_said_to_leave_its_effects(status: JobStatus, code: str) -> None:
    told = said(dead_letter_body(job_type="order-transaction"), ended(status, JobError(code, "")))

    assert "what its finished steps did stays done; nothing more was undone" in told.advice


@pytest.mark.parametrize("job_type", sorted(WITHOUT_UNDO))
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (JobStatus.TIMED_OUT, "execution_timed_out"),
        (JobStatus.CANCELLED, "execution_stopped"),
        (JobStatus.FAILED, "checkpoint"),
    ],
)
def test_of_a_job_that_has_no_undo_none_is_told(
    status: JobStatus, code: str, job_type: str
) -> None:
    told = said(dead_letter_body(job_type=job_type), ended(status, JobError(code, "")))

    assert "what its finished steps did stays done." in told.advice
    assert "undone" not in told.advice


def all_below(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*(all_below(child) for child in kind.__subclasses__()))


def test_whatever_the_durable_sdk_ends_an_execution_with_is_a_cut() -> None:
    """A workflow sees none of these, so that it can undo nothing."""
    by_sdk = {
        error_code(kind.__name__)
        for kind in all_below(UnrecoverableError)
        if kind.__module__.startswith("aws_durable_execution_sdk_python.")
    }

    assert by_sdk | {"execution_failed"} == CUT_OFF


def test_a_doubtful_mail_is_told_as_doubtful() -> None:
    told = said(dead_letter_body(), ended(error=JobError("delivery_unknown", "lost")))

    assert told.advice.startswith("Nobody knows whether the mail went out")


@pytest.mark.parametrize(
    "told",
    [
        *(said(dead_letter_body(), ended(status)) for status in sorted(RETRYABLE)),
        said(dead_letter_body(), gave_up()),
        said(dead_letter_body(), Finding(situation=Situation.REFUSED)),
        said(sns_envelope(stream_failure_message())),
        said(sns_envelope(status_event())),
    ],
    ids=lambda told: told.title,
)
def test_the_runbook_has_the_section_that_an_alert_leads_to(told: Notice) -> None:
    headings = re.findall(r"^#+ (.+)$", RUNBOOK_FILE.read_text(), re.MULTILINE)

    section = told.links[-1].url.removeprefix(f"{RUNBOOK}#")

    assert section in {heading.lower().replace(" ", "-") for heading in headings}


def test_a_refused_start_offers_no_retry_of_a_job_that_did_not_fail() -> None:
    told = said(dead_letter_body(), Finding(situation=Situation.REFUSED, job=any_job()))

    assert told.title == "Start refused: send-email"
    assert [command.label for command in told.commands] == ["Look"]


def test_a_job_that_may_still_run_can_be_stopped() -> None:
    job = any_job(status=JobStatus.PROCESSING)
    found = Finding(situation=Situation.UNSETTLED, job=job, execution_arn=EXECUTION_ARN)

    stop = said(dead_letter_body(), found).commands[-1]

    assert stop.line == "jobctl --stage dev stop job-1"


def test_a_job_id_like_an_option_is_not_taken_for_one() -> None:
    look = said(dead_letter_body("--all"), ended()).commands[0]

    assert look.line == "jobctl --stage dev show -- --all"


def test_an_unreadable_row_is_said_to_be_so() -> None:
    told = said(dead_letter_body(), Finding(situation=Situation.UNSEEN))

    assert "could not be read" in told.advice
    assert told.commands[-1].line == "jobctl --stage dev retry job-1"


def test_an_alarm_opens_the_runbook_where_its_description_says() -> None:
    told = said(sns_envelope(alarm_message()))

    alarm, runbook = told.links
    assert alarm.url == (
        "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1"
        "#alarmsV2:alarm/Jobs-dev-SendEmailFailed"
    )
    assert runbook.url == f"{RUNBOOK}#job-failed"


def test_an_alarm_without_data_is_shown_as_such() -> None:
    told = said(sns_envelope(alarm_message("INSUFFICIENT_DATA")))

    assert told.title == "INSUFFICIENT_DATA: Jobs-dev-SendEmailFailed"
    assert "too little data" in told.advice


def test_a_lost_event_names_the_job_to_look_at() -> None:
    told = said(sns_envelope(status_event(), attributes={"ErrorMessage": "boom\nTraceback ..."}))

    assert told.said == "boom"
    assert told.commands[0].line == "jobctl --stage dev show job-1"


@pytest.mark.parametrize(
    ("partition", "region", "console"),
    [
        ("aws", "us-east-1", "https://us-east-1.console.aws.amazon.com/"),
        ("aws-us-gov", "us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com/"),
        ("aws-cn", "cn-north-1", "https://cn-north-1.console.amazonaws.cn/"),
    ],
)
def test_links_lead_into_the_partitions_own_console(
    partition: str, region: str, console: str
) -> None:
    arn = EXECUTION_ARN.replace("arn:aws:", f"arn:{partition}:").replace("eu-west-1", region)
    found = Finding(
        situation=Situation.ENDED, job=any_job(), status=JobStatus.FAILED, execution_arn=arn
    )

    told = said(dead_letter_body(), found)

    assert told.links[0].url == (
        f"{console}lambda/home?region={region}#/functions/Jobs-dev-SendEmail-Abc/versions/7"
    )


def test_the_logs_link_is_a_query_for_the_job_in_its_functions_log_group() -> None:
    [logs] = [link.url for link in said(dead_letter_body(), ended()).links if link.label == "Logs"]

    assert logs == (
        "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1"
        "#logsV2:logs-insights$3FqueryDetail$3D~(end~'2026-01-31T09*3a05*3a05.000Z"
        "~start~'2026-01-31T08*3a54*3a01.000Z~timeType~'ABSOLUTE~tz~'UTC~editorString~'fields*20"
        "*40timestamp*2c*20*40message*0a*7c*20filter*20*40message*20like*20*22job-1*22*0a*7c*20sort"
        "*20*40timestamp*20asc*0a*7c*20limit*201000~source~(~'*2faws*2flambda*2fJobs-dev-SendEmail"
        "-Abc))"
    )


def cause(job_id: str, message: str, step: str = "send") -> str:
    alert: Any = alert_from_body(dead_letter_body(job_id), "any")
    return fingerprint(alert, ended(error=JobError("declined", message, step)))


def test_failures_that_differ_only_in_particulars_share_a_fingerprint() -> None:
    assert cause("job-1", "job-1: 12 of 30 refused, id 9f86d081-884c-4d65-9a2f-eaa0c55ad015") == (
        cause("job-2", "job-2: 7 of 9 refused, id 60303ae2-2b99-4861-bce3-b28f85a1a815")
    )
    assert cause("job-1", "refused") != cause("job-1", "not found")
    assert cause("job-1", "refused") != cause("job-1", "refused", step="charge")


def test_a_normalised_message_holds_no_secret() -> None:
    assert "hunter" not in normalised("login with password=hunter failed")


@pytest.mark.parametrize(
    "found",
    [
        ended(),
        ended(error=JobError("too_many_failures", "why")),
        Finding(
            situation=Situation.UNSETTLED,
            job=any_job(status=JobStatus.PROCESSING),
            execution_arn=EXECUTION_ARN,
        ),
    ],
)
def test_jobctl_understands_every_command_that_an_alert_gives(found: Finding) -> None:
    for given in said(dead_letter_body(), found).commands:
        program, *arguments = shlex.split(given.line)

        # An option that jobctl does not know is refused before it shows its help.
        answer = CliRunner().invoke(cli.app, [*arguments, "--help"])

        assert program == "jobctl"
        assert answer.exit_code == 0, answer.output
