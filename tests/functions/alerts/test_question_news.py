"""What Slack is told of questions."""

import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension
from typer.testing import CliRunner

from functions.alerts import block_kit
from functions.alerts.alert import Alert, UnknownMessage, alert_from_body
from functions.alerts.notice import Notice
from functions.alerts.question_news import QuestionNews
from functions.alerts.wording import Surroundings, notice
from jobctl import cli
from local.slack_payload import accepted_message
from tests.functions.alerts.fakes import NOW
from tests.functions.alerts.messages import RUNBOOK, ended_question, question_message, sns_envelope

PAGE = "https://answers.example.com/q/1.payload.mac"


@pytest.fixture
def as_json(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(JSONSnapshotExtension)


def read(message: Any) -> Alert:
    return alert_from_body(sns_envelope(message, topic="Requests"), "sqs-1")


def said(message: dict[str, Any]) -> Notice:
    return notice(read(message), Surroundings(stage="dev", runbook_url=RUNBOOK, now=NOW))


def told(message: dict[str, Any]) -> dict[str, Any]:
    """The message for Slack, which takes it."""
    posted = block_kit.message(said(message))
    return accepted_message(json.dumps(posted).encode())


def buttons(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        element
        for block in told(message)["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
    ]


def facts(message: dict[str, Any]) -> dict[str, Any]:
    return {fact.label: fact.value for fact in said(message).facts}


def test_this_is_what_arrives_when_people_are_asked(as_json: SnapshotAssertion) -> None:
    assert told(question_message()) == as_json


def test_this_is_what_arrives_when_a_question_was_decided(as_json: SnapshotAssertion) -> None:
    decided = ended_question("reject", via="link", comment="The *price* is wrong.")

    assert told(decided) == as_json


def test_each_answer_has_a_button_that_opens_the_page_on_it() -> None:
    approve, reject = buttons(question_message())

    assert (approve["text"]["text"], approve["style"]) == ("Approve", "primary")
    assert (reject["text"]["text"], reject["style"]) == ("Reject", "danger")
    assert (approve["url"], reject["url"]) == (f"{PAGE}#approve", f"{PAGE}#reject")


def test_a_verification_has_its_one_button() -> None:
    [verify] = buttons(question_message(question_kind="verification", answers=["verify"]))

    assert (verify["text"]["text"], verify["url"]) == ("Verify", f"{PAGE}#verify")


def test_blocks_that_slack_refuses_still_lead_to_the_page() -> None:
    text = block_kit.plain_message(said(question_message()))["text"]

    assert f"<{PAGE}#approve|Approve>" in text
    assert f"<{PAGE}#reject|Reject>" in text


def test_where_the_channel_cannot_answer_there_is_the_command_and_no_button() -> None:
    asked = question_message(url=None, needed=2)

    assert buttons(asked) == []
    assert "not from here" in said(asked).advice
    assert [command.line for command in said(asked).commands] == ["jobctl --stage dev show job-1"]


@pytest.mark.parametrize(
    ("asked_of", "needed", "words"),
    [
        (1, None, "Asked of 1 person; the first answer decides."),
        (3, None, "Asked of 3 people; the first answer decides."),
        (3, 2, "Asked of 3 people; 2 must agree."),
    ],
)
def test_it_is_told_how_many_are_asked_and_must_agree(
    asked_of: int, needed: int | None, words: str
) -> None:
    assert said(question_message(asked_of=asked_of, needed=needed)).advice.startswith(words)


def test_the_end_of_the_wait_is_told_in_the_readers_own_time() -> None:
    until = "<!date^1769936400^{date_short_pretty} {time}|2026-02-01 09:00 UTC>"

    fields = [field["text"] for field in told(question_message())["blocks"][2]["fields"]]

    assert f"*Until*\n{until}" in fields
    assert f"Until: {until}" in told(question_message())["text"]


def test_a_reminder_looks_like_one_and_can_be_answered() -> None:
    reminder = question_message("reminded")

    assert said(reminder).title == "Still waiting: Contract with Example Ltd"
    assert len(buttons(reminder)) == 2


@pytest.mark.parametrize(
    ("end", "title"),
    [
        (ended_question("approve"), "Approved: Contract with Example Ltd"),
        (ended_question("reject"), "Rejected: Contract with Example Ltd"),
        (ended_question("unreachable"), "Nobody to answer: Contract with Example Ltd"),
        (ended_question(), "Expired: Contract with Example Ltd"),
    ],
)
def test_each_end_has_its_own_words_and_nothing_to_press(end: dict[str, Any], title: str) -> None:
    assert said(end).title == title
    assert buttons(end) == []


@pytest.mark.parametrize(
    "end", [ended_question("approve"), ended_question("unreachable"), ended_question()]
)
def test_of_a_question_that_ended_nothing_is_claimed_about_the_job(end: dict[str, Any]) -> None:
    assert "goes on" not in json.dumps(told(end))
    assert [command.line for command in said(end).commands] == ["jobctl --stage dev show job-1"]


def test_nobody_is_said_to_have_decided_what_expired_or_reached_nobody() -> None:
    assert "Decided by" not in facts(ended_question())
    assert "Decided by" not in facts(ended_question("unreachable", by="", via="mail service"))


@pytest.mark.parametrize(
    ("by", "via", "who"),
    [
        ("ann@example.com", "link", "one of those asked, by their link"),
        ("ann@example.com", None, "one of those asked"),
        ("Ann", "channel", "Ann, by the name they gave in the channel"),
        (
            "jane as Operator",
            "jobctl",
            "operator jane as Operator, with jobctl",
        ),
        ("root of account 123456789012", "jobctl", "operator root, with jobctl"),
        # An ARN of a kind that jobctl knows no name in.
        ("arn:aws:iam::123456789012:other/jane", "jobctl", "an operator, with jobctl"),
    ],
)
def test_it_is_told_who_decided_and_by_which_way(by: str, via: str | None, who: str) -> None:
    assert facts(ended_question("approve", by=by, via=via))["Decided by"] == who


def test_whoever_calls_themselves_an_operator_in_the_channel_is_not_taken_for_one() -> None:
    claimed = ended_question("approve", by="arn:aws:iam::1:user/boss", via="channel")

    assert "by the name they gave" in facts(claimed)["Decided by"]


def test_no_address_and_no_secret_of_a_question_reaches_the_channel() -> None:
    canaries: dict[str, Any] = {
        "title": "Contract of ann@canary.example",
        "facts": [["Requested by", "bob@canary.example"], ["token", "token=canary"]],
    }
    by = "carl@canary.example"
    decided = ended_question("approve", by=by, comment=f"ask {by}") | canaries

    for message in (question_message(**canaries), decided):
        assert "canary" not in json.dumps(told(message))
        assert "canary" not in json.dumps(block_kit.plain_message(said(message)))


def test_a_label_of_a_fact_keeps_its_words_and_nothing_that_acts() -> None:
    asked = question_message(facts=[["<!channel>: *Size*", "3 KB"], ["`", "any"], ["頁数", "3"]])

    assert list(facts(asked))[:3] == ["channel Size", "Fact", "頁数"]


def test_each_event_of_each_question_of_each_attempt_is_told_once() -> None:
    messages = [
        question_message(),
        question_message("reminded"),
        ended_question(),
        question_message(attempt=2),
        question_message(question="second-look"),
        question_message(asked_at="2026-03-01T09:00:00.000Z"),
    ]

    assert [read(message).key for message in (*messages, question_message(title="other"))] == [
        "question:job-1:1:approval:2026-01-31T09:00:00.000Z:asked",
        "question:job-1:1:approval:2026-01-31T09:00:00.000Z:reminded",
        "question:job-1:1:approval:2026-01-31T09:00:00.000Z:ended",
        "question:job-1:2:approval:2026-01-31T09:00:00.000Z:asked",
        "question:job-1:1:second-look:2026-01-31T09:00:00.000Z:asked",
        "question:job-1:1:approval:2026-03-01T09:00:00.000Z:asked",
        "question:job-1:1:approval:2026-01-31T09:00:00.000Z:asked",
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {"event": "postponed"},
        {"event": "ended"},
        {"job_id": "not an id"},
        {"job_type": None},
        {"attempt": "1"},
        {"attempt": True},
        {"attempt": 0},
        {"question": "a#b"},
        {"question_kind": "poll"},
        {"title": 5},
        {"facts": [["one"]]},
        {"facts": None},
        {"asked_of": 0},
        {"needed": "all"},
        {"until": "tomorrow"},
        {"until": "0001-01-01T00:00:00+14:00"},
        {"url": "javascript:alert(1)"},
        {"url": "https://example.com/<|>\u0001"},
        {"url": "https://example.com/".ljust(3_001, "x")},
        {"answers": ["verify"]},
        {"answers": ["unreachable"]},
        {"answers": [["approve"]]},
        {"status": "closed"},
        {"status": "decided"},
        {"decision": {"answer": "approve", "by": "any", "at": "2026-01-31T10:00:00Z"}},
        {"status": "decided", "decision": {"answer": "approve"}},
        {"status": "decided", "decision": "approve"},
    ],
    ids=str,
)
def test_news_that_are_not_what_the_inviter_sends_are_told_by_their_shape_alone(
    broken: dict[str, Any],
) -> None:
    alert = read(question_message(**broken))

    assert isinstance(alert, UnknownMessage)
    assert "Example Ltd" not in json.dumps(told(question_message(**broken)))


@pytest.mark.parametrize("missing", sorted(question_message().keys() - {"kind"}))
def test_news_that_lack_a_part_are_no_dead_letter_of_the_job_they_name(missing: str) -> None:
    message = {name: part for name, part in question_message().items() if name != missing}

    assert isinstance(read(message), UnknownMessage)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(question_message())), JSON))
def test_no_news_are_refused_whatever_is_in_them(parts: dict[str, Any]) -> None:
    assert told(question_message() | parts)


def test_the_longest_address_that_is_read_has_room_for_an_answer() -> None:
    longest = PAGE.ljust(2_900, "x")

    assert [len(button["url"]) for button in buttons(question_message(url=longest))] == [
        len(f"{longest}#approve"),
        len(f"{longest}#reject"),
    ]


def test_jobctl_understands_the_command_that_comes_with_a_question() -> None:
    [look] = said(question_message()).commands

    program, *arguments = shlex.split(look.line)
    answer = CliRunner().invoke(cli.app, [*arguments, "--help"])

    assert (program, answer.exit_code) == ("jobctl", 0)


def test_news_of_a_question_are_known_by_their_kind() -> None:
    assert isinstance(read(question_message()), QuestionNews)
