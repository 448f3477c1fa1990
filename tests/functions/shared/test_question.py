"""What a question makes of everything that people do to it, in whatever order they do it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.shared.question import (
    ANY_ONE,
    CHANNEL,
    MAX_BY_LENGTH,
    MAX_COMMENT_LENGTH,
    MAX_FACTS,
    MAX_ON_RECORD,
    MAX_PEOPLE,
    MAX_SOURCE_LENGTH,
    MAX_TITLE_LENGTH,
    MAX_TRACES,
    YES,
    Act,
    Answer,
    Decision,
    DelegationRefusedError,
    Kind,
    Language,
    NotAskedError,
    NotOfferedError,
    Person,
    Question,
    QuestionStatus,
    Reception,
    Rule,
    Trace,
    Via,
    answer,
    beat,
    cannot_reach,
    close,
    decide,
    delegate,
    remind,
    takes_channel_answers,
    trace,
)
from functions.shared.question_table import from_item, to_item
from tests.functions.question_items import ANN, ASKED_AT, BOB, CARL, any_act, any_question

UNTIL = ASKED_AT + timedelta(hours=24)
ALL_THREE = (ANN, BOB, CARL)
# DynamoDB's bound of an item.
MAX_ITEM_BYTES = 400 * 1024


def after(*answers: tuple[str, Answer], **fields: Any) -> Question:
    """A question that took these answers, one a minute."""
    question = any_question(**fields)
    for minute, (person_id, said) in enumerate(answers):
        act = any_act(f"{person_id}@example.com", at=ASKED_AT + timedelta(minutes=minute))
        question, reception = answer(question, person_id, said, act)
        assert reception is Reception.ACCEPTED
    return question


def decided_as(question: Question) -> Answer | None:
    return question.decision.answer if question.decision else None


@pytest.mark.parametrize("said", [Answer.APPROVE, Answer.REJECT])
def test_where_any_one_may_decide_the_first_answer_does(said: Answer) -> None:
    question = after(("p2", said), people=ALL_THREE)

    assert question.status is QuestionStatus.DECIDED
    assert question.decision is not None
    assert question.decision.answer is said
    assert question.decision.act.by == "p2@example.com"


@pytest.mark.parametrize(
    ("needed", "said", "decision"),
    [
        (3, "yy", None),
        (3, "yyy", Answer.APPROVE),
        (3, "n", Answer.REJECT),
        (3, "yn", Answer.REJECT),
        (2, "y", None),
        (2, "yy", Answer.APPROVE),
        (2, "yny", Answer.APPROVE),
        (2, "n", None),
        (2, "nn", Answer.REJECT),
        (2, "nyn", Answer.REJECT),
        (1, "y", Answer.APPROVE),
        (1, "nn", None),
        (1, "nnn", Answer.REJECT),
    ],
)
def test_of_three_as_many_must_say_yes_as_the_rule_says(
    needed: int, said: str, decision: Answer | None
) -> None:
    answers = [
        (f"p{number}", Answer.APPROVE if letter == "y" else Answer.REJECT)
        for number, letter in enumerate(said, start=1)
    ]

    question = after(*answers, people=ALL_THREE, rule=Rule(needed))

    assert decided_as(question) is decision


def test_a_second_answer_of_the_same_person_changes_nothing_and_leaves_a_trace() -> None:
    question = after(("p1", Answer.APPROVE), people=ALL_THREE, rule=Rule(2))
    act = any_act(comment="I changed my mind.")

    changed, reception = answer(question, "p1", Answer.REJECT, act)

    assert reception is Reception.SECOND
    assert changed == replace(question, traces=changed.traces)
    assert changed.traces == (Trace(Reception.SECOND, "p1", act, "reject"),)


def test_who_comes_after_the_decision_is_told_so() -> None:
    question = after(("p1", Answer.APPROVE), people=ALL_THREE)

    changed, reception = answer(question, "p2", Answer.REJECT, any_act("bob@example.com"))

    assert reception is Reception.DECIDED
    assert changed.decision == question.decision
    assert [each.reception for each in changed.traces] == [Reception.DECIDED]


@pytest.mark.parametrize(
    ("late_by", "reception"),
    [(timedelta(), Reception.ACCEPTED), (timedelta(milliseconds=1), Reception.LATE)],
)
def test_an_answer_counts_until_the_last_moment(late_by: timedelta, reception: Reception) -> None:
    changed, received = answer(any_question(), "p1", Answer.APPROVE, any_act(at=UNTIL + late_by))

    assert received is reception
    assert len(changed.traces) == (reception is Reception.LATE)


def test_an_answer_to_a_closed_question_is_late_though_its_time_is_not_up() -> None:
    closed, _ = close(any_question())

    _, reception = answer(closed, "p1", Answer.APPROVE, any_act())

    assert reception is Reception.LATE


def test_an_operator_decides_whatever_the_rule() -> None:
    question = after(("p1", Answer.APPROVE), people=ALL_THREE, rule=Rule(3))

    changed, reception = decide(question, Answer.REJECT, any_act("ops", via=Via.JOBCTL))

    assert reception is Reception.ACCEPTED
    assert decided_as(changed) is Answer.REJECT


def test_an_operator_cannot_turn_a_decision() -> None:
    question = after(("p1", Answer.APPROVE))

    changed, reception = decide(question, Answer.REJECT, any_act("ops", via=Via.JOBCTL))

    assert reception is Reception.DECIDED
    assert changed.decision == question.decision
    assert [each.person for each in changed.traces] == ["operator"]


@pytest.mark.parametrize("given", [Answer.VERIFY, Answer.UNREACHABLE])
def test_an_answer_that_is_not_offered_is_an_error(given: Answer) -> None:
    with pytest.raises(NotOfferedError, match="approve or reject"):
        answer(any_question(), "p1", given, any_act())
    with pytest.raises(NotOfferedError, match="approve or reject"):
        decide(any_question(), given, any_act())


@pytest.mark.parametrize("person_id", ["p9", CHANNEL, ""])
def test_nobody_but_those_who_were_asked_can_do_anything(person_id: str) -> None:
    question = any_question(heartbeat=timedelta(hours=1))

    with pytest.raises(NotAskedError):
        answer(question, person_id, Answer.APPROVE, any_act())
    with pytest.raises(NotAskedError):
        beat(question, person_id, any_act())
    with pytest.raises(NotAskedError):
        delegate(question, person_id, "dora@example.com", any_act())


def test_the_first_who_answers_in_the_channel_decides_and_the_next_is_told_so() -> None:
    question = any_question(in_channel=True)

    decided, _ = answer(question, CHANNEL, Answer.APPROVE, any_act("Dora", via=Via.CHANNEL))
    again, reception = answer(decided, CHANNEL, Answer.REJECT, any_act("Emil", via=Via.CHANNEL))

    assert decided.decision is not None
    assert decided.decision.act.by == "Dora"
    assert decided.person(CHANNEL) is not None
    # Another reader of the channel has not answered before.
    assert reception is Reception.DECIDED
    assert again.decision == decided.decision


def test_where_several_must_agree_the_channel_only_shows() -> None:
    question = any_question(people=ALL_THREE, rule=Rule(2), in_channel=True)

    assert not takes_channel_answers(question)
    with pytest.raises(NotAskedError):
        answer(question, CHANNEL, Answer.APPROVE, any_act(via=Via.CHANNEL))


def test_whom_it_was_passed_on_to_votes_in_the_givers_place() -> None:
    question = any_question(people=(ANN, BOB), rule=Rule(2))

    passed_on, reception = delegate(question, "p1", "dora@example.com", any_act())
    late, refused = answer(passed_on, "p1", Answer.REJECT, any_act())
    one, _ = answer(late, "p3", Answer.APPROVE, any_act("dora@example.com"))
    both, _ = answer(one, "p2", Answer.APPROVE, any_act("bob@example.com"))

    assert reception is Reception.ACCEPTED
    assert [each.person_id for each in passed_on.seats] == ["p2", "p3"]
    assert refused is Reception.DELEGATED
    assert one.decision is None
    assert decided_as(both) is Answer.APPROVE
    assert [each.reception for each in both.traces] == [Reception.ACCEPTED, Reception.DELEGATED]


def test_an_heir_is_asked_from_then_on_and_in_the_givers_language() -> None:
    ann = replace(ANN, language=Language.JAPANESE)
    act = any_act()

    passed_on, _ = delegate(any_question(people=(ann,)), "p1", "dora@example.com", act)

    assert passed_on.people[-1] == Person(
        person_id="p2",
        address="dora@example.com",
        language=Language.JAPANESE,
        asked_at=act.at,
    )


def test_a_decision_names_everybody_whose_vote_counted() -> None:
    question = after(
        ("p1", Answer.APPROVE),
        ("p2", Answer.REJECT),
        ("p3", Answer.APPROVE),
        people=ALL_THREE,
        rule=Rule(2),
    )

    assert question.decision is not None
    assert [(vote.act.by, vote.answer) for vote in question.decision.votes] == [
        ("p1@example.com", Answer.APPROVE),
        ("p2@example.com", Answer.REJECT),
        ("p3@example.com", Answer.APPROVE),
    ]
    assert Decision.from_event(question.decision.to_event()) == question.decision


def test_an_operators_decision_rests_on_nobodys_vote() -> None:
    question = after(("p1", Answer.APPROVE), people=ALL_THREE, rule=Rule(3))

    question, _ = decide(question, Answer.APPROVE, any_act("ops", via=Via.JOBCTL))

    assert question.decision is not None
    assert question.decision.votes == ()


def test_whom_it_was_passed_on_to_can_pass_it_on() -> None:
    question, _ = delegate(any_question(), "p1", "dora@example.com", any_act())

    question, _ = delegate(question, "p2", "emil@example.com", any_act("dora@example.com"))
    question, refused = answer(question, "p2", Answer.APPROVE, any_act("dora@example.com"))
    question, _ = answer(question, "p3", Answer.REJECT, any_act("emil@example.com"))

    assert refused is Reception.DELEGATED
    assert decided_as(question) is Answer.REJECT


def test_a_question_is_passed_on_once() -> None:
    question, _ = delegate(any_question(), "p1", "dora@example.com", any_act())

    changed, reception = delegate(question, "p1", "emil@example.com", any_act())

    assert reception is Reception.DELEGATED
    assert changed.people == question.people


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("dora@elsewhere.example", "domain"),
        ("dora@sub.example.com", "domain"),
        ("ann@example.com", "asked already"),
        ("ANN@Example.com", "asked already"),
        ("Bob@example.com", "asked already"),
        ("dora", "not an e-mail address"),
        ("dora@x@example.com", "not an e-mail address"),
        ("dora@example.com\nbcc: all@example.com", "not an e-mail address"),
    ],
)
def test_a_question_stays_with_people_of_the_domains_that_were_asked(
    address: str, why: str
) -> None:
    with pytest.raises(DelegationRefusedError, match=why):
        delegate(any_question(people=(ANN, BOB)), "p1", address, any_act())


def test_a_verification_cannot_be_passed_on() -> None:
    with pytest.raises(DelegationRefusedError, match="reviewer"):
        delegate(any_question(kind=Kind.VERIFICATION), "p1", "dora@example.com", any_act())


def passed_round(question: Question, turns: int) -> Question:
    """*question*, passed on from one to the next."""
    for _ in range(turns):
        [giver] = question.seats
        heir = f"n{len(question.people)}@example.com"
        question, _ = delegate(question, giver.person_id, heir, any_act(giver.address or ""))
    return question


def test_who_passed_a_question_on_takes_no_place_from_anybody() -> None:
    people = tuple(
        Person(person_id=f"p{number}", address=f"p{number}@example.com")
        for number in range(1, MAX_PEOPLE + 1)
    )

    question, reception = delegate(
        any_question(people=people), "p1", "dora@example.com", any_act("p1@example.com")
    )

    assert reception is Reception.ACCEPTED
    assert len(question.seats) == MAX_PEOPLE


def test_a_question_does_not_go_round_for_ever() -> None:
    question = passed_round(any_question(), MAX_ON_RECORD - 1)

    with pytest.raises(DelegationRefusedError, match="too often"):
        passed_round(question, 1)


def test_whoever_is_left_may_still_decide_where_some_cannot_be_reached() -> None:
    question = any_question(people=(ANN, BOB))

    missed = cannot_reach(question, "p1", "mail_bounced", ASKED_AT)

    assert missed.status is QuestionStatus.OPEN
    assert [each.unreachable for each in missed.people] == ["mail_bounced", None]


@pytest.mark.parametrize(
    ("rule", "missing"), [(ANY_ONE, "p1 p2 p3"), (Rule(2), "p1 p3"), (Rule(3), "p2")]
)
def test_a_question_is_decided_once_too_few_can_be_reached(rule: Rule, missing: str) -> None:
    question = any_question(people=ALL_THREE, rule=rule)
    for person_id in missing.split():
        assert question.status is QuestionStatus.OPEN
        question = cannot_reach(question, person_id, "mail_bounced", ASKED_AT)

    assert question.decision == Decision(
        Answer.UNREACHABLE, Act(ASKED_AT, "", Via.MAIL_SERVICE, comment="mail_bounced")
    )


def test_a_yes_by_another_way_counts_though_no_mail_came_through() -> None:
    question = cannot_reach(
        any_question(people=ALL_THREE, rule=Rule(2)), "p1", "mail_complained", ASKED_AT
    )
    question, reception = answer(question, "p1", Answer.APPROVE, any_act())

    # Ann has said yes and Carl still can: that would be two.
    question = cannot_reach(question, "p2", "mail_bounced", ASKED_AT)

    assert reception is Reception.ACCEPTED
    assert question.status is QuestionStatus.OPEN
    question, _ = answer(question, "p3", Answer.APPROVE, any_act("carl@example.com"))
    assert decided_as(question) is Answer.APPROVE


def test_a_no_decides_where_who_cannot_be_reached_is_needed_for_the_yes() -> None:
    question = any_question(people=ALL_THREE, rule=Rule(2))

    question = cannot_reach(question, "p1", "mail_bounced", ASKED_AT)
    question, _ = answer(question, "p2", Answer.REJECT, any_act("bob@example.com"))

    assert decided_as(question) is Answer.REJECT


def test_where_the_channel_can_answer_a_mail_that_bounces_ends_nothing() -> None:
    question = any_question(in_channel=True)

    missed = cannot_reach(question, "p1", "mail_bounced", ASKED_AT)

    assert missed.status is QuestionStatus.OPEN


def test_a_bounce_changes_nothing_for_who_has_voted_or_passed_on_or_is_unknown() -> None:
    voted = after(("p1", Answer.APPROVE), people=ALL_THREE, rule=Rule(3))
    passed_on, _ = delegate(voted, "p2", "dora@example.com", any_act("bob@example.com"))

    for person_id in ("p1", "p2", "p9"):
        assert cannot_reach(passed_on, person_id, "mail_bounced", ASKED_AT) == passed_on


def test_who_passed_a_question_on_to_somebody_without_mail_is_asked_again() -> None:
    at = ASKED_AT + timedelta(hours=2)
    question, _ = delegate(any_question(), "p1", "typo@example.com", any_act())

    question = cannot_reach(question, "p2", "mail_bounced", at)
    late, refused = answer(question, "p2", Answer.REJECT, any_act("typo@example.com"))
    decided, reception = answer(late, "p1", Answer.APPROVE, any_act())

    assert question.status is QuestionStatus.OPEN
    assert question.seats == (replace(ANN, asked_at=at),)
    assert [each.unreachable for each in question.people] == [None, "mail_bounced"]
    assert (refused, reception) == (Reception.DELEGATED, Reception.ACCEPTED)
    assert decided_as(decided) is Answer.APPROVE


def test_who_is_asked_again_can_pass_it_on_again() -> None:
    question, _ = delegate(any_question(), "p1", "typo@example.com", any_act())
    question = cannot_reach(question, "p2", "mail_bounced", ASKED_AT)

    question, reception = delegate(question, "p1", "dora@example.com", any_act())
    again = cannot_reach(question, "p3", "mail_bounced", ASKED_AT)

    assert reception is Reception.ACCEPTED
    assert [each.person_id for each in question.seats] == ["p3"]
    assert [each.person_id for each in again.seats] == ["p1"]
    assert len([each for each in again.traces if each.reception is Reception.ACCEPTED]) == 2


def test_a_seat_goes_back_from_one_to_the_one_before() -> None:
    question, _ = delegate(any_question(), "p1", "dora@example.com", any_act())
    question, _ = delegate(question, "p2", "typo@example.com", any_act("dora@example.com"))

    back = cannot_reach(question, "p3", "mail_bounced", ASKED_AT)
    further_back = cannot_reach(back, "p2", "mail_complained", ASKED_AT)

    assert [each.person_id for each in back.seats] == ["p2"]
    assert [each.person_id for each in further_back.seats] == ["p1"]
    assert further_back.status is QuestionStatus.OPEN


def test_a_seat_that_goes_back_to_who_cannot_be_reached_either_counts_for_no_yes() -> None:
    question, _ = delegate(any_question(people=(ANN, BOB)), "p1", "dora@example.com", any_act())
    question = cannot_reach(question, "p3", "mail_bounced", ASKED_AT)
    # The mail of the second invitation does not come through.
    question = cannot_reach(question, "p1", "mail_bounced", ASKED_AT)
    # By the link of the first, Ann passes it on once more.
    question, _ = delegate(question, "p1", "emil@example.com", any_act())

    question = cannot_reach(question, "p4", "mail_bounced", ASKED_AT)

    assert [each.person_id for each in question.seats] == ["p1", "p2"]
    assert question.status is QuestionStatus.OPEN
    assert decided_as(cannot_reach(question, "p2", "mail_bounced", ASKED_AT)) is Answer.UNREACHABLE


def test_a_bounce_of_a_decided_question_changes_nothing() -> None:
    question = after(("p1", Answer.APPROVE), people=(ANN, BOB))

    assert cannot_reach(question, "p2", "mail_bounced", ASKED_AT) == question


def test_a_sign_of_life_is_kept() -> None:
    act = any_act()

    alive, reception = beat(any_question(heartbeat=timedelta(hours=1)), "p1", act)

    assert reception is Reception.ACCEPTED
    assert alive.heartbeat_at == act.at


def test_a_sign_of_life_that_comes_too_late_keeps_nothing_waiting() -> None:
    question = any_question(heartbeat=timedelta(hours=1))

    late, reception = beat(question, "p1", any_act(at=UNTIL + timedelta(seconds=1)))

    assert reception is Reception.LATE
    assert late.heartbeat_at is None
    assert [(each.reception, each.answer) for each in late.traces] == [
        (Reception.LATE, "heartbeat")
    ]


def test_a_question_that_waits_without_signs_of_life_takes_none() -> None:
    with pytest.raises(NotOfferedError):
        beat(any_question(), "p1", any_act())


def test_a_reminder_moves_the_question_to_another_callback() -> None:
    at = ASKED_AT + timedelta(hours=12)

    reminded, decision = remind(any_question(), "callback-2", UNTIL + timedelta(seconds=3), at)

    assert decision is None
    assert (reminded.callback_id, reminded.reminded_at) == ("callback-2", at)
    # Nobody gets more time by the minutes that a reminder was late.
    assert reminded.until == UNTIL


def test_a_reminder_that_is_repeated_changes_nothing() -> None:
    at = ASKED_AT + timedelta(hours=12)
    reminded, _ = remind(any_question(), "callback-2", UNTIL, at)

    assert remind(reminded, "callback-2", UNTIL, at + timedelta(minutes=5)) == (reminded, None)


def test_a_reminder_gives_back_what_was_decided_meanwhile() -> None:
    question = after(("p1", Answer.APPROVE))

    assert remind(question, "callback-2", UNTIL, ASKED_AT) == (question, question.decision)


def test_closing_gives_back_what_was_decided_meanwhile() -> None:
    question = after(("p1", Answer.REJECT))

    assert close(question) == (question, question.decision)


def test_closing_again_changes_nothing() -> None:
    closed, decision = close(any_question())

    assert decision is None
    assert closed.status is QuestionStatus.EXPIRED
    assert close(closed) == (closed, None)


def test_the_latest_traces_push_out_the_oldest() -> None:
    question = any_question()
    for number in range(MAX_TRACES + 5):
        question = trace(question, Reception.TAMPERED_LINK, f"p{number}", any_act())

    assert [each.person for each in question.traces] == [
        f"p{number}" for number in range(5, MAX_TRACES + 5)
    ]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("two\r\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b]0;owned\x07", "\ufffd]0;owned\ufffd"),
        ("half \ud800 a pair", "half ? a pair"),
        ("👩‍💻 はい", "👩‍💻 はい"),
    ],
)
def test_what_people_write_is_kept_without_what_only_a_terminal_obeys(text: str, kept: str) -> None:
    assert any_act(comment=text).comment == kept


def test_a_name_stays_in_one_line() -> None:
    assert any_act("  Ann\nApproved by:\tthe board ").by == "Ann Approved by: the board"


def test_a_comment_is_kept_whole_up_to_its_bound() -> None:
    comment = "漢" * MAX_COMMENT_LENGTH

    question, _ = answer(any_question(), "p1", Answer.APPROVE, any_act(comment=comment))

    assert question.decision is not None
    assert question.decision.act.comment == comment


@pytest.mark.parametrize("letter", ["😀", "\x01", '"', "\\", "\n", "\ud800"])
def test_the_fullest_record_stays_far_below_what_an_item_can_hold(letter: str) -> None:
    def person(number: int) -> Person:
        address = f"{'😀' * 300}{number}@example.com"
        return Person(person_id=f"p{number}", address=address, name="😀" * 200)

    people = tuple(person(number) for number in range(1, MAX_PEOPLE + 1))
    question = any_question(
        people=people,
        rule=Rule(MAX_PEOPLE),
        announce_to=people,
        title="😀" * MAX_TITLE_LENGTH,
        facts=(("😀" * 100, "😀" * 500),) * MAX_FACTS,
        callback_id="c" * 1_024,
    )
    act = any_act(
        letter * 10 * MAX_BY_LENGTH,
        source=letter * 10 * MAX_SOURCE_LENGTH,
        comment=letter * 10 * MAX_COMMENT_LENGTH,
    )
    question = passed_on_by_everybody(passed_on_by_everybody(question, act), act)
    for each in question.seats:
        question, _ = answer(question, each.person_id, Answer.APPROVE, act)
    for number in range(MAX_TRACES):
        claimed = f"{number}{letter * 10_000}"
        question = trace(question, Reception.TAMPERED_LINK, claimed, act, letter * 10_000)

    item = to_item(question)

    assert question.status is QuestionStatus.DECIDED
    assert question.decision is not None
    assert len(question.decision.votes) == MAX_PEOPLE
    assert len(question.people) == MAX_ON_RECORD
    assert len(question.traces) == MAX_TRACES
    assert size_of(item) < 0.85 * MAX_ITEM_BYTES


def passed_on_by_everybody(question: Question, act: Act) -> Question:
    for giver in question.seats:
        heir = f"{'😀' * 300}{len(question.people) + 1}@example.com"
        question, _ = delegate(question, giver.person_id, heir, act)
    return question


def size_of(item: dict[str, dict[str, str]]) -> int:
    """As DynamoDB counts: the names of the attributes, and their texts in UTF-8."""
    return sum(
        len(name.encode()) + len(text.encode())
        for name, value in item.items()
        for text in value.values()
    )


@dataclass(frozen=True)
class Done:
    """One thing that somebody tries."""

    what: str
    person_id: str
    said: Answer
    at: datetime


KINDS_OF_ACTS = (
    "answer",
    "answer",
    "answer",
    "decide",
    "delegate",
    "beat",
    "bounce",
    "remind",
    "close",
)
deeds = st.builds(
    Done,
    st.sampled_from(KINDS_OF_ACTS),
    st.sampled_from(["p1", "p2", "p3", "p4", "p5", CHANNEL]),
    st.sampled_from([Answer.APPROVE, Answer.REJECT]),
    st.integers(0, 25 * 60).map(lambda minutes: ASKED_AT + timedelta(minutes=minutes)),
)
rules = st.sampled_from([ANY_ONE, Rule(1), Rule(2), Rule(3)])


def do(question: Question, deed: Done) -> tuple[Question, Reception | None]:
    """What comes of *deed*; None where it is nothing that somebody is told of."""
    who = deed.person_id
    act = any_act(f"{who}@example.com", at=deed.at)
    heir = f"heir{len(question.people)}@example.com"
    deeds_by_name: dict[str, Callable[[], tuple[Question, Reception | None]]] = {
        "answer": lambda: answer(question, who, deed.said, act),
        "decide": lambda: decide(question, deed.said, act),
        "delegate": lambda: delegate(question, who, heir, act),
        "beat": lambda: beat(question, who, act),
        "bounce": lambda: (cannot_reach(question, who, "mail_bounced", deed.at), None),
        "remind": lambda: (remind(question, "callback-2", UNTIL, deed.at)[0], None),
        "close": lambda: (close(question)[0], None),
    }
    return deeds_by_name[deed.what]()


def is_settled_by_rule(question: Question) -> bool:
    """The rule in the plainest words, to compare with: nobody's decision but the votes'."""
    votes = [seat.vote.answer in YES for seat in question.people if seat.vote]
    if question.rule.needed is None:
        # The first answer, or nobody is left whom a mail reaches and no channel reads along.
        unreachable = all(seat.unreachable for seat in question.seats)
        return bool(votes) or (unreachable and not question.in_channel)
    silent = [seat for seat in question.seats if not seat.vote and not seat.unreachable]
    yes = votes.count(True)
    return yes >= question.rule.needed or yes + len(silent) < question.rule.needed


@given(acts=st.lists(deeds, max_size=25), rule=rules, in_channel=st.booleans())
@settings(max_examples=500)
def test_whatever_people_do_in_whatever_order_a_question_keeps_its_promises(
    *, acts: list[Done], rule: Rule, in_channel: bool
) -> None:
    question = any_question(
        people=ALL_THREE, rule=rule, in_channel=in_channel, heartbeat=timedelta(hours=1)
    )
    overruled = False

    for deed in acts:
        before = question
        try:
            question, reception = do(question, deed)
        except (NotAskedError, DelegationRefusedError):
            continue

        # Decided once, and never otherwise.
        if before.decision is not None:
            assert question.decision == before.decision
        if before.status is not QuestionStatus.OPEN:
            assert question.status is before.status
        assert (question.status is QuestionStatus.DECIDED) == (question.decision is not None)
        # By the rule, or by an operator.
        overruled |= deed.what == "decide" and reception is Reception.ACCEPTED
        if not overruled and question.status is not QuestionStatus.EXPIRED:
            assert (question.decision is not None) == is_settled_by_rule(question)
        # A vote stays what it was.
        for each in before.people:
            now = question.person(each.person_id)
            assert now is not None
            assert each.vote is None or now.vote == each.vote
        # Who was refused left a trace, and nothing else.
        if reception not in {Reception.ACCEPTED, None}:
            assert question == replace(before, traces=question.traces)
            assert reception in {each.reception for each in question.traces}
            if question != before:
                assert question.traces[:-1] == before.traces[-MAX_TRACES + 1 :]
                assert question.traces[-1].reception is reception
        # As many have a say as at the beginning; the channel is one more.
        assert len([each for each in question.seats if each.person_id != CHANNEL]) == len(ALL_THREE)
        assert from_item(to_item(question)) == question
