"""Who uses the credentials at hand, by a name that a person knows."""

import re

from jobctl.connection import Sts
from jobctl.contract import Operation
from jobctl.translation import aws_errors_as_ours

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
_ARN = re.compile(r"arn:[^:]+:(?:iam|sts)::(?P<account>\d*):(?P<kind>[^/]+)(?:/(?P<path>.+))?")
# Roles that IAM Identity Center makes for its permission sets.
_PERMISSION_SET = re.compile(r"AWSReservedSSO_(?P<name>.+)_[0-9a-f]{16}")


def caller(sts: Sts) -> str:
    """The caller's name; every caller has the right to ask for it."""
    with aws_errors_as_ours(Operation.EXECUTION):
        return readable(str(sts.get_caller_identity()["Arn"]))


def readable(arn: str) -> str:
    """The name in a caller's ARN, with the role that it was taken on for; else the ARN itself."""
    found = _ARN.fullmatch(arn)
    if found is None:
        return arn
    path = (found["path"] or "").split("/")
    match found["kind"], path:
        case "assumed-role", [role, session]:
            permissions = _PERMISSION_SET.fullmatch(role)
            return f"{session} as {permissions['name'] if permissions else role}"
        case (("user" | "federated-user"), [*_, name]) if name:
            return name
        case "root", _:
            return f"root of account {found['account']}"
    return arn
