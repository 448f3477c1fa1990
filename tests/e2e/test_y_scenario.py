"""What `make run` shows a newcomer, judged without the show.

Among the last by its name: it moves the clock of the platform that all tests share.
"""

import json
import time

import pytest

from local.scenario import Inbox, Scenario
from tests.e2e.deployed_jobs import DeployedJobs, eventually

pytestmark = pytest.mark.platform


def test_every_kind_of_submission_ends_as_make_run_says_it_must(deployed: DeployedJobs) -> None:
    deployed.wait_until_quiet()
    started_at = time.time()

    def read_inbox() -> Inbox:
        inbox = deployed.inbox()
        return Inbox(
            slack=[
                json.dumps(told["message"])
                for told in inbox["slack"]
                if told["received_at"] >= started_at
            ],
            mails=inbox["mails"],
        )

    scenario = Scenario(deployed.endpoint, read_inbox)
    cases = list(scenario.submit())

    def settled(*, takes_hours: bool) -> bool | None:
        scenario.act()
        return (
            all(
                outcome.is_as_expected or (outcome.case.takes_hours and not takes_hours)
                for outcome in scenario.outcomes()
            )
            or None
        )

    eventually(lambda: settled(takes_hours=False), what="the outcomes of the scenario")
    scenario.let_days_pass()
    eventually(lambda: settled(takes_hours=True), what="what becomes of it after days")
    deployed.wait_until_quiet()
    outcomes = scenario.outcomes()
    assert len(outcomes) == len(cases)
    assert [outcome.case.job_id for outcome in outcomes if not outcome.is_as_expected] == []
