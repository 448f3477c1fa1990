import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.alerts import block_kit
from functions.alerts.alert import alert_from_body
from functions.alerts.block_kit import code, code_block, inert
from functions.alerts.job_finding import Finding, Situation
from functions.alerts.notice import Button, Command, Fact, Link, Notice, Sightings
from functions.alerts.wording import ROLLBACK_INCOMPLETE, Surroundings, notice
from functions.shared.job import RETRYABLE, JobError, JobStatus
from tests.functions.alerts.fakes import NOW, any_job
from tests.functions.alerts.messages import (
    EXECUTION_ARN,
    RUNBOOK,
    alarm_message,
    dead_letter_body,
    ended_question,
    question_message,
    sns_envelope,
)

CANARY = "cAnArY7q3"
OWN_LINK = re.compile(r"<https://[^<>|\s]+\|[A-Z][a-z]+>")
OWN_DATE = re.compile(r"<!date\^\d+\^\{date_short_pretty\} \{time\}\|[\d :-]{16} UTC>")
OWN_MENTION = "<!channel>"
ATTACKS = [
    "<!channel>",
    "<!here|x>",
    "<@U123>",
    "<#C123>",
    "<https://evil.example|click>",
    "`<!channel>`",
    "```<!channel>```",
    "&lt;!channel&gt;",
    "*bold* _it_ ~s~ >quote",
    "a`b",
    "\u202eevil\u200b",
    "\ud800",
    "&" * 3500,
    "`" * 3500,
    "\N{GRINNING FACE}" * 1500,
]

hostile = st.text(max_size=60) | st.builds(
    "{}{}{}".format, st.text(max_size=10), st.sampled_from(ATTACKS), st.text(max_size=10)
)


def texts(value: Any) -> list[str]:
    """Every text that Slack would show."""
    match value:
        case str():
            return [value]
        case dict():
            return [text for item in value.values() for text in texts(item)]
        case list():
            return [text for item in value for text in texts(item)]
        case _:
            return []


def advice_of(message: dict[str, Any]) -> str:
    """Where our own mention may stand: at the start of the second line, or of the second block."""
    if "blocks" in message:
        text: str = message["blocks"][1]["text"]["text"]
        return text
    return str(message["text"].splitlines()[1])


def assert_inert_and_within_limits(
    message: dict[str, Any], *, is_for_everyone: bool = False
) -> None:
    mentions = sum(OWN_DATE.sub("", text).count("<!") for text in texts(message))
    places = [text for text in texts(message) if f"\n{OWN_MENTION} " in text]
    places += [text for text in texts(message) if text.startswith(f"{OWN_MENTION} ")]
    assert advice_of(message).startswith(OWN_MENTION) == is_for_everyone
    assert mentions == len(places) == is_for_everyone * (1 + ("blocks" in message))
    for text in texts(message):
        own_removed = OWN_DATE.sub("", OWN_LINK.sub("", text))
        if is_for_everyone:
            own_removed = own_removed.replace(OWN_MENTION, "", 1)
        assert "<" not in own_removed
        assert ">" not in own_removed
        # What is escaped is escaped whole: no entity is cut in two.
        assert re.sub(r"&(amp|lt|gt);", "", own_removed).count("&") == 0
        # Each span and block of code is closed.
        assert text.count("`") % 2 == 0
        assert text.isprintable() or "\n" in text
    json.dumps(message).encode()
    assert len(message["text"]) <= 40_000
    blocks = message.get("blocks", [])
    assert len(blocks) <= 50
    for block in blocks:
        if block["type"] == "header":
            assert len(block["text"]["text"].encode("utf-16-le")) // 2 <= 150
        elif block["type"] == "actions":
            assert 0 < len(block["elements"]) <= 25
            assert all(len(button["url"]) <= 3000 for button in block["elements"])
        else:
            for part in [block["text"]] if "text" in block else block["fields"]:
                limit = 3000 if "text" in block else 2000
                assert 0 < len(part["text"].encode("utf-16-le")) // 2 <= limit
                assert part["verbatim"]
            assert len(block.get("fields", [])) <= 10


def rendered(body: str, found: Finding | None = None) -> list[dict[str, Any]]:
    said = notice(
        alert_from_body(body, "sqs-1"),
        Surroundings(
            stage="dev",
            runbook_url=RUNBOOK,
            now=NOW,
            found=found,
            log_group="/aws/lambda/x",
            sightings=Sightings(2, "2026-01-31T08:00:00.000Z", "2026-01-31T09:00:00.000Z"),
        ),
    )
    return [block_kit.message(said), block_kit.plain_message(said)]


