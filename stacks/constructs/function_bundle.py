"""Hands a family's bundle to the functions of its stack.

The bundle is built before CDK sees it and given to CDK as a finished folder. CDK's own hook for
that (`ILocalBundling`) falls back to Docker when it says no, and shows whatever goes wrong as a
traceback through jsii; here there is no Docker to fall back to, and an error is one clear message.
"""

from dataclasses import dataclass

from aws_cdk import Annotations, AssetHashType, IgnoreMode, Stack
from aws_cdk import aws_lambda as lambda_

from stacks.bundle import REPOSITORY, Bundle, find_interpreter
from stacks.stages import Stage


@dataclass(frozen=True, slots=True)
class FunctionBundle:
    """The code of one family, shared by all functions of its stack."""

    family: str
    code: lambda_.Code

    def handler(self, module: str) -> str:
        """The entry point in `functions/<family>/<module>.py`."""
        return f"functions.{self.family}.{module}.handler"


def function_bundle(stack: Stack, family: str, stage: Stage) -> FunctionBundle:
    """The bundle of *family* for the machine that *stage* runs on, built if it has changed.

    Where CDK needs no bundles (tests, another stack's deployment: context
    `aws:cdk:bundling-stacks`), the bare sources stand in for it.

    Raises:
        BundleError: The bundle cannot be made; the message says what to mend.
    """
    if not stack.bundling_required:
        sources = lambda_.Code.from_asset(
            str(REPOSITORY / "functions" / family),
            exclude=["**/__pycache__"],
            ignore_mode=IgnoreMode.GIT,
        )
        return FunctionBundle(family, sources)
    bundle = Bundle(family, stage.bundle, find_interpreter(stage.bundle.python))
    if not bundle.has_bytecode:
        Annotations.of(stack).add_info(
            f"There is no Python {stage.bundle.python} on this machine, so the bundle of"
            f" functions/{family} carries no bytecode and its cold starts take two to three"
            " times as long. Install one (uv python install) and synthesize again."
        )
    folder = bundle.build()
    code = lambda_.Code.from_asset(
        str(folder), asset_hash=folder.name, asset_hash_type=AssetHashType.CUSTOM
    )
    return FunctionBundle(family, code)
