"""What is worth waking somebody for: each alarm's metric, its bound and its words.

Failures of jobs and of the functions around them go through Slack; what is wrong with the way to
Slack goes by e-mail too, because Slack will not tell.
"""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb

from functions.shared import names
from stacks.constructs.alert_queue import AlertQueue
from stacks.constructs.alert_topic import AlertTopic
from stacks.constructs.answer_api import AnswerApi
from stacks.constructs.durable_function import DurableFunction
from stacks.constructs.durable_job import DurableJob
from stacks.constructs.job_table import JobTable
from stacks.constructs.mail_channel import MailChannel
from stacks.constructs.plain_function import PlainFunction
from stacks.constructs.runbook_alarms import RunbookAlarms
from stacks.constructs.service_table import ServiceTable
from stacks.stages import Stage

# Of the 3,000 operations and 100 MB that one execution may have: a fifth is left to act in.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MANY_OPERATIONS = 2_400
MUCH_STORAGE_BYTES = 80_000_000

OLD_STREAM_RECORDS = Duration.minutes(1)
# A mail that may have gone out is waited for; one such wait is no trouble.
OLD_QUESTIONS = Duration.minutes(5)
MANY_WAITING_ALERTS = 100

# A plain service answers no with an error, which its function counts like a crash. That nearly
# every one of several calls ends so is not the customers.
NEARLY_ALL_PERCENT = 90
SEVERAL_CALLS = 5
# Within a minute a small shop hardly has so many.
TIME_FOR_SEVERAL_CALLS = Duration.minutes(5)

# Scanners of mails cut links short now and then. So many in so little time is somebody who guesses.
MANY_BAD_LINKS = 20
TIME_FOR_BAD_LINKS = Duration.minutes(5)

# At these shares SES puts an account under review, and later stops its mails.
# https://docs.aws.amazon.com/ses/latest/dg/reputationdashboard-cloudwatch-alarm.html
MANY_BOUNCES = 0.05
MANY_COMPLAINTS = 0.001
# SES works them out about once an hour.
TIME_OF_REPUTATION = Duration.hours(1)


def alarm_on_job(alarms: RunbookAlarms, job: DurableJob, period: Duration) -> None:
    """A job type: how its executions end, and how near they come to Lambda's limits.

    Lambda's own `Errors` counts only invocations that crash. An execution that fails does not
    crash, hence the durable metrics.
    """
    job_type = job.job_type

    def total(name: str) -> cloudwatch.Metric:
        return job.metric(name, statistic="Sum", period=period)

    alarms.alarm(
        "Failed",
        when=total("DurableExecutionFailed"),
        at_least=1,
        because=f"A job of type {job_type} failed for good and will not be tried again by itself.",
        page="job-failed",
    )
    alarms.alarm(
        "TimedOut",
        when=total("DurableExecutionTimedOut"),
        at_least=1,
        because=f"A job of type {job_type} did not end within its time, so Lambda ended it.",
        page="job-timed-out",
    )
    _alarm_on_limits(alarms, job, f"A job of type {job_type}", period)
    alarms.alarm(
        "InvocationErrors",
        when=total("Errors"),
        at_least=1,
        periods=2,
        of_periods=5,
        because=(
            f"The function of {job_type} crashes: an import error, too little memory or a"
            " timeout. Lambda repeats it until the job times out."
        ),
        page="job-function-crashes",
    )
    alarms.alarm(
        "EndsUnreported",
        when=cloudwatch.Metric(
            namespace="AWS/Events",
            metric_name="FailedInvocations",
            dimensions_map={"RuleName": job.ends_rule.rule_name},
            statistic="Sum",
            period=period,
        ),
        at_least=1,
        because=(
            f"EventBridge could not tell the recorder how a job of type {job_type} ended; its"
            " row may still say processing."
        ),
        page="ends-not-reported",
    )
    _alarm_on_throttles(alarms, job, job_type, period)
    _alarm_on_async_starts(alarms, job, job_type, period)


