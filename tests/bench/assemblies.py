"""Synthesized apps and the function bundles inside them, as a deployment would ship them."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class BuiltFunction:
    """A function of a template, and the folder that its code ships from."""

    handler: str
    folder: Path
    environment: dict[str, str]
    is_durable: bool


def synthesize(stage: str, out: Path) -> None:
    """Synthesize the whole app of *stage* into *out*, bundles included."""
    subprocess.run(
        [sys.executable, "app.py"],
        cwd=REPOSITORY,
        check=True,
        stdout=subprocess.DEVNULL,
        env={
            **os.environ,
            "CDK_OUTDIR": str(out),
            "CDK_CONTEXT_JSON": json.dumps({"stage": stage}),
            "CDK_VALIDATION": "false",
        },
    )


def built_functions(out: Path) -> list[BuiltFunction]:
    """Every function of ours in the templates under *out*, each once."""
    found: dict[str, BuiltFunction] = {}
    for path in sorted(out.glob("*.template.json")):
        resources: dict[str, Any] = json.loads(path.read_text())["Resources"]
        for resource in resources.values():
            if resource["Type"] != "AWS::Lambda::Function":
                continue
            properties = resource["Properties"]
            handler = properties.get("Handler", "")
            if not handler.startswith("functions."):
                continue
            digest = properties["Code"]["S3Key"].removesuffix(".zip")
            variables = properties.get("Environment", {}).get("Variables", {})
            found[handler] = BuiltFunction(
                handler=handler,
                folder=out / f"asset.{digest}",
                environment={
                    # What CloudFormation would resolve can be anything here.
                    name: value if isinstance(value, str) else "any"
                    for name, value in variables.items()
                },
                is_durable="DurableConfig" in properties,
            )
    return list(found.values())


def bundles_of(functions: list[BuiltFunction]) -> dict[str, Path]:
    """The folder of each family's bundle."""
    return {function.handler.split(".")[1]: function.folder for function in functions}
