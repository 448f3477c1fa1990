"""What differs between deployments, and nothing else: one frozen record per stage."""

import sys
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_logs as logs


class SynthesisError(Exception):
    """Nothing can be synthesized; the message says in a few words what to mend."""


class UnknownStageError(SynthesisError):
    """There is no stage of this name."""


class StageError(SynthesisError):
    """A stage cannot be as it is written; the message names the field and the fix."""


_HOURS_OF_A_DAY = 24


@dataclass(frozen=True, slots=True)
class BundleTarget:
    """The machine that a bundle is made for.

    *platform* is uv's word for it, None for the machine that bundles; *python* is the minor
    version of the runtime.
    """

    platform: str | None
    python: str


@dataclass(frozen=True, slots=True)
class CustomerKey:
    """A key of the account's own for the tables, with its Region: a table needs both."""

    arn: str
    region: str


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Everything that differs between deployments.

    Attributes:
        name: Part of stack ids and parameter names.
        removal_policy: What becomes of tables, buckets, logs and keys when a stack is deleted.
        has_deletion_protection: Whether tables of records refuse to be deleted.
        log_retention: How long function logs are kept.
        execution_history: How long a finished execution can still be read (1 to 90 days).
        retention_completed: How long the row of a completed job is kept.
        retention_failed: How long the row of a job that ended badly is kept.
        alarm_period: The period of alarms' metrics, but for those that need longer to tell.
        queue_age_bound: How long an alert may wait for Slack before somebody is told by e-mail.
        slack_secret_name: The secret that holds the webhook URL; made by hand, never here.
        mail_from: The sender of every mail.
        mail_identity: What was verified in SES for it: the address, or its domain.
        mail_doubt: How long a mail may be on its way to SES with nobody knowing of it before it is
            taken for one that never left. SES's own word usually settles it within seconds. It
            must be longer than a call of SES may take (15 seconds), or a mail that is just being
            sent goes out twice; shorter only on the local platform, which answers at once.
        link_key_generation: Which key signs the links in mails and in Slack. One more makes a new
            key and keeps the one before, which still opens the links that it has signed; so never
            two within the life of a link (31 days).
        operator_email: Who is told when the way to Slack is itself broken; None for nobody.
        runbook_url: The page that alarms and alerts send people to.
        alert_retry_base: How long an alert waits after the first failure to tell it.
        alert_retry_max: How long it waits at most.
        watchdog_every: How often the watchdog looks.
        pending_bound: How long a job may be pending before the watchdog starts it again.
        off_peak_hour: The hour of the day (0 to 23) in which pipelines load what they made.
        time_zone: The time zone of that hour, by its name in the IANA database.
        batch_max_workers: How many workers a batch may have at once. Each is an invocation of the
            account's concurrency for as long as the batch runs.
        source_buckets: Other buckets that pipelines and batches may read datasets of.
        bundle: The machine that function bundles are made for.
        customer_key: The key of the tables of records; None for the one that AWS manages.
    """

    name: str
    removal_policy: RemovalPolicy
    has_deletion_protection: bool
    log_retention: logs.RetentionDays
    execution_history: Duration
    retention_completed: Duration
    retention_failed: Duration
    alarm_period: Duration
    queue_age_bound: Duration
    slack_secret_name: str
    mail_from: str
    mail_identity: str
    mail_doubt: Duration
    link_key_generation: int
    operator_email: str | None
    runbook_url: str
    alert_retry_base: Duration
    alert_retry_max: Duration
    watchdog_every: Duration
    pending_bound: Duration
    off_peak_hour: int
    time_zone: str
    batch_max_workers: int
    bundle: BundleTarget
    customer_key: CustomerKey | None = None
    source_buckets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse here what a function would find out at night, when it first reads it."""
        if not 0 <= self.off_peak_hour < _HOURS_OF_A_DAY:
            raise StageError(f"stage {self.name!r}: off_peak_hour must be 0 to 23")
        try:
            ZoneInfo(self.time_zone)
        # An absolute path, or one that leads out of the database, is a ValueError.
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise StageError(
                f"stage {self.name!r}: time_zone {self.time_zone!r} is no name of the IANA"
                " database, such as Europe/Berlin or UTC"
            ) from None
        if self.batch_max_workers < 1:
            raise StageError(f"stage {self.name!r}: batch_max_workers must be at least 1")

    @property
    def region(self) -> str | None:
        """Where the stage must be; None for wherever the credentials point."""
        return self.customer_key.region if self.customer_key else None


