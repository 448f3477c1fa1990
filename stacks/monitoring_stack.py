"""The alarms on everything that the other stacks made."""

from typing import Any

from aws_cdk import Stack
from constructs import Construct

from stacks import alarms
from stacks.alerts_stack import AlertsStack
from stacks.approvals_stack import ApprovalsStack
from stacks.callbacks_stack import CallbacksStack
from stacks.constructs.runbook_alarms import RunbookAlarms
from stacks.jobs_stack import JobsStack
from stacks.onboarding_stack import OnboardingStack
from stacks.orders_stack import EXPIRE_EVERY, OrdersStack
from stacks.pipelines_stack import PipelinesStack
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
        callbacks: CallbacksStack,
        orders: OrdersStack,
        approvals: ApprovalsStack,
        onboarding: OnboardingStack,
        pipelines: PipelinesStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        period = stage.alarm_period
        in_slack = RunbookAlarms(self, stage, tell=(alerts.alarms,))
        by_mail_too = RunbookAlarms(self, stage, tell=(alerts.alarms, alerts.operators))

        for job in (
            *jobs.job_types,
            *orders.job_types,
            *approvals.job_types,
            *onboarding.job_types,
            *pipelines.job_types,
        ):
            alarms.alarm_on_job(in_slack.within(job.node.id), job, period)
        alarms.alarm_on_dispatcher(in_slack.within("Dispatcher"), jobs.dispatcher, period)
        alarms.alarm_on_recorder(in_slack.within("Recorder"), jobs.recorder, period)
        alarms.alarm_on_watchdog(in_slack.within("Watchdog"), jobs.watchdog, stage)
        alarms.alarm_on_table(in_slack.within("JobTable"), jobs.table, period)
        for service in orders.services:
            alarms.alarm_on_service(
                in_slack.within(service.node.id),
                service,
                period,
                suffering="orders wait for it and then fail",
                page="order-service-fails",
            )
        for table in orders.tables:
            alarms.alarm_on_service_table(
                in_slack.within(table.node.id),
                table,
                period,
                suffering="orders are late, and may fail",
                page="order-table-throttled",
            )
        alarms.alarm_on_expiry(
            in_slack.within("ExpireReservations"), orders.expire_reservations, EXPIRE_EVERY, period
        )

        alarms.alarm_on_inviter(in_slack.within("Inviter"), callbacks.inviter, period)
        alarms.alarm_on_resumer(in_slack.within("Resumer"), callbacks.resumer, period)
        alarms.alarm_on_answer_page(
            in_slack.within("AnswerPage"), callbacks.answer_page, callbacks.api, stage
        )
        alarms.alarm_on_mails(
            in_slack.within("Mails"), callbacks.mails, callbacks.mail_feedback, period
        )
        for table, suffering in (
            (callbacks.questions, "people are told late, and their answers arrive late"),
            (onboarding.accounts, "new users wait"),
        ):
            alarms.alarm_on_service_table(
                in_slack.within(table.node.id),
                table,
                period,
                suffering=suffering,
                page="question-or-account-table-throttled",
            )

        alarms.alarm_on_service(
            in_slack.within("BatchShard"),
            pipelines.batch_shard,
            period,
            suffering="its batch waits for it and then fails",
            page="batch-shard-fails",
        )
        alarms.alarm_on_service_table(
            in_slack.within("Datasets"),
            pipelines.datasets,
            period,
            suffering="pipelines and batches slow down, for hours at most",
            page="dataset-table-throttled",
        )

        alarms.alarm_on_topic(by_mail_too.within("DeadLetters"), alerts.dead_letters, period)
        alarms.alarm_on_topic(by_mail_too.within("Alarms"), alerts.alarms, period)
        alarms.alarm_on_topic(
            by_mail_too.within("Requests"), alerts.requests, period, untold="a question"
        )
        alarms.alarm_on_alert_queue(by_mail_too.within("AlertQueue"), alerts.queue, stage)
        alarms.alarm_on_notifier(by_mail_too.within("SlackNotifier"), alerts.notifier, period)
