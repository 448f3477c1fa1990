"""Endpoints as operators write them down: found by name, and refused where a token might leak."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.pipelines.endpoints import EndpointUnfitError, Purpose, UnknownEndpointError
from functions.shared.errors import PermanentError
from tests.functions.pipelines.scripted_web import NAME, PATH, Operators

SECRET = f"{PATH.lstrip('/')}/{NAME}"


@pytest.fixture
def operators() -> Operators:
    return Operators()


def test_an_endpoint_is_found_by_its_name_and_looked_up_once_in_minutes(
    operators: Operators,
) -> None:
    operators.add("https://api.example.com/v1/", token="t")  # noqa: S106  # made up
    endpoints = operators.endpoints

    found = endpoints.find(NAME)
    operators.now = 299.0
    again = endpoints.find(NAME)

    assert found == again
    assert found.url == "https://api.example.com/v1"
    assert found.origin == ("https", "api.example.com", 443)
    assert found.secret == SECRET
    assert operators.asked == [f"{PATH}/{NAME}"]


def test_what_operators_change_is_seen_after_minutes(operators: Operators) -> None:
    operators.add("https://api.example.com")
    endpoints = operators.endpoints
    endpoints.find(NAME)

    operators.add("https://api.example.org")
    operators.now = 301.0

    assert endpoints.find(NAME).url == "https://api.example.org"


def test_an_unknown_endpoint_says_how_to_add_it(operators: Operators) -> None:
    with pytest.raises(UnknownEndpointError) as unknown:
        operators.endpoints.find(NAME)

    assert isinstance(unknown.value, PermanentError)
    assert f"aws ssm put-parameter --type String --name {PATH}/{NAME}" in str(unknown.value)


@pytest.mark.parametrize("name", ["", "../jobs", "Shop", "a b", "a" * 41, "-a", "$(rm)", "a\n"])
def test_a_name_that_is_none_is_neither_looked_up_nor_shown(
    operators: Operators, name: str
) -> None:
    with pytest.raises(UnknownEndpointError) as unknown:
        operators.endpoints.find(name)

    assert operators.asked == []
    assert not name or name not in str(unknown.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/a",
        "http://localhost:8080",
        "http://[::1]:8080",
        "https://10.0.0.1",
        "https://api.example.com:8443/v1",
    ],
)
def test_an_address_of_https_or_of_this_machine_is_taken(operators: Operators, url: str) -> None:
    operators.add(url)

    assert operators.endpoints.find(NAME).url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "http://169.254.169.254/latest",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://0.0.0.0",
        "ftp://api.example.com",
        "//api.example.com",
        "https://",
        "https://user:word@api.example.com",
        "https://api.example.com/?a=b",
        "https://api.example.com/#a",
        "https://api.example.com/a b",
        "https://api.example.com/\r\nHost: a",
        "https://api.example.com:port",
        "https://[::1",
        "https://äpi.example.com",
        7,
        None,
    ],
)
def test_an_address_that_might_leak_a_token_is_refused(operators: Operators, url: Any) -> None:
    operators.add(url)

    with pytest.raises(EndpointUnfitError, match="url of endpoint 'shop'") as unfit:
        operators.endpoints.find(NAME)

    assert "user" not in str(unfit.value)


@pytest.mark.parametrize(
    "text",
    ["", "https://api.example.com", "[]", '{"url": "https://a.b", "token": "t"}', "[" * 9999],
)
def test_a_parameter_that_is_no_endpoint_is_refused(operators: Operators, text: str) -> None:
    operators.parameters[f"{PATH}/{NAME}"] = text

    with pytest.raises(EndpointUnfitError, match="must be JSON"):
        operators.endpoints.find(NAME)


@pytest.mark.parametrize("purpose", ["", "both", "Source", 7, None, ["source"]])
def test_an_endpoint_that_does_not_say_what_it_is_for_is_refused(
    operators: Operators, purpose: Any
) -> None:
    fields = {"url": "https://api.example.com", "for": purpose}
    operators.parameters[f"{PATH}/{NAME}"] = json.dumps(fields)

    with pytest.raises(EndpointUnfitError, match=r"for of endpoint 'shop' must be source .* call"):
        operators.endpoints.find(NAME)


def test_an_endpoint_is_for_what_it_says_and_nothing_else(operators: Operators) -> None:
    operators.add("https://api.example.com", purpose="call")
    endpoint = operators.endpoints.find(NAME)

    endpoint.check(Purpose.CALL)
    with pytest.raises(EndpointUnfitError):
        endpoint.check(Purpose.SOURCE)


@pytest.mark.parametrize("secret", ["", 7, ["a"]])
def test_a_secret_without_a_name_is_refused(operators: Operators, secret: Any) -> None:
    fields = {"url": "https://api.example.com", "for": "call", "secret": secret}
    operators.parameters[f"{PATH}/{NAME}"] = json.dumps(fields)

    with pytest.raises(EndpointUnfitError, match="name of a secret"):
        operators.endpoints.find(NAME)


def test_a_token_is_kept_for_minutes_and_read_anew_where_it_is_refused(
    operators: Operators,
) -> None:
    operators.add("https://api.example.com", token="first")  # noqa: S106  # made up
    endpoints = operators.endpoints
    endpoint = endpoints.find(NAME)

    assert endpoints.token(endpoint) == "first"
    operators.tokens[SECRET] = "second\n"
    assert endpoints.token(endpoint) == "first"
    assert endpoints.token(endpoint, is_refused=True) == "second"
    assert endpoints.token(endpoint) == "second"
    operators.tokens[SECRET] = "third"
    operators.now = 301.0
    assert endpoints.token(endpoint) == "third"

    assert operators.asked.count(SECRET) == 3


def test_an_endpoint_without_a_secret_has_no_token(operators: Operators) -> None:
    operators.add("https://api.example.com")

    assert operators.endpoints.token(operators.endpoints.find(NAME)) is None


@pytest.mark.parametrize("token", ["", "two words", "a\r\nHost: b", "ä", "a" * 4097])
def test_a_secret_that_is_no_token_is_refused_and_not_shown(
    operators: Operators, token: str
) -> None:
    operators.add("https://api.example.com", token=token)
    endpoints = operators.endpoints

    with pytest.raises(EndpointUnfitError) as unfit:
        endpoints.token(endpoints.find(NAME))

    assert not token or token not in str(unfit.value)


@pytest.mark.parametrize(
    ("code", "status", "raised"),
    [
        ("AccessDeniedException", 400, EndpointUnfitError),
        ("ResourceNotFoundException", 400, EndpointUnfitError),
        ("ThrottlingException", 400, ClientError),
        ("InternalServiceError", 500, ClientError),
    ],
)
def test_a_secret_that_cannot_be_read_says_whose(
    operators: Operators, code: str, status: int, raised: type[Exception]
) -> None:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    operators.add("https://api.example.com", token="t")  # noqa: S106  # made up
    operators.tokens[SECRET] = ClientError(answer, "GetSecretValue")
    endpoints = operators.endpoints

    with pytest.raises(raised, match=code):
        endpoints.token(endpoints.find(NAME))
