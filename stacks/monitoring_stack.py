"""The alarms on everything the other stacks made."""

from typing import Any

from aws_cdk import Stack
from constructs import Construct

from stacks.alerts_stack import AlertsStack
from stacks.jobs_stack import JobsStack
from stacks.stages import Stage


class MonitoringStack(Stack):
    """Alarms, written against the constructs of the other stacks; it comes last."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        alerts: AlertsStack,
        jobs: JobsStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
