"""Deploys the real stacks with the real CDK command line, to the platform that runs."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from local.endpoint import Endpoint
from local.platform_file import PROJECT

WITH_NODE = PROJECT / "bin" / "with-node"
CDK = PROJECT / "node_modules" / ".bin" / "cdk"

# As much as fits on a screen; the file has it all.
LAST_LINES = 12


class DeploymentError(RuntimeError):
    """The CDK command line did not succeed; the message ends with what it said last."""


class Deployment:
    """The CDK command line, pointed at one endpoint and nowhere else."""

    def __init__(self, endpoint: Endpoint, *, app: Path = PROJECT, output: Path) -> None:
        """Prepare.

        Args:
            endpoint: Where to deploy.
            app: The folder of the CDK app.
            output: Where the assembly is written; one folder per platform, so that
                deployments side by side do not meet.
        """
        self._endpoint = endpoint
        self._app = app
        self._output = output

    async def bootstrap(self) -> None:
        """Give the account what `cdk deploy` needs to find there.

        Raises:
            DeploymentError: It did not work.
        """
        where = f"aws://{self._endpoint.account}/{self._endpoint.region}"
        # A folder without an app: nothing is synthesized for it.
        await self._run(["bootstrap", where, "--app", ""], folder=self._output)

    async def deploy(self, stage: str = "local") -> None:
        """Deploy all stacks of *stage*, and tell how far it is.

        Raises:
            DeploymentError: It did not work.
        """
        await self._run(
            [
                "deploy",
                "--all",
                "--require-approval=never",
                "--progress=events",
                f"--output={self._output / 'cdk.out'}",
                "-c",
                f"stage={stage}",
            ],
            folder=self._app,
        )

    async def _run(self, arguments: Sequence[str], *, folder: Path) -> None:
        if not CDK.exists():
            raise DeploymentError(f"{CDK} is missing: run `make setup`")
        self._output.mkdir(parents=True, exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            str(WITH_NODE),
            str(CDK),
            *arguments,
            cwd=folder,
            env=self._environ(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # A Ctrl-C in the terminal is for the platform, which ends all of this in order.
            start_new_session=True,
        )
        said: list[str] = []
        try:
            while process.stdout and (line := await process.stdout.readline()):
                said.append(line.decode(errors="replace").rstrip())
                if _is_progress(said[-1]):
                    sys.stdout.write(said[-1] + "\n")
                    sys.stdout.flush()
            await process.wait()
        finally:
            if process.returncode is None:
                # The app that it synthesizes, too.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                await process.wait()
        if process.returncode != 0:
            log = self._output / "cdk.log"
            log.write_text("\n".join([*said, ""]), encoding="utf-8")
            last = "\n".join(f"  {line}" for line in said[-LAST_LINES:])
            raise DeploymentError(
                f"`cdk {arguments[0]}` did not succeed; all that it said is in {log}, "
                f"and last:\n{last}"
            )

    def _environ(self) -> dict[str, str]:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
        return {
            **inherited,
            **self._endpoint.environ(),
            "CDK_DEFAULT_ACCOUNT": self._endpoint.account,
            "CDK_DEFAULT_REGION": self._endpoint.region,
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            # The validator is most of a synthesis; the template tests run it.
            "CDK_VALIDATION": "false",
            "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
            "NO_COLOR": "1",
            # What the app's own command starts must be this Python.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }


def _is_progress(line: str) -> bool:
    """Whether a line says something to a person who waits: a stack begins, or is done."""
    return ": deploying" in line or "✅" in line or "✨" in line or "❌" in line