_RUNBOOK_URL = "https://github.com/example/durable-jobs/blob/main/docs/runbook.md"
# Lambda's Python 3.13 is on Amazon Linux 2023 (glibc 2.34); there is no DuckDB for less than 2.28.
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
_LAMBDA = BundleTarget(platform="aarch64-manylinux_2_28", python="3.13")
_THIS_MACHINE = BundleTarget(
    platform=None, python=f"{sys.version_info.major}.{sys.version_info.minor}"
)

DEV = Stage(
    name="dev",
    removal_policy=RemovalPolicy.DESTROY,
    has_deletion_protection=False,
    log_retention=logs.RetentionDays.ONE_MONTH,
    execution_history=Duration.days(7),
    retention_completed=Duration.days(7),
    retention_failed=Duration.days(30),
    alarm_period=Duration.minutes(1),
    queue_age_bound=Duration.minutes(15),
    slack_secret_name="durable-jobs/dev/slack-webhook",  # noqa: S106  # its name, not the secret
    mail_from="jobs@example.com",
    mail_identity="jobs@example.com",
    mail_doubt=Duration.minutes(1),
    link_key_generation=1,
    operator_email="operators@example.com",
    runbook_url=_RUNBOOK_URL,
    alert_retry_base=Duration.seconds(30),
    alert_retry_max=Duration.minutes(15),
    watchdog_every=Duration.minutes(5),
    pending_bound=Duration.minutes(5),
    off_peak_hour=3,
    time_zone="UTC",
    batch_max_workers=10,
    bundle=_LAMBDA,
)

PROD = Stage(
    name="prod",
    removal_policy=RemovalPolicy.RETAIN,
    has_deletion_protection=True,
    log_retention=logs.RetentionDays.SIX_MONTHS,
    execution_history=Duration.days(30),
    retention_completed=Duration.days(30),
    retention_failed=Duration.days(180),
    alarm_period=Duration.minutes(1),
    queue_age_bound=Duration.minutes(15),
    slack_secret_name="durable-jobs/prod/slack-webhook",  # noqa: S106  # its name, not the secret
    mail_from="jobs@example.com",
    mail_identity="jobs@example.com",
    mail_doubt=Duration.minutes(1),
    link_key_generation=1,
    operator_email="operators@example.com",
    runbook_url=_RUNBOOK_URL,
    alert_retry_base=Duration.seconds(30),
    alert_retry_max=Duration.minutes(15),
    watchdog_every=Duration.minutes(5),
    pending_bound=Duration.minutes(5),
    off_peak_hour=3,
    time_zone="UTC",
    batch_max_workers=50,
    bundle=_LAMBDA,
)

LOCAL = Stage(
    name="local",
    removal_policy=RemovalPolicy.DESTROY,
    has_deletion_protection=False,
    log_retention=logs.RetentionDays.ONE_DAY,
    execution_history=Duration.days(1),
    retention_completed=Duration.days(1),
    retention_failed=Duration.days(2),
    # CloudWatch keeps AWS's own metrics by the minute; the local platform is faster.
    alarm_period=Duration.seconds(10),
    queue_age_bound=Duration.minutes(1),
    slack_secret_name="durable-jobs/local/slack-webhook",  # noqa: S106  # its name, not the secret
    mail_from="jobs@example.com",
    mail_identity="jobs@example.com",
    mail_doubt=Duration.seconds(2),
    link_key_generation=1,
    operator_email=None,
    runbook_url=_RUNBOOK_URL,
    alert_retry_base=Duration.seconds(1),
    alert_retry_max=Duration.seconds(5),
    watchdog_every=Duration.minutes(1),
    pending_bound=Duration.seconds(10),
    off_peak_hour=3,
    time_zone="UTC",
    batch_max_workers=2,
    bundle=_THIS_MACHINE,
)

STAGES = {stage.name: stage for stage in (DEV, PROD, LOCAL)}


def stage_named(name: str) -> Stage:
    """The stage of this name.

    Raises:
        UnknownStageError: There is none; the message lists those there are.
    """
    if name not in STAGES:
        raise UnknownStageError(f"there is no stage {name!r}; there are {', '.join(STAGES)}")
    return STAGES[name]
