"""A process killed at any call of a job: the job ends, and the mail goes out once or is in doubt.

`make test` kills where something is at stake; `make soak` kills at every point, several times over,
and lets the network and AWS itself go wrong at each of them as well.
"""

import sys
import time
from collections import Counter
from collections.abc import Mapping

import pytest

from tests.e2e.crash_points import (
    CALLS,
    CHECKPOINT,
    KILLS,
    SEND,
    TROUBLES,
    UPDATE,
    CrashPoint,
    Ending,
    Rig,
    expected,
    is_allowed,
)
from tests.e2e.deployed_jobs import DeployedJobs, Faults

ROUNDS = 3

EVERY_KILL = [
    CrashPoint(call, kill, on_doubt)
    for call in CALLS
    for kill in KILLS
    for on_doubt in ("resend", "stop")
]
EVERY_TROUBLE = [
    CrashPoint(call, trouble, on_doubt)
    for call in CALLS
    for trouble in TROUBLES
    for on_doubt in ("resend", "stop")
]
# All doubtful ones, and where a first write or a last one is at stake.
KILLS_AT_STAKE = [
    point
    for point in EVERY_KILL
    if point.is_doubtful
    or str(point)
    in {
        "kill-after-claim-resend",
        "kill-before-checkpoint-of-mail-stop",
        "kill-after-record-resend",
    }
]
# Without a process to start again they are quick.
TROUBLES_AT_STAKE = [point for point in EVERY_TROUBLE if point.call.operation == SEND]


@pytest.fixture(scope="module")
def endings(deployed: DeployedJobs) -> Mapping[CrashPoint, Ending]:
    """How a job that met each point has ended; side by side, because each takes seconds."""
    rig = Rig(deployed, Faults(deployed))
    return rig.endings("at-stake", [*KILLS_AT_STAKE, *TROUBLES_AT_STAKE])


@pytest.mark.platform
def test_a_mail_job_makes_these_calls_and_no_others(deployed: DeployedJobs, faults: Faults) -> None:
    counted: list[Counter[str]] = []
    for job_id in ("calls-1", "calls-2", "calls-3"):
        rules = {
            operation: faults.count(operation=operation, contains=job_id)
            for operation in (UPDATE, SEND, CHECKPOINT)
        }
        rules["any other"] = faults.count(contains=job_id)
        deployed.submit_mail(job_id)
        deployed.execution_ended(deployed.ended(job_id).execution_arn or "")
        counted.append(Counter({what: faults.applied(rule) for what, rule in rules.items()}))

    known = Counter(call.operation for call in CALLS)
    # On a machine that stutters, the start of a step takes a checkpoint of its own.
    fewest = {what: min(count[what] for count in counted) for what in counted[0]}
    assert fewest == {**known, "any other": 0}


@pytest.mark.platform
@pytest.mark.parametrize("point", [*KILLS_AT_STAKE, *TROUBLES_AT_STAKE], ids=str)
def test_a_job_that_meets_trouble_at_a_call_ends_as_it_must(
    point: CrashPoint, endings: Mapping[CrashPoint, Ending]
) -> None:
    ending = endings[point]

    assert ending.strikes == 1
    assert is_allowed(point, ending), f"{ending} instead of {expected(point)}"


@pytest.mark.soak
@pytest.mark.parametrize(
    ("what", "points"),
    [("kills", EVERY_KILL), ("troubles", EVERY_TROUBLE)],
    ids=["kills", "troubles"],
)
def test_whatever_happens_at_whichever_call_every_job_ends_as_it_must(
    what: str, points: list[CrashPoint], deployed: DeployedJobs, faults: Faults
) -> None:
    started = time.monotonic()
    found = [
        (point, ending)
        for number in range(ROUNDS)
        for point, ending in Rig(deployed, faults).endings(f"{what}-{number}", points).items()
    ]

    wrong = [f"{point}: {ending}" for point, ending in found if not is_allowed(point, ending)]
    missed = [str(point) for point, ending in found if ending.strikes != 1]
    visible = Counter(
        f"{ending.status} ({ending.error or 'no error'}) with {ending.mails} mails"
        for _, ending in found
    )
    sys.stdout.write(
        f"\n{what}: {len(found)} jobs over {len(points)} points, {len(wrong)} wrong, "
        f"{time.monotonic() - started:.0f} s\n"
        + "".join(f"  {count:4} {outcome}\n" for outcome, count in visible.most_common())
    )
    assert not missed
    assert not wrong
