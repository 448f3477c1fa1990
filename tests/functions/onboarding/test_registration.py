import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.onboarding.registration import (
    MAX_INTEREST_LENGTH,
    MAX_INTERESTS,
    MAX_NAME_LENGTH,
    MAX_SETTING_LENGTH,
    MAX_SETTINGS,
    MAX_VERIFY_MINUTES,
    MIN_VERIFY_MINUTES,
    Registration,
)
from functions.onboarding.welcome_content import Topic, choose_topics
from functions.shared.errors import MalformedPayloadError
from functions.shared.question import Language
from tests.functions.onboarding.registrations import any_payload, any_registration

CANARY = "cAnArY7q3"


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in any_payload().items() if key != name}


def test_a_registration_is_read_from_its_payload() -> None:
    registration = Registration.from_payload(
        any_payload(language="ja", verify_within_minutes=90, interests=["Analytics"])
    )

    assert registration == Registration(
        email="ann@example.com",
        name="Ann Example",
        language=Language.JAPANESE,
        verify_within=timedelta(minutes=90),
        preferences={"theme": "dark", "items_per_page": 50},
        notifications={"news": False, "job_failed": True},
        interests=("Analytics",),
    )


def test_an_address_and_a_name_are_enough_for_english_and_two_days() -> None:
    registration = Registration.from_payload({"email": "ann@example.com", "name": "Ann"})

    assert registration == Registration(
        email="ann@example.com",
        name="Ann",
        language=Language.ENGLISH,
        verify_within=timedelta(hours=48),
    )


@pytest.mark.parametrize("spelling", ["ANN@example.com", "ann@EXAMPLE.com", "Ann@Example.Com"])
def test_two_spellings_of_an_address_are_one(spelling: str) -> None:
    assert any_registration(email=spelling).email == "ann@example.com"


@pytest.mark.parametrize(
    "name", ["山田\u3000太郎", "Zoë O'Neil-Ångström", "می\u200cبینم", "Ann 👩\u200d🚀", "A"]
)
def test_people_are_called_what_they_are_called(name: str) -> None:
    assert any_registration(name=f" {name}\n").name == name


