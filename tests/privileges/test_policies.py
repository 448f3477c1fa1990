"""The evaluator itself: a gate that cannot say no proves nothing."""

import pytest

from tests.privileges.policies import Grant, Permission, denied, grants_of, unused

TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table/Jobs"
DOCUMENT = {
    "Statement": [
        {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Query"], "Resource": TABLE},
        {"Effect": "Allow", "Action": "sns:Publish", "Resource": ["arn:aws:sns:*:*:dead-?"]},
    ]
}


def test_a_call_on_the_named_resource_is_allowed() -> None:
    assert denied([Permission("dynamodb:GetItem", TABLE)], grants_of(DOCUMENT)) == set()


@pytest.mark.parametrize(
    "call",
    [
        Permission("dynamodb:PutItem", TABLE),
        Permission("dynamodb:GetItem", TABLE + "2"),
        Permission("sns:Publish", "arn:aws:sns:eu-west-1:111122223333:dead-12"),
    ],
)
def test_another_action_or_resource_is_denied(call: Permission) -> None:
    assert denied([call], grants_of(DOCUMENT)) == {call}


def test_a_wildcard_matches_what_it_stands_for() -> None:
    call = Permission("SNS:publish", "arn:aws:sns:eu-west-1:111122223333:dead-1")

    assert denied([call], grants_of(DOCUMENT)) == set()


def test_a_grant_that_no_call_needed_is_named() -> None:
    calls = [
        Permission("dynamodb:GetItem", TABLE),
        Permission("sns:Publish", "arn:aws:sns:eu-west-1:111122223333:dead-1"),
    ]

    assert unused(grants_of(DOCUMENT), calls) == {Grant("dynamodb:Query", TABLE)}


def test_a_statement_with_a_condition_counts_as_what_it_allows_at_most() -> None:
    looks = {
        "Effect": "Allow",
        "Action": "dynamodb:GetItem",
        "Resource": TABLE,
        "Condition": {"ForAllValues:StringEquals": {"dynamodb:Attributes": ["job_id", "status"]}},
    }

    grants = grants_of({"Statement": [looks]})

    assert grants == {Grant("dynamodb:GetItem", TABLE)}
    assert denied([Permission("dynamodb:PutItem", TABLE)], grants) == {
        Permission("dynamodb:PutItem", TABLE)
    }


def test_a_statement_beyond_the_evaluator_is_refused_not_guessed() -> None:
    with pytest.raises(ValueError, match="cannot evaluate"):
        grants_of({"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]})