def alarm_on_dispatcher(alarms: RunbookAlarms, dispatcher: PlainFunction, period: Duration) -> None:
    """What starts the jobs: it falls behind or it fails."""
    alarms.alarm(
        "FallsBehind",
        when=dispatcher.metric("IteratorAge", statistic="Maximum", period=period),
        at_least=OLD_STREAM_RECORDS.to_milliseconds(),
        periods=3,
        because=(
            f"Submitted jobs have waited for over {OLD_STREAM_RECORDS.to_human_string()} to be"
            " started. They are not lost, but late; after 6 hours the watchdog must find them."
        ),
        page="dispatcher-falls-behind",
    )
    _alarm_on_errors(alarms, dispatcher, period, page="dispatcher-fails")
    _alarm_on_throttles(alarms, dispatcher, dispatcher.name, period)


def alarm_on_recorder(alarms: RunbookAlarms, recorder: PlainFunction, period: Duration) -> None:
    """What writes down how executions ended."""
    _alarm_on_errors(alarms, recorder, period, page="recorder-fails")
    _alarm_on_throttles(alarms, recorder, recorder.name, period)
    _alarm_on_async_starts(alarms, recorder, recorder.name, period)


def alarm_on_watchdog(alarms: RunbookAlarms, watchdog: PlainFunction, stage: Stage) -> None:
    """What finds stuck jobs; nobody would notice its silence."""
    _alarm_on_errors(alarms, watchdog, stage.alarm_period, page="watchdog-fails")
    _alarm_on_async_starts(alarms, watchdog, watchdog.name, stage.alarm_period)
    alarms.alarm(
        "Silent",
        when=watchdog.metric("Invocations", statistic="Sum", period=stage.watchdog_every),
        at_least=1,
        periods=3,
        is_silence_alarming=True,
        because="The watchdog has not run three times in a row; stuck jobs are not found.",
        page="watchdog-silent",
    )
    alarms.alarm(
        "JobsStuck",
        when=cloudwatch.Metric(
            namespace="DurableJobs",
            metric_name="StuckJobs",
            dimensions_map={"service": watchdog.name, "stage": stage.name},
            statistic="Maximum",
            period=stage.watchdog_every,
        ),
        at_least=1,
        periods=3,
        because="The watchdog finds pending jobs again and again; starting them does not help.",
        page="jobs-stuck",
    )


def alarm_on_table(alarms: RunbookAlarms, table: JobTable, period: Duration) -> None:
    """The job table refuses or breaks.

    Not `UserErrors`, which DynamoDB counts by account only.
    """
    alarms.alarm(
        "Throttled",
        when=_throttles(table.table, (names.TYPE_INDEX, names.OPEN_INDEX), period),
        at_least=1,
        periods=3,
        of_periods=5,
        because="DynamoDB throttles the job table; jobs start and end late.",
        page="table-throttled",
    )
    alarms.alarm(
        "SystemErrors",
        when=table.table.metric_system_errors_for_operations(
            operations=[
                dynamodb.Operation.GET_ITEM,
                dynamodb.Operation.PUT_ITEM,
                dynamodb.Operation.UPDATE_ITEM,
                dynamodb.Operation.QUERY,
                dynamodb.Operation.GET_RECORDS,
            ],
            statistic="Sum",
            period=period,
        ),
        at_least=1,
        periods=2,
        of_periods=5,
        because="DynamoDB answers requests on the job table with errors of its own.",
        page="table-system-errors",
    )


