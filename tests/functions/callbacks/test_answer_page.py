"""The page of a link: what looking shows, what a button does, and how each refusal is told."""

import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from functions.callbacks import answer_page
from functions.callbacks.answering import MAX_DOUBTFUL_TRACES
from functions.shared.job import JobStatus
from functions.shared.question import (
    CHANNEL,
    Act,
    Answer,
    Kind,
    Question,
    QuestionStatus,
    Reception,
    Rule,
    Trace,
    Via,
    answer,
    cannot_reach,
    close,
    decide,
    delegate,
)
from functions.shared.question_table import QuestionBusyError, QuestionTable
from tests.functions.callbacks.page_kit import (
    AN_HOUR_LATER,
    FORM,
    SOURCE,
    Visitor,
    answer_event,
    counted_calls,
    event,
    open_door,
    raising,
)
from tests.functions.job_table_rows import Rows
from tests.functions.orders.tables import _one_call_at_a_time
from tests.functions.question_items import ANN, ASKED_AT, BOB, CARL, REF, any_act, any_question

APPROVE = {"answer": "approve"}
REJECT = {"answer": "reject"}
VERIFICATION = any_question(kind=Kind.VERIFICATION, title="Your new account")
OF_TWO = any_question(people=(ANN, BOB))
TWO_OF_THREE = any_question(people=(ANN, BOB, CARL), rule=Rule(2))
IN_CHANNEL = any_question(in_channel=True)


@pytest.fixture
def visitor(monkeypatch: pytest.MonkeyPatch, questions: QuestionTable, rows: Rows) -> Visitor:
    return open_door(monkeypatch, questions, rows)


def tampered(token: str) -> str:
    """*token* with a signature of zeros."""
    return f"{token.rpartition('.')[0]}.{'A' * 43}"


def test_a_look_shows_what_is_decided_for_whom_and_until_when(visitor: Visitor) -> None:
    token = visitor.ask(any_question())

    shown = visitor.get(token)

    assert shown.status == 200
    for told in (
        "Contract with Example Ltd",
        "Pages 3",
        "Ann <ann@example.com>",
        "Sunday, 1 February 2026 at 09:00 UTC",
        "about 23 hours left",
    ):
        assert told in shown.html.text
    assert shown.html.all("time") == [{"datetime": "2026-02-01T09:00:00Z"}]
    assert shown.html.buttons == ["approve", "reject", "delegate"]
    assert shown.html.all("textarea")[0]["maxlength"] == "1000"


def test_a_look_takes_one_verification_and_two_reads(visitor: Visitor) -> None:
    token = visitor.ask(any_question())

    with (
        counted_calls(visitor.rows.client) as of_jobs,
        counted_calls(visitor.questions._client) as of_questions,
    ):
        visitor.get(token)

    assert visitor.signer.verified == [1]
    # One client serves both tables, and is counted twice.
    assert of_jobs == of_questions == {"GetItem": 2}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_changes_nothing_however_often_and_by_whomever(
    visitor: Visitor, method: str, question_items: Any
) -> None:
    token = visitor.ask(any_question())
    before = question_items.items()

    for _ in range(3):
        visitor.get(token, method=method)

    assert question_items.items() == before


def test_head_is_get_without_a_body(visitor: Visitor) -> None:
    token = visitor.ask(any_question())

    got, head = visitor.get(token), visitor.get(token, method="HEAD")

    assert (head.status, head.headers, head.body) == (got.status, got.headers, "")


def test_an_answer_decides_and_is_shown_where_the_browser_goes_next(visitor: Visitor) -> None:
    token = visitor.ask(any_question())

    answered = visitor.post(token, {"answer": "approve", "comment": "Fine\r\nby me"})
    shown = visitor.get(token)

    assert answered.status == 303
    assert answered.headers["location"] == token
    act = Act(AN_HOUR_LATER, "ann@example.com", Via.LINK, SOURCE, "Fine\nby me")
    decision = visitor.question().decision
    assert decision is not None
    assert (decision.answer, decision.act) == (Answer.APPROVE, act)
    assert shown.status == 200
    for told in (
        "Your answer is recorded",
        "Answer Approved",
        "By Ann",
        "Saturday, 31 January 2026 at 10:00 UTC",
        "Comment Fine by me",
    ):
        assert told in shown.html.text
    assert shown.html.all("form") == []