WRONG: list[tuple[dict[str, Any], str]] = [
    (without("email"), "email must be an e-mail address in ASCII"),
    (any_payload(email="ann"), "email must be"),
    (any_payload(email=["ann@example.com"]), "email must be"),
    (any_payload(email="ann@example.com, bob@example.com"), "email must be"),
    (any_payload(email="ann@example.com\n"), "email must be"),
    (any_payload(email="an\u212a@example.com"), "email must be"),
    (any_payload(email="ann@例え.jp"), "email must be"),
    (without("name"), f"name must be one line of 1 to {MAX_NAME_LENGTH} characters"),
    (any_payload(name=" \u3000"), "name must be"),
    (any_payload(name=7), "name must be"),
    (any_payload(name="a" * (MAX_NAME_LENGTH + 1)), "name must be"),
    (any_payload(name="Ann\nBcc: bob@example.com"), "name must be"),
    (any_payload(name="Ann\u2028Bob"), "name must be"),
    (any_payload(name="Ann\u202eBob"), "name must be"),
    (any_payload(name="Ann\ud800"), "name must be"),
    (any_payload(language="de"), "language must be en or ja"),
    (any_payload(language=None), "language must be"),
    (any_payload(language=[]), "language must be"),
    (
        any_payload(verify_within_minutes=MIN_VERIFY_MINUTES - 1),
        "verify_within_minutes must be a whole number from 2 to 10080",
    ),
    (any_payload(verify_within_minutes=MAX_VERIFY_MINUTES + 1), "verify_within_minutes must be"),
    (any_payload(verify_within_minutes=2.5), "verify_within_minutes must be"),
    (any_payload(verify_within_minutes=True), "verify_within_minutes must be"),
    (any_payload(verify_within_minutes="60"), "verify_within_minutes must be"),
    (any_payload(preferences=[]), f"preferences must be an object of at most {MAX_SETTINGS}"),
    (any_payload(notifications=None), "notifications must be an object"),
    (
        any_payload(preferences={f"p{number}": 1 for number in range(MAX_SETTINGS + 1)}),
        "preferences must be an object of at most",
    ),
    (any_payload(preferences={"ok": 1, "Not ok": 1}), "preferences: the name of setting 2 must be"),
    (any_payload(preferences={"": 1}), "preferences: the name of setting 1 must be"),
    (any_payload(preferences={"a\n": 1}), "preferences: the name of setting 1 must be"),
    (any_payload(preferences={"theme": {}}), "preferences.theme must be a text, true, false"),
    (any_payload(notifications={"news": None}), "notifications.news must be a text"),
    (any_payload(preferences={"size": 1.5}), "preferences.size must be a text"),
    (any_payload(preferences={"size": 10**10}), "preferences.size must be a text"),
    (
        any_payload(preferences={"theme": "a" * (MAX_SETTING_LENGTH + 1)}),
        "preferences.theme must be one line of 1 to",
    ),
    (any_payload(preferences={"theme": ""}), "preferences.theme must be one line"),
    (any_payload(interests="knitting"), f"interests must be a list of at most {MAX_INTERESTS}"),
    (
        any_payload(interests=[str(number) for number in range(MAX_INTERESTS + 1)]),
        "interests must be a list of at most",
    ),
    (any_payload(interests=["ok", 7]), "interests[1] must be one line of 1 to"),
    (any_payload(interests=["a" * (MAX_INTEREST_LENGTH + 1)]), "interests[0] must be one line"),
    (any_payload(interests=["Knitting", "knitting"]), "interests must name each interest once"),
    (any_payload(admin=True), "unknown field 'admin': a registration has email, interests"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_what_is_no_registration_is_refused_and_told_why(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(MalformedPayloadError) as refused:
        Registration.from_payload(wrong)

    assert str(refused.value).startswith(message)


def test_a_registration_may_be_as_large_as_the_limits() -> None:
    settings = {f"s{number}": "a" * MAX_SETTING_LENGTH for number in range(MAX_SETTINGS)}
    interests = [f"{number}".rjust(MAX_INTEREST_LENGTH, "a") for number in range(MAX_INTERESTS)]

    registration = any_registration(
        name="a" * MAX_NAME_LENGTH,
        preferences=settings,
        notifications=settings,
        interests=interests,
        verify_within_minutes=MAX_VERIFY_MINUTES,
    )

    assert registration.preferences == settings
    assert registration.interests == tuple(interests)


# Texts hold the canary, and numbers are longer than any that a rule names.
secrets = (
    st.text(max_size=20).map(lambda text: f"{text}{CANARY}")
    | st.just(CANARY)
    | st.integers(min_value=10**12)
    | st.floats(min_value=1e12, allow_nan=False, allow_infinity=False)
)
json_values = st.recursive(
    st.none() | st.booleans() | secrets,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["theme", "news", "size", ""]), inner, max_size=4)
    ),
    max_leaves=12,
)
almost_registrations = st.fixed_dictionaries(
    {},
    optional={
        "email": st.just(f"{CANARY}@example.com") | json_values,
        "name": secrets | json_values,
        "language": st.just("ja") | json_values,
        "verify_within_minutes": st.just(60) | json_values,
        "preferences": json_values,
        "notifications": st.dictionaries(st.just("news"), secrets) | json_values,
        "interests": st.lists(secrets, max_size=3) | json_values,
        "note": json_values,
    },
)


def values_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in values_in(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in values_in(inner)]
    return [text for text in (str(value), json.dumps(value)) if len(text) >= len(CANARY)]


@given(almost_registrations)
def test_any_json_is_a_registration_or_is_refused_without_repeating_a_value(
    anything: dict[str, Any],
) -> None:
    try:
        registration = Registration.from_payload(anything)
    except MalformedPayloadError as error:
        message = str(error)
        assert CANARY not in message
        assert not [value for value in values_in(anything) if value in message]
    else:
        assert registration.email.isascii()
        assert registration.email == registration.email.lower()
        assert len(registration.name.splitlines()) == 1


@given(st.emails())
def test_an_address_that_is_taken_is_taken_again_as_it_stands(address: str) -> None:
    """So a job that names the address as another job's row shows it finds the same account."""
    try:
        registration = any_registration(email=address)
    except MalformedPayloadError:
        return

    assert any_registration(email=registration.email).email == registration.email
    assert any_registration(email=address.upper()).email == registration.email


def test_everybody_is_welcomed_with_the_first_steps() -> None:
    assert choose_topics([]) == (Topic.FIRST_STEPS,)


def test_known_interests_choose_topics_and_other_words_choose_none() -> None:
    topics = choose_topics(["knitting", "Security", "API", "webhooks", "分析"])

    assert topics == (Topic.FIRST_STEPS, Topic.DATA, Topic.INTEGRATION, Topic.SECURITY)
