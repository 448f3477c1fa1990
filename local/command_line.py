"""What `python -m local` can do: up, deploy, run, clock and products; Ctrl-C ends each in order."""

import argparse
import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from logging.handlers import RotatingFileHandler
from pathlib import Path
from threading import Event
from typing import Any, NoReturn

from local import showcase
from local.clock_command import ClockCommandError, command_clock, duration
from local.datasets import FORMATS, Datasets
from local.deployment import Deployment, DeploymentError
from local.ministack import MiniStackError
from local.platform import Platform, PlatformSettings
from local.platform_file import DEFAULT_STATE, NoPlatformError, RunningPlatform
from local.products import Products
from local.shop import Shop
from local.state_directory import StateInUseError

LOG_BYTES = 5_000_000
# As a shell reports a command that Ctrl-C ended.
INTERRUPTED = 130
# A call that is under way when the scenario is told to stop.
LAST_CALL_SECONDS = 10
# To be copied from the terminal.
ANY_MAIL = '{"to": "success@simulator.amazonses.com", "subject": "Hello", "text": "It works."}'
ANY_ORDER = (
    '{"customer_id": "ann", "currency": "EUR",'
    ' "items": [{"sku": "tea", "quantity": 2, "unit_price": 450}]}'
)
ANY_BATCH = (
    '{"dataset": "incoming/all.jsonl", "processor": "normalize-products",'
    ' "tolerated_failures_percent": 1}'
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    chosen = _parser().parse_args(arguments)
    # Its own, so that a scenario may be played beside a platform that stays up.
    state: Path = (chosen.state / "run" if chosen.command == "run" else chosen.state).resolve()
    _log_to(state)
    work: dict[str, Callable[[], Coroutine[Any, Any, int]]] = {
        "up": lambda: _up(state, deploy=chosen.deploy, skip_time=chosen.skip_time),
        "deploy": lambda: _deploy(RunningPlatform.read(state), state),
        "run": lambda: _run(state),
        "clock": lambda: _clock(RunningPlatform.read(state), chosen.advance, chosen.mode),
        "products": lambda: _products(
            RunningPlatform.read(state), Products(chosen.count, chosen.refused_every), chosen.name
        ),
    }
    try:
        return asyncio.run(_until_told_to_stop(work[chosen.command]()))
    except (
        ClockCommandError,
        DeploymentError,
        MiniStackError,
        NoPlatformError,
        StateInUseError,
    ) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="where its files are")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="run the platform until Ctrl-C")
    up.add_argument("--deploy", action="store_true", help="deploy the stacks to it first")
    up.add_argument("--skip-time", action="store_true", help="let durable waits pass at once")
    commands.add_parser("deploy", help="deploy the stacks to the platform that runs")
    commands.add_parser("run", help="play a scenario on a platform of its own, and judge it")
    clock = commands.add_parser(
        "clock",
        help="tell or move the time of the platform that runs",
        description="Tell the time of the platform that runs, or move it: waits, delays between"
        " attempts, callback, heartbeat and execution timeouts pass in their order, and functions"
        " see the time pass. It returns when all that became due is done.",
    )
    clock.add_argument(
        "--advance", type=_duration, metavar="DURATION", help="let it pass: 90s, 30m, 12h, 1d12h"
    )
    products = commands.add_parser(
        "products",
        help="put a dataset of products into the data bucket of the platform that runs",
        description="Put a dataset of products where batches and pipelines find it; the same"
        " numbers make the same dataset.",
    )
    products.add_argument("count", type=int, metavar="COUNT", help="how many")
    products.add_argument(
        "name",
        type=_dataset_name,
        metavar="NAME",
        help=f"of the dataset; it ends with .{', .'.join(FORMATS)}",
    )
    products.add_argument(
        "--refused-every",
        type=int,
        default=100,
        metavar="N",
        help="every Nth cannot be processed; 0: none (default: 100)",
    )
    modes = clock.add_mutually_exclusive_group()
    modes.add_argument(
        "--hold",
        dest="mode",
        action="store_const",
        const="held",
        help="let nothing be due until it is commanded",
    )
    modes.add_argument(
        "--run", dest="mode", action="store_const", const="running", help="let the time run again"
    )
    return parser