def test_an_answer_takes_one_verification_two_reads_and_a_write(visitor: Visitor) -> None:
    token = visitor.ask(any_question())

    with counted_calls(visitor.rows.client) as calls:
        visitor.post(token, APPROVE)

    assert visitor.signer.verified == [1]
    assert calls == {"GetItem": 2, "PutItem": 1}


def test_only_what_is_true_now_is_read(visitor: Visitor) -> None:
    token = visitor.ask(any_question())
    read: list[Any] = []

    def keep(params: Any, **_: Any) -> None:
        read.append((params["ConsistentRead"], params.get("ProjectionExpression")))

    visitor.rows.client.meta.events.register("provide-client-params.dynamodb.GetItem", keep)
    visitor.get(token)
    visitor.rows.client.meta.events.unregister("provide-client-params.dynamodb.GetItem", keep)

    assert read == [(True, None), (True, "#status, #attempt")]


def test_a_rejection_needs_no_comment_and_the_page_suggests_one(visitor: Visitor) -> None:
    token = visitor.ask(any_question())

    assert "If you reject, please say why" in visitor.get(token).html.text
    assert visitor.post(token, {"answer": "reject", "comment": ""}).status == 303

    decision = visitor.question().decision
    assert decision is not None
    assert decision.answer is Answer.REJECT
    assert decision.act.comment is None


def test_a_body_that_is_not_in_base64_is_read_too(visitor: Visitor) -> None:
    token = visitor.ask(any_question())
    plain = answer_event(token, {}) | {"body": "answer=approve", "isBase64Encoded": False}

    assert visitor.send(plain).status == 303


def test_a_second_answer_is_refused_and_leaves_a_trace(visitor: Visitor) -> None:
    token = visitor.ask(any_question())
    visitor.post(token, APPROVE)

    again = visitor.post(token, {"answer": "reject", "comment": "I changed my mind"})

    assert again.status == 409
    assert "You have already answered" in again.html.text
    assert "Answer Approved" in again.html.text
    question = visitor.question()
    assert question.decision is not None
    assert question.decision.answer is Answer.APPROVE
    act = Act(AN_HOUR_LATER, "ann@example.com", Via.LINK, SOURCE, "I changed my mind")
    assert question.traces == (Trace(Reception.SECOND, "p1", act, "reject"),)


def test_whoever_comes_after_the_decision_is_told_whose_it_was(visitor: Visitor) -> None:
    visitor.ask(OF_TWO)
    visitor.post(visitor.token(OF_TWO, "p2"), APPROVE)

    shown = visitor.get(visitor.token(OF_TWO))
    refused = visitor.post(visitor.token(OF_TWO), REJECT)

    assert shown.status == 200
    assert "This is decided" in shown.html.text
    assert refused.status == 409
    assert "This was already decided" in refused.html.text
    assert "By Bob" in refused.html.text
    assert [trace.reception for trace in visitor.question().traces] == [Reception.DECIDED]


def test_an_operator_is_not_named_by_the_page(visitor: Visitor) -> None:
    operator = "arn:aws:iam::123456789012:user/olga"
    decided, _ = decide(any_question(), Answer.APPROVE, any_act(operator, via=Via.JOBCTL))
    token = visitor.ask(decided)

    shown = visitor.get(token)

    assert "By An operator of this service" in shown.html.text
    assert "123456789012" not in shown.body


def test_people_who_could_not_be_reached_show_without_the_code_of_the_mail_service(
    visitor: Visitor,
) -> None:
    token = visitor.ask(cannot_reach(any_question(), "p1", "mail_bounced", AN_HOUR_LATER))

    shown = visitor.get(token)

    assert "Nobody could be asked" in shown.html.text
    assert "mail_bounced" not in shown.body


def test_votes_that_do_not_decide_yet_show_how_many_are_needed(visitor: Visitor) -> None:
    token = visitor.ask(TWO_OF_THREE)

    asking = visitor.get(token).html.text
    visitor.post(token, APPROVE)
    answered = visitor.get(token).html.text

    assert "2 of 3 people must approve 0 of 2 approvals so far" in asking
    assert "Your answer is recorded" in answered
    assert "1 of 2 approvals so far" in answered
    assert visitor.question().status is QuestionStatus.OPEN


