"""Puts an alert into words: what happened, what is known, and what to do next.

Every failure names its commands in full, so that the person woken by it has nothing to look up.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from functions.alerts.alert import (
    AlarmChange,
    Alert,
    JobDeadLetter,
    LostEvent,
    Origin,
    StreamFailure,
    UnknownMessage,
)
from functions.alerts.aws_arn import FunctionVersion, Place
from functions.alerts.console_links import alarm_url, function_url, logs_url
from functions.alerts.job_finding import Finding, Situation
from functions.alerts.notice import Command, Fact, Link, Notice, Sightings
from functions.alerts.question_news import QuestionNews
from functions.alerts.question_wording import question_notice
from functions.shared.job import RETRYABLE, InvalidJobError, JobStatus, parse_timestamp, timestamp
from functions.shared.redaction import redact_text

DELIVERY_UNKNOWN = "delivery_unknown"
ROLLBACK_INCOMPLETE = "rollback_incomplete"
RESULT_NOT_RECORDED = "result_not_recorded"
TOO_MANY_FAILURES = "too_many_failures"
# Codes of executions that ended under their workflow: no line of it ran any more.
CUT_OFF = frozenset(
    {
        "boto_client",
        "checkpoint",
        "execution",
        "execution_failed",
        "get_execution_state",
        "invocation",
        "non_deterministic_execution",
        "retryable_ser_des",
        "step_interrupted",
        "unrecoverable",
    }
)

# Codes of jobs that a retry does not mend, as the error contract has it.
FOR_A_NEW_JOB = frozenset(
    {
        "chunk_too_slow",
        "dataset_not_splittable",
        "dataset_too_large",
        "delivery_unknown",
        "document_conflict",
        "invalid_job",
        "invalid_run_at",
        "mail_rejected",
        "malformed_payload",
        "mixed_formats",
        "order_conflict",
        "payload_changed",
        "payload_not_found",
        "payload_too_large",
        "reviewers_unreachable",
        "run_at_too_far",
        "source_too_large",
        "staged_part_changed",
        "stock_too_scattered",
        "too_many_objects",
        "too_many_parts",
        "unknown_format",
        "unknown_processor",
        "unknown_sku",
        "unknown_time_zone",
        "unknown_transform",
        "unreadable_row",
        "unwritable_row",
    }
)
# Types of jobs that have no undo; whoever reads that none was done would look for one.
WITHOUT_UNDO = frozenset({"batch-processing", "data-pipeline", "send-email"})

_SIREN, _RED, _YELLOW, _GREEN, _WHITE = "🚨", "🔴", "🟡", "🟢", "⚪"

# Sections of docs/runbook.md, as its headings become anchors.
_SECTION_JOB = "job-failed"
_SECTION_TIMED_OUT = "job-timed-out"
_SECTION_STOPPED = "stopping-a-job"
_SECTION_ROLLBACK = "rollback-incomplete"
_SECTION_STREAM = "dispatcher-falls-behind"
_SECTION_EVENT = "recorder-fails"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is the same for all alerts of an invocation, and what was looked up for this one."""

    stage: str
    runbook_url: str
    now: datetime
    found: Finding | None = None
    log_group: str | None = None
    sightings: Sightings | None = None


def notice(alert: Alert, around: Surroundings) -> Notice:
    match alert:
        case JobDeadLetter():
            return _job_notice(alert, around.found or Finding(situation=Situation.UNSEEN), around)
        case AlarmChange():
            return _alarm_notice(alert, around)
        case StreamFailure():
            return _stream_notice(alert, around)
        case LostEvent():
            return _event_notice(alert, around)
        case QuestionNews():
            return question_notice(alert, around.stage)
        case UnknownMessage():
            return _unknown_notice(alert, around)


@dataclass(frozen=True, slots=True)
class _Words:
    symbol: str
    title: str
    advice: str
    section: str = _SECTION_JOB
    is_for_everyone: bool = False


