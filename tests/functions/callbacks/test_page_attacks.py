"""Whoever makes up, changes or mixes links decides nothing, and is always told so in a page."""

import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.callbacks.link_token import LinkToken, parse_token
from functions.shared.question import CHANNEL, Answer, Kind, QuestionRef
from functions.shared.question_table import QuestionTable, from_item
from tests.functions.callbacks.link_kit import FakeLinkSigner, any_links, token_of
from tests.functions.callbacks.page_kit import FORM, Visitor, event, open_door
from tests.functions.conftest import QUESTION_TABLE
from tests.functions.job_table_rows import Rows
from tests.functions.question_items import ANN, BOB, KeyedTable, any_question

# Nothing these links do may change what is there, so one table does for all examples.
AGAIN = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)

QUESTIONS = [
    any_question(ref=QuestionRef(job_id, attempt, name), people=(ANN, BOB), in_channel=True)
    for job_id, attempt, name in (
        ("job-1", 1, "approval"),
        ("job-1", 1, "second-approval"),
        ("job-1", 2, "approval"),
        ("job-2", 1, "approval"),
    )
]
VERIFICATION = any_question(ref=QuestionRef("job-3", 1, "verification"), kind=Kind.VERIFICATION)
ALL = [*QUESTIONS, VERIFICATION]
GOOD = [
    token_of(any_links().url(question, person_id))
    for question in QUESTIONS
    for person_id in ("p1", "p2", CHANNEL)
] + [token_of(any_links().url(VERIFICATION, "p1"))]
ANSWERS = ["answer=approve", "answer=reject", "answer=verify", "answer=approve&name=Eve"]

good_tokens = st.sampled_from(GOOD)
bodies = st.sampled_from(ANSWERS)
refused = {403, 404}


@pytest.fixture
def visitor(monkeypatch: pytest.MonkeyPatch, questions: QuestionTable, rows: Rows) -> Visitor:
    visitor = open_door(monkeypatch, questions, rows)
    for question in ALL:
        visitor.ask(question)
    return visitor


def undecided(visitor: Visitor) -> bool:
    items = KeyedTable(visitor.rows.client, QUESTION_TABLE).items()
    stored = {question.ref: replace(question, traces=()) for question in map(from_item, items)}
    return stored == {question.ref: question for question in ALL}


def try_it(visitor: Visitor, token: str, body: str) -> set[int]:
    """The statuses of looking and answering by *token*."""
    looked = visitor.get(token)
    answered = visitor.send(event("POST", token, {"content-type": FORM}, body))
    assert looked.body.startswith("<!doctype html>")
    assert answered.body.startswith("<!doctype html>")
    return {looked.status, answered.status}


@AGAIN
@given(token=st.text(max_size=100), body=bodies)
def test_a_token_out_of_the_air_decides_nothing(visitor: Visitor, token: str, body: str) -> None:
    assert try_it(visitor, token, body) == {404}
    assert undecided(visitor)


@AGAIN
@given(token=good_tokens, length=st.integers(0, 250), body=bodies)
def test_a_token_cut_short_decides_nothing(
    visitor: Visitor, token: str, length: int, body: str
) -> None:
    assert try_it(visitor, token[: min(length, len(token) - 1)], body) == {404}
    assert undecided(visitor)


@AGAIN
@given(token=good_tokens, data=st.data(), body=bodies)
def test_a_token_with_another_character_decides_nothing(
    visitor: Visitor, token: str, data: st.DataObject, body: str
) -> None:
    at = data.draw(st.integers(0, len(token) - 1))
    others = set(string.ascii_letters + string.digits + "-_.=") - {token[at]}
    other = data.draw(st.sampled_from(sorted(others)))

    assert try_it(visitor, token[:at] + other + token[at + 1 :], body) <= refused
    assert undecided(visitor)


@AGAIN
@given(one=good_tokens, other=good_tokens, data=st.data(), body=bodies)
def test_claims_mixed_from_two_good_tokens_decide_nothing(
    visitor: Visitor, one: str, other: str, data: st.DataObject, body: str
) -> None:
    """Another job, attempt, question or person under a signature that is good for its own."""
    ours, theirs = parse_token(one), parse_token(other)
    fields = ["job_id", "attempt", "question", "person", "answers", "expires_at"]
    taken = data.draw(st.sets(st.sampled_from(fields), min_size=1))
    claims = replace(ours.claims, **{name: getattr(theirs.claims, name) for name in taken})
    mixed = LinkToken(ours.generation, claims, data.draw(st.sampled_from([ours.mac, theirs.mac])))
    if str(mixed) in GOOD:
        return

    assert try_it(visitor, str(mixed), body) == {403}
    assert undecided(visitor)


@AGAIN
@given(
    token=good_tokens,
    answers=st.lists(st.sampled_from([Answer.APPROVE, Answer.REJECT, Answer.VERIFY]), unique=True),
    later=st.integers(1, 10**9),
    body=bodies,
)
def test_more_answers_or_more_time_than_were_given_decide_nothing(
    visitor: Visitor, token: str, answers: list[Answer], later: int, body: str
) -> None:
    ours = parse_token(token)
    claims = replace(ours.claims, answers=tuple(answers), expires_at=ours.claims.expires_at + later)

    assert try_it(visitor, str(replace(ours, claims=claims)), body) == {403}
    assert undecided(visitor)


@AGAIN
@given(token=good_tokens, generation=st.integers(2, 999_999), body=bodies)
def test_a_token_of_a_generation_that_is_not_there_decides_nothing(
    visitor: Visitor, token: str, generation: int, body: str
) -> None:
    claimed = replace(parse_token(token), generation=generation)

    assert try_it(visitor, str(claimed), body) == {403}
    assert undecided(visitor)


@AGAIN
@given(token=good_tokens, body=bodies)
def test_a_token_by_a_key_of_ones_own_decides_nothing(
    visitor: Visitor, token: str, body: str
) -> None:
    forger = FakeLinkSigner({1: b"another key"})
    ours = parse_token(token)
    question = next(each for each in ALL if each.ref == ours.claims.ref)
    forged = token_of(any_links(forger).url(question, ours.claims.person))

    assert try_it(visitor, forged, body) == {403}
    assert undecided(visitor)


FORMS: st.SearchStrategy[Any] = st.text(max_size=300) | st.lists(
    st.tuples(
        st.sampled_from(["answer", "comment", "name", "delegate_to", "attempt", "answer[]"]),
        st.sampled_from(["", "maybe", "unreachable", "APPROVE", "%00", "%ff", "a%40b.c", "1"]),
    ),
    max_size=8,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))


@AGAIN
@given(token=good_tokens, body=FORMS, content_type=st.sampled_from([FORM, "text/plain", ""]))
def test_a_good_link_with_a_form_that_is_none_decides_nothing(
    visitor: Visitor, token: str, body: str, content_type: str
) -> None:
    sent = visitor.send(event("POST", token, {"content-type": content_type}, body))

    assert sent.status in {400, 415}
    assert undecided(visitor)
