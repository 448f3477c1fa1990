"""What an operator reads of a question, at 80 columns and without colour."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console

from functions.shared.job import Job, JobStatus
from functions.shared.mail_ledger import Fate, MailRecord
from functions.shared.question import (
    CHANNEL,
    Act,
    Answer,
    Kind,
    Question,
    QuestionRef,
    Reception,
    Rule,
    Via,
    answer,
    beat,
    cannot_reach,
    close,
    decide,
    delegate,
    remind,
    trace,
)
from jobctl.execution_tree import Unread
from jobctl.job_view import Place, job_as_json, print_job
from jobctl.questions import Asked
from tests.functions.job_table_rows import any_job
from tests.functions.question_items import ANN, ASKED_AT, BOB, CARL, any_act, any_question

NOW = ASKED_AT + timedelta(hours=2)
WAITING = any_job(
    job_type="document-approval",
    status=JobStatus.PROCESSING,
    started_at="2026-01-31T09:00:00.000Z",
)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


def shown(
    *questions: Question,
    mails: Sequence[MailRecord] = (),
    job: Job = WAITING,
    now: datetime = NOW,
) -> str:
    out = StringIO()
    print_job(
        Console(file=out, width=80),
        job,
        place=Place("--stage dev"),
        now=now,
        with_result=False,
        asked=Asked(questions, tuple(mails)),
    )
    return out.getvalue()


def lines_of(text: str, *labels: str) -> list[str]:
    """The lines under these labels."""
    found, label = [], ""
    for line in text.splitlines():
        label = line[:11].strip() or label
        if label in labels:
            found.append(line)
    return found


def talked_about() -> Question:
    question = any_question(people=(ANN, BOB, CARL), rule=Rule(2), heartbeat=timedelta(hours=1))
    question, _ = answer(question, "p1", Answer.APPROVE, any_act(comment="Fine.\nPlease go on."))
    question, _ = delegate(question, "p2", "emil@example.com", any_act("bob@example.com"))
    question = cannot_reach(question, "p3", "mail_bounced", ASKED_AT)
    question, _ = answer(question, "p1", Answer.REJECT, any_act(comment="No, wait."))
    question, _ = beat(question, "p4", any_act("emil@example.com"))
    return trace(question, Reception.TAMPERED_LINK, "p9", any_act("somebody"), "approve")


def test_a_question_tells_who_was_asked_and_what_came_of_it() -> None:
    text = shown(talked_about())

    assert lines_of(
        text, "question", "asked", "heartbeat", "until", "people", "traces", "decision"
    ) == [
        "question   approval, attempt 1: open",
        "           Contract with Example Ltd",
        "           Pages: 3",
        "asked      2026-01-31T09:00:00.000Z, 2 of 3 must agree",
        "heartbeat  2026-01-31T10:00:00.000Z",
        "until      2026-02-01T09:00:00.000Z, in 22 h 00 min",
        "people     Ann <ann@example.com>: approve 2026-01-31T10:00:00.000Z by link",
        "             from 198.51.100.7",
        "           | Fine.",
        "           | Please go on.",
        "           Bob <bob@example.com>: passed it on to emil@example.com",
        "           Carl <carl@example.com>: no answer; no mail reaches them",
        "             (mail_bounced)",
        "           emil@example.com: no answer",
        "traces     passed on: bob@example.com, 2026-01-31T10:00:00.000Z by link from",
        "             198.51.100.7",
        "           second answer (reject): ann@example.com, 2026-01-31T10:00:00.000Z",
        "             by link from 198.51.100.7",
        "           | No, wait.",
        "           tampered link (approve): p9, by somebody, 2026-01-31T10:00:00.000Z",
        "             by link from 198.51.100.7",
    ]


def test_a_job_that_waits_says_for_what_until_when_and_how_to_answer() -> None:
    text = shown(talked_about())

    assert lines_of(text, "waits", "next") == [
        "waits      for the answer to approval until 2026-02-01T09:00:00.000Z, in 22 h 00",
        "           min",
        "next       bin/jobctl approve job-1 --stage dev",
        "next       bin/jobctl reject job-1 --stage dev",
        "next       bin/jobctl watch job-1 --stage dev",
        "next       bin/jobctl stop job-1 --stage dev",
    ]


def test_where_a_job_waits_for_several_answers_each_command_names_its_question() -> None:
    other = any_question(ref=QuestionRef("job-1", 1, "legal"))

    commands = lines_of(shown(any_question(), other), "next")

    assert "next       bin/jobctl approve job-1 --question legal --stage dev" in commands
    assert "next       bin/jobctl reject job-1 --question approval --stage dev" in commands


def test_a_verification_is_for_the_person_alone() -> None:
    text = shown(any_question(kind=Kind.VERIFICATION))

    assert "question   approval (verification), attempt 1: open" in text
    assert lines_of(text, "next")[0] == "next       bin/jobctl watch job-1 --stage dev"


@pytest.mark.parametrize(
    "job",
    [
        replace(WAITING, status=JobStatus.CANCELLED),
        replace(WAITING, status=JobStatus.FAILED),
        replace(WAITING, attempt=2),
        replace(WAITING, status=JobStatus.PENDING, attempt=2),
    ],
)
def test_an_open_question_of_a_job_that_does_not_wait_says_so(job: Job) -> None:
    text = shown(any_question(), job=job)

    assert "approval, attempt 1: open, but the job waits for it no more" in text
    assert "approve" not in "".join(lines_of(text, "next"))
    assert lines_of(text, "waits") == []


def test_an_operators_decision_stands_with_their_name_and_reason() -> None:
    act = Act(NOW, "ann@example.com as Operator", Via.JOBCTL, comment="We do not buy.")
    decided, _ = decide(talked_about(), Answer.REJECT, act)

    text = shown(decided)

    assert "question   approval, attempt 1: decided" in text
    assert lines_of(text, "decision") == [
        "decision   reject by ann@example.com as Operator, 2026-01-31T11:00:00.000Z by",
        "             jobctl",
        "           | We do not buy.",
    ]
    assert lines_of(text, "waits") == []


def test_a_voters_reason_stands_once_where_their_vote_decided() -> None:
    decided, _ = answer(any_question(), "p1", Answer.APPROVE, any_act(comment="Fine."))

    text = shown(decided)

    assert text.count("| Fine.") == 1
    assert "decision   approve by ann@example.com, 2026-01-31T10:00:00.000Z by link" in text


def test_an_answer_from_the_channel_names_who_gave_it() -> None:
    question = any_question(in_channel=True)
    decided, _ = answer(question, CHANNEL, Answer.APPROVE, any_act("Dora", via=Via.CHANNEL))

    text = shown(decided)

    assert "any one or the channel decides" in text
    assert "channel: approve by Dora, 2026-01-31T10:00:00.000Z by the channel" in text


def test_a_decision_that_nobody_made_says_why() -> None:
    text = shown(cannot_reach(any_question(), "p1", "mail_bounced", NOW))

    assert lines_of(text, "decision") == [
        "decision   unreachable 2026-01-31T11:00:00.000Z by the mail service",
        "           | mail_bounced",
    ]


def test_a_question_that_ran_out_says_when_people_were_reminded() -> None:
    reminded, _ = remind(
        any_question(), "callback-2", ASKED_AT + timedelta(hours=24), ASKED_AT + timedelta(hours=12)
    )
    closed, _ = close(reminded)

    text = shown(closed, job=replace(WAITING, status=JobStatus.COMPLETED))

    assert "question   approval, attempt 1: expired" in text
    assert "reminded   2026-01-31T21:00:00.000Z" in text
    assert "until      2026-02-01T09:00:00.000Z\n" in text


def test_a_question_whose_time_has_just_passed_says_how_long_ago() -> None:
    text = shown(any_question(), now=ASKED_AT + timedelta(hours=24, seconds=30))

    assert "until      2026-02-01T09:00:00.000Z, 30.0 s ago" in text


def test_what_became_of_each_mail_is_told() -> None:
    def mail(name: str, **fields: object) -> MailRecord:
        return MailRecord(name=name, token="t", at=ASKED_AT, **fields)  # type: ignore[arg-type]  # noqa: S106  # of many types; a token of an intent

    text = shown(
        any_question(),
        mails=[
            mail("one", message_id="m", sent_at=ASKED_AT, fate=Fate.DELIVERED, fate_at=NOW),
            mail("two", message_id="m", sent_at=ASKED_AT, fate=Fate.SOFT_BOUNCED, fate_at=NOW),
            mail("three", message_id="m", sent_at=ASKED_AT),
            mail("four"),
            mail("five", failed="mail_rejected"),
        ],
    )

    assert lines_of(text, "mails") == [
        "mails      one: sent 2026-01-31T09:00:00.000Z; delivered",
        "             2026-01-31T11:00:00.000Z",
        "           two: sent 2026-01-31T09:00:00.000Z; soft bounced",
        "             2026-01-31T11:00:00.000Z",
        "           three: sent 2026-01-31T09:00:00.000Z",
        "           four: may be on its way since 2026-01-31T09:00:00.000Z",
        "           five: not sent, 2026-01-31T09:00:00.000Z: mail_rejected",
    ]


HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\r\nstatus     completed"


def test_nothing_that_somebody_wrote_acts_on_the_terminal_or_begins_a_line() -> None:
    act = Act(NOW, HOSTILE, Via.CHANNEL, HOSTILE, HOSTILE)
    question = any_question(
        people=(replace(ANN, name=HOSTILE),),
        title=HOSTILE,
        facts=((HOSTILE, HOSTILE),),
        in_channel=True,
    )
    question = trace(question, Reception.TAMPERED_LINK, HOSTILE, act, HOSTILE)
    question, _ = answer(question, CHANNEL, Answer.APPROVE, act)
    mail = MailRecord(name="one", token="t", at=ASKED_AT, failed=HOSTILE)  # noqa: S106  # of an intent

    text = shown(question, mails=[mail])

    assert all(line.isprintable() for line in text.splitlines())
    assert [line for line in text.splitlines() if line.startswith("status")] == [
        "status     processing, attempt 1"
    ]


def test_a_comment_fits_the_terminal_in_any_script() -> None:
    act = any_act(comment="漢字はここでも折り返される。" * 12)
    question, _ = answer(any_question(), "p1", Answer.APPROVE, act)

    quoted = [line for line in shown(question).splitlines() if "| " in line]

    assert len(quoted) > 1
    # Each of these letters takes two columns.
    assert max(len(line) + sum(not letter.isascii() for letter in line) for line in quoted) <= 80


def test_a_table_that_cannot_be_read_says_why() -> None:
    out = StringIO()
    print_job(
        Console(file=out, width=80),
        WAITING,
        place=Place("--stage dev"),
        now=NOW,
        with_result=False,
        asked=Unread("no right to read them"),
    )

    assert "questions  no right to read them" in out.getvalue()


def test_json_has_everything_but_the_callback() -> None:
    mail = MailRecord(name="one", token="t", at=ASKED_AT, message_id="m-1")  # noqa: S106  # of an intent
    text = job_as_json(WAITING, with_result=False, asked=Asked((talked_about(),), (mail,)))

    told = json.loads(text)

    [question] = told["questions"]
    assert question["name"] == "approval"
    assert question["status"] == "open"
    assert question["people"][0]["vote"]["act"]["source"] == "198.51.100.7"
    assert [each["reception"] for each in question["traces"]] == [
        "accepted",
        "second answer",
        "tampered link",
    ]
    assert told["mails"] == [{"name": "one", "at": "2026-01-31T09:00:00.000Z", "message_id": "m-1"}]
    assert "callback-1" not in text


def test_it_shows_whom_the_question_went_back_to() -> None:
    question, _ = delegate(any_question(), "p1", "typo@example.com", any_act())
    question = cannot_reach(question, "p2", "mail_bounced", ASKED_AT)

    text = " ".join(shown(question).split())

    assert "Ann <ann@example.com>: no answer" in text
    assert (
        "typo@example.com: it went back to ann@example.com; no mail reaches them (mail_bounced)"
        in text
    )
