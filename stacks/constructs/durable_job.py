"""One job type: a durable function, joined to everything that starts, ends and watches jobs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from functions.shared import names
from stacks.constructs.alert_topic import AlertTopic
from stacks.constructs.durable_function import DurableFunction
from stacks.constructs.function_bundle import FunctionBundle
from stacks.constructs.job_table import JobTable
from stacks.constructs.payload_bucket import PayloadBucket
from stacks.constructs.plain_function import PlainFunction
from stacks.stages import Stage

_JOB_TYPE_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_MAX_JOB_TYPE_LENGTH = 40
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_LONGEST_INVOCATION = Duration.minutes(15)
_LONGEST_EXECUTION = Duration.days(366)
# The error a job cannot make by itself: these executions ended without the row knowing.
_ENDED_BADLY = ["FAILED", "TIMED_OUT", "STOPPED"]


class JobTypeError(ValueError):
    """A job type's props do not fit together; the message names the value and the fix."""


@dataclass(frozen=True, slots=True)
class JobPlatform:
    """What every job type is joined to, whichever stack it is in."""

    table: JobTable
    payloads: PayloadBucket
    dead_letters: AlertTopic
    dispatcher: PlainFunction
    recorder: PlainFunction
    watchdog: PlainFunction
    notifier: PlainFunction


