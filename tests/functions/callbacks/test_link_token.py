"""Tokens: one way to write each, and no way to change one unnoticed."""

import base64
import json
import string
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from functions.callbacks.link_token import (
    MAX_TOKEN_LENGTH,
    LinkClaims,
    LinkToken,
    NotATokenError,
    parse_token,
    signed_message,
)
from functions.callbacks.links import Links, NotALinkError, TamperedLinkError
from functions.shared.question import Answer
from tests.functions.callbacks.link_kit import FakeLinkSigner, any_links, token_of
from tests.functions.question_items import any_question

ALPHABET = string.ascii_letters + string.digits + "-_"
WORDS = st.text(ALPHABET, min_size=1, max_size=48)

claims = st.builds(
    LinkClaims,
    job_id=WORDS,
    attempt=st.integers(1, 999_999),
    question=WORDS,
    asked_at=st.integers(1, 253_402_300_799_000),
    person=st.integers(1, 9_999).map(lambda number: f"p{number}") | st.just("channel"),
    answers=st.lists(
        st.sampled_from([Answer.APPROVE, Answer.REJECT, Answer.VERIFY]), unique=True
    ).map(tuple),
    expires_at=st.integers(1, 253_402_300_799),
)
tokens = st.builds(LinkToken, st.integers(1, 999_999), claims, st.binary(min_size=32, max_size=32))


def any_token() -> str:
    return token_of(any_links().url(any_question(), "p1"))


def with_payload(payload: object) -> str:
    """A token that claims *payload*, whatever that is."""
    generation, _, mac = any_token().split(".")
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return f"{generation}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}.{mac}"


@given(tokens)
def test_a_token_is_read_as_it_was_written(token: LinkToken) -> None:
    assert len(str(token)) <= MAX_TOKEN_LENGTH
    assert parse_token(str(token)) == token


@given(st.text(max_size=80) | st.text(ALPHABET + ".=", max_size=300))
def test_any_other_text_is_refused_in_one_way(text: str) -> None:
    with pytest.raises(NotATokenError):
        parse_token(text)


@given(token=tokens, at=st.integers(0, MAX_TOKEN_LENGTH), replacement=st.characters())
def test_a_token_with_another_character_never_reads_as_the_same(
    token: LinkToken, at: int, replacement: str
) -> None:
    text = str(token)
    assume(at < len(text) and text[at] != replacement)

    try:
        changed = parse_token(text[:at] + replacement + text[at + 1 :])
    except NotATokenError:
        return

    assert changed != token


@pytest.mark.parametrize(
    "payload",
    [
        b'["job-1", 1,"approval",5,"p1",["approve"],9]',
        b'["job-1",1,"approval",5,"p1",["approve"],9]\n',
        b'["\\u006aob-1",1,"approval",5,"p1",["approve"],9]',
        b'["job-1",1.0,"approval",5,"p1",["approve"],9]',
        b'["job-1",1e0,"approval",5,"p1",["approve"],9]',
        b'["job-1",true,"approval",5,"p1",["approve"],9]',
        b"\xff\xfe",
        b"[" * 400,
        b"",
    ],
)
def test_claims_that_are_spelled_otherwise_are_refused(payload: bytes) -> None:
    with pytest.raises(NotATokenError):
        parse_token(with_payload(payload))


@pytest.mark.parametrize(
    "payload",
    [
        {"job_id": "job-1"},
        ["job-1", 1, "approval", 5, "p1", ["approve"]],
        ["job/1", 1, "approval", 5, "p1", ["approve"], 9],
        ["job-1", 0, "approval", 5, "p1", ["approve"], 9],
        ["job-1", 1, "approval#p2", 5, "p1", ["approve"], 9],
        ["job-1", 1, "approval", "p1", ["approve"], 9],
        ["job-1", 1, "approval", 0, "p1", ["approve"], 9],
        ["job-1", 1, "approval", "5", "p1", ["approve"], 9],
        ["job-1", 1, "approval", 5, "operator", ["approve"], 9],
        ["job-1", 1, "approval", 5, "p1", ["unreachable"], 9],
        ["job-1", 1, "approval", 5, "p1", ["approve", "approve"], 9],
        ["job-1", 1, "approval", 5, "p1", "approve", 9],
        ["job-1", 1, "approval", 5, "p1", ["approve"], 10**15],
        ["job-1", 1, "approval", 5, "p1", ["approve"], "9"],
        [1, 1, "approval", 5, "p1", ["approve"], 9],
    ],
)
def test_claims_that_no_link_of_ours_makes_are_refused(payload: object) -> None:
    with pytest.raises(NotATokenError):
        parse_token(with_payload(payload))


def test_padding_and_bits_that_mean_nothing_are_refused() -> None:
    token = any_token()
    generation, payload, mac = token.split(".")
    # 32 bytes leave two bits of the last character unused.
    unused_bits = mac[:-1] + ALPHABET_OF_BASE64[ALPHABET_OF_BASE64.index(mac[-1]) | 1]
    assert unused_bits != mac

    for other in (token + "=", f"0{token}", f"{generation}.{payload}.{unused_bits}", f"{token}\n"):
        with pytest.raises(NotATokenError):
            parse_token(other)


ALPHABET_OF_BASE64 = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


@given(one=claims, other=claims)
def test_no_two_claims_are_signed_alike(one: LinkClaims, other: LinkClaims) -> None:
    assume(one != other)

    assert signed_message("test", 1, one) != signed_message("test", 1, other)


@given(st.data())
def test_a_link_that_was_changed_anywhere_is_never_opened(data: st.DataObject) -> None:
    links = any_links()
    claimed = data.draw(claims)
    forged = data.draw(st.binary(min_size=32, max_size=32))
    generation = data.draw(st.integers(1, 3))

    with pytest.raises(TamperedLinkError) as refused:
        links.open(str(LinkToken(generation, claimed, forged)))

    assert refused.value.claimed == claimed


@given(st.data())
def test_parts_of_two_good_links_make_no_third(data: st.DataObject) -> None:
    """Across jobs, attempts, questions and people."""
    links = any_links()
    one, other = data.draw(claims), data.draw(claims)
    assume(one != other)
    signer = FakeLinkSigner()
    mac = signer.sign(signed_message("test", 1, other))

    with pytest.raises(TamperedLinkError):
        links.open(str(LinkToken(1, one, mac)))


@given(st.integers(0, 400))
def test_a_link_cut_short_is_no_link(length: int) -> None:
    token = any_token()
    assume(length < len(token))

    with pytest.raises(NotALinkError):
        any_links().open(token[:length])


def test_a_link_of_another_stage_is_not_opened() -> None:
    elsewhere = any_links(stage="prod")

    with pytest.raises(TamperedLinkError):
        any_links().open(token_of(elsewhere.url(any_question(), "p1")))


def test_a_signature_of_one_generation_is_none_of_another_even_with_the_same_key() -> None:
    signer = FakeLinkSigner({1: b"key", 2: b"key"})
    parsed = parse_token(any_token_of(Links(signer, "", "test")))

    with pytest.raises(TamperedLinkError):
        any_links(signer).open(str(replace(parsed, generation=1)))


def any_token_of(links: Links) -> str:
    return links.url(any_question(), "p1").removeprefix("/q/")
