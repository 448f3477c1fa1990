"""Questions written down, read and changed, by many at once."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from functions.shared.aws_errors import is_transient
from functions.shared.question import (
    MAX_PEOPLE,
    Answer,
    Decision,
    Kind,
    Language,
    Person,
    Question,
    QuestionRef,
    QuestionStatus,
    Reception,
    Rule,
    Trace,
    Via,
    Vote,
    answer,
    beat,
    close,
    remind,
    trace,
)
from functions.shared.question_table import (
    ROUNDS,
    QuestionBusyError,
    QuestionTable,
    UnknownQuestionError,
)
from tests.functions.question_items import (
    ANN,
    ASKED_AT,
    BOB,
    REF,
    KeyedTable,
    any_act,
    any_question,
)

RACES = 100
HALF_WAY = ASKED_AT + timedelta(hours=12)
UNTIL = ASKED_AT + timedelta(hours=24)


def approve(person_id: str = "p1") -> Callable[[Question], tuple[Question, Reception]]:
    act = any_act(f"{person_id}@example.com")
    return lambda question: answer(question, person_id, Answer.APPROVE, act)


def test_a_question_is_read_as_it_was_asked(questions: QuestionTable) -> None:
    question = any_question()

    questions.ask(question)

    assert questions.read(REF) == question
    assert questions.of_job("job-1") == [question]


def test_everything_about_a_question_comes_back(questions: QuestionTable) -> None:
    vote = Vote(Answer.APPROVE, any_act(comment="はい、\n結構です"))
    question = any_question(
        kind=Kind.VERIFICATION,
        people=(
            replace(ANN, vote=vote, language=Language.JAPANESE),
            replace(BOB, delegated_to="p3"),
            Person(
                person_id="p3",
                address="carl@example.com",
                unreachable="mail_bounced",
                asked_at=HALF_WAY,
            ),
        ),
        rule=Rule(2),
        in_channel=True,
        announce_to=(ANN,),
        heartbeat=timedelta(hours=1),
        heartbeat_at=HALF_WAY,
        reminded_at=HALF_WAY,
        status=QuestionStatus.DECIDED,
        decision=Decision(vote.answer, vote.act, (vote,)),
        traces=(Trace(Reception.LATE, "p2", any_act(via=Via.CHANNEL, source=None), "reject"),),
    )

    questions.ask(question)

    assert questions.read(REF) == question


def test_a_question_that_is_asked_again_stays_as_it_stands(questions: QuestionTable) -> None:
    questions.ask(any_question())
    answered, _ = questions.change(REF, approve())

    standing = questions.ask(any_question(title="another"))

    assert standing == answered
    assert questions.read(REF) == answered


def decided(question: Question) -> Question:
    changed, _ = approve()(question)
    return changed


@pytest.mark.parametrize("left", [lambda question: question, decided, lambda each: close(each)[0]])
def test_what_a_forgotten_job_of_the_same_id_asked_gives_way(
    questions: QuestionTable, left: Callable[[Question], Question]
) -> None:
    questions.ask(left(any_question(asked_by="execution-0", callback_id="callback-0")))
    new = any_question(asked_at=HALF_WAY)

    assert questions.ask(new) == new
    assert questions.read(REF) == new


def test_a_question_stands_though_the_reminder_gave_it_another_callback(
    questions: QuestionTable,
) -> None:
    """A step that is repeated, or one that wakes late, asks nothing anew."""
    questions.ask(any_question())
    reminded, _ = questions.change(REF, lambda each: remind(each, "callback-2", UNTIL, HALF_WAY))

    assert questions.ask(any_question()) == reminded
    assert questions.read(REF) == reminded


def test_an_old_question_that_is_answered_while_it_is_replaced_is_replaced_all_the_same(
    questions: QuestionTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions.ask(any_question(asked_by="execution-0"))
    put_new = questions._put_new

    def overtaken(question: Question) -> Any:
        standing = put_new(question)
        if questions.read(REF).decision is None:
            questions.change(REF, approve())
        return standing

    monkeypatch.setattr(questions, "_put_new", overtaken)
    new = any_question(asked_at=HALF_WAY)

    assert questions.ask(new) == new
    assert questions.read(REF) == new


def test_who_has_read_the_old_question_cannot_write_over_the_new_one(
    questions: QuestionTable,
) -> None:
    questions.ask(any_question(asked_by="execution-0"))
    readings: list[str] = []

    def slow(question: Question) -> tuple[Question, None]:
        readings.append(question.asked_by)
        questions.ask(any_question())
        return replace(question, title=f"changed of {question.asked_by}"), None

    questions.change(REF, slow)

    assert readings == ["execution-0", "execution-1"]
    assert questions.read(REF).title == "changed of execution-1"


def test_a_refusal_that_is_repeated_is_written_once(
    questions: QuestionTable, question_items: KeyedTable
) -> None:
    questions.ask(any_question())
    questions.change(REF, approve())
    questions.change(REF, approve())
    before = question_items.items()

    _, reception = questions.change(REF, approve())

    assert reception is Reception.SECOND
    assert question_items.items() == before


def test_a_question_that_was_never_asked_is_an_error(questions: QuestionTable) -> None:
    with pytest.raises(UnknownQuestionError, match="job job-1 asked no question approval"):
        questions.read(REF)
    with pytest.raises(UnknownQuestionError):
        questions.change(REF, approve())


def test_the_questions_of_a_job_come_by_attempt_whatever_else_is_kept_beside_them(
    questions: QuestionTable, question_items: KeyedTable
) -> None:
    refs = [QuestionRef("job-1", attempt, "approval") for attempt in (10, 2, 1)]
    for ref in [*refs, QuestionRef("job-10", 1, "approval")]:
        questions.ask(any_question(ref=ref))
    question_items.client.put_item(
        TableName=question_items.name, Item={"pk": {"S": "JOB#job-1"}, "sk": {"S": "MAIL#one"}}
    )

    assert [question.ref.attempt for question in questions.of_job("job-1")] == [1, 2, 10]


def test_the_questions_of_a_job_are_read_though_they_do_not_fit_one_page(
    questions: QuestionTable,
) -> None:
    """A page has at most 1 MB."""
    facts = (("Text", "x" * 300_000),)
    for attempt in range(1, 6):
        questions.ask(any_question(ref=QuestionRef("job-1", attempt, "approval"), facts=facts))

    assert len(questions.of_job("job-1")) == 5


def test_a_record_goes_thirty_days_after_the_last_moment_for_an_answer(
    questions: QuestionTable, question_items: KeyedTable
) -> None:
    questions.ask(any_question())

    [item] = question_items.items()

    assert int(item["expires_at"]["N"]) == int((UNTIL + timedelta(days=30)).timestamp())


def test_an_answer_is_kept(questions: QuestionTable) -> None:
    questions.ask(any_question())

    changed, reception = questions.change(REF, approve())

    assert reception is Reception.ACCEPTED
    assert questions.read(REF) == changed


def test_what_changes_nothing_writes_nothing(
    questions: QuestionTable, question_items: KeyedTable
) -> None:
    questions.ask(any_question())
    before = question_items.items()

    questions.change(REF, lambda question: (question, None))

    assert question_items.items() == before


def test_a_change_is_made_of_what_stands_when_it_is_written(questions: QuestionTable) -> None:
    questions.ask(any_question(people=(ANN, BOB), rule=Rule(2)))
    readings: list[Question] = []

    def overtaken(question: Question) -> tuple[Question, Reception]:
        if not readings:
            questions.change(REF, approve("p2"))
        readings.append(question)
        return approve("p1")(question)

    changed, reception = questions.change(REF, overtaken)

    assert reception is Reception.ACCEPTED
    assert [len([each for each in reading.people if each.vote]) for reading in readings] == [0, 1]
    assert changed.status is QuestionStatus.DECIDED


def test_who_is_overtaken_again_and_again_is_told_to_come_back(questions: QuestionTable) -> None:
    questions.ask(any_question())
    readings = 0

    def always_overtaken(question: Question) -> tuple[Question, Reception]:
        nonlocal readings
        readings += 1
        act = any_act(source=f"198.51.100.{readings}")
        questions.change(REF, lambda other: (trace(other, Reception.LATE, "p1", act), None))
        return approve()(question)

    with pytest.raises(QuestionBusyError) as raised:
        questions.change(REF, always_overtaken)

    assert readings == ROUNDS
    assert is_transient(raised.value)
    assert questions.read(REF).decision is None


@pytest.fixture
def racers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(MAX_PEOPLE) as pool:
        yield pool


@pytest.fixture
def raced(questions: QuestionTable, monkeypatch: pytest.MonkeyPatch) -> QuestionTable:
    """The table, called by one at a time: moto's own conditions are not atomic across threads."""
    lock = threading.Lock()
    client: Any = questions._client
    call = client._make_api_call

    def locked(*args: Any) -> Any:
        with lock:
            return call(*args)

    monkeypatch.setattr(client, "_make_api_call", locked)
    return questions