def alarm_on_service(
    alarms: RunbookAlarms,
    service: PlainFunction | DurableFunction,
    period: Duration,
    *,
    suffering: str,
    page: str,
) -> None:
    """A function that jobs call: it crashes, is throttled, or comes near a limit.

    That it says no to one job is not its failure; that job tells of it.
    """
    if isinstance(service, DurableFunction):
        alarms.alarm(
            "InvocationErrors",
            when=service.metric("Errors", statistic="Sum", period=period),
            at_least=1,
            periods=2,
            of_periods=5,
            because=f"The service {service.name} crashes; {suffering}.",
            page=page,
        )
        _alarm_on_limits(alarms, service, f"An execution of {service.name}", period)
    else:
        alarms.alarm(
            "NearlyAllFail",
            when=_share_of_errors(service, TIME_FOR_SEVERAL_CALLS),
            at_least=NEARLY_ALL_PERCENT,
            periods=2,
            of_periods=3,
            because=(
                f"At least {NEARLY_ALL_PERCENT} % of several calls of the service {service.name}"
                f" end with an error; {suffering}."
            ),
            page=page,
        )
    _alarm_on_throttles(alarms, service, service.name, period)


def alarm_on_service_table(
    alarms: RunbookAlarms, table: ServiceTable, period: Duration, *, suffering: str, page: str
) -> None:
    """Records cannot be read or written fast enough."""
    alarms.alarm(
        "Throttled",
        when=_throttles(table.table, table.indexes, period),
        at_least=1,
        periods=3,
        of_periods=5,
        because=f"DynamoDB throttles the table {table.node.id}; {suffering}.",
        page=page,
    )


def alarm_on_inviter(alarms: RunbookAlarms, inviter: PlainFunction, period: Duration) -> None:
    """What tells people that they are asked: it falls behind or it fails."""
    alarms.alarm(
        "FallsBehind",
        when=inviter.metric("IteratorAge", statistic="Maximum", period=period),
        at_least=OLD_QUESTIONS.to_milliseconds(),
        periods=3,
        because=(
            f"People are not told for over {OLD_QUESTIONS.to_human_string()} that a job asks them"
            " something, while its time runs."
        ),
        page="people-are-not-told",
    )
    _alarm_on_errors(alarms, inviter, period, page="people-are-not-told")
    _alarm_on_throttles(alarms, inviter, inviter.name, period)


def alarm_on_resumer(alarms: RunbookAlarms, resumer: PlainFunction, period: Duration) -> None:
    """What brings answers to the jobs: it falls behind or it fails."""
    alarms.alarm(
        "FallsBehind",
        when=resumer.metric("IteratorAge", statistic="Maximum", period=period),
        at_least=OLD_STREAM_RECORDS.to_milliseconds(),
        periods=3,
        because=(
            f"Answers have waited for over {OLD_STREAM_RECORDS.to_human_string()} to reach their"
            " jobs. They count, but the jobs sleep on."
        ),
        page="answers-do-not-arrive",
    )
    _alarm_on_errors(alarms, resumer, period, page="answers-do-not-arrive")
    _alarm_on_throttles(alarms, resumer, resumer.name, period)


def alarm_on_answer_page(
    alarms: RunbookAlarms, page: PlainFunction, api: AnswerApi, stage: Stage
) -> None:
    """Where people answer: it breaks, or somebody tries links."""
    _alarm_on_errors(alarms, page, stage.alarm_period, page="answer-page-fails")
    _alarm_on_throttles(alarms, page, page.name, stage.alarm_period)
    alarms.alarm(
        "ServerErrors",
        when=api.metric("5xx", statistic="Sum", period=stage.alarm_period),
        at_least=1,
        periods=2,
        of_periods=5,
        because="People who open their links are shown an error of ours and cannot answer.",
        page="answer-page-fails",
    )
    alarms.alarm(
        "ManyBadLinks",
        when=cloudwatch.Metric(
            namespace="DurableJobs",
            metric_name="BadLinks",
            dimensions_map={"service": page.name, "stage": stage.name},
            statistic="Sum",
            period=TIME_FOR_BAD_LINKS,
        ),
        at_least=MANY_BAD_LINKS,
        because=(
            f"At least {MANY_BAD_LINKS} links that are none of ours, or were changed, were opened"
            f" within {TIME_FOR_BAD_LINKS.to_human_string()}. None of them answered anything."
        ),
        page="many-bad-links",
    )


