"""Whose answer an operator's is."""

import pytest

from jobctl.caller import caller, readable
from jobctl.connection import Connection

STS = "arn:aws:sts::123456789012"


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        ("arn:aws:iam::123456789012:user/ann", "ann"),
        ("arn:aws:iam::123456789012:user/team/finance/ann", "ann"),
        ("arn:aws-cn:iam::123456789012:user/ann", "ann"),
        (f"{STS}:assumed-role/Operator/ann@example.com", "ann@example.com as Operator"),
        (
            f"{STS}:assumed-role/AWSReservedSSO_Job_Operator_0123456789abcdef/ann@example.com",
            "ann@example.com as Job_Operator",
        ),
        (f"{STS}:federated-user/ann", "ann"),
        ("arn:aws:iam::123456789012:root", "root of account 123456789012"),
        ("arn:aws:iam::123456789012:user", "arn:aws:iam::123456789012:user"),
        ("something of tomorrow", "something of tomorrow"),
    ],
)
def test_a_caller_goes_by_the_name_that_a_person_knows(arn: str, name: str) -> None:
    assert readable(arn) == name


def test_sts_says_who_calls(connection: Connection) -> None:
    assert caller(connection.sts) == "moto"
