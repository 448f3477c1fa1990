"""Where the job types are and how long they may be delayed, as SSM tells; kept for a while."""

import json
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from functions.shared.errors import PermanentError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

# SSM answers 40 calls a second by default, the dispatcher starts 300 jobs:
# https://docs.aws.amazon.com/general/latest/gr/ssm.html
_KNOWN_SECONDS = 300
# A type may be deployed at any moment; but a flood of jobs of no type must not flood SSM.
_UNKNOWN_SECONDS = 15
# What `DurableJob` allows unless told otherwise.
_DEFAULT_MAX_DELAY_SECONDS = 900


class UnknownJobTypeError(PermanentError):
    """No function is registered for the job type."""


class JobTypes:
    """The registered job types of a stage."""

    def __init__(
        self,
        client: "SSMClient",
        *,
        types_path: str,
        limits_path: str,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._client = client
        self._types_path = types_path
        self._limits_path = limits_path
        self._clock = clock
        self._known: dict[str, tuple[str | None, float]] = {}
        self._lock = Lock()

    def alias_arn(self, job_type: str) -> str:
        """What to invoke for a job of the type.

        Raises:
            UnknownJobTypeError: None is registered.
        """
        arn = self._parameter(f"{self._types_path}/{job_type}")
        if arn is None:
            raise UnknownJobTypeError(f"no function is registered for job type {job_type!r}")
        return arn

    def max_delay_seconds(self, job_type: str) -> int:
        """How far away the `run_at` of a job of the type may be."""
        limits = self._parameter(f"{self._limits_path}/{job_type}")
        if limits is None:
            return _DEFAULT_MAX_DELAY_SECONDS
        return int(json.loads(limits)["max_delay_seconds"])

    def forget(self, job_type: str) -> None:
        """Ask SSM again: what was known of the type turned out to be wrong."""
        with self._lock:
            self._known.pop(f"{self._types_path}/{job_type}", None)

    def _parameter(self, name: str) -> str | None:
        # One thread asks, the others wait for its answer.
        with self._lock:
            value, until = self._known.get(name, (None, 0.0))
            if self._clock() < until:
                return value
            value = self._read(name)
            lasts = _UNKNOWN_SECONDS if value is None else _KNOWN_SECONDS
            self._known[name] = (value, self._clock() + lasts)
            return value

    def _read(self, name: str) -> str | None:
        try:
            return self._client.get_parameter(Name=name)["Parameter"]["Value"]
        except self._client.exceptions.ParameterNotFound:
            return None