def alarm_on_mails(
    alarms: RunbookAlarms, mails: MailChannel, feedback: PlainFunction, period: Duration
) -> None:
    """What became of mails: whether we hear of it, and whether SES still trusts us."""
    _alarm_on_errors(alarms, feedback, period, page="mail-feedback-fails")
    _alarm_on_throttles(alarms, feedback, feedback.name, period)
    _alarm_on_async_starts(alarms, feedback, feedback.name, period)
    alarms.alarm(
        "EventsUndelivered",
        when=mails.events.metric_number_of_notifications_failed(statistic="Sum", period=period),
        at_least=1,
        because=(
            "SNS could not hand over what SES tells of a mail; a bounce may go unnoticed until the"
            " time of the question is up."
        ),
        page="mail-feedback-fails",
    )
    for construct_id, metric, bound, what in (
        ("ManyBounces", "Reputation.BounceRate", MANY_BOUNCES, "bounce"),
        ("ManyComplaints", "Reputation.ComplaintRate", MANY_COMPLAINTS, "are complained of"),
    ):
        alarms.alarm(
            construct_id,
            when=mails.metric(metric, statistic="Maximum", period=TIME_OF_REPUTATION),
            at_least=bound,
            because=(
                f"At least {bound:.1%} of our mails {what}. SES puts such an account under"
                " review, and then stops its mails."
            ),
            page="mails-bounce",
        )


def alarm_on_expiry(
    alarms: RunbookAlarms, expiry: PlainFunction, every: Duration, period: Duration
) -> None:
    """What gives back the stock of abandoned orders; nobody would notice its silence."""
    _alarm_on_errors(alarms, expiry, period, page="reservation-expiry-fails")
    alarms.alarm(
        "Silent",
        when=expiry.metric("Invocations", statistic="Sum", period=every),
        at_least=1,
        periods=3,
        is_silence_alarming=True,
        because=(
            "Reservations were not looked through three times in a row; stock of abandoned orders"
            " is not given back."
        ),
        page="reservation-expiry-silent",
    )


def alarm_on_topic(
    alarms: RunbookAlarms, topic: AlertTopic, period: Duration, *, untold: str = "a failure"
) -> None:
    """A message did not get from the topic into the queue."""
    alarms.alarm(
        "Undelivered",
        when=topic.topic.metric_number_of_notifications_failed(statistic="Sum", period=period),
        at_least=1,
        because=(
            f"SNS could not deliver a message to the alert queue, so {untold} was not told in"
            " Slack."
        ),
        page="topic-delivery-fails",
    )


def alarm_on_alert_queue(alarms: RunbookAlarms, queue: AlertQueue, stage: Stage) -> None:
    """Alerts wait: Slack is down, or the notifier cannot keep up."""
    bound = stage.queue_age_bound
    alarms.alarm(
        "Old",
        when=queue.queue.metric_approximate_age_of_oldest_message(
            statistic="Maximum", period=stage.alarm_period
        ),
        at_least=bound.to_seconds(),
        because=(
            f"An alert has waited for over {bound.to_human_string()} to be told in Slack. It is"
            " tried for a day."
        ),
        page="alerts-wait",
    )
    alarms.alarm(
        "Deep",
        when=queue.queue.metric_approximate_number_of_messages_visible(
            statistic="Maximum", period=stage.alarm_period
        ),
        at_least=MANY_WAITING_ALERTS,
        periods=3,
        because=f"Over {MANY_WAITING_ALERTS} alerts wait to be told in Slack.",
        page="alerts-wait",
    )


def alarm_on_notifier(alarms: RunbookAlarms, notifier: PlainFunction, period: Duration) -> None:
    """What tells Slack fails."""
    _alarm_on_errors(alarms, notifier, period, page="notifier-fails")
    _alarm_on_throttles(alarms, notifier, notifier.name, period)