def _duration(text: str) -> timedelta:
    try:
        return duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _dataset_name(text: str) -> str:
    if text.partition(".")[2] not in FORMATS:
        raise argparse.ArgumentTypeError(f"it must end with one of .{', .'.join(FORMATS)}")
    return text


def _log_to(state: Path) -> None:
    state.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        handlers=[RotatingFileHandler(state / "platform.log", maxBytes=LOG_BYTES, backupCount=1)],
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        level=logging.WARNING,
    )


async def _until_told_to_stop(work: Coroutine[Any, Any, int]) -> int:
    """The exit code of *work*; Ctrl-C or SIGTERM cancels it, and it cleans up after itself."""
    working = asyncio.create_task(work)

    def stop() -> None:
        # Once: a second one would interrupt the cleaning up, which ends within seconds.
        if not working.cancelling():
            working.cancel()

    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop)
    try:
        return await working
    except asyncio.CancelledError:
        return INTERRUPTED


async def _up(state: Path, *, deploy: bool, skip_time: bool) -> int:
    try:
        async with Platform(PlatformSettings(state=state, skip_time=skip_time)) as platform:
            await _stay_up(platform, state, deploy=deploy)
    except asyncio.CancelledError:
        # How it is meant to end.
        return 0


async def _stay_up(platform: Platform, state: Path, *, deploy: bool) -> NoReturn:
    running = platform.running
    if running is None:
        raise RuntimeError("the platform is not running")
    _say(f"The local platform is up at {running.endpoint.url}")
    if deploy:
        await platform.while_well(_deploy(running, state))
    _say(f"Slack and mails:  {running.inbox}")
    _say(f"Submit a mail:    bin/jobctl --local submit send-email --payload '{ANY_MAIL}' --wait")
    _say(f"Or an order:      bin/jobctl --local submit order-transaction --payload '{ANY_ORDER}'")
    _say("Or a batch: make a dataset with  .venv/bin/python -m local products 100000 all.jsonl")
    _say(f"  and submit it:  bin/jobctl --local submit batch-processing --payload '{ANY_BATCH}'")
    _say("See what it did:  bin/jobctl --local show ID")
    _say("Let time pass:    .venv/bin/python -m local clock --advance 12h")
    _say("Stop it:          Ctrl-C")
    try:
        await platform.until_it_fails()
    except asyncio.CancelledError:
        _say("Stopping.")
        raise


async def _run(state: Path) -> int:
    """Play the scenario on a fresh platform, beside whatever else runs."""
    _say("Starting the local platform ...")
    async with Platform(PlatformSettings(state=state)) as platform:
        running = platform.running
        if running is None:
            raise RuntimeError("the platform is not running")
        await platform.while_well(_deploy(running, state))
        is_as_expected = await platform.while_well(_play(running))
    return 0 if is_as_expected else 1


async def _play(running: RunningPlatform) -> bool:
    told_to_stop = Event()
    playing = asyncio.ensure_future(
        asyncio.to_thread(showcase.play, running.endpoint, running.inbox, told_to_stop)
    )
    try:
        return await asyncio.shield(playing)
    except asyncio.CancelledError:
        # It goes on in its thread until it looks, and is not to meet a platform half gone.
        told_to_stop.set()
        await asyncio.wait([playing], timeout=LAST_CALL_SECONDS)
        if playing.done() and not playing.cancelled():
            playing.exception()
        raise


async def _deploy(running: RunningPlatform, state: Path) -> int:
    started = time.monotonic()
    deployment = Deployment(running.endpoint, output=state / "deployment")
    await deployment.bootstrap()
    _say("Deploying the stacks ...")
    await deployment.deploy()
    # Orders need somebody who buys and something to sell.
    await asyncio.to_thread(Shop(running.endpoint).open)
    _say(f"Deployed in {time.monotonic() - started:.0f} s.")
    return 0


async def _clock(running: RunningPlatform, advance: timedelta | None, mode: str | None) -> int:
    _say(await asyncio.to_thread(command_clock, running, advance=advance, mode=mode))
    return 0


async def _products(running: RunningPlatform, products: Products, name: str) -> int:
    datasets = Datasets(running.endpoint)
    key = await asyncio.to_thread(datasets.upload_products, products, name)
    _say(f"{key}: {products.count:,} records, {products.refused:,} of which cannot be processed")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