LATE = {
    "the time is up": (any_question(), JobStatus.PROCESSING, timedelta(hours=25)),
    "the question is closed": (close(any_question())[0], JobStatus.PROCESSING, timedelta(hours=1)),
    "the job was stopped": (any_question(), JobStatus.CANCELLED, timedelta(hours=1)),
    "the job waits for its next try": (any_question(), JobStatus.PENDING, timedelta(hours=1)),
}


@pytest.mark.parametrize(("question", "status", "after"), LATE.values(), ids=LATE.keys())
def test_an_answer_is_too_late_when(
    visitor: Visitor, question: Any, status: JobStatus, after: timedelta
) -> None:
    token = visitor.ask(question, status)
    visitor.now = ASKED_AT + after

    shown = visitor.get(token)
    refused = visitor.post(token, {"answer": "approve", "comment": "sorry"})

    assert shown.status == refused.status == 410
    assert "It is too late to answer" in shown.html.text
    assert "It is too late to answer" in refused.html.text
    changed = visitor.question()
    assert (changed.status, changed.decision) == (question.status, None)
    act = Act(visitor.now, "ann@example.com", Via.LINK, SOURCE, "sorry")
    assert changed.traces == (Trace(Reception.LATE, "p1", act, "approve"),)


def test_the_question_of_an_attempt_before_is_too_late(visitor: Visitor) -> None:
    token = visitor.ask(any_question())
    visitor.set_job("job-1", JobStatus.PROCESSING, attempt=2)

    assert visitor.get(token).status == 410
    assert visitor.post(token, APPROVE).status == 410
    assert visitor.question().decision is None


def test_the_question_of_a_job_without_a_row_is_too_late(visitor: Visitor) -> None:
    visitor.questions.ask(any_question())
    token = visitor.token(any_question())

    assert visitor.post(token, APPROVE).status == 410


def test_an_answer_that_counted_shows_after_the_job_has_ended(visitor: Visitor) -> None:
    token = visitor.ask(any_question())
    visitor.post(token, APPROVE)
    visitor.set_job("job-1", JobStatus.COMPLETED)

    shown = visitor.get(token)

    assert shown.status == 200
    assert "Your answer is recorded" in shown.html.text


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_expired_link_shows_nothing_of_its_question(visitor: Visitor, method: str) -> None:
    token = visitor.ask(any_question())
    visitor.now = ASKED_AT + timedelta(hours=48, seconds=1)

    refused = visitor.send({"POST": answer_event(token, APPROVE)}.get(method, event(method, token)))

    assert refused.status == 410
    assert "This link has expired" in refused.html.text
    assert "Contract" not in refused.body
    [trace] = visitor.question().traces
    assert (trace.reception, trace.person) == (Reception.EXPIRED_LINK, "p1")
    assert trace.act.by == "ann@example.com"
    assert trace.answer == ("approve" if method == "POST" else None)