class DurableJob(Construct):
    """One durable function, its live alias, where its failures go, and who may start it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        job_type: str,
        bundle: FunctionBundle,
        platform: JobPlatform,
        operators: iam.ManagedPolicy,
        run_timeout: Duration,
        max_delay: Duration | None = None,
        invocation_timeout: Duration | None = None,
        memory_mib: int = 1024,
        temporary_mib: int | None = None,
        environment: Mapping[str, str] | None = None,
        resumer: PlainFunction | None = None,
        takes_heartbeats: bool = False,
        published: Mapping[str, int] | None = None,
    ) -> None:
        """Provision the job type kept in `functions/<family>/<job_type>.py`.

        Args:
            scope: The parent.
            construct_id: Its id there.
            stage: What differs between deployments.
            job_type: Its name in rows, parameters and alerts; the module's name with dashes.
            bundle: The code of its family.
            platform: What every job type is joined to.
            operators: The policy of the same stack that lets people look and stop.
            run_timeout: How long a job may take from the moment it is due.
            max_delay: How far ahead a job's `run_at` may lie; 15 minutes, unless told
                otherwise. An execution waits for it, so this counts into its timeout.
            invocation_timeout: Of one invocation, between two waits; one minute, unless told
                otherwise.
            memory_mib: 1024, unless told otherwise.
            temporary_mib: Room for files in /tmp; 512, unless told otherwise.
            environment: What the job's `Settings` reads beyond that of every job.
            resumer: What brings it people's answers; None for a job that asks nobody.
            takes_heartbeats: Whether its questions end early where nobody says to be at it.
            published: Further limits that producers and operators find beside those of every job.

        Raises:
            JobTypeError: The props do not fit together.
        """
        super().__init__(scope, construct_id)
        delay = max_delay or Duration.minutes(15)
        invocation = invocation_timeout or Duration.minutes(1)
        execution_timeout = run_timeout.plus(delay)
        _check_name(job_type)
        _check_times(job_type, run_timeout, invocation, execution_timeout)
        _check_operators(self, job_type, operators)
        common = {
            names.STAGE: stage.name,
            names.JOB_TYPE: job_type,
            names.JOB_TABLE_NAME: platform.table.table.table_name,
            names.PAYLOAD_BUCKET_NAME: platform.payloads.bucket.bucket_name,
            names.RETENTION_COMPLETED_DAYS: str(stage.retention_completed.to_days()),
            names.RETENTION_FAILED_DAYS: str(stage.retention_failed.to_days()),
        }
        _check_environment(job_type, common, environment or {})

        self.job_type = job_type
        self._durable = DurableFunction(
            self,
            # Leaves no trace in logical ids, so that this is one thing for CloudFormation too.
            "Default",
            stage=stage,
            name=job_type,
            bundle=bundle,
            environment={**common, **(environment or {})},
            execution_timeout=execution_timeout,
            invocation_timeout=invocation,
            memory_mib=memory_mib,
            temporary_mib=temporary_mib,
            dead_letters=platform.dead_letters,
        )
        self.function = self._durable.function
        self.role = self._durable.role
        self.alias = self._durable.alias
        platform.table.grant(self.role, "dynamodb:GetItem", "dynamodb:UpdateItem")
        platform.payloads.grant_read(self.role)

        registration = self._publish(
            stage,
            {
                "max_delay_seconds": int(delay.to_seconds()),
                "run_timeout_seconds": int(run_timeout.to_seconds()),
                "memory_mib": memory_mib,
                **(published or {}),
            },
        )
        self.ends_rule = self._report_ends(platform.recorder)
        allowed = self._allow_platform(platform)
        if resumer:
            allowed.append(self._allow_resuming(resumer, takes_heartbeats=takes_heartbeats))
        # Found by the dispatcher only when it may be started and its end will be seen.
        registration.node.add_dependency(self.ends_rule, *allowed)
        self.grant_operate(operators)

    def grant_start(self, grantee: iam.IGrantable) -> None:
        """Allow starting jobs directly; a producer needs only the table."""
        self.alias.grant_invoke(grantee)

    def grant_send_callbacks(
        self, grantee: iam.IGrantable, *, takes_heartbeats: bool = False
    ) -> None:
        """Allow bringing a job the answer that it waits for, or asking it to wait on."""
        self._durable.grant_send_callbacks(grantee, takes_heartbeats=takes_heartbeats)

    def grant_operate(self, grantee: iam.IGrantable) -> None:
        """Allow reading and stopping executions."""
        self._durable.grant_operate(grantee)

    def metric(self, name: str, *, statistic: str, period: Duration) -> cloudwatch.Metric:
        """A metric of the function, whichever version ran."""
        return self._durable.metric(name, statistic=statistic, period=period)

    def _publish(self, stage: Stage, limits: Mapping[str, int]) -> ssm.StringParameter:
        """Let the dispatcher and direct invokers find the job type, and what it may take."""
        ssm.StringParameter(
            self,
            "Limits",
            parameter_name=f"{names.job_limits_path(stage.name)}/{self.job_type}",
            string_value=json.dumps(dict(limits), sort_keys=True),
        )
        return ssm.StringParameter(
            self,
            "Alias",
            parameter_name=f"{names.job_types_path(stage.name)}/{self.job_type}",
            string_value=self.alias.function_arn,
        )

    def _report_ends(self, recorder: PlainFunction) -> events.Rule:
        """Tell the recorder of every execution that ended badly, however it was started."""
        return events.Rule(
            self,
            "EndedBadly",
            description=f"Executions of {self.job_type} that failed, timed out or were stopped",
            event_pattern=events.EventPattern(
                source=["aws.lambda"],
                detail_type=["Durable Execution Status Change"],
                detail={
                    "status": _ENDED_BADLY,
                    # The event carries the version's number, never the alias.
                    "functionArn": [{"prefix": f"{self.function.function_arn}:"}],
                },
            ),
            targets=[targets.LambdaFunction(recorder.alias)],
        )

    def _allow_platform(self, platform: JobPlatform) -> list[iam.Policy]:
        """Let the functions of earlier stacks start and read this job type's executions.

        Policies of this stack on their roles: a grant would be written into the earlier
        stack, which would then depend on this one.
        """
        start = iam.Policy(
            self,
            "Start",
            roles=[platform.dispatcher.role, platform.watchdog.role],
            statements=[
                iam.PolicyStatement(
                    actions=["lambda:InvokeFunction"], resources=[self.alias.function_arn]
                )
            ],
        )
        read = iam.Policy(
            self,
            "Read",
            roles=[platform.recorder.role, platform.notifier.role],
            statements=[
                iam.PolicyStatement(
                    actions=["lambda:GetDurableExecution"], resources=[self._durable.executions]
                )
            ],
        )
        find_logs = iam.Policy(
            self,
            "FindLogs",
            roles=[platform.notifier.role],
            statements=[
                # The alert leads to the log group, whose name CloudFormation made up.
                iam.PolicyStatement(
                    actions=["lambda:GetFunctionConfiguration"],
                    resources=[self.function.function_arn],
                )
            ],
        )
        return [start, read, find_logs]

    def _allow_resuming(self, resumer: PlainFunction, *, takes_heartbeats: bool) -> iam.Policy:
        """Let the resumer, of an earlier stack, bring the answers: a policy of this stack too."""
        resume = iam.Policy(self, "Resume", roles=[resumer.role])
        self.grant_send_callbacks(resume, takes_heartbeats=takes_heartbeats)
        return resume


def _check_name(job_type: str) -> None:
    if not 0 < len(job_type) <= _MAX_JOB_TYPE_LENGTH or set(job_type) - _JOB_TYPE_CHARACTERS:
        raise JobTypeError(
            f"job type {job_type!r} must be 1 to {_MAX_JOB_TYPE_LENGTH} characters of a-z 0-9 -"
        )


def _check_times(job_type: str, run: Duration, invocation: Duration, execution: Duration) -> None:
    if invocation.to_seconds() > _LONGEST_INVOCATION.to_seconds():
        raise JobTypeError(
            f"{job_type}: invocation_timeout is {_in_words(invocation)}, Lambda takes"
            f" {_in_words(_LONGEST_INVOCATION)} at most; split the work into steps"
        )
    if invocation.to_seconds() > run.to_seconds():
        raise JobTypeError(
            f"{job_type}: run_timeout of {_in_words(run)} is shorter than one invocation"
            f" ({_in_words(invocation)}); raise run_timeout or lower invocation_timeout"
        )
    if execution.to_seconds() > _LONGEST_EXECUTION.to_seconds():
        raise JobTypeError(
            f"{job_type}: max_delay and run_timeout are {_in_words(execution)} together, Lambda"
            f" takes {_in_words(_LONGEST_EXECUTION)} at most; lower one of them"
        )


def _check_operators(job: DurableJob, job_type: str, operators: iam.ManagedPolicy) -> None:
    if Stack.of(operators) is not Stack.of(job):
        raise JobTypeError(
            f"{job_type}: operators is a policy of {Stack.of(operators).stack_name}; that stack"
            " would depend on this one. Make a policy in this stack."
        )


def _check_environment(
    job_type: str, common: Mapping[str, str], environment: Mapping[str, str]
) -> None:
    taken = sorted({names.APP_ID, *common} & environment.keys())
    if taken:
        raise JobTypeError(
            f"{job_type}: environment sets {', '.join(taken)}, which every job gets; leave it out"
        )


def _in_words(duration: Duration) -> str:
    return duration.to_human_string()
