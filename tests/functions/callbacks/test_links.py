"""What a link lets whom do, and for how long."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from functions.callbacks.link_token import LinkClaims
from functions.callbacks.links import SHOWS_FOR, TamperedLinkError
from functions.shared.question import CHANNEL, Answer, Kind, Rule
from tests.functions.callbacks.link_kit import BASE_URL, FakeLinkSigner, any_links, token_of
from tests.functions.question_items import ANN, BOB, any_question


def test_a_link_names_the_question_the_person_and_the_answers() -> None:
    question = any_question()

    claims = any_links().open(token_of(any_links().url(question, "p1")))

    assert claims == LinkClaims(
        job_id="job-1",
        attempt=1,
        question="approval",
        asked_at=int(question.asked_at.timestamp() * 1_000),
        person="p1",
        answers=(Answer.APPROVE, Answer.REJECT),
        expires_at=int((question.until + SHOWS_FOR).timestamp()),
    )


def test_a_link_is_an_address_without_a_callback_id_and_with_nothing_to_escape() -> None:
    url = any_links().url(any_question(callback_id="callback-1"), "p1")

    assert url.startswith(f"{BASE_URL}/q/1.")
    assert urlsplit(url).geturl() == url
    assert "callback" not in url
    assert len(url) < 250


def test_a_link_outlives_its_question_by_a_day_to_show_what_came_of_it() -> None:
    question = any_question()
    claims = any_links().open(token_of(any_links().url(question, "p1")))

    assert not claims.is_expired(question.until + timedelta(days=1))
    assert claims.is_expired(question.until + timedelta(days=1, seconds=1))


def test_the_link_of_a_verification_only_verifies() -> None:
    url = any_links().url(any_question(kind=Kind.VERIFICATION), "p1")

    assert any_links().open(token_of(url)).answers == (Answer.VERIFY,)


@pytest.mark.parametrize(
    ("rule", "answers"), [(Rule(), (Answer.APPROVE, Answer.REJECT)), (Rule(2), ())]
)
def test_the_link_in_the_channel_answers_where_one_answer_decides(
    rule: Rule, answers: tuple[Answer, ...]
) -> None:
    question = any_question(people=(ANN, BOB), rule=rule, in_channel=True)

    claims = any_links().open(token_of(any_links().url(question, CHANNEL)))

    assert claims.answers == answers


def test_links_made_before_a_rotation_open_after_it() -> None:
    token = token_of(any_links().url(any_question(), "p1"))
    rotated = FakeLinkSigner({1: b"the first key", 2: b"the second key"})

    links = any_links(rotated)

    assert links.open(token).person == "p1"
    assert token_of(links.url(any_question(), "p1")).startswith("2.")


def test_links_of_a_key_that_was_taken_away_do_not_open() -> None:
    token = token_of(any_links().url(any_question(), "p1"))

    with pytest.raises(TamperedLinkError):
        any_links(FakeLinkSigner({2: b"the second key"})).open(token)


def test_opening_a_link_takes_one_verification() -> None:
    signer = FakeLinkSigner()
    links = any_links(signer)

    links.open(token_of(links.url(any_question(), "p1")))

    assert signer.verified == [1]