def test_a_tampered_link_is_refused_counted_and_traced(
    visitor: Visitor, capsys: pytest.CaptureFixture[str]
) -> None:
    token = visitor.ask(any_question())

    refused = visitor.post(tampered(token), {"answer": "approve", "comment": "let me in"})

    assert refused.status == 403
    assert "This link is not valid" in refused.html.text
    assert "Contract" not in refused.body
    question = visitor.question()
    assert question.decision is None
    act = Act(AN_HOUR_LATER, "unknown", Via.LINK, SOURCE, "let me in")
    assert question.traces == (Trace(Reception.TAMPERED_LINK, "p1", act, "approve"),)
    counted = json.loads(capsys.readouterr().out)
    assert counted["BadLinks"] == [1.0]
    assert (counted["stage"], counted["service"]) == ("test", "answer-page")
    assert counted["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "DurableJobs"


def test_a_tampered_link_to_no_question_writes_nothing(
    visitor: Visitor, question_items: Any
) -> None:
    refused = visitor.get(tampered(visitor.token(any_question())))

    assert refused.status == 403
    assert question_items.items() == []


def test_fetching_bad_links_over_and_over_pushes_out_no_trace_that_matters(
    visitor: Visitor,
) -> None:
    token = visitor.ask(any_question())
    visitor.post(token, APPROVE)
    visitor.post(token, REJECT)

    for _ in range(3):
        visitor.get(tampered(token))
    told = [trace.reception for trace in visitor.question().traces]
    assert told == [Reception.SECOND, Reception.TAMPERED_LINK]
    for number in range(60):
        looked = event("GET", tampered(token))
        looked["requestContext"]["http"]["sourceIp"] = f"203.0.113.{number}"
        visitor.send(looked)

    receptions = [trace.reception for trace in visitor.question().traces]
    assert receptions[0] is Reception.SECOND
    assert receptions[1:] == [Reception.TAMPERED_LINK] * MAX_DOUBTFUL_TRACES


@pytest.mark.parametrize("token", ["", "x", "1.e30.x", "../../etc/passwd", "1." + "A" * 5000])
def test_what_is_no_link_is_not_found_and_counted(
    visitor: Visitor, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = visitor.get(token)

    assert refused.status == 404
    assert json.loads(capsys.readouterr().out)["BadLinks"] == [1.0]
    assert visitor.signer.verified == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_good_link_to_a_question_that_is_gone_is_not_found(visitor: Visitor, method: str) -> None:
    token = visitor.token(any_question())

    shown = visitor.send({"POST": answer_event(token, APPROVE)}.get(method, event(method, token)))

    assert shown.status == 404


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_for_somebody_who_is_not_asked_is_not_found(visitor: Visitor, method: str) -> None:
    visitor.ask(any_question())
    token = visitor.token(OF_TWO, "p2")

    shown = visitor.send({"POST": answer_event(token, APPROVE)}.get(method, event(method, token)))

    assert shown.status == 404
    assert visitor.question().decision is None


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("left", [lambda old: old, lambda old: close(old)[0]])
def test_a_link_to_an_old_question_neither_sees_nor_answers_the_new_one_of_the_same_id(
    visitor: Visitor, method: str, left: Callable[[Question], Question]
) -> None:
    """A job's id may be used again once its row is forgotten."""
    old = any_question(asked_by="execution-0", asked_at=ASKED_AT - timedelta(milliseconds=1))
    visitor.ask(left(old))
    visitor.ask(any_question())
    token = visitor.token(old)

    refused = visitor.send({"POST": answer_event(token, APPROVE)}.get(method, event(method, token)))

    assert refused.status == 404
    assert "Contract" not in refused.body
    assert visitor.question() == any_question()


@pytest.mark.parametrize("is_tampered", [False, True])
def test_a_bad_link_to_an_old_question_leaves_no_trace_at_the_new_one(
    visitor: Visitor, *, is_tampered: bool
) -> None:
    token = visitor.token(any_question(asked_at=ASKED_AT - timedelta(days=8)))
    visitor.ask(any_question())
    visitor.now = ASKED_AT + timedelta(days=9)

    refused = visitor.get(tampered(token) if is_tampered else token)

    assert refused.status == (403 if is_tampered else 410)
    assert visitor.question() == any_question()


def test_pressing_a_button_again_and_again_writes_once(visitor: Visitor) -> None:
    token = visitor.ask(any_question())
    visitor.post(token, APPROVE)

    with counted_calls(visitor.rows.client) as calls:
        refused = [visitor.post(token, REJECT | {"comment": str(again)}) for again in range(3)]

    assert [each.status for each in refused] == [409] * 3
    assert calls["PutItem"] == 1
    assert [trace.act.comment for trace in visitor.question().traces] == ["0"]


def test_who_passed_it_on_to_an_address_without_mail_answers_by_their_old_link(
    visitor: Visitor,
) -> None:
    token = visitor.ask(any_question())
    visitor.post(token, {"answer": "delegate", "delegate_to": "typo@example.com"})
    visitor.questions.change(
        REF, lambda each: (cannot_reach(each, "p2", "mail_bounced", AN_HOUR_LATER), None)
    )

    shown = visitor.get(token)
    answered = visitor.post(token, APPROVE)

    assert shown.html.buttons == ["approve", "reject", "delegate"]
    assert answered.status == 303
    assert visitor.question().status is QuestionStatus.DECIDED


def test_links_of_before_a_rotation_answer_after_it(visitor: Visitor) -> None:
    token = visitor.ask(any_question())
    visitor.signer.keys[2] = b"the second key"

    assert visitor.get(token).status == 200
    assert visitor.post(token, APPROVE).status == 303


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused_without_looking_at_the_link(
    visitor: Visitor, method: str
) -> None:
    token = visitor.ask(any_question())

    refused = visitor.get(token, method=method)

    assert refused.status == 405
    assert refused.headers["allow"] == "GET, HEAD, POST"
    assert visitor.signer.verified == []


BAD_FORMS = {
    "no field": ("", 400),
    "no answer": ("comment=fine", 400),
    "an answer of no button": ("answer=maybe", 400),
    "an answer of another kind": ("answer=verify", 400),
    "an answer that nobody can give": ("answer=unreachable", 400),
    "two answers": ("answer=approve&answer=reject", 400),
    "the same field twice": ("answer=approve&comment=a&comment=a", 400),
    "an unknown field": ("answer=approve&by=eve", 400),
    "a name by mail": ("answer=approve&name=Eve", 400),
    "an address with an answer": ("answer=approve&delegate_to=eve%40example.com", 400),
    "a comment with a sign of life": ("answer=heartbeat&comment=hm", 400),
    "a sign of life that nobody waits for": ("answer=heartbeat", 400),
    "no form at all": ("approve", 400),
    "bytes that are no text": ("answer=approve&comment=%ff", 400),
    "letters that should be encoded": ("answer=approve&comment=ä", 400),
    "a comment too long": ("answer=approve&comment=" + "x" * 1_001, 400),
    "a form too large": ("answer=approve&comment=" + "x" * 16_384, 413),
    "an address that is none": ("answer=delegate&delegate_to=bob", 400),
    "an address of elsewhere": ("answer=delegate&delegate_to=eve%40example.org", 400),
    "an address that is asked": ("answer=delegate&delegate_to=ann%40example.com", 400),
}


@pytest.mark.parametrize(("body", "status"), BAD_FORMS.values(), ids=BAD_FORMS.keys())
def test_a_form_that_our_page_does_not_send_changes_nothing(
    visitor: Visitor, body: str, status: int
) -> None:
    token = visitor.ask(any_question())

    refused = visitor.send(event("POST", token, {"content-type": FORM}, body))

    assert refused.status == status
    assert visitor.question() == any_question()
    assert refused.html.all("p")[1].get("role") == "alert"
    # They can try again at once.
    assert "approve" in refused.html.buttons


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "multipart/form-data; boundary=x", "text/plain", f"{FORM}; charset=x"],
)
def test_what_is_no_form_is_refused_by_its_type(visitor: Visitor, content_type: str) -> None:
    token = visitor.ask(any_question())

    refused = visitor.send(event("POST", token, {"content-type": content_type}, "answer=approve"))

    assert refused.status == 415
    assert visitor.question().decision is None


