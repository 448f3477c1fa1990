"""A small evaluator of IAM policies: which statements of a role allow a call.

Made for the policies of this project, which allow and never deny but for transport, name actions in
full, and narrow by resource. Conditions are not evaluated: a statement with one is taken to allow,
and the template tests say what its condition must be.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Permission:
    """One action on one resource: what a call needs."""

    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Grant:
    """One action on one resource pattern: the smallest thing that a policy gives."""

    action: str
    resource: str

    def allows(self, permission: Permission) -> bool:
        return _matches(self.action.lower(), permission.action.lower()) and _matches(
            self.resource, permission.resource
        )


def _matches(pattern: str, text: str) -> bool:
    """IAM's wildcards: `*` is any run of characters, `?` any one."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def grants_of(document: Mapping[str, Any]) -> set[Grant]:
    """Every action on every resource that a policy document allows.

    Raises:
        ValueError: It has a statement that this evaluator cannot read.
    """
    grants: set[Grant] = set()
    for statement in _listed(document["Statement"]):
        if statement["Effect"] != "Allow" or not {"Action", "Resource"} <= statement.keys():
            raise ValueError(f"cannot evaluate {statement}")
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                grants.add(Grant(action, resource))
    return grants


def denied(needed: Iterable[Permission], grants: Iterable[Grant]) -> set[Permission]:
    held = list(grants)
    return {
        permission for permission in needed if not any(grant.allows(permission) for grant in held)
    }


def unused(grants: Iterable[Grant], needed: Iterable[Permission]) -> set[Grant]:
    """Grants that no call needed."""
    made = list(needed)
    return {grant for grant in grants if not any(grant.allows(call) for call in made)}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
