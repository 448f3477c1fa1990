"""`python -m local`: run the platform on this machine, and deploy to it."""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from local import showcase
from local.deployment import Deployment, DeploymentError
from local.ministack import MiniStackError
from local.platform import Platform, PlatformSettings
from local.platform_file import DEFAULT_STATE, NoPlatformError, RunningPlatform


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    chosen = _parser().parse_args(arguments)
    state: Path = chosen.state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=state / "platform.log",
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        level=logging.WARNING,
    )
    try:
        match chosen.command:
            case "up":
                asyncio.run(_up(state, deploy=chosen.deploy, skip_time=chosen.skip_time))
            case "deploy":
                asyncio.run(_deploy(RunningPlatform.read(state), state))
            case "run":
                return 0 if asyncio.run(_run(state / "run")) else 1
    except (DeploymentError, MiniStackError, NoPlatformError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="where its files are")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="run the platform until Ctrl-C")
    up.add_argument("--deploy", action="store_true", help="deploy the stacks to it first")
    up.add_argument("--skip-time", action="store_true", help="let durable waits pass at once")
    commands.add_parser("deploy", help="deploy the stacks to the platform that runs")
    commands.add_parser("run", help="play a scenario on a platform of its own, and judge it")
    return parser


async def _up(state: Path, *, deploy: bool, skip_time: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    async with Platform(PlatformSettings(state=state, skip_time=skip_time)) as platform:
        running = platform.running
        if running is None:
            return
        _say(f"The local platform is up at {running.endpoint.url}")
        if deploy:
            deployment = asyncio.create_task(_deploy(running, state))
            waiting = asyncio.create_task(stopped.wait())
            await asyncio.wait({deployment, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not deployment.done():
                deployment.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await deployment
                return
            await deployment
        _say(f"Slack and mails:  {running.inbox}")
        _say("Submit a job:     .venv/bin/python -m jobctl --local submit send-email --payload ...")
        _say("Stop it:          Ctrl-C")
        await stopped.wait()
        _say("Stopping.")


async def _run(state: Path) -> bool:
    """Play the scenario on a fresh platform, beside whatever else runs."""
    _say("Starting the local platform ...")
    async with Platform(PlatformSettings(state=state)) as platform:
        running = platform.running
        if running is None:
            return False
        await _deploy(running, state)
        return await asyncio.to_thread(showcase.play, running.endpoint, running.inbox)


async def _deploy(running: RunningPlatform, state: Path) -> None:
    started = time.monotonic()
    deployment = Deployment(running.endpoint, output=state / "deployment")
    await deployment.bootstrap()
    _say("Deploying the stacks ...")
    await deployment.deploy()
    _say(f"Deployed in {time.monotonic() - started:.0f} s.")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
