"""Links into the AWS console, for the partition and region that an alert came from."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from functions.alerts.aws_arn import FunctionVersion, Place

# Partitions without an entry get no links rather than links to nowhere.
# https://docs.aws.amazon.com/general/latest/gr/aws-general.html
_CONSOLES = {
    "aws": "https://{region}.console.aws.amazon.com",
    "aws-us-gov": "https://{region}.console.amazonaws-us-gov.com",
    "aws-cn": "https://{region}.console.amazonaws.cn",
}
# Both clocks and log delivery are a little late.
_MARGIN = timedelta(minutes=5)

_NOT_LITERAL = re.compile(r"[^A-Za-z0-9_.-]")


def console_of(place: Place | None) -> str | None:
    """The console's address in a place."""
    if place is None or place.partition not in _CONSOLES:
        return None
    return _CONSOLES[place.partition].format(region=place.region)


def function_url(place: Place, function: FunctionVersion) -> str | None:
    """The function's page; its tab *Durable executions* lists the execution by name.

    The execution's own page has no documented address.
    """
    console = console_of(place)
    version = f"/versions/{function.version}" if function.version else ""
    return console and (
        f"{console}/lambda/home?region={place.region}#/functions/{function.name}{version}"
    )


def alarm_url(place: Place, alarm_name: str) -> str | None:
    console = console_of(place)
    name = quote(alarm_name, safe="", errors="replace")
    return console and f"{console}/cloudwatch/home?region={place.region}#alarmsV2:alarm/{name}"


def logs_url(
    place: Place, log_group: str, containing: str, since: datetime, until: datetime
) -> str | None:
    """A Logs Insights query for the lines of *log_group* that hold *containing*.

    The console keeps a query in its address in a form of its own (JSURL), in which every
    character but a few is an asterisk and its code.
    """
    console = console_of(place)
    query = (
        "fields @timestamp, @message\n"
        f'| filter @message like "{containing}"\n'
        "| sort @timestamp asc\n"
        "| limit 1000"
    )
    detail = (
        f"~(end~'{_literal(_instant(until + _MARGIN))}~start~'{_literal(_instant(since - _MARGIN))}"
        f"~timeType~'ABSOLUTE~tz~'UTC~editorString~'{_literal(query)}"
        f"~source~(~'{_literal(log_group)}))"
    )
    return console and (
        f"{console}/cloudwatch/home?region={place.region}"
        f"#logsV2:logs-insights$3FqueryDetail$3D{detail}"
    )


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _literal(text: str) -> str:
    return _NOT_LITERAL.sub(lambda match: _code(ord(match[0])), text)


def _code(character: int) -> str:
    return f"*{character:02x}" if character < 0x100 else f"**{character:04x}"  # noqa: PLR2004  # JSURL's two widths
