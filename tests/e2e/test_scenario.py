"""What `make run` shows a newcomer, judged without the show."""

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
            mails=[" ".join(sent["to"]) for sent in inbox["mails"]],
        )

    scenario = Scenario(deployed.endpoint, read_inbox)
    cases = list(scenario.submit())

    eventually(
        lambda: all(outcome.is_as_expected for outcome in scenario.outcomes()) or None,
        what="the outcomes of the scenario",
    )
    deployed.wait_until_quiet()
    outcomes = scenario.outcomes()
    assert len(outcomes) == len(cases)
    assert [outcome.case.job_id for outcome in outcomes if not outcome.is_as_expected] == []
