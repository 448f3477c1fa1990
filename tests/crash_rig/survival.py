"""Jobs that die at each of their calls, and what each leaves beside what an undisturbed one does.

What a job leaves behind is read from tables and buckets as it lies there, so that nothing which the
functions' own code does not look at goes unseen.
"""

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from functions.shared import names
from tests.crash_rig.passages import Death, every_death
from tests.crash_rig.rig import Ended

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import WriteRequestTypeDef

# The machine has two cores and most of a case is waiting for the other process.
AT_ONCE = 4

_WHEN = re.compile(r"\d{4}-\d\d-\d\d([T ][\d:.]+(Z|\+00:00| UTC)?)?")


@dataclass(frozen=True, slots=True)
class Trace:
    """All that a job has left, as text, and in a few facts what counts of it.

    Two jobs that went the same way have equal traces: each's own name, moments and what else is
    made anew for each are taken out, but for which of them are the same.
    """

    text: str
    facts: Any


class Scenario(Protocol):
    """A job that goes its way; its calls have an order until it has done *in_order_until*."""

    @property
    def facts(self) -> Any: ...

    @property
    def in_order_until(self) -> str | None: ...


ScenarioT = TypeVar("ScenarioT", bound=Scenario)
ScenarioT_contra = TypeVar("ScenarioT_contra", bound=Scenario, contravariant=True)


class Stage(Protocol[ScenarioT_contra]):
    """Where scenarios are played."""

    def run(self, scenario: ScenarioT_contra, job_id: str, death: Death) -> tuple[Ended, Trace]:
        """One job among others, with a death on its way."""
        ...

    def run_alone(self, scenario: ScenarioT_contra, job_id: str) -> tuple[Ended, Trace]:
        """One job that nothing disturbs."""
        ...

    def left_over(self) -> Sequence[Any]:
        """What belongs to no job, or was not there yet when its job's trace was taken."""
        ...


@dataclass
class Tally:
    """What a closing line says."""

    points: int = 0
    repeated_calls: int = 0
    wrong: int = 0


# Which of all deaths are to be died, given the calls of an undisturbed run.
Choice = Callable[[Sequence[Death], Sequence[str]], Sequence[Death]]


def every(deaths: Sequence[Death], _calls: Sequence[str]) -> Sequence[Death]:
    """All of them."""
    return deaths


def survive(
    scenario: ScenarioT,
    stage: Stage[ScenarioT],
    *,
    choose: Choice = every,
) -> Tally:
    """Let one job die at each point of *scenario*; say what was not as it should be.

    Args:
        scenario: What is played.
        stage: Where.
        choose: For a scenario of so many calls that dying at each takes too long.
    """
    # Names of one length: a PDF tells in many places how long what it holds is.
    undisturbed, expected = stage.run_alone(scenario, f"{scenario}-0000")
    assert expected.facts == scenario.facts, f"{expected.facts} of\n{expected.text}"

    def die(number: int, death: Death) -> tuple[int, list[str]]:
        ended, trace = stage.run(scenario, f"{scenario}-{number:04}", death)
        wrong = []
        if not ended.has_met(death, undisturbed.calls):
            wrong.append(f"{death}: {ended.deaths} died, the calls were {ended.calls}")
        if trace != expected:
            wrong.append(f"{death}: {trace.facts}\n{_difference(expected, trace)}")
        return len(ended.calls) - len(undisturbed.calls), wrong

    deaths = choose(
        every_death(undisturbed.calls, until=scenario.in_order_until), undisturbed.calls
    )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        endings = list(pool.map(die, range(1, len(deaths) + 1), deaths))
    wrong = [line for _, lines in endings for line in lines]
    assert not wrong, "\n".join(wrong)
    assert stage.left_over() == []
    return Tally(len(deaths), sum(repeated for repeated, _ in endings), len(wrong))


def as_text(job_id: str, ended: Ended, row: Mapping[str, Any], left: Any) -> str:
    """How the execution ended, what the row says and what is *left*, without names and moments."""
    told = {name: row.get(name) for name in ("status", "attempt", "result", "error")}
    text = json.dumps(
        [ended.status, ended.result, ended.error_type, told, left],
        default=_plain,
        indent=1,
        sort_keys=True,
    )
    return _WHEN.sub("WHEN", text.replace(job_id, "JOB"))


def numbered(text: str, pattern: str, name: str) -> str:
    """*text* with what is made anew for each job replaced by which of them it is."""
    found: dict[str, str] = {}
    return re.sub(pattern, lambda each: found.setdefault(each[0], f"{name}-{len(found)}"), text)


def take_items(client: "DynamoDBClient", table: str, *marks: str) -> list[dict[str, Any]]:
    """The items that have one of *marks* on them, which are then no more.

    A transaction in moto copies whole tables, so what stays makes every later job slower.
    """
    own = [
        dict(item)
        for item in client.scan(TableName=table)["Items"]
        if any(mark in json.dumps(item) for mark in marks)
    ]
    keys = [{name: item[name] for name in (names.ITEM_KEY, names.ITEM_SORT_KEY)} for item in own]
    deletes: list[WriteRequestTypeDef] = [{"DeleteRequest": {"Key": key}} for key in keys]
    if deletes:
        client.batch_write_item(RequestItems={table: deletes})
    return sorted(own, key=lambda item: (item[names.ITEM_KEY]["S"], item[names.ITEM_SORT_KEY]["S"]))


def _difference(expected: Trace, found: Trace) -> str:
    lines = difflib.unified_diff(expected.text.splitlines(), found.text.splitlines(), n=1)
    return "\n".join(lines)


def _plain(value: Any) -> Any:
    return int(value) if value == int(value) else float(value)
