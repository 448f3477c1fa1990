import json
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from functions.alerts.job_finding import Finding, Situation
from functions.alerts.notifier import Notifier
from functions.alerts.settings import Settings
from functions.alerts.slack_webhook import ContentRefusedError, SlackBusyError, SlackDownError
from functions.shared.job import JobStatus
from tests.functions.alerts.fakes import (
    NOW,
    FakeChannel,
    FakeQueue,
    FakeReasons,
    FakeToldAlerts,
    any_job,
    ended,
)
from tests.functions.alerts.messages import (
    RUNBOOK,
    alarm_message,
    dead_letter_body,
    ended_question,
    question_message,
    sns_envelope,
    sqs_record,
)

SETTINGS = Settings(
    stage="dev",
    job_table_parameter="any",
    alert_table_name="any",
    alert_queue_url="any",
    retry_base_seconds=30,
    retry_max_seconds=900,
    slack_secret_arn="any",  # noqa: S106  # no secret
    runbook_url=RUNBOOK,
)


@dataclass
class Bench:
    """A notifier among fakes."""

    reasons: FakeReasons = field(default_factory=FakeReasons)
    told: FakeToldAlerts = field(default_factory=FakeToldAlerts)
    channel: FakeChannel = field(default_factory=FakeChannel)
    queue: FakeQueue = field(default_factory=FakeQueue)
    clock: Any = NOW

    def tell(self, *records: dict[str, Any], seconds: float = 60) -> list[str]:
        notifier = Notifier(
            settings=SETTINGS,
            reasons=self.reasons,
            told=self.told,
            channel=self.channel,
            queue=self.queue,
            now=lambda: self.clock,
        )
        return notifier.tell_all(records, lambda: seconds)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_failure_is_told_once_however_often_and_from_wherever_it_comes(bench: Bench) -> None:
    returned = bench.tell(
        sqs_record(dead_letter_body(attributes={"ErrorCode": "200"})),
        sqs_record(dead_letter_body(attributes={"ErrorCode": "mail_rejected"})),
    )
    returned += bench.tell(sqs_record(dead_letter_body()))

    assert returned == []
    assert len(bench.channel.told) == 1


def test_a_failure_during_an_outage_is_told_once_when_slack_is_back(bench: Bench) -> None:
    records = [sqs_record(dead_letter_body(f"job-{n}")) for n in range(3)]
    records += [sqs_record(dead_letter_body("job-0"))]
    bench.channel.errors = [SlackDownError("Slack answered 503")]

    assert bench.tell(*records) == [record["messageId"] for record in records]
    assert bench.tell(*records) == []

    assert len(bench.channel.told) == 3


def test_a_slack_found_down_is_left_alone_for_the_rest_of_the_batch(bench: Bench) -> None:
    bench.channel.errors = [None, SlackDownError("Slack answered 503")]
    records = [sqs_record(dead_letter_body(f"job-{n}")) for n in range(5)]

    returned = bench.tell(*records)

    assert returned == [record["messageId"] for record in records[1:]]
    assert len(bench.channel.posts) == 2


@pytest.mark.parametrize(("receives", "seconds"), [(1, 30), (2, 60), (4, 240), (6, 900), (99, 900)])
def test_a_message_stays_away_for_longer_after_each_receive(
    bench: Bench, receives: int, seconds: float
) -> None:
    bench.channel.errors = [SlackDownError("Slack answered 503")]

    bench.tell(sqs_record(dead_letter_body(), receives=receives, message_id="late"))

    assert seconds * 0.8 <= bench.queue.hidden["late"] <= seconds * 1.2


def test_a_pause_that_slack_asks_for_holds_for_the_whole_batch(bench: Bench) -> None:
    bench.channel.errors = [SlackBusyError(77)]
    first, second = sqs_record(dead_letter_body("a")), sqs_record(dead_letter_body("b"))

    returned = bench.tell(first, second)

    assert returned == [first["messageId"], second["messageId"]]
    assert set(bench.queue.hidden.values()) == {77}
    assert len(bench.channel.posts) == 1


def test_blocks_that_slack_refuses_are_told_in_plain_text(bench: Bench) -> None:
    bench.channel.errors = [ContentRefusedError("Slack answered 400")]

    assert bench.tell(sqs_record(dead_letter_body())) == []

    [message] = bench.channel.told
    assert "blocks" not in message
    assert "jobctl --stage dev show job-1" in message["text"]


def test_one_message_that_cannot_be_told_does_not_hold_up_the_others(bench: Bench) -> None:
    bench.channel.errors = [ContentRefusedError("no"), ContentRefusedError("no")]
    bad, good = sqs_record(dead_letter_body("bad")), sqs_record(dead_letter_body("good"))

    assert bench.tell(bad, good) == [bad["messageId"]]

    assert len(bench.channel.told) == 1


