"""The roles of the deployed functions, as CloudFormation made them of the templates."""

from collections.abc import Iterator
from typing import Any

from local.endpoint import Endpoint
from tests.privileges.policies import Grant, grants_of

APP_ID = "AWS_SDK_UA_APP_ID"


def grants_by_app(endpoint: Endpoint) -> dict[str, set[Grant]]:
    """Everything that each function's role is granted, by the name its calls carry."""
    iam = endpoint.client("iam")
    grants: dict[str, set[Grant]] = {}
    pages = endpoint.client("lambda").get_paginator("list_functions").paginate()
    for function in (function for page in pages for function in page["Functions"]):
        app = function.get("Environment", {}).get("Variables", {}).get(APP_ID)
        if app is not None:
            role = function["Role"].rpartition("/")[2]
            grants[app] = {
                grant for document in _policies(iam, role) for grant in grants_of(document)
            }
    return grants


def _policies(iam: Any, role: str) -> Iterator[dict[str, Any]]:
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        yield iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        arn = policy["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        yield iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