def race(
    racers: ThreadPoolExecutor, *changes: Callable[[], tuple[Question, Any]], lead: int = 0
) -> list[Any]:
    """What each of them was told, who all began at the same moment; the *lead*th a little ahead."""
    start = threading.Barrier(len(changes))

    def begin(place: int) -> Any:
        start.wait()
        if place != lead % len(changes):
            time.sleep(0)
        return changes[place]()[1]

    return list(racers.map(begin, range(len(changes))))


def refs() -> list[QuestionRef]:
    return [QuestionRef(f"job-{number}", 1, "approval") for number in range(RACES)]


def test_of_two_answers_at_once_one_decides_and_the_other_is_told_so(
    raced: QuestionTable, racers: ThreadPoolExecutor
) -> None:
    winners: Counter[str] = Counter()
    for lead, ref in enumerate(refs()):
        raced.ask(any_question(ref=ref, people=(ANN, BOB)))

        told = race(
            racers,
            partial(raced.change, ref, approve("p1")),
            partial(raced.change, ref, approve("p2")),
            lead=lead,
        )

        question = raced.read(ref)
        winner, loser = ("p1", "p2") if told[0] is Reception.ACCEPTED else ("p2", "p1")
        assert Counter(told) == {Reception.ACCEPTED: 1, Reception.DECIDED: 1}
        assert question.decision is not None
        assert question.decision.act.by == f"{winner}@example.com"
        # The loser's answer is no vote, and not lost either.
        assert [each.person_id for each in question.people if each.vote] == [winner]
        assert [each.person for each in question.traces] == [loser]
        winners[winner] += 1

    # Else nobody raced.
    assert len(winners) == 2