def test_a_crash_before_slacks_answer_lets_the_alert_be_told_after_the_lease(bench: Bench) -> None:
    bench.told.claim("job:job-1:1", NOW, timedelta(seconds=60))
    record = sqs_record(dead_letter_body())

    assert bench.tell(record) == [record["messageId"]]
    assert 24 <= bench.queue.hidden[record["messageId"]] <= 36
    bench.clock = NOW + timedelta(seconds=61)
    assert bench.tell(record) == []

    assert len(bench.channel.told) == 1


def test_a_lease_about_to_run_out_is_not_waited_for_longer_than_it_lasts(bench: Bench) -> None:
    bench.told.claim("job:job-1:1", NOW, timedelta(seconds=3))
    record = sqs_record(dead_letter_body())

    assert bench.tell(record) == [record["messageId"]]

    assert bench.queue.hidden[record["messageId"]] == 4


def test_a_told_alert_that_could_not_be_remembered_does_not_go_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(bench.told, "mark_told", refuse)

    assert bench.tell(sqs_record(dead_letter_body())) == []
    assert len(bench.channel.told) == 1


def test_a_row_that_shows_no_end_yet_is_given_time_to(bench: Bench) -> None:
    job = any_job(status=JobStatus.PROCESSING)
    bench.reasons.finding = Finding(situation=Situation.UNSETTLED, job=job)
    early = sqs_record(dead_letter_body())

    assert bench.tell(early) == [early["messageId"]]
    assert bench.queue.hidden[early["messageId"]] == 5
    bench.reasons.finding = ended()
    assert bench.tell(early) == []

    assert "mail_rejected" in json.dumps(bench.channel.told)


@pytest.mark.parametrize("situation", [Situation.UNSETTLED, Situation.REFUSED])
def test_a_refused_start_never_silences_the_jobs_own_failure(
    bench: Bench, situation: Situation
) -> None:
    bench.reasons.finding = Finding(situation=situation, job=any_job(status=JobStatus.PROCESSING))
    bench.tell(sqs_record(dead_letter_body(), receives=3))
    bench.reasons.finding = ended()

    bench.tell(sqs_record(dead_letter_body()))

    assert len(bench.channel.told) == 2


def test_an_unreadable_row_delays_an_alert_but_never_keeps_it(bench: Bench) -> None:
    bench.reasons.finding = Finding(situation=Situation.UNSEEN)

    assert bench.tell(sqs_record(dead_letter_body())) != []
    assert bench.tell(sqs_record(dead_letter_body(), receives=3)) == []

    assert len(bench.channel.told) == 1


def test_an_alarm_and_its_end_are_both_told(bench: Bench) -> None:
    bench.tell(
        sqs_record(sns_envelope(alarm_message("ALARM"))),
        sqs_record(sns_envelope(alarm_message("OK"))),
    )

    titles = [message["blocks"][0]["text"]["text"] for message in bench.channel.told]
    assert titles == ["🔴 ALARM: Jobs-dev-SendEmailFailed", "🟢 OK: Jobs-dev-SendEmailFailed"]


def test_failures_of_one_cause_are_counted_together(bench: Bench) -> None:
    bench.tell(*(sqs_record(dead_letter_body(f"job-{n}")) for n in range(3)))

    assert "3 like this" in json.dumps(bench.channel.told[2])


def test_a_question_is_told_once_for_each_thing_that_happened_to_it(bench: Bench) -> None:
    news = [question_message(), question_message("reminded"), ended_question("approve")]

    assert bench.tell(*(sqs_record(sns_envelope(each)) for each in news * 2)) == []

    titles = [message["blocks"][0]["text"]["text"] for message in bench.channel.told]
    assert titles == [
        "❓ Approval asked: Contract with Example Ltd",
        "⏰ Still waiting: Contract with Example Ltd",
        "✅ Approved: Contract with Example Ltd",
    ]


def test_a_question_is_not_counted_as_a_failure_nor_looked_up_as_one(bench: Bench) -> None:
    bench.tell(sqs_record(sns_envelope(question_message())))

    assert bench.told.counts == {}
    assert bench.reasons.letters == []
    assert "like this" not in json.dumps(bench.channel.told)


def test_the_failure_of_a_job_is_told_beside_its_question(bench: Bench) -> None:
    bench.tell(
        sqs_record(sns_envelope(question_message())),
        sqs_record(dead_letter_body(job_type="document-approval")),
    )

    assert len(bench.channel.told) == 2


def test_a_batch_that_runs_out_of_time_gives_the_rest_back(bench: Bench) -> None:
    record = sqs_record(dead_letter_body())

    assert bench.tell(record, seconds=10) == [record["messageId"]]
    assert bench.channel.posts == []


def test_no_log_line_holds_anything_of_a_message(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bench.channel.errors = [ValueError("canary-in-error")]

    bench.tell(
        sqs_record(dead_letter_body(attributes={"ErrorMessage": "canary-in-attribute"})),
        sqs_record(sns_envelope("canary-in-message")),
        sqs_record(sns_envelope(question_message(title="canary", url="https://canary.example/q"))),
    )

    lines = json.dumps([vars(record) for record in caplog.records], default=str)
    assert caplog.records
    assert "canary" not in lines