@settings(max_examples=60)
@given(
    status=st.sampled_from(sorted(RETRYABLE)),
    situation=st.sampled_from(list(Situation)),
    error_type=hostile | st.just(ROLLBACK_INCOMPLETE),
    undone=st.lists(hostile, max_size=8),
    error=hostile,
    step=hostile,
    job_type=hostile,
    job_id=st.from_regex(r"[A-Za-z0-9_-]{1,48}", fullmatch=True),
    execution=hostile | st.just(EXECUTION_ARN),
)
def test_nothing_in_a_job_can_act_in_slack_or_break_its_limits(  # each is attacked
    status: Any,
    situation: Situation,
    error_type: str,
    undone: list[str],
    error: str,
    step: str,
    job_type: str,
    job_id: str,
    execution: str,
) -> None:
    job_error = JobError(error_type, error, step, tuple(undone))
    is_for_everyone = situation is Situation.ENDED and error_type == ROLLBACK_INCOMPLETE
    job = any_job(
        job_id=job_id,
        job_type=job_type,
        status=status,
        error=job_error,
        execution_arn=execution,
        created_at=error,
        started_at=None,
    )
    found = Finding(
        situation=situation, job=job, status=status, error=job_error, execution_arn=execution
    )

    for message in rendered(dead_letter_body(job_id, job_type), found):
        assert_inert_and_within_limits(message, is_for_everyone=is_for_everyone)


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_but_our_own_words_calls_everyone(attack: str) -> None:
    error = JobError(ROLLBACK_INCOMPLETE, attack, attack, (attack, attack))
    found = Finding(
        situation=Situation.ENDED, job=any_job(error=error), status=JobStatus.FAILED, error=error
    )

    for message in rendered(dead_letter_body(), found):
        assert_inert_and_within_limits(message, is_for_everyone=True)


@settings(max_examples=60)
@given(name=hostile, text=hostile, state=hostile | st.just("ALARM"))
def test_nothing_in_an_alarm_can_act_in_slack_or_break_its_limits(
    name: str, text: str, state: str
) -> None:
    alarm = alarm_message() | {
        "AlarmName": name,
        "AlarmDescription": f"{RUNBOOK}#{text}",
        "NewStateReason": text,
        "NewStateValue": state,
    }

    for message in rendered(sns_envelope(alarm)):
        assert_inert_and_within_limits(message)


@settings(max_examples=60)
@given(
    title=hostile,
    facts=st.lists(st.tuples(hostile, hostile), max_size=15),
    by=hostile,
    via=st.sampled_from(["link", "channel", "jobctl", "mail service", None]),
    comment=hostile,
)
def test_nothing_in_a_question_can_act_in_slack_or_break_its_limits(
    title: str, facts: list[tuple[str, str]], by: str, via: str | None, comment: str
) -> None:
    parts: dict[str, Any] = {"title": title, "facts": facts}
    ended = ended_question("reject", by=by, via=via, comment=comment) | parts

    for news in (question_message(**parts), question_message("reminded", url=None, **parts), ended):
        for message in rendered(sns_envelope(news)):
            assert_inert_and_within_limits(message)


@settings(max_examples=40)
@given(st.recursive(hostile, lambda inner: st.dictionaries(hostile, inner, max_size=4)))
def test_nothing_in_an_unknown_message_can_act_in_slack(content: Any) -> None:
    for message in rendered(sns_envelope(content)):
        assert_inert_and_within_limits(message)


@pytest.mark.parametrize(
    "secret",
    [
        "password={}",
        '{{"api_key": "{}"}}',
        "Authorization: Bearer {}xxxx",
        "https://hooks.slack.com/services/T/B/{}",
        "a very long text " * 100 + "token={}",
    ],
)
def test_a_secret_in_an_error_or_an_alarm_never_reaches_slack(secret: str) -> None:
    text = secret.format(CANARY)
    found = Finding(situation=Situation.ENDED, job=any_job(), error=JobError(text, text, text))
    alarm = alarm_message() | {"AlarmDescription": text, "NewStateReason": text}

    messages = rendered(dead_letter_body(), found) + rendered(sns_envelope(alarm))

    assert CANARY not in json.dumps(messages)


@given(
    st.text(alphabet="&<>`ab\N{GRINNING FACE} \n", max_size=80),
    st.integers(min_value=10, max_value=60),
)
def test_a_cut_never_splits_an_escape_and_keeps_the_limit(text: str, limit: int) -> None:
    for cut in (inert(text, limit), code(text, limit), code_block(text, limit)):
        assert len(cut.encode("utf-16-le")) // 2 <= limit
        assert "&" not in re.sub(r"&(amp|lt|gt);", "", cut)


def test_a_text_that_just_fits_is_not_cut() -> None:
    assert inert("abcde", 5) == "abcde"
    assert inert("abcdef", 5) == "abcd…"
    assert inert("<<", 8) == "&lt;&lt;"


def test_a_plain_message_ends_with_a_whole_line() -> None:
    said = Notice(
        symbol="!",
        title="title",
        advice="advice",
        facts=tuple(Fact(f"Fact {n}", "x" * 400) for n in range(60)),
        commands=(Command("Look", "jobctl show x"),),
        links=(Link("Runbook", RUNBOOK),),
    )

    message = block_kit.plain_message(said)

    assert_inert_and_within_limits(message)
    assert len(message["text"]) <= 4000
    assert_inert_and_within_limits(block_kit.message(said))


def test_a_button_with_an_address_longer_than_slack_takes_is_left_out() -> None:
    said = Notice(
        symbol="!",
        title="title",
        advice="advice",
        facts=(),
        buttons=(
            Button("Short", "https://a.example/".ljust(3000, "x"), "primary"),
            Button("Long", "https://a.example/".ljust(3001, "x"), "danger"),
        ),
    )

    [actions] = [block for block in block_kit.message(said)["blocks"] if block["type"] == "actions"]

    assert [button["text"]["text"] for button in actions["elements"]] == ["Short"]
    assert "Long" not in block_kit.plain_message(said)["text"]