def test_a_form_may_say_that_it_is_utf_8(visitor: Visitor) -> None:
    token = visitor.ask(any_question())
    said = {"content-type": "Application/X-WWW-Form-URLEncoded; charset=UTF-8"}

    assert visitor.send(event("POST", token, said, "answer=approve")).status == 303


def test_a_comment_of_full_length_in_any_script_is_taken(visitor: Visitor) -> None:
    token = visitor.ask(any_question())

    assert visitor.post(token, {"answer": "approve", "comment": "承" * 1_000}).status == 303


def test_a_comment_too_long_is_kept_in_the_form(visitor: Visitor) -> None:
    token = visitor.ask(any_question())
    comment = "\nno <b>way</b> " * 100

    refused = visitor.post(token, {"answer": "reject", "comment": comment})

    assert refused.status == 400
    assert "at most 1,000 characters" in refused.html.text
    assert "no &lt;b&gt;way&lt;/b&gt; \nno" in refused.body
    [box] = refused.html.all("textarea")
    assert box["aria-invalid"] == "true"
    assert "problem" in str(box["aria-describedby"]).split()


def test_a_bad_form_to_a_question_that_is_over_offers_no_other_try(visitor: Visitor) -> None:
    token = visitor.ask(close(any_question())[0])

    refused = visitor.post(token, {"answer": "maybe"})

    assert refused.status == 400
    assert refused.html.all("form") == []


