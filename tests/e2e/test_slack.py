"""Whatever Slack does, every failure is told, and none twice."""

from collections.abc import Iterator

import pytest

from functions.shared.job import JobStatus
from tests.e2e.deployed_jobs import STRANGER, DeployedJobs, eventually
from tests.e2e.slack_mood import SlackMood

pytestmark = pytest.mark.platform


@pytest.fixture
def slack(deployed: DeployedJobs) -> Iterator[SlackMood]:
    """Slack, which behaves again when the test is over."""
    deployed.wait_until_quiet()
    mood = SlackMood(deployed)
    yield mood
    mood.calm_down()


@pytest.mark.parametrize("trouble", ["service_unavailable", "reset"])
def test_failures_while_slack_is_down_are_told_once_each_when_it_is_back(
    trouble: str, deployed: DeployedJobs, slack: SlackMood
) -> None:
    job_ids = [f"unheard-{trouble.replace('_', '-')}-{number}" for number in range(6)]
    before = len(slack.attempts())
    slack.always(trouble)
    for job_id in job_ids:
        deployed.submit_mail(job_id, to=STRANGER)
    ends = [deployed.ended(job_id).status for job_id in job_ids]
    eventually(lambda: len(slack.attempts()) >= before + 4 or None, what="attempts to tell")
    told_meanwhile = [len(deployed.alerts(job_id)) for job_id in job_ids]

    slack.always("ok")

    deployed.alerts_once_quiet(*job_ids)
    assert [len(deployed.alerts(job_id)) for job_id in job_ids] == [1] * 6
    assert ends == [JobStatus.FAILED] * 6
    assert told_meanwhile == [0] * 6


def test_slack_is_given_the_pause_that_it_asks_for(
    deployed: DeployedJobs, slack: SlackMood
) -> None:
    slack.next_answers({"answer": "rate_limited", "retry_after": 3})
    deployed.submit_mail("hurried", to=STRANGER)

    alerts = deployed.alerts_once_quiet("hurried")

    asked = next(
        number
        for number, attempt in enumerate(slack.attempts())
        if attempt["answer"] == "rate_limited"
    )
    pause = slack.attempts()[asked + 1]["received_at"] - slack.attempts()[asked]["received_at"]
    assert pause >= 3
    assert len(alerts) == 1


def test_a_rotated_webhook_is_used_as_soon_as_the_secret_names_it(
    deployed: DeployedJobs, slack: SlackMood
) -> None:
    revoked = slack.webhook
    slack.revoke(revoked)
    deployed.submit_mail("rotated", to=STRANGER)
    eventually(
        lambda: any(attempt["answer"] == "invalid_token" for attempt in slack.attempts()) or None,
        what="a refusal of the old webhook",
    )
    told_to_the_old = len(deployed.alerts("rotated"))

    slack.rotate("services/T0LOCAL/B0LOCAL/rotated")

    assert len(deployed.alerts_once_quiet("rotated")) == 1
    assert told_to_the_old == 0
    assert slack.attempts()[-1]["webhook"] == "services/T0LOCAL/B0LOCAL/rotated"


def test_a_failure_told_while_the_answer_gets_lost_in_the_notifier_is_told_once(
    deployed: DeployedJobs, slack: SlackMood
) -> None:
    # Slack answered nothing, so it has not told anyone; the notifier has to come again.
    slack.next_answers("server_error", "reset", "service_unavailable")
    deployed.submit_mail("stuttered", to=STRANGER)

    assert len(deployed.alerts_once_quiet("stuttered")) == 1
