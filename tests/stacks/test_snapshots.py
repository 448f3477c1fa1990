"""The whole of each template: what nobody thought of asserting."""

from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.stacks.synthesis import Templates, without_code


@pytest.mark.parametrize(
    "stack",
    ["alerts", "jobs", "callbacks", "orders", "approvals", "onboarding", "pipelines", "monitoring"],
)
def test_the_template_is_as_it_was_agreed(
    dev: Templates, stack: str, snapshot: SnapshotAssertion
) -> None:
    assert without_code(getattr(dev, stack).body) == snapshot


def test_a_code_edit_leaves_the_snapshot_alone() -> None:
    def template(code: str) -> dict[str, Any]:
        return {
            "Resources": {
                f"SendEmailFunctionCurrentVersionD20D49D3{code * 32}": {"Type": "version"},
                "Function": {"Code": {"S3Key": f"{code * 64}.zip"}},
            }
        }

    assert without_code(template("a")) == without_code(template("b"))