def test_a_verification_has_one_button_and_no_other_field(visitor: Visitor) -> None:
    token = visitor.ask(VERIFICATION)

    shown = visitor.get(token)
    answered = visitor.post(token, {"answer": "verify"})
    after = visitor.get(token)
    again = visitor.post(token, {"answer": "verify"})

    assert shown.html.buttons == ["verify"]
    assert shown.html.all("textarea", "input") == []
    assert answered.status == 303
    assert "Your e-mail address is confirmed" in after.html.text
    assert again.status == 409
    assert "already confirmed" in again.html.text


@pytest.mark.parametrize("fields", [APPROVE, {"answer": "verify", "comment": "hello"}])
def test_a_verification_takes_nothing_else(visitor: Visitor, fields: dict[str, str]) -> None:
    token = visitor.ask(VERIFICATION)

    assert visitor.post(token, fields).status == 400
    assert visitor.question() == VERIFICATION


def test_passing_on_asks_somebody_else_and_takes_ones_own_say(visitor: Visitor) -> None:
    token = visitor.ask(any_question())

    passed_on = visitor.post(token, {"answer": "delegate", "delegate_to": " bob@example.com "})
    shown = visitor.get(token)
    refused = visitor.post(token, APPROVE)
    by_bob = visitor.post(visitor.token(visitor.question(), "p2"), APPROVE)

    assert passed_on.status == 303
    assert shown.status == 200
    assert "Passed on to bob@example.com" in shown.html.text
    assert refused.status == 409
    assert "You passed this on before" in refused.html.text
    assert by_bob.status == 303
    receptions = [trace.reception for trace in visitor.question().traces]
    assert receptions == [Reception.ACCEPTED, Reception.DELEGATED]


def test_passing_on_to_an_address_of_elsewhere_says_why_and_keeps_it(visitor: Visitor) -> None:
    token = visitor.ask(any_question())

    refused = visitor.post(token, {"answer": "delegate", "delegate_to": "eve@example.org"})

    assert refused.status == 400
    assert "same organization" in refused.html.text
    [box] = refused.html.all("input")
    assert box["value"] == "eve@example.org"
    assert "open" in refused.html.all("details")[-1]


def test_a_sign_of_life_is_noted_and_decides_nothing(visitor: Visitor) -> None:
    token = visitor.ask(any_question(heartbeat=timedelta(hours=1)))

    noted = visitor.post(token, {"answer": "heartbeat"})
    shown = visitor.get(token)

    assert noted.status == 303
    question = visitor.question()
    assert (question.status, question.heartbeat_at) == (QuestionStatus.OPEN, AN_HOUR_LATER)
    assert shown.status == 200
    assert "It is noted that somebody is looking into it." in shown.html.text
    assert "approve" in shown.html.buttons


def test_a_sign_of_life_that_comes_too_late_leaves_a_trace(visitor: Visitor) -> None:
    question = any_question(heartbeat=timedelta(hours=1))
    token = visitor.ask(question, JobStatus.FAILED)

    assert visitor.post(token, {"answer": "heartbeat"}).status == 410

    changed = visitor.question()
    assert changed.heartbeat_at is None
    assert changed.status is QuestionStatus.OPEN
    assert [(each.reception, each.answer) for each in changed.traces] == [
        (Reception.LATE, "heartbeat")
    ]


def test_the_channel_answers_with_a_name(visitor: Visitor) -> None:
    visitor.ask(IN_CHANNEL)
    token = visitor.token(IN_CHANNEL, CHANNEL)

    shown = visitor.get(token)
    nameless = visitor.post(token, {"answer": "approve", "comment": "ok", "name": " "})
    answered = visitor.post(token, {"answer": "approve", "comment": "ok", "name": "Eve  Adams"})
    after = visitor.get(token)
    by_ann = visitor.post(visitor.token(IN_CHANNEL), REJECT)

    assert "Asked Everybody in the channel" in shown.html.text
    assert "ann@example.com" not in shown.body
    assert shown.html.buttons == ["approve", "reject"]
    assert nameless.status == 400
    assert "Please enter your name" in nameless.html.text
    assert answered.status == 303
    decision = visitor.question().decision
    assert decision is not None
    assert decision.act == Act(AN_HOUR_LATER, "Eve Adams", Via.CHANNEL, SOURCE, "ok")
    assert "By Eve Adams (from the channel)" in after.html.text
    assert by_ann.status == 409


