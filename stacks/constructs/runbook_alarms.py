"""Alarms for a person woken at night: each says what happened and which page to open."""

from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from stacks.constructs.alert_topic import AlertTopic
from stacks.stages import Stage


@dataclass(frozen=True, slots=True)
class RunbookAlarms:
    """Makes alarms that all tell the same topics; metric, bound and words vary."""

    scope: Construct
    stage: Stage
    tell: tuple[AlertTopic, ...]

    def within(self, construct_id: str) -> "RunbookAlarms":
        """The same, in a scope of its own: several subjects have the same alarms."""
        return RunbookAlarms(Construct(self.scope, construct_id), self.stage, self.tell)

    def alarm(
        self,
        construct_id: str,
        *,
        when: cloudwatch.IMetric,
        at_least: float,
        because: str,
        page: str,
        periods: int = 1,
        of_periods: int | None = None,
        is_silence_alarming: bool = False,
    ) -> cloudwatch.Alarm:
        """Tell the topics when *when* is *at_least* so much, and when it no longer is.

        Args:
            construct_id: The alarm's name, as a noun phrase of what is wrong.
            when: The metric.
            at_least: Its bound.
            because: What happened, in a sentence for a person who has just woken up.
            page: The section of the runbook that says what to do.
            periods: How many periods must be over the bound; one, unless told otherwise.
            of_periods: Among how many; the same number, unless told otherwise.
            is_silence_alarming: Whether no data is bad news, as for a heartbeat. The metrics
                of failures have data only when something fails.
        """
        alarm = cloudwatch.Alarm(
            self.scope,
            construct_id,
            metric=when,
            threshold=at_least,
            comparison_operator=(
                cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
                if not is_silence_alarming
                else cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
            ),
            datapoints_to_alarm=periods,
            evaluation_periods=of_periods or periods,
            treat_missing_data=(
                cloudwatch.TreatMissingData.BREACHING
                if is_silence_alarming
                else cloudwatch.TreatMissingData.NOT_BREACHING
            ),
            alarm_description=f"{because} What to do: {self.stage.runbook_url}#{page}",
        )
        actions = [topic.alarm_action for topic in self.tell]
        alarm.add_alarm_action(*actions)
        alarm.add_ok_action(*actions)
        return alarm
