"""The event source mapping of a DynamoDB stream: reads, filters, invokes, and gives up as AWS does.

MiniStack's own loses returned item failures and retries a poison batch for ever. What to do next
is decided in `local/stream_shard.py`; here is only the reading, the invoking and the waiting.
"""

import asyncio
import json
import logging
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from local.aws_json import AwsCallError, AwsJson
from local.batch_item_failures import BatchReport, read_report
from local.event_filter import EventFilter
from local.failure_destination import FailureDestination
from local.invocation import Invoke, InvokeOutcome
from local.stream_failure import failure_record
from local.stream_shard import Batch, Discarded, RetryPolicy, Shard, StreamRecord

logger = logging.getLogger(__name__)

# How long a new record may wait when nobody calls `wake`; AWS polls four times a second.
POLL_SECONDS = 0.15
# How soon it is noticed that there is nothing more to do, by one who waits for that.
CATCH_UP_SECONDS = 0.02
# Records that are read ahead while the function is busy.
READ_AHEAD = 1_000
# A shard is listed anew this often, for one that appeared.
SHARDS_SECONDS = 10.0
TRIMMED = "TrimmedDataAccessException"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a shard to go on reading."""

    iterator_type: str
    sequence_number: str


class StreamMapping:
    """One mapping of a stream to a function, as `ListEventSourceMappings` describes it."""

    def __init__(
        self,
        mapping: Mapping[str, Any],
        *,
        aws: AwsJson,
        invoke: Invoke,
        destination: FailureDestination,
        places: Mapping[str, Place] | None = None,
    ) -> None:
        """Prepare, but do not read yet.

        Args:
            mapping: The description of the mapping.
            aws: Reads the stream.
            invoke: Invokes the function.
            destination: Takes what is given up on.
            places: Where an earlier run of the same mapping got to, by shard. A mapping
                that was changed or disabled goes on from there, as in AWS.
        """
        self._stream: str = mapping["EventSourceArn"]
        self._function: str = mapping["FunctionArn"]
        self._start: str = mapping.get("StartingPosition", "LATEST")
        self._factor: int = mapping.get("ParallelizationFactor", 1)
        self._on_failure: str | None = (
            (mapping.get("DestinationConfig") or {}).get("OnFailure") or {}
        ).get("Destination")
        self._filter = EventFilter.from_criteria(mapping.get("FilterCriteria"))
        self._policy = RetryPolicy.from_mapping(mapping)
        self._aws = aws
        self._invoke = invoke
        self._destination = destination
        self._came_from = dict(places or {})
        self._shards: dict[str, _ReadShard] = {}

    @property
    def places(self) -> dict[str, Place]:
        """Where the next run of this mapping has to go on, by shard."""
        reached = {shard_id: shard.place() for shard_id, shard in self._shards.items()}
        return self._came_from | {key: place for key, place in reached.items() if place}

    def wake(self) -> None:
        """Look at the stream now: something was written."""
        for shard in self._shards.values():
            shard.woken.set()

    async def until_caught_up(self) -> None:
        """Wait until what was written to the stream before is done with."""
        await asyncio.gather(*(shard.until_caught_up() for shard in self._shards.values()))

    async def run(self) -> None:
        """Process every shard until cancelled."""
        start = self._start
        async with asyncio.TaskGroup() as shards:
            while True:
                for shard_id in await self._list_shards():
                    if shard_id not in self._shards:
                        # One lane per concurrent batch; the changes of one item stay in one
                        # lane, in order.
                        lanes = [_Lane(self, shard_id) for _ in range(self._factor)]
                        self._shards[shard_id] = shard = _ReadShard(shard_id, start, lanes)
                        shards.create_task(self._run_shard(shard))
                # A shard that appears later is read from its beginning, or records between
                # two looks would be lost.
                start = "TRIM_HORIZON"
                await asyncio.sleep(SHARDS_SECONDS)

    async def _list_shards(self) -> list[str]:
        answer = await self._aws.call_until_answered(
            "DynamoDBStreams", "DescribeStream", {"StreamArn": self._stream}
        )
        return [shard["ShardId"] for shard in answer["StreamDescription"]["Shards"]]

    async def _run_shard(self, shard: "_ReadShard") -> None:
        async with asyncio.TaskGroup() as tasks:
            for lane in shard.lanes:
                tasks.create_task(lane.run())
            await self._read(shard)
            # A closed shard: what was read still has to be done.
            for lane in shard.lanes:
                lane.close()

    async def _read(self, shard: "_ReadShard") -> None:
        iterator: str | None = await self._iterator(shard, self._came_from.get(shard.shard_id))
        while iterator is not None:
            shard.woken.clear()
            if max(len(lane) for lane in shard.lanes) >= READ_AHEAD:
                await asyncio.sleep(POLL_SECONDS)
                continue
            try:
                answer = await self._aws.call_until_answered(
                    "DynamoDBStreams",
                    "GetRecords",
                    {"ShardIterator": iterator, "Limit": 1000},
                    unless=("ExpiredIteratorException", TRIMMED),
                )
            except AwsCallError:
                iterator = await self._iterator(shard, shard.after_last_read())
                continue
            records = answer["Records"]
            if records:
                shard.last_read = records[-1]["dynamodb"]["SequenceNumber"]
                self._hand_out(records, shard.lanes)
            shard.looks += 1
            iterator = answer.get("NextShardIterator")
            if not records:
                await _wait(shard.woken, POLL_SECONDS)

    async def _iterator(self, shard: "_ReadShard", place: Place | None) -> str:
        where = {"StreamArn": self._stream, "ShardId": shard.shard_id}
        wanted = {"ShardIteratorType": shard.start}
        if place is not None:
            wanted = {
                "ShardIteratorType": place.iterator_type,
                "SequenceNumber": place.sequence_number,
            }
        try:
            answer = await self._aws.call_until_answered(
                "DynamoDBStreams", "GetShardIterator", where | wanted, unless=(TRIMMED,)
            )
        except AwsCallError:
            # The stream forgot the place, so the oldest record it has is the next one.
            answer = await self._aws.call_until_answered(
                "DynamoDBStreams", "GetShardIterator", where | {"ShardIteratorType": "TRIM_HORIZON"}
            )
        iterator: str = answer["ShardIterator"]
        return iterator

    def _hand_out(self, records: list[dict[str, Any]], lanes: list["_Lane"]) -> None:
        shares: dict[int, list[StreamRecord]] = {}
        for record in records:
            if self._filter.admits(record):
                keys = json.dumps(record["dynamodb"]["Keys"], sort_keys=True).encode()
                shares.setdefault(zlib.crc32(keys) % len(lanes), []).append(
                    StreamRecord(
                        sequence_number=record["dynamodb"]["SequenceNumber"],
                        created_at=float(record["dynamodb"]["ApproximateCreationDateTime"]),
                        event={**record, "eventSourceARN": self._stream},
                    )
                )
        for index, share in shares.items():
            lanes[index].offer(share)

    async def invoke(self, batch: Batch) -> InvokeOutcome | None:
        """Run the function on *batch*; None when it could not be run at all."""
        event = {"Records": [record.event for record in batch.records]}
        try:
            outcome = await self._invoke(self._function, json.dumps(event).encode())
        except Exception:
            logger.exception("%s could not be invoked", self._function)
            return None
        # Throttled, failed within Lambda, or no such function (yet): it was not run.
        return outcome if outcome.status_code == HTTPStatus.OK else None

    def report(self, outcome: InvokeOutcome, batch: Batch) -> BatchReport:
        if not self._policy.reports_item_failures:
            return BatchReport()
        return read_report(outcome.payload, batch.identifiers)

    async def discard(
        self, discarded: Discarded, shard_id: str, outcome: InvokeOutcome | None
    ) -> None:
        """Tell the on-failure destination which records were given up on, and why."""
        logger.warning(
            "gave up on %d records of %s: %s",
            len(discarded.batch.records),
            self._stream,
            discarded.reason.value,
        )
        if self._on_failure is not None:
            record = failure_record(
                discarded,
                stream=self._stream,
                shard_id=shard_id,
                function=self._function,
                outcome=outcome,
                now=time.time(),
            )
            await self._destination.send(self._on_failure, json.dumps(record))

    def new_shard(self) -> Shard:
        return Shard(self._policy)


@dataclass(slots=True)
class _ReadShard:
    """How far one shard was read, and who works on what was read."""

    shard_id: str
    start: str
    lanes: list["_Lane"]
    last_read: str | None = None
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    looks: int = 0

    async def until_caught_up(self) -> None:
        # The look that is under way may have begun before the last write.
        enough = self.looks + 2
        while self.looks < enough or any(map(len, self.lanes)):
            self.woken.set()
            await asyncio.sleep(CATCH_UP_SECONDS)

    def after_last_read(self) -> Place | None:
        if self.last_read is None:
            return None
        return Place("AFTER_SEQUENCE_NUMBER", self.last_read)

    def place(self) -> Place | None:
        """The oldest record that is not done with, else what comes after the last one."""
        oldest = [lane.oldest for lane in self.lanes if lane.oldest is not None]
        # Sequence numbers are numbers, of changing length.
        return (
            Place("AT_SEQUENCE_NUMBER", min(oldest, key=int))
            if oldest
            else (self.after_last_read())
        )


class _Lane:
    """Sends the records it is offered, batch after batch."""

    def __init__(self, mapping: StreamMapping, shard_id: str) -> None:
        self._mapping = mapping
        self._shard_id = shard_id
        self._shard = mapping.new_shard()
        self._offered = asyncio.Event()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._shard)

    @property
    def oldest(self) -> str | None:
        return self._shard.oldest

    def offer(self, records: list[StreamRecord]) -> None:
        self._shard.offer(records, time.time())
        self._offered.set()

    def close(self) -> None:
        self._is_closed = True
        self._offered.set()

    async def run(self) -> None:
        last_outcome: InvokeOutcome | None = None
        while not self._is_closed or len(self._shard):
            self._offered.clear()
            now = time.time()
            if (expired := self._shard.discard_expired(now)) is not None:
                await self._mapping.discard(expired, self._shard_id, last_outcome)
                continue
            batch = self._shard.due(now)
            if batch is None:
                due_at = self._shard.next_due_at()
                await _wait(self._offered, None if due_at is None else due_at - now)
                continue
            last_outcome = await self._send(batch)

    async def _send(self, batch: Batch) -> InvokeOutcome | None:
        outcome = await self._mapping.invoke(batch)
        now = time.time()
        if outcome is None:
            self._shard.throttled(now)
            return None
        if outcome.function_error is not None:
            discarded = self._shard.failed(now)
        else:
            discarded = self._shard.succeeded(self._mapping.report(outcome, batch), now)
        if discarded is not None:
            await self._mapping.discard(discarded, self._shard_id, outcome)
        return outcome


async def _wait(event: asyncio.Event, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