def _alarm_on_errors(
    alarms: RunbookAlarms, function: PlainFunction, period: Duration, *, page: str
) -> None:
    alarms.alarm(
        "Errors",
        when=function.metric("Errors", statistic="Sum", period=period),
        at_least=1,
        periods=2,
        of_periods=5,
        because=f"The {function.name} keeps failing.",
        page=page,
    )


def _alarm_on_limits(
    alarms: RunbookAlarms, function: DurableFunction | DurableJob, what: str, period: Duration
) -> None:
    def highest(name: str) -> cloudwatch.Metric:
        return function.metric(name, statistic="Maximum", period=period)

    alarms.alarm(
        "ManyOperations",
        when=highest("DurableExecutionOperations"),
        at_least=MANY_OPERATIONS,
        because=(
            f"{what} has used {MANY_OPERATIONS:,} of the 3,000 operations"
            " it may have; at 3,000 it fails."
        ),
        page="execution-near-a-limit",
    )
    alarms.alarm(
        "MuchStorage",
        when=highest("DurableExecutionStorageWrittenBytes"),
        at_least=MUCH_STORAGE_BYTES,
        because=(
            f"{what} has written {MUCH_STORAGE_BYTES // 10**6} of the 100 MB"
            " it may write; at 100 MB it fails."
        ),
        page="execution-near-a-limit",
    )


def _alarm_on_throttles(
    alarms: RunbookAlarms,
    function: PlainFunction | DurableFunction | DurableJob,
    name: str,
    period: Duration,
) -> None:
    alarms.alarm(
        "Throttled",
        when=function.metric("Throttles", statistic="Sum", period=period),
        at_least=1,
        periods=3,
        of_periods=5,
        because=f"Lambda throttles {name}: the account's concurrency is used up.",
        page="function-throttled",
    )


def _alarm_on_async_starts(
    alarms: RunbookAlarms, function: PlainFunction | DurableJob, name: str, period: Duration
) -> None:
    """Lambda gave an event up, or could not even say so."""
    alarms.alarm(
        "EventsDropped",
        when=function.metric("AsyncEventsDropped", statistic="Sum", period=period),
        at_least=1,
        because=f"Lambda dropped an event for {name} without running it to its end.",
        page="events-dropped",
    )
    alarms.alarm(
        "DeadLettersLost",
        when=function.metric("DeadLetterErrors", statistic="Sum", period=period),
        at_least=1,
        because=f"Lambda could not send a dead letter of {name}; a failure may go untold.",
        page="dead-letters-lost",
    )


def _share_of_errors(function: PlainFunction, period: Duration) -> cloudwatch.MathExpression:
    return cloudwatch.MathExpression(
        expression=f"IF(calls >= {SEVERAL_CALLS}, 100 * errors / calls, 0)",
        using_metrics={
            "calls": function.metric("Invocations", statistic="Sum", period=period),
            "errors": function.metric("Errors", statistic="Sum", period=period),
        },
        label="Calls that end with an error, in percent",
        period=period,
    )


def _throttles(
    table: dynamodb.TableV2, indexes: Sequence[str], period: Duration
) -> cloudwatch.MathExpression:
    """The table's own throttles and its indexes', which CloudWatch keeps apart."""
    of_table = {"TableName": table.table_name}
    dimensions = [of_table, *({**of_table, "GlobalSecondaryIndexName": name} for name in indexes)]
    throttles = {
        f"{kind.lower()}{number}": table.metric(
            f"{kind}ThrottleEvents", statistic="Sum", period=period, dimensions_map=where
        )
        for kind in ("Read", "Write")
        for number, where in enumerate(dimensions)
    }
    return cloudwatch.MathExpression(
        expression=" + ".join(f"FILL({name}, 0)" for name in throttles),
        using_metrics=throttles,
        label="Throttled reads and writes",
        period=period,
    )
