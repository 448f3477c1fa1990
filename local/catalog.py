"""What the deployed templates say about functions that MiniStack does not keep.

MiniStack drops `DurableConfig` and `DeadLetterConfig`, so the catalog reads them from the
templates of the deployed stacks, and resolves what they refer to. It reads again only
after a change: every change of a stack or of an alias passes through the front door.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from botocore.exceptions import ClientError

from local.endpoint import REGION, Endpoint
from local.function_reference import LATEST, FunctionReference
from local.refusals import AwsError

_SETTLED = ("_COMPLETE", "_FAILED")


@dataclass(frozen=True, slots=True)
class DurableConfig:
    """A durable function's limits, as its template states them."""

    execution_timeout_seconds: int
    # 14 days unless stated, by the resource's schema.
    retention_days: int = 14


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A function of a deployed stack."""

    name: str
    durable: DurableConfig | None = None
    dead_letter_target: str | None = None


class FunctionCatalog:
    """The functions of all deployed stacks; safe to ask from any thread."""

    def __init__(self, ministack: Endpoint) -> None:
        self._cloudformation = ministack.client("cloudformation")
        self._lambda = ministack.client("lambda")
        self._lock = threading.Lock()
        self._functions: dict[str, DeployedFunction] = {}
        self._versions: dict[FunctionReference, str] = {}
        self._is_stale = True

    def changed(self) -> None:
        """Read again before the next answer: a stack or an alias has changed."""
        self._is_stale = True

    def find(self, name: str) -> DeployedFunction | None:
        """The function called *name*, or None where no stack has it."""
        with self._lock:
            if self._is_stale:
                self._read()
            return self._functions.get(name)

    def dead_letter_target(self, function_name: str) -> str | None:
        """The ARN of the topic or queue that takes the function's dead letters, by name or ARN."""
        reference = FunctionReference.parse(function_name)
        function = self.find(reference.name) if reference else None
        return function.dead_letter_target if function else None

    def version(self, function: FunctionReference) -> str:
        """The version behind a qualifier: the execution stays on it, wherever the alias moves.

        Raises:
            AwsError: There is no such alias or version.
        """
        qualifier = function.qualifier or LATEST
        if qualifier == LATEST:
            return LATEST
        with self._lock:
            if self._is_stale:
                self._read()
            known = self._versions.get(function)
            if known is None:
                known = self._versions[function] = self._resolve(function.name, qualifier)
            return known

    def _resolve(self, name: str, qualifier: str) -> str:
        try:
            if qualifier.isdigit():
                self._lambda.get_function_configuration(FunctionName=name, Qualifier=qualifier)
                return qualifier
            version: str = self._lambda.get_alias(FunctionName=name, Name=qualifier)[
                "FunctionVersion"
            ]
        except ClientError as error:
            raise AwsError.not_found(
                f"Function not found: {FunctionReference(name, qualifier).arn}"
            ) from error
        return version

    def _read(self) -> None:
        # Lowered first: a change while reading means reading once more.
        self._is_stale = False
        stacks = [
            stack
            for page in self._cloudformation.get_paginator("describe_stacks").paginate()
            for stack in page["Stacks"]
            if stack["StackStatus"] != "DELETE_COMPLETE"
        ]
        exports = {
            output["ExportName"]: output["OutputValue"]
            for stack in stacks
            for output in stack.get("Outputs", [])
            if "ExportName" in output
        }
        functions: dict[str, DeployedFunction] = {}
        for stack in stacks:
            template = self._template(stack["StackName"])
            physical = self._physical_ids(stack["StackName"])
            for function in _functions(template, _Values(physical, exports)):
                functions[function.name] = function
            if not stack["StackStatus"].endswith(_SETTLED) or stack["StackStatus"].endswith(
                "_IN_PROGRESS"
            ):
                self._is_stale = True
        self._functions = functions
        self._versions.clear()

    def _template(self, stack: str) -> Mapping[str, Any]:
        body = self._cloudformation.get_template(StackName=stack)["TemplateBody"]
        if isinstance(body, str):
            # YAML reads JSON too.
            body = json.loads(body) if body.lstrip().startswith("{") else yaml.safe_load(body)
        template: Mapping[str, Any] = body
        return template

    def _physical_ids(self, stack: str) -> dict[str, str]:
        resources = self._cloudformation.describe_stack_resources(StackName=stack)
        return {
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for resource in resources["StackResources"]
            if resource.get("PhysicalResourceId")
        }


@dataclass(frozen=True, slots=True)
class _Values:
    """Resolves the few intrinsic functions that CDK writes for a dead-letter target."""

    physical: Mapping[str, str]
    exports: Mapping[str, str]

    def resolve(self, value: Any) -> str | None:
        match value:
            case str():
                return value
            case {"Ref": str(logical)} | {"Fn::GetAtt": [str(logical), "Arn" | "TopicArn"]}:
                return _arn(self.physical.get(logical))
            case {"Fn::ImportValue": str(name)}:
                return self.exports.get(name)
            case _:
                return None


def _arn(physical_id: str | None) -> str | None:
    """A queue's physical id is its URL; a topic's is its ARN already."""
    if physical_id is None or not physical_id.startswith("http"):
        return physical_id
    account, name = physical_id.split("/")[-2:]
    return f"arn:aws:sqs:{REGION}:{account}:{name}"


def _functions(template: Mapping[str, Any], values: _Values) -> Iterator[DeployedFunction]:
    for logical, resource in template.get("Resources", {}).items():
        if resource.get("Type") != "AWS::Lambda::Function" or logical not in values.physical:
            continue
        properties = resource.get("Properties", {})
        durable = properties.get("DurableConfig")
        target = properties.get("DeadLetterConfig", {}).get("TargetArn")
        yield DeployedFunction(
            name=values.physical[logical],
            durable=None if durable is None else _durable_config(durable),
            dead_letter_target=None if target is None else values.resolve(target),
        )


def _durable_config(stated: Mapping[str, Any]) -> DurableConfig:
    timeout = int(stated["ExecutionTimeout"])
    if "RetentionPeriodInDays" in stated:
        return DurableConfig(timeout, int(stated["RetentionPeriodInDays"]))
    return DurableConfig(timeout)
