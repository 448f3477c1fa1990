import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.alerts.alert import (
    AlarmChange,
    Alert,
    JobDeadLetter,
    LostEvent,
    StreamFailure,
    UnknownMessage,
    alert_from_body,
)
from functions.alerts.aws_arn import Place
from functions.shared.job import ExecutionName
from tests.functions.alerts.messages import (
    alarm_message,
    dead_letter_body,
    sns_envelope,
    status_event,
    stream_failure_message,
)


def read(body: str) -> Alert:
    return alert_from_body(body, "sqs-1")


def test_a_start_event_is_the_dead_letter_of_its_attempt() -> None:
    alert = read(dead_letter_body("job-9", "send-email", 3))

    assert isinstance(alert, JobDeadLetter)
    assert (alert.job_id, alert.job_type, alert.attempt) == ("job-9", "send-email", 3)
    assert alert.origin.place == Place("aws", "eu-west-1")


def test_every_source_of_one_attempts_dead_letter_has_the_same_key() -> None:
    from_lambda = read(dead_letter_body(attributes={"ErrorCode": "200", "ErrorMessage": "x"}))
    from_recorder = read(dead_letter_body(attributes={"ErrorCode": "mail_rejected"}))

    assert from_lambda.key == from_recorder.key == "job:job-1:1"


def test_a_classic_direct_invoke_is_about_the_first_attempt() -> None:
    alert = read(sns_envelope({"job_id": "job-1", "job_type": "send-email", "payload": {"a": 1}}))

    assert alert.key == "job:job-1:1"


def test_a_http_status_of_lambda_is_not_taken_for_an_error_code() -> None:
    alert = read(dead_letter_body(attributes={"ErrorCode": "200"}))

    assert isinstance(alert, JobDeadLetter)
    assert alert.error_code is None


def test_an_errors_class_name_becomes_its_code() -> None:
    attributes = {"ErrorCode": "functions.shared.errors.PayloadMismatchError"}

    alert = read(dead_letter_body(attributes=attributes))

    assert isinstance(alert, JobDeadLetter)
    assert alert.error_code == "payload_mismatch"


@pytest.mark.parametrize("state", ["ALARM", "OK", "INSUFFICIENT_DATA"])
def test_an_alarm_is_known_in_every_state_under_its_own_key(state: str) -> None:
    alert = read(sns_envelope(alarm_message(state)))

    assert isinstance(alert, AlarmChange)
    assert alert.state == state
    assert alert.key == f"alarm:Jobs-dev-SendEmailFailed:{state}:2026-01-31T09:00:00.000+0000"


def test_a_stream_failure_is_known_by_its_shard_and_first_record() -> None:
    alert = read(sns_envelope(stream_failure_message()))

    assert isinstance(alert, StreamFailure)
    assert alert.key == "stream:shardId-0001:100"


def test_a_lost_status_event_names_the_job_it_was_about() -> None:
    alert = read(sns_envelope(status_event(), attributes={"ErrorMessage": "throttled"}))

    assert isinstance(alert, LostEvent)
    assert alert.execution == ExecutionName("job-1", 1)
    assert alert.key == "event:event-1"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not JSON",
        "[1]",
        '{"Message": 5}',
        sns_envelope("password=hunter2"),
        sns_envelope({"job_id": "not an id!", "note": "hunter2"}),
        sns_envelope({"job_id": "job-1", "attempt": "hunter2"}),
        sns_envelope({"jane@example.com": "hunter2"}),
    ],
)
def test_what_is_not_known_is_told_by_its_shape_alone(body: str) -> None:
    alert = read(body)

    assert isinstance(alert, UnknownMessage)
    assert "hunter2" not in alert.shape
    assert "jane" not in alert.shape


@given(st.text() | st.recursive(st.none() | st.text(), lambda a: st.dictionaries(st.text(), a)))
def test_no_message_is_refused(message: Any) -> None:
    assert read(sns_envelope(message)).key
    assert read(json.dumps(message)).key


@given(st.text(min_size=1, max_size=3000))
def test_a_key_fits_the_alert_table_whatever_an_alarm_is_called(name: str) -> None:
    alert = read(sns_envelope(alarm_message(name=name)))

    assert 0 < len(alert.key.encode()) <= 2048