@pytest.mark.parametrize("name", ["ann@example.com", "Ann \uff20 example", "@ann"])
def test_the_channel_takes_no_address_for_a_name(visitor: Visitor, name: str) -> None:
    """Beside the answers by mail it would look as if it were proven too."""
    token = visitor.token(IN_CHANNEL, CHANNEL)
    visitor.ask(IN_CHANNEL)

    refused = visitor.post(token, {"answer": "approve", "name": name})

    assert refused.status == 400
    assert visitor.question().decision is None


def test_whoever_else_in_the_channel_answers_is_not_told_that_they_had(visitor: Visitor) -> None:
    visitor.ask(IN_CHANNEL)
    token = visitor.token(IN_CHANNEL, CHANNEL)
    visitor.post(token, APPROVE | {"name": "Eve"})

    shown = visitor.get(token)
    refused = visitor.post(token, REJECT | {"name": "Bob"})

    assert "This is decided" in shown.html.text
    assert refused.status == 409
    assert "This was already decided" in refused.html.text


def test_a_name_too_long_is_refused(visitor: Visitor) -> None:
    visitor.ask(IN_CHANNEL)
    token = visitor.token(IN_CHANNEL, CHANNEL)

    refused = visitor.post(token, APPROVE | {"name": "E" * 81})

    assert refused.status == 400
    assert "at most 80 characters" in refused.html.text


def test_the_channel_learns_no_address(visitor: Visitor) -> None:
    nameless = any_question(people=(replace(ANN, name=None),), in_channel=True)
    visitor.ask(nameless)
    visitor.post(visitor.token(nameless), APPROVE)

    shown = visitor.get(visitor.token(nameless, CHANNEL))

    assert "By One of the people who were asked" in shown.html.text
    assert "ann@example.com" not in shown.body


def test_where_several_must_agree_the_channel_only_sees(visitor: Visitor) -> None:
    question = replace(TWO_OF_THREE, in_channel=True)
    visitor.ask(question)
    token = visitor.token(question, CHANNEL)

    shown = visitor.get(token)
    refused = visitor.post(token, APPROVE | {"name": "Eve"})

    assert shown.status == 200
    assert "This link only shows the request" in shown.html.text
    assert shown.html.all("form") == []
    assert refused.status == 400
    assert visitor.question() == question


def test_a_channel_link_of_before_does_not_answer_where_the_rule_is_another(
    visitor: Visitor,
) -> None:
    """The record is asked too, not only the link."""
    visitor.ask(replace(TWO_OF_THREE, in_channel=True))
    token = visitor.token(IN_CHANNEL, CHANNEL)

    assert visitor.post(token, APPROVE | {"name": "Eve"}).status == 400
    assert visitor.question().people == TWO_OF_THREE.people


