"""What other tools say about the templates: CDK's own validator, and cfn-lint."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stacks.synthesis import REPOSITORY, StackTemplate, Templates

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What both tools say about the stage with the most protection."""

    linted: Done
    validated: Done
    validated_templates: set[str]


@pytest.fixture(scope="module")
def verdicts(prod: Templates, tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """Both at once: no tests take longer, and neither tool needs the other."""
    to_lint, output = tmp_path_factory.mktemp("lint"), tmp_path_factory.mktemp("cdk.out")
    for number, template in enumerate(prod):
        (to_lint / f"{number}.template.json").write_text(json.dumps(template.body))
    with ThreadPoolExecutor() as side_by_side:
        linted = side_by_side.submit(lint, to_lint)
        validated = side_by_side.submit(synth, output, {"stage": "prod"})
        return Verdicts(
            linted.result(),
            validated.result(),
            {path.name for path in output.glob("*.template.json")},
        )


def lint(folder: Path) -> Done:
    return subprocess.run(  # our own linter on our own files
        [Path(sys.executable).with_name("cfn-lint"), *folder.glob("*.json")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def synth(tmp_path: Path, context: dict[str, object]) -> Done:
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


def test_cfn_lint_has_nothing_to_say(verdicts: Verdicts) -> None:
    assert (verdicts.linted.returncode, verdicts.linted.stdout) == (0, "")


def test_dev_is_made_of_what_the_linter_saw(dev: Templates, prod: Templates) -> None:
    for here, there in zip(dev, prod, strict=True):
        assert kinds_of_resources(here) == kinds_of_resources(there)


def kinds_of_resources(template: StackTemplate) -> Counter[str]:
    return Counter(resource["Type"] for resource in template.resources.values())


def test_the_app_passes_cdk_s_own_validation(verdicts: Verdicts) -> None:
    assert verdicts.validated.returncode == 0, verdicts.validated.stderr
    assert verdicts.validated_templates == {
        "Alerts-prod.template.json",
        "Jobs-prod.template.json",
        "Callbacks-prod.template.json",
        "Orders-prod.template.json",
        "Approvals-prod.template.json",
        "Onboarding-prod.template.json",
        "Pipelines-prod.template.json",
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
        {"Alerts-dev", "Jobs-dev"},
        {"Alerts-dev", "Jobs-dev", "Callbacks-dev"},
        {"Alerts-dev", "Jobs-dev", "Callbacks-dev"},
        {"Alerts-dev", "Jobs-dev"},
        {
            "Alerts-dev",
            "Jobs-dev",
            "Callbacks-dev",
            "Orders-dev",
            "Approvals-dev",
            "Onboarding-dev",
            "Pipelines-dev",
        },
    ]
