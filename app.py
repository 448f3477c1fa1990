"""Pick a stage and build its stacks: `cdk synth --context stage=prod`; without a stage, `dev`."""

import sys
from typing import NamedTuple

import aws_cdk as cdk

from stacks.alerts_stack import AlertsStack
from stacks.approvals_stack import ApprovalsStack
from stacks.callbacks_stack import CallbacksStack
from stacks.jobs_stack import JobsStack
from stacks.monitoring_stack import MonitoringStack
from stacks.onboarding_stack import OnboardingStack
from stacks.orders_stack import OrdersStack
from stacks.pipelines_stack import PipelinesStack
from stacks.stages import Stage, SynthesisError, stage_named


class DurableJobs(NamedTuple):
    """The stacks of one stage, in the order in which they are deployed."""

    alerts: AlertsStack
    jobs: JobsStack
    callbacks: CallbacksStack
    orders: OrdersStack
    approvals: ApprovalsStack
    onboarding: OnboardingStack
    pipelines: PipelinesStack
    monitoring: MonitoringStack


def durable_jobs(app: cdk.App, stage: Stage, region: str | None = None) -> DurableJobs:
    """Build every stack of *stage*; without a *region* they go where the credentials point."""
    env = cdk.Environment(region=region or stage.region)
    alerts = AlertsStack(app, f"Alerts-{stage.name}", stage=stage, env=env)
    jobs = JobsStack(app, f"Jobs-{stage.name}", stage=stage, alerts=alerts, env=env)
    callbacks = CallbacksStack(
        app, f"Callbacks-{stage.name}", stage=stage, alerts=alerts, jobs=jobs, env=env
    )
    people = callbacks.platform
    orders = OrdersStack(app, f"Orders-{stage.name}", stage=stage, jobs=jobs, env=env)
    approvals = ApprovalsStack(
        app, f"Approvals-{stage.name}", stage=stage, jobs=jobs, callbacks=people, env=env
    )
    onboarding = OnboardingStack(
        app, f"Onboarding-{stage.name}", stage=stage, jobs=jobs, callbacks=people, env=env
    )
    pipelines = PipelinesStack(app, f"Pipelines-{stage.name}", stage=stage, jobs=jobs, env=env)
    monitoring = MonitoringStack(
        app,
        f"Monitoring-{stage.name}",
        stage=stage,
        alerts=alerts,
        jobs=jobs,
        callbacks=callbacks,
        orders=orders,
        approvals=approvals,
        onboarding=onboarding,
        pipelines=pipelines,
        env=env,
    )
    return DurableJobs(
        alerts, jobs, callbacks, orders, approvals, onboarding, pipelines, monitoring
    )


if __name__ == "__main__":
    app = cdk.App()
    try:
        durable_jobs(app, stage_named(app.node.try_get_context("stage") or "dev"))
    except SynthesisError as error:
        sys.exit(str(error))
    app.synth()
