"""Reads a job's execution, and those that it invoked, in few calls that are worth waiting for."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobctl.contract import Operation
from jobctl.errors import AccessError, JobClientError, NotDeployedError
from jobctl.execution_tree import (
    Event,
    Execution,
    History,
    Unread,
    children_of,
    execution_tree,
    with_children,
)
from jobctl.translation import aws_errors_as_ours

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# GetDurableExecutionHistory may be called 15 times a second in an account and Region, so one tree
# takes a second's worth at most: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_CALLS = 15
# As much as one page takes: https://docs.aws.amazon.com/lambda/latest/api/API_GetDurableExecutionHistory.html
PAGE = 1000
# The first of them; the end is read besides, because that is where it went wrong.
MAX_PAGES = 3
LAST_EVENTS = 200
MAX_DEPTH = 4


class ExecutionHistory:
    """The histories of one tree; it is made for one, because it counts its calls."""

    def __init__(
        self, lambda_: "LambdaClient", tell: Callable[[str], None] = lambda _text: None
    ) -> None:
        """Keep what it takes to read.

        Args:
            lambda_: Whom to ask.
            tell: Hears before each call what is being read.
        """
        self._lambda = lambda_
        self._tell = tell
        self._calls = 0

    def read(self, execution_arn: str, depth: int = 1) -> Execution | Unread:
        """The tree of an execution; what cannot be read says so in its place."""
        if depth > MAX_DEPTH:
            return Unread(f"not read: more than {MAX_DEPTH} deep")
        if self._calls >= MAX_CALLS:
            return Unread(f"not read: {MAX_CALLS} calls were made")
        try:
            with aws_errors_as_ours(Operation.EXECUTION):
                execution = execution_tree(self._history(execution_arn))
        except AccessError:
            return Unread(
                "no right to read its history (lambda:GetDurableExecutionHistory); "
                "the operator policy grants it"
            )
        except NotDeployedError:
            return Unread("its history is gone: it is kept for a while after the end only")
        except JobClientError as error:
            return Unread(str(error))
        children = {arn: self.read(arn, depth + 1) for arn in children_of(execution)}
        return with_children(execution, children)

    def _history(self, execution_arn: str) -> History:
        """The first pages; the end as well, with its errors, where these are wanted.

        Results are left out of the first pages, since a few of them could be megabytes. Errors may
        be left out with them.
        """
        events: dict[int, Event] = {}
        marker: str | None = None
        for _ in range(MAX_PAGES):
            marker = self._page(
                events,
                DurableExecutionArn=execution_arn,
                MaxItems=PAGE,
                IncludeExecutionData=False,
                **({} if marker is None else {"Marker": marker}),
            )
            if marker is None or self._calls >= MAX_CALLS:
                break
        is_cut = marker is not None
        read_until = max(events, default=0)
        if (is_cut or any(event.lacks_its_error for event in events.values())) and (
            self._calls < MAX_CALLS
        ):
            self._page(
                events,
                DurableExecutionArn=execution_arn,
                MaxItems=LAST_EVENTS,
                IncludeExecutionData=True,
                ReverseOrder=True,
            )
        ordered = tuple(event for _, event in sorted(events.items()))
        after = sum(event.event_id > read_until for event in ordered)
        unread = ordered[-1].event_id - read_until - after if is_cut and ordered else 0
        return History(ordered, unread, read_until)

    def _page(self, events: dict[int, Event], **request: Any) -> str | None:
        """Add a page to *events*; its marker where there is more."""
        self._calls += 1
        self._tell(f"reading the execution, call {self._calls}")
        answer = self._lambda.get_durable_execution_history(**request)
        for found in answer.get("Events", []):
            event = Event.from_answer(found)
            if event is not None:
                events[event.event_id] = event
        return answer.get("NextMarker") or None
