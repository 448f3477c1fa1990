"""What other tools say about the templates: CDK's own validator, and cfn-lint."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stacks.synthesis import REPOSITORY, Templates


def test_cfn_lint_has_nothing_to_say(dev: Templates, prod: Templates, tmp_path: Path) -> None:
    for number, template in enumerate((*dev, *prod)):
        (tmp_path / f"{number}.template.json").write_text(json.dumps(template.body))

    linted = subprocess.run(  # our own linter on our own files
        [Path(sys.executable).with_name("cfn-lint"), *tmp_path.glob("*.json")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (linted.returncode, linted.stdout) == (0, "")


def synth(tmp_path: Path, context: dict[str, object]) -> subprocess.CompletedProcess[str]:
    """Run `app.py` as the CDK CLI does, with CDK's validator."""
    environment = {name: value for name, value in os.environ.items() if name != "CDK_VALIDATION"}
    flags = json.loads((REPOSITORY / "cdk.json").read_text())["context"]
    return subprocess.run(  # our own app
        [sys.executable, "app.py"],
        cwd=REPOSITORY,
        env={
            **environment,
            "CDK_OUTDIR": str(tmp_path),
            "CDK_CONTEXT_JSON": json.dumps({**flags, "aws:cdk:bundling-stacks": [], **context}),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_app_passes_cdk_s_own_validation(tmp_path: Path) -> None:
    done = synth(tmp_path, {"stage": "prod"})

    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.glob("*.template.json")} == {
        "Alerts-prod.template.json",
        "Jobs-prod.template.json",
        "Orders-prod.template.json",
        "Monitoring-prod.template.json",
    }


def test_an_unknown_stage_ends_the_synthesis_with_one_line(tmp_path: Path) -> None:
    done = synth(tmp_path, {"stage": "staging"})

    assert done.returncode == 1
    assert done.stderr.splitlines() == ["there is no stage 'staging'; there are dev, prod, local"]


@pytest.mark.parametrize("word", ["hooks.slack.com", "xoxb-", "AKIA", "PRIVATE KEY"])
def test_no_template_holds_a_secret(dev: Templates, prod: Templates, word: str) -> None:
    for template in (*dev, *prod):
        assert word not in json.dumps(template.body)


def test_no_stack_depends_on_a_later_one(dev: Templates) -> None:
    """CDK refuses circles; this says which way round the arrows are."""
    imported = [
        set(re.findall(r'"Fn::ImportValue": "([A-Za-z-]+):', json.dumps(template.body)))
        for template in dev
    ]

    assert imported == [
        set(),
        {"Alerts-dev"},
        {"Alerts-dev", "Jobs-dev"},
        {"Alerts-dev", "Jobs-dev", "Orders-dev"},
    ]
