"""Runs the event source mappings that the deployed templates made, each by its kind.

MiniStack keeps their properties; its own pollers are off (`inside_ministack/launch.py`).
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import aiohttp

from local.aws_json import AwsCallError, AwsJson
from local.endpoint import Endpoint
from local.failure_destination import SnsOrSqs
from local.invocation import Invoke
from local.queue_mapping import QueueMapping
from local.stream_mapping import Place, StreamMapping

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
LIST_PATH = "/2015-03-31/event-source-mappings?MaxItems=100"

# What changes without changing what a mapping does.
VOLATILE = {"LastModified", "LastProcessingResult", "StateTransitionReason"}


@dataclass(slots=True)
class _Running:
    description: dict[str, Any]
    mapping: StreamMapping | QueueMapping
    task: asyncio.Task[None]


class EventSourceMappings:
    """Keeps one poller for every enabled mapping at *endpoint*."""

    def __init__(self, endpoint: Endpoint, invoke: Invoke) -> None:
        """Prepare, but do not poll yet.

        Args:
            endpoint: Where mappings, streams and queues are: MiniStack itself, so that
                the platform's own polling is not recorded as anyone's calls.
            invoke: How a function is invoked.
        """
        self._endpoint = endpoint
        self._invoke = invoke
        self._running: dict[str, _Running] = {}
        # A changed or disabled mapping goes on where it was; a deleted one is forgotten.
        self._places: dict[str, dict[str, Place]] = {}

    def wake(self) -> None:
        """Look at the streams now; the front door calls it after a write to DynamoDB."""
        for running in self._running.values():
            running.mapping.wake()

    async def until_caught_up(self) -> None:
        """Wait until what was written to the streams before is done with.

        Not so for queues: what is in them may be delayed on purpose.
        """
        mappings = [running.mapping for running in self._running.values()]
        await asyncio.gather(
            *(each.until_caught_up() for each in mappings if isinstance(each, StreamMapping))
        )

    async def run(self) -> None:
        """Follow the mappings until cancelled."""
        destination = await asyncio.to_thread(SnsOrSqs, self._endpoint)
        # Every poller holds a connection, and a long poll outlasts any total timeout.
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            aws = AwsJson(self._endpoint, session)
            try:
                while True:
                    try:
                        await self._follow(aws, destination)
                    except (AwsCallError, aiohttp.ClientError, TimeoutError) as error:
                        logger.warning("the mappings could not be listed: %s", error)
                    await asyncio.sleep(LOOK_SECONDS)
            finally:
                await self._stop(list(self._running))

    async def _follow(self, aws: AwsJson, destination: SnsOrSqs) -> None:
        listed = await aws.get("lambda", LIST_PATH)
        wanted = {
            mapping["UUID"]: {key: mapping[key] for key in mapping.keys() - VOLATILE}
            for mapping in listed["EventSourceMappings"]
            if mapping["State"] == "Enabled"
        }
        await self._stop(
            [key for key, run in self._running.items() if wanted.get(key) != run.description]
        )
        known = {mapping["UUID"] for mapping in listed["EventSourceMappings"]}
        self._places = {key: places for key, places in self._places.items() if key in known}
        for key, description in wanted.items():
            if key not in self._running:
                mapping = self._make(description, aws, destination, self._places.get(key))
                task = asyncio.create_task(_report_end(mapping, description["EventSourceArn"]))
                self._running[key] = _Running(description, mapping, task)

    def _make(
        self,
        description: dict[str, Any],
        aws: AwsJson,
        destination: SnsOrSqs,
        places: dict[str, Place] | None,
    ) -> StreamMapping | QueueMapping:
        service = description["EventSourceArn"].split(":")[2]
        if service == "dynamodb":
            return StreamMapping(
                description, aws=aws, invoke=self._invoke, destination=destination, places=places
            )
        if service == "sqs":
            return QueueMapping(description, aws=aws, invoke=self._invoke)
        raise ValueError(f"the local platform has no event source mapping for {service}")

    async def _stop(self, keys: list[str]) -> None:
        stopped = {key: self._running.pop(key) for key in keys}
        for running in stopped.values():
            running.task.cancel()
        await asyncio.gather(*(run.task for run in stopped.values()), return_exceptions=True)
        for key, running in stopped.items():
            if isinstance(running.mapping, StreamMapping):
                self._places[key] = running.mapping.places


async def _report_end(mapping: StreamMapping | QueueMapping, source: str) -> None:
    """One mapping that cannot run must not end the others, nor end unseen."""
    try:
        await mapping.run()
    except Exception:
        logger.exception("the mapping of %s ended", source)
