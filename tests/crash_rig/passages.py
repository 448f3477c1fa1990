"""Every AWS call of one execution, counted over all of its processes, and death at any of them.

Calls of other HTTP services count as well.

A process that is killed before a call has left no trace of it; one that is killed after the call
has had its effect and never hears the answer. The effect of a step is such a call and so is the
checkpoint of it, so the calls are all the points at which dying makes a difference: between
two calls a process changes nothing but itself.

One kind of call is left out of the count. The SDK sends the start of a step together with its end,
unless the machine is so slow that the start travels alone; dying at such a call is dying before
the step's first effect, which has a point of its own.
"""

import json
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from botocore.awsrequest import AWSPreparedRequest
from botocore.hooks import BaseEventHooks
from urllib3 import BaseHTTPResponse, HTTPConnectionPool

from functions.shared import names

# All of one length, so that a file's size is a count; one checkpoint may hold a dozen operations.
_RECORD_BYTES = 512
_CHECKPOINT = "checkpoint "
# How a run over a dataset is called, which is derived from the job's id among others.
_RUN = re.compile(r"/[0-9a-f]{16}/")
# An id that a job makes up is another one each time.
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Moment(StrEnum):
    """When to die, as seen from a call."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Death:
    """Where the first process to get there dies: at the call of that number, counted from 1.

    Where calls are made side by side, their order differs from run to run, and so does what one
    checkpoint holds. There *doing* names what the call does, and *time* which time it is done.
    """

    call: int
    moment: Moment
    doing: str | None = None
    time: int = 1

    def __str__(self) -> str:
        if self.doing is None:
            return f"{self.moment}-call-{self.call}"
        return f"{self.moment}-{self.doing}-{self.time}"

    def is_at(self, call: int, calls: Sequence[str]) -> bool:
        """Whether it is the last of these *calls*, the one of that number."""
        if self.doing is None:
            return call == self.call
        *before, now = [doings(each).count(self.doing) for each in calls]
        return sum(before) < self.time <= sum(before) + now

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        return cls(**{**document, "moment": Moment(document["moment"])})


def every_death(calls: Sequence[str], *, until: str | None = None) -> list[Death]:
    """Before and after each of *calls*.

    Args:
        calls: Of an undisturbed run.
        until: What is done last before calls are made side by side, in any order.
    """
    deaths = []
    done: Counter[str] = Counter()
    has_order = True
    for number, call in enumerate(calls, 1):
        done.update(doings(call))
        for moment in Moment:
            if has_order:
                deaths.append(Death(number, moment))
            else:
                deaths += [Death(number, moment, each, done[each]) for each in doings(call)]
        has_order = has_order and until not in doings(call)
    return deaths


@dataclass(frozen=True, slots=True)
class Passages:
    """The calls in the order in which they were made, in a file that all processes append to."""

    # Its name is the job's id.
    path: Path

    def add(self, call: str) -> int:
        """Write the call down, whichever job's it is, and return its number."""
        call = call.replace(self.path.name, "JOB")
        record = call[: _RECORD_BYTES - 1].ljust(_RECORD_BYTES - 1) + "\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, record.encode())
            # An appended record is where no other process's is, so this is nobody else's number.
            return os.lseek(descriptor, 0, os.SEEK_CUR) // _RECORD_BYTES
        finally:
            os.close(descriptor)

    def read(self) -> list[str]:
        if not self.path.exists():
            return []
        return [line.rstrip() for line in self.path.read_text(encoding="utf-8").splitlines()]


class Hooks:
    """Sits in every AWS client of a process; idle until it is told whom to count for."""

    def __init__(self) -> None:
        self._passages: Passages | None = None
        self._death: Death | None = None
        # Clients are used by several threads, and each must remember its own call.
        self._current = threading.local()

    def install(self, events: BaseEventHooks) -> None:
        events.register("before-send", self._before)
        events.register("after-call", self._after)
        self._install_http()

    def _install_http(self) -> None:
        """Sit in urllib3 too; botocore's own connections are of a class derived from this one."""
        urlopen = HTTPConnectionPool.urlopen
        hooks = self

        def watched(
            pool: HTTPConnectionPool, method: str, url: str, *args: Any, **kwargs: Any
        ) -> BaseHTTPResponse:
            if type(pool).__module__.startswith("botocore."):
                return urlopen(pool, method, url, *args, **kwargs)
            hooks._meet(f"{method} {url}")
            answer = urlopen(pool, method, url, *args, **kwargs)
            hooks._after()
            return answer

        HTTPConnectionPool.urlopen = watched  # type: ignore[assignment,method-assign]

    def arm(self, passages: Passages, death: Death | None) -> None:
        self._passages, self._death = passages, death

    def _before(self, event_name: str, request: AWSPreparedRequest, **_: Any) -> None:
        # A body that is a file belongs to S3, of which it is not looked at.
        body = request.body if isinstance(request.body, bytes | str) else None
        _event, service, operation = event_name.split(".")
        if service == "s3":
            self._meet(_describe_s3(operation, request))
        else:
            self._meet(describe(operation, body))

    def _meet(self, call: str | None) -> None:
        if self._passages is None:
            return
        self._current.is_fatal = call is not None and self._is_fatal(self._passages, call)
        self._die_at(Moment.BEFORE)

    def _after(self, **_: Any) -> None:
        self._die_at(Moment.AFTER)

    def _is_fatal(self, passages: Passages, call: str) -> bool:
        number = passages.add(call)
        return self._death is not None and self._death.is_at(number, passages.read()[:number])

    def _die_at(self, moment: Moment) -> None:
        is_fatal: bool = getattr(self._current, "is_fatal", False)
        if is_fatal and self._death is not None and self._death.moment is moment:
            os.kill(os.getpid(), signal.SIGKILL)


def _describe_s3(operation: str, request: AWSPreparedRequest) -> str:
    """What is done to which object, and to which part of it."""
    address = urlsplit(request.url)
    query = parse_qs(address.query)
    parts = [*query.get("prefix", []), *query.get("partNumber", [])]
    parts.append(os.fsdecode(request.headers.get("Range", "")))
    return _RUN.sub("/RUN/", " ".join([operation, address.path, *filter(None, parts)]))


def describe(operation: str, body: bytes | str | None) -> str | None:
    """The call in a few words; None where a checkpoint holds nothing but the start of a step."""
    document = json.loads(body or b"{}")
    if operation == "CheckpointDurableExecution":
        updates = [
            f"{update.get('Name') or update['Type'].lower()} {update['Action'].lower()}"
            for update in document.get("Updates", [])
            if (update["Type"], update["Action"]) != ("STEP", "START")
        ]
        return f"{_CHECKPOINT}{', '.join(updates)}" if updates else None
    tables = {
        write["TableName"] for item in document.get("TransactItems", []) for write in item.values()
    }
    tables.update(document.get("RequestItems", {}))
    item = document.get("Item") or document.get("Key") or {}
    sort_key = _UUID.sub("ID", item.get(names.ITEM_SORT_KEY, {}).get("S", ""))
    table = "+".join(sorted(tables)) or document.get("TableName", document.get("Name", ""))
    return f"{operation} {table} {sort_key}".strip()


def doings(call: str) -> list[str]:
    """What a call does: a checkpoint can do several things."""
    return call.removeprefix(_CHECKPOINT).split(", ") if call.startswith(_CHECKPOINT) else [call]