_UNDONE = "; nothing more was undone"
_STAYS = f"what its finished steps did stays done{_UNDONE}."
_GIVEN_UP = _Words(_RED, "Job failed", "The job was given up on. Look, mend the cause, then retry.")
_ANEW = _Words(
    _RED,
    "Job failed",
    "The job was given up on, and a retry does not help. Look, then have a corrected job submitted"
    " under a new id.",
)
_BY_SITUATION = {
    Situation.REFUSED: _Words(
        _YELLOW,
        "Start refused",
        "A start of this job was turned away. The job itself is as its row says: nothing was done"
        " and nothing was lost. Look at the producer that sent the start.",
    ),
    Situation.UNSETTLED: _Words(
        _YELLOW,
        "Start failed",
        "An execution of this job failed, but the row shows no end of it: another execution has"
        " the job, or the watchdog is about to put it right. Look again in a few minutes.",
    ),
    Situation.RETRIED: _Words(
        _YELLOW,
        "Earlier attempt failed",
        "The attempt failed, and the job has been retried since: look at how it stands now.",
    ),
    Situation.UNSEEN: _Words(
        _RED,
        "Job failed",
        "The job's row could not be read, so the reason is missing here. Look it up.",
    ),
}
_BY_STATUS = {
    JobStatus.TIMED_OUT: _Words(
        _RED,
        "Job timed out",
        f"The execution ran into its timeout: {_STAYS}",
        _SECTION_TIMED_OUT,
    ),
    JobStatus.CANCELLED: _Words(
        _YELLOW,
        "Job stopped",
        f"An operator stopped the execution: {_STAYS}",
        _SECTION_STOPPED,
    ),
}
_CUT_OFF = _Words(
    _RED,
    "Job cut off",
    f"The execution was cut off: {_STAYS} Look, mend the cause, then retry.",
)
_BY_ERROR = {
    **dict.fromkeys(CUT_OFF, _CUT_OFF),
    **dict.fromkeys(FOR_A_NEW_JOB, _ANEW),
    RESULT_NOT_RECORDED: _Words(
        _RED,
        "Result not recorded",
        "The work is done and stays done; nothing was undone, only its result could not be written."
        " Look at what the job did before you retry.",
    ),
    ROLLBACK_INCOMPLETE: _Words(
        _SIREN,
        "Money or stock in the wrong place",
        "The job failed, and something that it had done could not be undone. A person must look"
        " now: see which undo gave up, mend what made it give up, then retry as the runbook says.",
        _SECTION_ROLLBACK,
        is_for_everyone=True,
    ),
    TOO_MANY_FAILURES: _Words(
        _RED,
        "Too many failures",
        "All records were tried, and more of them failed than the job tolerates; the others are"
        " processed. Look at the failures by code. Where the destination was at fault, retry the"
        " failed ones at once. Where the records are, they fail again as they are: deploy a"
        " processor that takes them, then retry the failed ones; or have them submitted mended, as"
        " a new job.",
    ),
    DELIVERY_UNKNOWN: _Words(
        _RED,
        "Delivery unknown",
        "Nobody knows whether the mail went out: the answer of the mail service was lost, and the"
        " job asked to stop in that case. Ask the recipient or the mail service: a mail that is"
        " missing is a new job, for a retry does not send it.",
    ),
}


def _job_words(found: Finding) -> _Words:
    if found.situation is not Situation.ENDED:
        return _BY_SITUATION[found.situation]
    if found.error is not None and found.error.type in _BY_ERROR:
        return _BY_ERROR[found.error.type]
    return _BY_STATUS.get(found.status or JobStatus.FAILED, _GIVEN_UP)


