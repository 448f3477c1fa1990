"""When the platform is at rest: no handler runs, nothing is queued, no stream has news.

The clock waits for it between two timers, so that a reminder is sent, mail and all, before what is
due twelve hours later.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Protocol

from local.activity import Activity, NotAtRestError

logger = logging.getLogger(__name__)

# A function of ours is done in seconds; this is for a machine that has much else to do.
REST_SECONDS = 120.0
# What is tried again for as long as AWS would try it does not hold the time up.
RETRIES_SECONDS = 10.0


class Follower(Protocol):
    """A part of the platform that works on what others have written."""

    async def until_caught_up(self) -> None:
        """Return when it has done what there was to do when it was asked."""


class Rest:
    """Waits for the parts of a platform; its calls come from a thread that is not the loop's."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        activity: Activity,
        followers: Sequence[Follower],
        *,
        seconds: float = REST_SECONDS,
    ) -> None:
        """Join the parts.

        Args:
            loop: Where the followers run.
            activity: What goes on and is counted.
            followers: What may begin something without anything going on before.
            seconds: After which to give up.
        """
        self._loop = loop
        self._activity = activity
        self._followers = followers
        self._seconds = seconds

    def wait(self) -> None:
        """Return when everything is at rest.

        Raises:
            NotAtRestError: It was not within the time; the message names what goes on.
        """
        deadline = time.monotonic() + self._seconds
        while True:
            self._activity.wait_for_rest(deadline - time.monotonic())
            begun = self._activity.begun
            asyncio.run_coroutine_threadsafe(self._catch_up(), self._loop).result(
                RETRIES_SECONDS * 2
            )
            if self._activity.is_at_rest and self._activity.begun == begun:
                return
            if time.monotonic() > deadline:
                raise NotAtRestError(
                    f"after {self._seconds:g} s one thing still sets another going"
                )

    async def _catch_up(self) -> None:
        try:
            async with asyncio.timeout(RETRIES_SECONDS):
                await asyncio.gather(*(each.until_caught_up() for each in self._followers))
        except TimeoutError:
            logger.warning("the clock goes on while something is still tried again")
