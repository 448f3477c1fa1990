"""Who is woken, by what, and where they are sent."""

import json
import re
from typing import Any

import pytest

from functions.alerts import wording
from stacks.stages import DEV
from tests.stacks.synthesis import REPOSITORY, Templates

JOB_METRICS = {
    "DurableExecutionFailed",
    "DurableExecutionTimedOut",
    "DurableExecutionOperations",
    "DurableExecutionStorageWrittenBytes",
    "AsyncEventsDropped",
    "DeadLetterErrors",
    "Throttles",
    "Errors",
}


def alarms(templates: Templates) -> dict[str, dict[str, Any]]:
    return {
        logical_id: alarm
        for template in templates
        for logical_id, alarm in template.of_type("AWS::CloudWatch::Alarm").items()
    }


def metrics_of(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """The metrics an alarm reads, whether directly or in an expression."""
    if "MetricName" in alarm:
        return [alarm]
    return [m["MetricStat"]["Metric"] for m in alarm["Metrics"] if "MetricStat" in m]


def watched(templates: Templates, resource: str) -> set[str]:
    """The metrics that are watched of a resource, by a text in its name."""
    return {
        metric["MetricName"]
        for alarm in alarms(templates).values()
        for metric in metrics_of(alarm)
        if any(resource in json.dumps(d["Value"]) for d in metric["Dimensions"])
    }


def anchors() -> set[str]:
    """The anchors that GitHub makes of the runbook's headings."""
    text = (REPOSITORY / "docs" / "runbook.md").read_text()
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(templates: Templates) -> set[str]:
    descriptions = [alarm["AlarmDescription"] for alarm in alarms(templates).values()]
    found = [re.search(re.escape(DEV.runbook_url) + r"#([a-z-]+)$", d) for d in descriptions]
    return {link[1] for link in found if link}


def test_every_alarm_tells_of_trouble_and_of_its_end(dev: Templates) -> None:
    for alarm in alarms(dev).values():
        assert alarm["AlarmActions"]
        assert alarm["OKActions"] == alarm["AlarmActions"]


def test_every_alarm_says_what_happened_and_which_page_to_open(dev: Templates) -> None:
    for alarm in alarms(dev).values():
        assert re.fullmatch(r"[A-Z].+\. What to do: https://\S+#[a-z-]+", alarm["AlarmDescription"])


def test_every_link_lands_on_a_section_of_the_runbook(dev: Templates) -> None:
    assert links(dev) <= anchors()


def test_every_link_in_a_slack_message_lands_on_a_section_of_the_runbook() -> None:
    linked = {section for name, section in vars(wording).items() if name.startswith("_SECTION_")}

    assert linked
    assert linked <= anchors()


def test_every_section_on_an_alarm_is_linked_from_one(dev: Templates) -> None:
    text = (REPOSITORY / "docs" / "runbook.md").read_text()
    [about_alarms] = re.findall(r"^## Alarms$(.+?)^## ", text, flags=re.MULTILINE | re.DOTALL)
    on_alarms = re.findall(r"^### (.+)$", about_alarms, flags=re.MULTILINE)

    assert {heading.lower().replace(" ", "-") for heading in on_alarms} == links(dev)


@pytest.mark.parametrize(
    "function",
    [
        "SendEmailFunction",
        "OrderTransactionFunction",
        "OrderProcessingFunction",
        "OrderOrchestrationFunction",
        "DocumentApprovalFunction",
        "UserOnboardingFunction",
        "DataPipelineFunction",
        "BatchProcessingFunction",
    ],
)
def test_a_job_type_is_watched_in_every_way_it_can_go_wrong(dev: Templates, function: str) -> None:
    assert watched(dev, function) == JOB_METRICS


@pytest.mark.parametrize(
    "function", ["ProcessPaymentFunction", "CreateShipmentFunction", "BatchShardFunction"]
)
def test_a_durable_service_is_watched_for_crashes_and_limits_and_not_for_its_noes(
    dev: Templates, function: str
) -> None:
    assert watched(dev, function) == {
        "DurableExecutionOperations",
        "DurableExecutionStorageWrittenBytes",
        "Throttles",
        "Errors",
    }


@pytest.mark.parametrize("service", ["ValidateCustomer", "CheckInventory"])
def test_a_plain_service_may_say_no_as_long_as_it_does_not_say_nothing_else(
    dev: Templates, service: str
) -> None:
    """Lambda counts an order that is turned down like a crash."""
    on_errors = {
        logical_id: alarm
        for logical_id, alarm in alarms(dev).items()
        if logical_id.startswith(service)
        and "Errors" in {metric["MetricName"] for metric in metrics_of(alarm)}
    }

    [alarm] = on_errors.values()
    [share] = [metric["Expression"] for metric in alarm["Metrics"] if "Expression" in metric]
    assert share == "IF(calls >= 5, 100 * errors / calls, 0)"
    assert alarm["Threshold"] == 90
    # Five calls a minute are more than a small shop has.
    periods = [
        metric["MetricStat"]["Period"] for metric in alarm["Metrics"] if "MetricStat" in metric
    ]
    assert periods == [300, 300]


def test_a_burst_of_bad_links_is_told_and_a_scanner_that_cuts_one_short_is_not(
    dev: Templates,
) -> None:
    [alarm] = [a for a in alarms(dev).values() if a.get("MetricName") == "BadLinks"]

    assert (alarm["Statistic"], alarm["Period"], alarm["Threshold"]) == ("Sum", 300, 20)
    # As the page counts them.
    assert {d["Name"]: d["Value"] for d in alarm["Dimensions"]} == {
        "service": "answer-page",
        "stage": "dev",
    }


@pytest.mark.parametrize(("metric", "share"), [("BounceRate", 0.05), ("ComplaintRate", 0.001)])
def test_we_hear_of_bad_mails_when_ses_begins_to_mind(
    dev: Templates, metric: str, share: float
) -> None:
    [alarm] = [a for a in alarms(dev).values() if a.get("MetricName") == f"Reputation.{metric}"]

    assert alarm["Namespace"] == "AWS/SES"
    assert [dimension["Name"] for dimension in alarm["Dimensions"]] == ["ses:configuration-set"]
    assert alarm["Threshold"] == share


def test_durable_metrics_are_read_under_the_function_s_name_alone(dev: Templates) -> None:
    durable = [
        metric
        for alarm in alarms(dev).values()
        for metric in metrics_of(alarm)
        if metric["MetricName"].startswith("DurableExecution")
    ]

    assert durable
    for metric in durable:
        assert [dimension["Name"] for dimension in metric["Dimensions"]] == ["FunctionName"]


@pytest.mark.parametrize(
    ("resource", "metrics"),
    [
        ("DispatcherFunction", {"IteratorAge", "Errors", "Throttles"}),
        ("RecorderFunction", {"Errors", "Throttles", "AsyncEventsDropped", "DeadLetterErrors"}),
        ("WatchdogFunction", {"Errors", "Invocations", "AsyncEventsDropped", "DeadLetterErrors"}),
        ("watchdog", {"StuckJobs"}),
        ("SlackNotifierFunction", {"Errors", "Throttles"}),
        ("ExpireReservationsFunction", {"Errors", "Invocations"}),
        ("ValidateCustomerFunction", {"Errors", "Invocations", "Throttles"}),
        ("CheckInventoryFunction", {"Errors", "Invocations", "Throttles"}),
        ("CustomersTable", {"ReadThrottleEvents", "WriteThrottleEvents"}),
        ("InventoryTable", {"ReadThrottleEvents", "WriteThrottleEvents"}),
        ("PaymentsTable", {"ReadThrottleEvents", "WriteThrottleEvents"}),
        ("ShipmentsTable", {"ReadThrottleEvents", "WriteThrottleEvents"}),
        ("JobTable", {"ReadThrottleEvents", "WriteThrottleEvents", "SystemErrors"}),
        ("DeadLettersTopic", {"NumberOfNotificationsFailed"}),
        ("AlarmsTopic", {"NumberOfNotificationsFailed"}),
        ("RequestsTopic", {"NumberOfNotificationsFailed"}),
        ("InviterFunction", {"IteratorAge", "Errors", "Throttles"}),
        ("ResumerFunction", {"IteratorAge", "Errors", "Throttles"}),
        ("AnswerPageFunction", {"Errors", "Throttles"}),
        ("AnswersApi", {"5xx"}),
        ("answer-page", {"BadLinks"}),
        (
            "MailFeedbackFunction",
            {"Errors", "Throttles", "AsyncEventsDropped", "DeadLetterErrors"},
        ),
        ("MailsEvents", {"NumberOfNotificationsFailed"}),
        (
            "MailsConfigurationSet",
            {"Reputation.BounceRate", "Reputation.ComplaintRate"},
        ),
        ("QuestionsTable", {"ReadThrottleEvents", "WriteThrottleEvents"}),
        ("AccountsTable", {"ReadThrottleEvents", "WriteThrottleEvents"}),
        ("DatasetsTable", {"ReadThrottleEvents", "WriteThrottleEvents"}),
        ("EndedBadly", {"FailedInvocations"}),
    ],
)
def test_each_part_of_the_system_is_watched(
    dev: Templates, resource: str, metrics: set[str]
) -> None:
    assert watched(dev, resource) == metrics


def test_the_alert_queue_is_watched_for_age_and_depth(dev: Templates) -> None:
    assert watched(dev, "AlertQueue") == {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesVisible",
    }


@pytest.mark.parametrize(
    ("table", "its_indexes"),
    [("JobTable", {"by-type", "open-jobs"}), ("Inventory", {"held-reservations"})],
)
def test_throttles_of_the_indexes_count_as_the_table_s(
    dev: Templates, table: str, its_indexes: set[str]
) -> None:
    [alarm] = [a for i, a in alarms(dev).items() if i.startswith(f"{table}Throttled")]

    indexes = {
        dimension["Value"]
        for metric in metrics_of(alarm)
        for dimension in metric["Dimensions"]
        if dimension["Name"] == "GlobalSecondaryIndexName"
    }
    assert indexes == its_indexes


def test_no_alarm_reads_a_metric_that_dynamodb_keeps_by_account_only(dev: Templates) -> None:
    assert "UserErrors" not in json.dumps(list(alarms(dev).values()))


def test_silence_alarms_only_where_there_should_be_a_heartbeat(dev: Templates) -> None:
    breaching = {
        logical_id
        for logical_id, alarm in alarms(dev).items()
        if alarm["TreatMissingData"] == "breaching"
    }

    assert {re.sub(r"[0-9A-F]{8}$", "", logical_id) for logical_id in breaching} == {
        "WatchdogSilent",
        "ExpireReservationsSilent",
    }


def test_trouble_on_the_way_to_slack_is_told_by_mail_too(dev: Templates) -> None:
    by_mail = {
        re.sub(r"[0-9A-F]{8}$", "", logical_id)
        for logical_id, alarm in alarms(dev).items()
        if any("OperatorsTopic" in json.dumps(action) for action in alarm["AlarmActions"])
    }

    assert by_mail == {
        "UndeliveredAlerts",
        "DeadLettersUndelivered",
        "AlarmsUndelivered",
        "RequestsUndelivered",
        "AlertQueueOld",
        "AlertQueueDeep",
        "SlackNotifierErrors",
        "SlackNotifierThrottled",
    }
