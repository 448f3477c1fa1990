import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.shared.redaction import REDACTED, is_secret_key, redact, redact_text

CANARY = "cAnArY7q3"

SECRET_KEYS = [
    *("password", "Password", "userPassword", "DB_PASSWORD", "passwd", "pwd", "pass", "token"),
    *("accessToken", "refresh-token", "secret", "client_secret", "card", "cardNumber", "cvv"),
    *("CVC", "Authorization", "proxy-authorization", "api key", "apiKey", "API_KEY", "x-api-key"),
    *("session", "sessionId", "cookie", "Set-Cookie", "iban", "pin", "privateKey", "credentials"),
]
HARMLESS_KEYS = ["author", "compass", "discard", "pinned", "name", "job_id", "email", "passenger"]

# Each holds the canary where a real text would hold the secret.
TEXTS = [
    "password={}",
    "login failed: password={} for user 7",
    "PASSWORD: {}",
    "user[password]={}&commit=Sign+in",
    "the api key: {}, was refused",
    "card number: {} declined",
    '{{"password": "{}"}}',
    'body was {{"user": "jo", "api_key": "{}", "n": 1}} and more',
    "{{'token': '{}'}}",
    '{{:secret=>"{}"}}',
    'body {{\\"password\\":\\"{}\\",\\"n\\":1}}',
    '"card": {{"number": "{}", "holder": "Jo"}}',
    "Authorization: Bearer {}xxxxx",
    "Authorization: Basic {}",
    "sent with Bearer {}xxxxx",
    "Cookie: a=b; session={}",
    "https://jo:{}@example.com/path",
    "postgres://jo:pa{}ss@db:5432/x",
    "GET /reset?token={}&x=1",
    "https://s3.example.com/a?X-Amz-Signature={}",
    "https://hooks.slack.com/services/T000/B000/{}",
    "xoxb-1234-{}",
    "eyJhbGciOiJI.eyJzdWIi{}.sig",
    "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\n{}",
    "<password>{}</password>",
    "mysql --password {} -h db",
    "password: \n  {}",
    'password: "with \\" quote {}',
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_a_telling_key_is_recognised_however_it_is_spelled(key: str) -> None:
    assert is_secret_key(key)
    assert is_secret_key(key.upper())


@pytest.mark.parametrize("key", HARMLESS_KEYS)
def test_a_key_that_only_resembles_a_telling_one_keeps_its_value(key: str) -> None:
    assert not is_secret_key(key)
    assert redact({key: "shown"}) == {key: "shown"}


@given(
    key=st.sampled_from(SECRET_KEYS),
    around=json_values,
    path=st.lists(st.sampled_from(["dict", "list", "tuple"]), max_size=5),
    kind=st.sampled_from(["text", "list", "dict"]),
)
def test_a_value_under_a_telling_key_never_survives_at_any_depth(
    key: str, around: Any, path: list[str], kind: str
) -> None:
    hidden: Any = {"text": CANARY, "list": [CANARY], "dict": {"a": CANARY}}[kind]
    value: Any = {key: hidden, "other": around}
    for step in path:
        value = {"dict": {"in": value}, "list": [around, value], "tuple": (value, 1)}[step]

    redacted = redact(value)

    assert CANARY not in json.dumps(redacted)
    assert CANARY not in redact_text(json.dumps(value))


@given(template=st.sampled_from(TEXTS), before=st.text(max_size=30), after=st.text(max_size=30))
def test_a_secret_in_a_text_never_survives_whatever_stands_around_it(
    template: str, before: str, after: str
) -> None:
    text = f"{before} {template.format(CANARY)} {after}"

    assert CANARY not in redact_text(text)
    assert CANARY not in json.dumps(redact({"message": [text]}))


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAABCDEFGHIJKLMNOP",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "4111 1111 1111 1111",
        "5500-0000-0000-0004",
        "378282246310005",
        "DE89 3704 0044 0532 0130 00",
        "GB82WEST12345698765432",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "sk_live_abcdefghijklmnop",
        "jo.doe+news@mail.example.com",
    ],
)
def test_a_secret_is_known_by_its_form_alone(secret: str) -> None:
    assert redact_text(f"refused {secret} today") == f"refused {REDACTED} today"


@pytest.mark.parametrize(
    "text",
    [
        "ExpiredTokenException: The security token included in the request is expired",
        "order 4111111111111112 at 1700000000000 took 12.5 s",
        "1 mail @ 9:00 was rejected",
        "see https://example.com:8080/a/b?page=2",
        "commit 0123456789abcdef0123456789abcdef01234567",
        "arn:aws:lambda:eu-west-1:123456789012:function:f:1/durable-execution/job-1/x",
        "password=",
        "",
    ],
)
def test_a_text_without_secrets_stays_as_it_is(text: str) -> None:
    assert redact_text(text) == text


def test_the_words_around_a_secret_stay() -> None:
    assert redact_text("login of jo: password=abc, try 2") == (
        f"login of jo: password={REDACTED}, try 2"
    )


def test_a_header_given_as_a_pair_or_by_name_loses_its_value() -> None:
    headers = [["Authorization", CANARY], {"name": "Cookie", "value": CANARY}]

    assert redact(headers) == [
        ["Authorization", REDACTED],
        {"name": "Cookie", "value": REDACTED},
    ]


def test_the_argument_is_not_changed() -> None:
    value = {"password": CANARY, "list": [{"token": CANARY}]}

    redact(value)

    assert value == {"password": CANARY, "list": [{"token": CANARY}]}


@given(st.text(max_size=200))
def test_any_text_is_taken_and_what_is_redacted_once_stays_so(text: str) -> None:
    assert REDACTED in redact_text(f"{redact_text(text)} password={CANARY}")


@given(json_values)
def test_a_redacted_value_is_json(value: Any) -> None:
    json.dumps(redact(value))


def test_a_value_nested_beyond_reason_is_withheld() -> None:
    value: Any = CANARY
    for _ in range(5_000):
        value = [value]

    assert CANARY not in str(redact(value))
    assert redact_text("[" * 100_000) == REDACTED


@pytest.mark.parametrize(
    "piece",
    ["password=", "a.", "://:", "://a:", '"', 'password="\\', "password={", "AB12 ", "1 ", "\\"],
)
def test_a_hostile_text_costs_no_more_than_a_moment(piece: str) -> None:
    text = (piece * 50_000)[:50_000]

    started = time.monotonic()
    redact_text(text)

    assert time.monotonic() - started < 2
