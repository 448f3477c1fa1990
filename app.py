"""Pick a stage and build its stacks: `cdk synth --context stage=prod`; without a stage, `dev`."""

import sys
from typing import NamedTuple

import aws_cdk as cdk

from stacks.alerts_stack import AlertsStack
from stacks.jobs_stack import JobsStack
from stacks.monitoring_stack import MonitoringStack
from stacks.orders_stack import OrdersStack
from stacks.stages import Stage, SynthesisError, stage_named


class DurableJobs(NamedTuple):
    """The stacks of one stage, in the order in which they are deployed."""

    alerts: AlertsStack
    jobs: JobsStack
    orders: OrdersStack
    monitoring: MonitoringStack


def durable_jobs(app: cdk.App, stage: Stage, region: str | None = None) -> DurableJobs:
    """Build every stack of *stage*; without a *region* they go where the credentials point."""
    env = cdk.Environment(region=region or stage.region)
    alerts = AlertsStack(app, f"Alerts-{stage.name}", stage=stage, env=env)
    jobs = JobsStack(app, f"Jobs-{stage.name}", stage=stage, alerts=alerts, env=env)
    orders = OrdersStack(app, f"Orders-{stage.name}", stage=stage, jobs=jobs, env=env)
    monitoring = MonitoringStack(
        app,
        f"Monitoring-{stage.name}",
        stage=stage,
        alerts=alerts,
        jobs=jobs,
        orders=orders,
        env=env,
    )
    return DurableJobs(alerts, jobs, orders, monitoring)


if __name__ == "__main__":
    app = cdk.App()
    try:
        durable_jobs(app, stage_named(app.node.try_get_context("stage") or "dev"))
    except SynthesisError as error:
        sys.exit(str(error))
    app.synth()