def _job_notice(letter: JobDeadLetter, found: Finding, around: Surroundings) -> Notice:
    words = _job_words(found)
    job_type = letter.job_type or (found.job.job_type if found.job else "") or "unknown type"
    error = found.error
    facts = [Fact("Job", letter.job_id), Fact("Type", job_type)]
    if found.situation is not Situation.UNSEEN:
        status = found.status or (found.job.status if found.job else None)
        facts.append(Fact("Status", status.value if status else "no row"))
    if error is not None and error.type:
        facts.append(Fact("Error", error.type))
    if error is not None and error.step:
        facts.append(Fact("Step", error.step))
    if error is not None and error.undone:
        facts.append(Fact("Undone", " · ".join(error.undone)))
    attempt = str(letter.attempt)
    if found.situation is Situation.RETRIED and found.job is not None:
        attempt = f"{attempt} (now at {found.job.attempt})"
    facts.append(Fact("Attempt", attempt))
    return Notice(
        symbol=words.symbol,
        title=f"{words.title}: {job_type}",
        advice=words.advice.replace(_UNDONE, "") if job_type in WITHOUT_UNDO else words.advice,
        facts=(*facts, *_shared_facts(letter.origin, around)),
        said=_first_line(error.message) if error else None,
        commands=_job_commands(letter, found, around.stage),
        links=_links(
            *_job_links(letter, found, around), ("Runbook", _runbook(around, words.section))
        ),
        is_for_everyone=words.is_for_everyone,
    )


def _job_commands(letter: JobDeadLetter, found: Finding, stage: str) -> tuple[Command, ...]:
    commands = [Command.of_job("Look", "show", letter.job_id, stage)]
    ended = found.situation is Situation.ENDED and found.status in RETRYABLE
    code = found.error.type if found.error else None
    if ended and code == TOO_MANY_FAILURES:
        commands.append(Command.of_job("Retry failed", "retry-failed", letter.job_id, stage))
    # After a rollback that gave up, whether to retry is for the runbook to say.
    if (ended and code not in FOR_A_NEW_JOB | {ROLLBACK_INCOMPLETE}) or (
        found.situation is Situation.UNSEEN
    ):
        commands.append(Command.of_job("Retry", "retry", letter.job_id, stage))
    # What has ended cannot be stopped; what still runs can.
    if found.execution_arn and found.situation is Situation.UNSETTLED:
        commands.append(Command.of_job("Stop", "stop", letter.job_id, stage))
    return tuple(commands)


def _job_links(
    letter: JobDeadLetter, found: Finding, around: Surroundings
) -> list[tuple[str, str | None]]:
    place = Place.of(found.execution_arn)
    function = FunctionVersion.of(found.execution_arn)
    if place is None or function is None:
        return []
    links = [("Execution", function_url(place, function))]
    if around.log_group is not None:
        links.append(
            (
                "Logs",
                logs_url(
                    place, around.log_group, letter.job_id, _began(found, around.now), around.now
                ),
            )
        )
    return links


def _began(found: Finding, otherwise: datetime) -> datetime:
    if found.job is None:
        return otherwise
    try:
        return parse_timestamp(found.job.started_at or found.job.created_at)
    except InvalidJobError:
        return otherwise


def _alarm_notice(alarm: AlarmChange, around: Surroundings) -> Notice:
    symbol, advice = {
        "ALARM": (_RED, "An alarm rings."),
        "OK": (_GREEN, "The alarm is over."),
        "INSUFFICIENT_DATA": (_WHITE, "The alarm has too little data to tell how things stand."),
    }.get(alarm.state, (_WHITE, "The alarm changed to a state that is not known here."))
    facts = [Fact("Alarm", alarm.name), Fact("State", f"{alarm.previous_state} → {alarm.state}")]
    if alarm.metric:
        facts.append(Fact("Metric", alarm.metric))
    if alarm.changed_at:
        facts.append(Fact("Changed", alarm.changed_at))
    said = "\n".join(part for part in (alarm.description, alarm.reason) if part)
    place = alarm.origin.place
    return Notice(
        symbol=symbol,
        title=f"{alarm.state}: {alarm.name}",
        advice=advice,
        facts=(*facts, *_shared_facts(alarm.origin, around)),
        said=redact_text(said) if said else None,
        links=_links(
            ("Alarm", alarm_url(place, alarm.name) if place else None),
            ("Runbook", _runbook_of_alarm(alarm.description, around.runbook_url)),
        ),
    )


