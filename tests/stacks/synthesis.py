"""Synthesizes the stacks and reads their templates."""

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import aws_cdk as cdk

from app import DurableJobs, durable_jobs
from stacks.stages import Stage, stage_named

REPOSITORY = Path(__file__).resolve().parent.parent.parent

Properties = dict[str, Any]

# A code edit changes the asset's key and the version's logical id; neither is
# a change of infrastructure.
_ASSET_KEY = re.compile(r"[0-9a-f]{64}\.zip")
_VERSION_ID = re.compile(r"(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class StackTemplate:
    """One template, asked by what is in it."""

    body: dict[str, Any]

    @property
    def resources(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body["Resources"]
        return found

    def of_type(self, type_: str) -> dict[str, Properties]:
        """Logical id and properties of each resource of a type."""
        return {
            logical_id: resource.get("Properties", {})
            for logical_id, resource in self.resources.items()
            if resource["Type"] == type_
        }

    def only(self, type_: str, *, id_has: str = "") -> tuple[str, Properties]:
        """The one resource of a type, or the one whose logical id has a text in it."""
        [found] = [item for item in self.of_type(type_).items() if id_has in item[0]]
        return found

    def function(self, name: str) -> tuple[str, Properties]:
        """The function of this short name."""
        [found] = [
            (logical_id, function)
            for logical_id, function in self.of_type("AWS::Lambda::Function").items()
            if function["Environment"]["Variables"]["AWS_SDK_UA_APP_ID"] == name
        ]
        return found

    def alias_of(self, function_id: str) -> str:
        """The logical id of the function's alias."""
        [found] = [
            logical_id
            for logical_id, alias in self.of_type("AWS::Lambda::Alias").items()
            if alias["FunctionName"] == {"Ref": function_id}
        ]
        return found


@dataclass(frozen=True, slots=True)
class Templates:
    """The templates of one stage."""

    alerts: StackTemplate
    jobs: StackTemplate
    callbacks: StackTemplate
    orders: StackTemplate
    approvals: StackTemplate
    onboarding: StackTemplate
    pipelines: StackTemplate
    monitoring: StackTemplate

    def __iter__(self) -> Iterator[StackTemplate]:
        return (getattr(self, field.name) for field in fields(self))

    def functions(self) -> dict[str, Properties]:
        """Every function, by its short name."""
        return {
            function["Environment"]["Variables"]["AWS_SDK_UA_APP_ID"]: function
            for template in self
            for function in template.of_type("AWS::Lambda::Function").values()
        }

    def home_of(self, function: str) -> StackTemplate:
        """The template that has the function of this short name."""
        return next(t for t in self if function in _function_names(t))

    def alias_of(self, function: str) -> dict[str, str]:
        """The ARN of a function's alias, as its own template says it."""
        home = self.home_of(function)
        return {"Ref": home.alias_of(home.function(function)[0])}

    def executions_of(self, function: str) -> dict[str, Any]:
        """The executions of every version, as its own template says it."""
        function_id, _ = self.home_of(function).function(function)
        return {"Fn::Join": ["", [{"Fn::GetAtt": [function_id, "Arn"]}, ":*"]]}

    def statements(self, function: str) -> list[dict[str, Any]]:
        """All that the role of a function may do, whichever stack says so."""
        role_id = self.home_of(function).function(function)[1]["Role"]["Fn::GetAtt"][0]
        found: list[dict[str, Any]] = []
        for template in self:
            for policy in template.of_type("AWS::IAM::Policy").values():
                if any(_names_role(role, role_id) for role in policy.get("Roles", [])):
                    found += policy["PolicyDocument"]["Statement"]
        return found

    def allowed_actions(self, function: str) -> set[str]:
        """The actions of all those statements."""
        return {
            action for statement in self.statements(function) for action in actions_of(statement)
        }


def actions_of(statement: dict[str, Any]) -> list[str]:
    action = statement["Action"]
    return action if isinstance(action, list) else [action]


def resources_of(statement: dict[str, Any]) -> list[Any]:
    resource = statement["Resource"]
    return resource if isinstance(resource, list) else [resource]


def new_app(outdir: str | None = None, *, bundling: bool = False) -> cdk.App:
    """An app as the CDK CLI would start it, without bundles unless *bundling*."""
    context = json.loads((REPOSITORY / "cdk.json").read_text())["context"]
    if not bundling:
        context["aws:cdk:bundling-stacks"] = []
    return cdk.App(outdir=outdir or tempfile.mkdtemp(prefix="cdk-test-"), context=context)


def synthesized(
    stage: str | Stage,
    *,
    region: str | None = None,
    before_synth: Callable[[cdk.App, DurableJobs], None] | None = None,
) -> Templates:
    """The templates of a stage."""
    with tempfile.TemporaryDirectory(prefix="cdk-test-") as outdir:
        app = new_app(outdir)
        stacks = durable_jobs(
            app, stage if isinstance(stage, Stage) else stage_named(stage), region
        )
        if before_synth:
            before_synth(app, stacks)
        assembly = app.synth()
        return Templates(
            *(
                StackTemplate(assembly.get_stack_by_name(stack.stack_name).template)
                for stack in stacks
            )
        )


def without_code(template: dict[str, Any]) -> Any:
    """The template as it would be whatever the functions' code."""
    text = json.dumps(template, sort_keys=True)
    text = _ASSET_KEY.sub("CODE.zip", text)
    return json.loads(_VERSION_ID.sub(r"\1", text))


def _function_names(template: StackTemplate) -> set[str]:
    return {
        function["Environment"]["Variables"]["AWS_SDK_UA_APP_ID"]
        for function in template.of_type("AWS::Lambda::Function").values()
    }


def _names_role(reference: Any, role_id: str) -> bool:
    """Whether a policy's role is this one, of the same stack or imported from another."""
    if "Ref" in reference:
        return bool(reference["Ref"] == role_id)
    return f"ExportsOutputRef{role_id}" in reference["Fn::ImportValue"]