def test_of_two_answers_at_once_one_wins_and_the_other_is_told(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = _one_call_at_a_time(visitor.rows.client)
    monkeypatch.setattr(answer_page.questions, "_client", client)
    monkeypatch.setattr(answer_page.jobs, "_client", client)
    together = threading.Barrier(2)

    def send(person_id: str, choice: str, token: str) -> tuple[str, int, str]:
        together.wait()
        sent = visitor.post(token, {"answer": choice})
        return person_id, sent.status, choice

    for number in range(20):
        question = replace(OF_TWO, ref=replace(REF, job_id=f"job-{number}"))
        visitor.ask(question)
        with ThreadPoolExecutor(2) as pool:
            sent = [
                pool.submit(send, "p1", "approve", visitor.token(question, "p1")),
                pool.submit(send, "p2", "reject", visitor.token(question, "p2")),
            ]
        by_status = {status: (person, choice) for person, status, choice in map(_result, sent)}
        changed = visitor.questions.read(question.ref)

        assert by_status.keys() == {303, 409}
        assert changed.decision is not None
        assert changed.decision.answer == by_status[303][1]
        [trace] = changed.traces
        assert (trace.reception, trace.person) == (Reception.DECIDED, by_status[409][0])


def _result(future: Any) -> tuple[str, int, str]:
    result: tuple[str, int, str] = future.result()
    return result


DISTURBANCES = {
    "throttled": ClientError({"Error": {"Code": "ThrottlingException"}}, "VerifyMac"),
    "broken at AWS": ClientError(
        {"Error": {"Code": "X"}, "ResponseMetadata": {"HTTPStatusCode": 500}},  # type: ignore[typeddict-item]  # what is read of it
        "GetItem",
    ),
    "unreachable": EndpointConnectionError(endpoint_url="https://example.com"),
    "no answer": ReadTimeoutError(endpoint_url="https://example.com"),
    "too many at once": QuestionBusyError("busy"),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("error", DISTURBANCES.values(), ids=DISTURBANCES.keys())
def test_a_disturbance_asks_to_try_again(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, error: Exception, method: str
) -> None:
    token = visitor.ask(any_question())
    monkeypatch.setattr(visitor.signer, "is_signature", raising(error))
    monkeypatch.setattr(answer_page.links, "_signer", visitor.signer)

    told = visitor.send({"POST": answer_event(token, APPROVE)}.get(method, event(method, token)))

    assert told.status == 503
    assert told.headers["retry-after"] == "5"
    assert "Please try again in a moment" in told.html.text


def test_a_fault_of_ours_is_told_without_its_details_and_logged(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    token = visitor.ask(any_question())
    monkeypatch.setattr(answer_page, "jobs", None)

    told = visitor.get(token)

    assert told.status == 500
    assert "Something went wrong" in told.html.text
    assert "AttributeError" not in told.body
    assert "request not answered" in caplog.messages
    assert token not in caplog.text


def test_the_log_knows_neither_links_nor_people_nor_what_they_say(
    visitor: Visitor, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, logger="functions")
    visitor.ask(replace(IN_CHANNEL, callback_id="callback-1"))
    token, of_channel = visitor.token(IN_CHANNEL), visitor.token(IN_CHANNEL, CHANNEL)

    visitor.get(token)
    visitor.post(token, {"answer": "delegate", "delegate_to": "bob@example.com"})
    visitor.post(of_channel, {"answer": "approve", "name": "Eve", "comment": "a secret"})
    visitor.post(token, REJECT)
    visitor.post(tampered(token), REJECT)
    visitor.get("nonsense")

    logged = [record for record in caplog.records if record.name == answer_page.logger.name]
    assert [vars(record).get("reception") for record in logged] == [
        None,
        "accepted",
        "accepted",
        "passed on before",
        "tampered link",
        None,
    ]
    assert vars(logged[1])["job_id"] == "job-1"
    said = str([vars(record) for record in logged]) + capsys.readouterr().out
    for secret in (*token.split(".")[1:], "example.com", "Eve", "a secret", SOURCE, "callback-1"):
        assert secret not in said


def test_a_delegate_of_a_delegate_answers(visitor: Visitor) -> None:
    passed_on, _ = delegate(any_question(), "p1", "bob@example.com", any_act())
    twice, _ = delegate(passed_on, "p2", "carl@example.com", any_act("bob@example.com"))
    visitor.ask(twice)

    assert visitor.get(visitor.token(twice, "p2")).status == 200
    assert visitor.post(visitor.token(twice, "p2"), APPROVE).status == 409
    assert visitor.post(visitor.token(twice, "p3"), APPROVE).status == 303


def test_somebody_who_answered_before_the_decision_sees_their_own_answer(visitor: Visitor) -> None:
    voted, _ = answer(TWO_OF_THREE, "p1", Answer.REJECT, any_act(comment="Not yet"))
    decided, _ = decide(voted, Answer.APPROVE, any_act("arn", via=Via.JOBCTL))
    token = visitor.ask(decided)

    shown = visitor.get(token)

    assert "Answer Rejected" in shown.html.text
    assert "Comment Not yet" in shown.html.text