def test_one_person_who_answers_twice_at_once_has_one_vote(
    raced: QuestionTable, racers: ThreadPoolExecutor
) -> None:
    for ref in refs():
        raced.ask(any_question(ref=ref))

        told = race(racers, *[partial(raced.change, ref, approve())] * 2)

        assert Counter(told) == {Reception.ACCEPTED: 1, Reception.SECOND: 1}


def test_an_answer_at_the_moment_of_closing_counts_or_is_told_that_it_is_late(
    raced: QuestionTable, racers: ThreadPoolExecutor
) -> None:
    ends: Counter[QuestionStatus] = Counter()
    for lead, ref in enumerate(refs()):
        raced.ask(any_question(ref=ref))

        received, decision = race(
            racers,
            partial(raced.change, ref, approve()),
            partial(raced.change, ref, close),
            lead=lead,
        )

        question = raced.read(ref)
        # The job, which closes, and the person have been told the same.
        assert question.decision == decision
        if received is Reception.ACCEPTED:
            assert question.status is QuestionStatus.DECIDED
        else:
            assert received is Reception.LATE
            assert question.status is QuestionStatus.EXPIRED
            assert [each.person for each in question.traces] == ["p1"]
        ends[question.status] += 1

    assert len(ends) == 2


def test_an_answer_at_the_moment_of_the_reminder_reaches_the_job_by_one_of_the_two_ways(
    raced: QuestionTable, racers: ThreadPoolExecutor
) -> None:
    ways: Counter[str] = Counter()
    for lead, ref in enumerate(refs()):
        raced.ask(any_question(ref=ref))

        received, found = race(
            racers,
            partial(raced.change, ref, approve()),
            partial(raced.change, ref, lambda each: remind(each, "callback-2", UNTIL, HALF_WAY)),
            lead=lead,
        )

        question = raced.read(ref)
        assert received is Reception.ACCEPTED
        assert question.status is QuestionStatus.DECIDED
        # Found by the reminder; or else it wakes the callback for which the job waits by then.
        assert (found, question.callback_id) in {
            (question.decision, "callback-1"),
            (None, "callback-2"),
        }
        ways[question.callback_id] += 1

    assert len(ways) == 2


def test_everybody_at_once_is_heard(raced: QuestionTable, racers: ThreadPoolExecutor) -> None:
    ids = [f"p{number}" for number in range(1, MAX_PEOPLE + 1)]
    people = tuple(Person(person_id=each, address=f"{each}@example.com") for each in ids)
    for ref in refs()[:3]:
        raced.ask(any_question(ref=ref, people=people, rule=Rule(MAX_PEOPLE)))

        told = race(racers, *[partial(raced.change, ref, approve(each)) for each in ids])

        question = raced.read(ref)
        assert told == [Reception.ACCEPTED] * MAX_PEOPLE
        assert all(each.vote for each in question.people)
        assert question.status is QuestionStatus.DECIDED


def test_a_sign_of_life_beside_an_answer_costs_neither(
    raced: QuestionTable, racers: ThreadPoolExecutor
) -> None:
    for lead, ref in enumerate(refs()):
        raced.ask(
            any_question(ref=ref, people=(ANN, BOB), rule=Rule(2), heartbeat=timedelta(hours=1))
        )

        told = race(
            racers,
            partial(raced.change, ref, approve("p1")),
            partial(raced.change, ref, lambda each: beat(each, "p2", any_act())),
            lead=lead,
        )

        question = raced.read(ref)
        assert told == [Reception.ACCEPTED] * 2
        assert question.heartbeat_at is not None
        assert question.people[0].vote is not None