def _runbook_of_alarm(description: str, runbook_url: str) -> str:
    """The section that the alarm's description names, where it is one of our runbook."""
    before, found, after = description.partition(f"{runbook_url}#")
    del before
    section = ""
    for character in after:
        if not (character.isascii() and (character.isalnum() or character == "-")):
            break
        section += character
    return f"{runbook_url}#{section}" if found and section else runbook_url


def _stream_notice(failure: StreamFailure, around: Surroundings) -> Notice:
    function = FunctionVersion.of(failure.function_arn)
    place = Place.of(failure.function_arn) or failure.origin.place
    facts = [
        Fact("Function", function.name if function else "unknown"),
        Fact("Condition", failure.condition or "unknown"),
        Fact("Shard", failure.shard_id),
        Fact("Records", f"{failure.first_sequence_number} to {failure.last_sequence_number}"),
    ]
    if failure.batch_size is not None:
        facts.append(Fact("Batch", f"{failure.batch_size} records"))
    return Notice(
        symbol=_RED,
        title=f"Stream records given up: {function.name if function else 'unknown function'}",
        advice=(
            "Job rows were written, but the function that starts jobs could not take these records"
            " from the table's stream. The jobs stay pending until the watchdog starts them."
        ),
        facts=(*facts, *_shared_facts(failure.origin, around)),
        commands=(Command("Look", f"jobctl --stage {around.stage} list --status pending"),),
        links=_links(
            ("Function", function_url(place, function) if place and function else None),
            ("Runbook", _runbook(around, _SECTION_STREAM)),
        ),
    )


def _event_notice(event: LostEvent, around: Surroundings) -> Notice:
    facts = [Fact("Event", event.detail_type), Fact("Source", event.source or "unknown")]
    commands: tuple[Command, ...] = ()
    if event.execution is not None:
        facts.append(Fact("Job", event.execution.job_id))
        facts.append(Fact("Attempt", str(event.execution.attempt)))
        commands = (Command.of_job("Look", "show", event.execution.job_id, around.stage),)
    if event.execution_status is not None:
        facts.append(Fact("Execution ended", event.execution_status))
    return Notice(
        symbol=_RED,
        title=f"Event given up: {event.detail_type}",
        advice=(
            "A function of the platform itself failed on this event, also when tried again. If it"
            " told of a job's end, the job's row may not show that end yet."
        ),
        facts=(*facts, *_shared_facts(event.origin, around)),
        said=_first_line(event.error_message or ""),
        commands=commands,
        links=_links(("Runbook", _runbook(around, _SECTION_EVENT))),
    )


def _unknown_notice(message: UnknownMessage, around: Surroundings) -> Notice:
    return Notice(
        symbol=_YELLOW,
        title="Unknown message on the alert queue",
        advice=(
            "Something sent a message that is no dead letter, no alarm and no stream failure. Its"
            " content is not shown, because it may be anybody's."
        ),
        facts=(
            Fact("Message", message.message_id),
            Fact("Shape", message.shape),
            *_shared_facts(message.origin, around),
        ),
        links=_links(("Runbook", around.runbook_url)),
    )


def _shared_facts(origin: Origin, around: Surroundings) -> list[Fact]:
    region = origin.place.region if origin.place else "unknown region"
    facts = [Fact("Stage", f"{around.stage} · {region}")]
    if around.sightings is not None:
        seen = around.sightings
        alike = "the first of its kind" if seen.count == 1 else f"{seen.count} like this"
        facts.append(Fact("Alike", alike))
        facts.append(Fact("First · last seen", f"{seen.first_seen} · {seen.last_seen}"))
    elif origin.sent_at is not None:
        facts.append(Fact("Sent", timestamp(origin.sent_at.astimezone(UTC))))
    return facts


def _first_line(message: str) -> str | None:
    """The first line that says something, without secrets."""
    lines = (line.strip() for line in redact_text(message).splitlines())
    return next((line for line in lines if line), None)


def _runbook(around: Surroundings, section: str) -> str:
    return f"{around.runbook_url}#{section}"


def _links(*links: tuple[str, str | None]) -> tuple[Link, ...]:
    return tuple(Link(label, url) for label, url in links if url)
