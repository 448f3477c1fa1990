"""The rig itself: processes truly die where they are told to, and what happens twice is seen."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import psutil
import pytest

from functions.shared import names
from tests.crash_rig.passages import Death, Moment, describe, every_death
from tests.crash_rig.rig import (
    ITEM_TABLES,
    JOB_TABLE,
    Ended,
    Function,
    Rig,
    running_rig,
)
from tests.functions.job_table_rows import Rows, any_job

CARELESS = {"careless": Function("tests.crash_rig.careless.handler")}
COUNTERS = ITEM_TABLES[names.INVENTORY_TABLE_NAME]


class Counted:
    """Careless jobs on a rig, and how often each has counted."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._client = boto3.client("dynamodb")
        self._rows = Rows.create(self._client, JOB_TABLE)
        self._client.create_table(
            TableName=COUNTERS,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": names.ITEM_KEY, "KeyType": "HASH"},
                {"AttributeName": names.ITEM_SORT_KEY, "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": names.ITEM_KEY, "AttributeType": "S"},
                {"AttributeName": names.ITEM_SORT_KEY, "AttributeType": "S"},
            ],
        )

    def run(self, job_id: str, death: Death | None = None) -> Ended:
        self._rows.submit(any_job(job_id, job_type="careless", payload="{}"))
        return self._rig.run("careless", job_id, death)

    def times(self, job_id: str) -> int:
        key = {names.ITEM_KEY: {"S": f"COUNTER#{job_id}"}, names.ITEM_SORT_KEY: {"S": "COUNTER"}}
        item = self._client.get_item(TableName=COUNTERS, Key=key)["Item"]
        return int(item["times"]["N"])

    def status(self, job_id: str) -> str:
        return str(self._rows.get(job_id)["status"])


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    with running_rig(CARELESS, tmp_path_factory.mktemp("rig")) as rig:
        yield Counted(rig)


@pytest.mark.platform
def test_an_undisturbed_job_makes_these_calls_in_this_order(counted: Counted) -> None:
    ended = counted.run("job-undisturbed")

    assert ended.calls == [
        f"UpdateItem {JOB_TABLE}",
        "checkpoint claim succeed",
        f"UpdateItem {COUNTERS} COUNTER",
        "checkpoint count succeed",
        "checkpoint rest start",
        f"UpdateItem {JOB_TABLE}",
        "checkpoint record-completed succeed",
    ]
    assert (ended.deaths, ended.status) == (0, "SUCCEEDED")


@pytest.mark.platform
def test_an_effect_without_a_key_is_seen_twice_where_its_checkpoint_was_missed(
    counted: Counted,
) -> None:
    undisturbed = counted.run("job-pattern").calls
    twice = set()

    for death in every_death(undisturbed):
        job_id = f"job-{death}"
        ended = counted.run(job_id, death)
        assert ended.has_met(death, undisturbed), f"{death}: {ended.calls}"
        assert (ended.result, counted.status(job_id)) == ({"counted": 1}, "completed")
        if counted.times(job_id) == 2:
            twice.add(death)

    # Inside the step: its effect is done, its checkpoint is not.
    assert twice == {Death(3, Moment.AFTER), Death(4, Moment.BEFORE)}


@pytest.mark.platform
def test_no_process_outlives_the_rig_even_if_a_test_fails(tmp_path: Path) -> None:
    before = psutil.Process().children(recursive=True)

    def fail_inside() -> None:
        with running_rig(CARELESS, tmp_path):
            raise LookupError("the test fails")

    with pytest.raises(LookupError):
        fail_inside()

    assert psutil.Process().children(recursive=True) == before


def test_a_checkpoint_of_nothing_but_a_steps_start_is_no_point() -> None:
    start = b'{"Updates": [{"Type": "STEP", "Action": "START", "Name": "claim"}]}'
    both = (
        b'{"Updates": [{"Type": "STEP", "Action": "START", "Name": "claim"},'
        b' {"Type": "STEP", "Action": "SUCCEED", "Name": "claim"}]}'
    )

    assert describe("CheckpointDurableExecution", start) is None
    assert describe("CheckpointDurableExecution", both) == "checkpoint claim succeed"
