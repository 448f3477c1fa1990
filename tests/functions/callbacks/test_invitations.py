"""Who must have been told what of a question by now."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from functions.callbacks.invitations import due_mails, event_of
from functions.shared.question import (
    MAX_TRACES,
    Answer,
    Person,
    Question,
    QuestionRef,
    QuestionStatus,
    Reception,
    Rule,
    answer,
    beat,
    cannot_reach,
    close,
    decide,
    delegate,
    remind,
    trace,
)
from functions.shared.question_event import QuestionEvent
from tests.functions.question_items import ANN, ASKED_AT, BOB, CARL, any_act, any_question

SOON = ASKED_AT + timedelta(minutes=1)
HALF_WAY = ASKED_AT + timedelta(hours=12)
LATER = ASKED_AT + timedelta(hours=13)


def names_of(question: Question) -> list[str]:
    return [mail.name for mail in due_mails(question, LATER)]


def reminded(question: Question) -> Question:
    return remind(question, "callback-2", question.until, HALF_WAY)[0]


def passed_on(question: Question, to: str = "dora@example.com", **act: Any) -> Question:
    return delegate(question, "p1", to, any_act(**act))[0]


def test_everybody_with_an_address_is_invited() -> None:
    question = any_question(people=(ANN, BOB, Person(person_id="p3")))

    assert names_of(question) == [
        "1-approval-1769850000000-p1-invitation",
        "1-approval-1769850000000-p2-invitation",
    ]


def test_the_name_of_a_mail_tells_the_attempt() -> None:
    second = any_question(ref=QuestionRef("job-1", 2, "approval"))

    assert names_of(second) == ["2-approval-1769850000000-p1-invitation"]


def test_whoever_has_answered_is_not_asked_again() -> None:
    question = any_question(people=(ANN, BOB), rule=Rule(2))
    voted, _ = answer(question, "p1", Answer.APPROVE, any_act())

    assert names_of(voted) == ["1-approval-1769850000000-p2-invitation"]
    assert names_of(reminded(voted)) == ["1-approval-1769850000000-p2-reminder"]


def test_whom_no_mail_reaches_gets_no_other_one() -> None:
    question = any_question(people=(ANN, BOB))
    missed = cannot_reach(question, "p1", "mail_bounced", SOON)

    assert names_of(missed) == ["1-approval-1769850000000-p2-invitation"]


def test_a_reminder_takes_the_place_of_an_invitation() -> None:
    assert names_of(reminded(any_question())) == ["1-approval-1769850000000-p1-reminder"]


def test_whoever_it_was_passed_on_to_is_asked_instead_of_the_giver() -> None:
    [due] = due_mails(passed_on(any_question()), LATER)

    assert due.name == "1-approval-1769850000000-p2-delegation"
    assert due.person.address == "dora@example.com"
    assert due.giver is not None
    assert due.giver.address == "ann@example.com"


def test_whoever_got_it_before_the_reminder_is_reminded() -> None:
    question = reminded(passed_on(any_question()))

    assert names_of(question) == ["1-approval-1769850000000-p2-reminder"]


def test_whoever_got_it_after_the_reminder_is_asked_once() -> None:
    question = passed_on(reminded(any_question()), at=LATER)

    assert names_of(question) == ["1-approval-1769850000000-p2-delegation"]


def back(question: Question, heir: str = "p2", **fields: Any) -> Question:
    return cannot_reach(question, heir, "mail_bounced", **({"now": LATER} | fields))


def test_whoever_got_it_back_is_asked_again_and_told_why() -> None:
    [due] = due_mails(back(passed_on(any_question())), LATER)

    assert due.name == "1-approval-1769850000000-p1-return-p2"
    assert due.person.address == "ann@example.com"
    assert due.lost is not None
    assert due.lost.address == "dora@example.com"


def test_whoever_got_it_back_twice_is_asked_each_time() -> None:
    once = back(passed_on(any_question()))
    twice = back(passed_on(once, to="eve@example.com", at=LATER), "p3")

    assert [names_of(once), names_of(twice)] == [
        ["1-approval-1769850000000-p1-return-p2"],
        ["1-approval-1769850000000-p1-return-p3"],
    ]


def test_an_heir_who_passed_it_on_in_vain_is_told_so_and_not_that_they_are_new() -> None:
    to_dora = passed_on(any_question())
    to_eve, _ = delegate(to_dora, "p2", "eve@example.com", any_act())

    assert names_of(back(to_eve, "p3")) == ["1-approval-1769850000000-p2-return-p3"]


def test_whoever_got_it_back_after_the_reminder_is_asked_and_before_it_reminded() -> None:
    after = back(passed_on(reminded(any_question()), at=HALF_WAY + timedelta(minutes=1)))
    before = reminded(back(passed_on(any_question()), now=SOON))

    assert names_of(after) == ["1-approval-1769850000000-p1-return-p2"]
    assert names_of(before) == ["1-approval-1769850000000-p1-reminder"]


def test_a_flood_of_traces_asks_nobody_again() -> None:
    question = reminded(any_question(people=(ANN, BOB), rule=Rule(2)))
    asked = passed_on(question, at=LATER)
    flooded = asked
    for number in range(MAX_TRACES + 1):
        tried = any_act(by=f"somebody {number}", at=LATER)
        flooded = trace(flooded, Reception.TAMPERED_LINK, "p2", tried)

    # The note that it was passed on has been pushed out.
    assert not any(each.reception is Reception.ACCEPTED for each in flooded.traces)
    assert names_of(flooded) == names_of(asked)


def test_a_question_whose_time_is_up_asks_nobody() -> None:
    assert due_mails(any_question(), ASKED_AT + timedelta(hours=25)) == ()


def test_only_those_who_are_to_be_told_hear_of_the_end() -> None:
    question = any_question(announce_to=(CARL, Person(person_id="nobody"), BOB))
    decided, _ = decide(question, Answer.REJECT, any_act())
    expired, _ = close(question)

    for ended in (decided, expired):
        assert names_of(ended) == [
            "1-approval-1769850000000-to-1-outcome",
            "1-approval-1769850000000-to-3-outcome",
        ]


def test_the_channel_hears_of_the_question_the_reminder_and_the_end() -> None:
    question = any_question(in_channel=True)
    again = reminded(question)
    decided, _ = decide(again, Answer.APPROVE, any_act())
    expired, _ = close(again)

    assert event_of(None, question) is QuestionEvent.ASKED
    assert event_of(question, again) is QuestionEvent.REMINDED
    assert event_of(again, decided) is QuestionEvent.ENDED
    assert event_of(again, expired) is QuestionEvent.ENDED


def test_the_channel_hears_of_nothing_else() -> None:
    question = any_question(
        in_channel=True, people=(ANN, BOB), rule=Rule(2), heartbeat=timedelta(hours=1)
    )
    decided, _ = decide(question, Answer.APPROVE, any_act())
    late, _ = answer(decided, "p2", Answer.REJECT, any_act())

    assert late.status is QuestionStatus.DECIDED
    assert event_of(question, answer(question, "p1", Answer.APPROVE, any_act())[0]) is None
    assert event_of(question, beat(question, "p1", any_act())[0]) is None
    assert event_of(question, passed_on(question)) is None
    assert event_of(decided, late) is None


def test_a_question_that_is_not_for_the_channel_stays_out_of_it() -> None:
    question = any_question(in_channel=False)

    assert event_of(None, question) is None
    assert event_of(question, close(question)[0]) is None


def test_a_new_job_of_an_old_id_is_told_of_as_if_there_had_been_none() -> None:
    old = any_question(in_channel=True, asked_by="execution-old")
    new = replace(old, asked_by="execution-new", asked_at=ASKED_AT + timedelta(days=40))

    assert event_of(old, new) is QuestionEvent.ASKED
    assert not set(names_of(old)) & {
        mail.name for mail in due_mails(replace(new, until=LATER + timedelta(days=41)), LATER)
    }
