"""What the channel is told of a question: the message that the alerts turn into Slack's form."""

import json
from typing import Any

from functions.callbacks.invitations import people_asked
from functions.shared.job import timestamp
from functions.shared.question import Decision, Question
from functions.shared.question_event import QuestionEvent

# Whoever reads the channel is not who was asked: of a document it gets the name and the measures,
# and neither its words nor an address that opens it.
NOT_FOR_THE_CHANNEL = frozenset({"Begins with", "Read it here"})


def request_message(event: QuestionEvent, question: Question, url: str | None) -> str:
    """The message as JSON; without a *url* the channel only reads."""
    return json.dumps(
        {
            "kind": "question",
            "event": event.value,
            "job_id": question.ref.job_id,
            "job_type": question.job_type,
            "attempt": question.ref.attempt,
            "question": question.ref.name,
            "question_kind": question.kind.value,
            "title": question.title,
            "facts": [
                [label, value]
                for label, value in question.facts
                if label not in NOT_FOR_THE_CHANNEL
            ],
            "asked_of": people_asked(question),
            "needed": question.rule.needed,
            "asked_at": timestamp(question.asked_at),
            "until": timestamp(question.until),
            "url": url,
            "answers": [] if url is None else [answer.value for answer in question.answers],
            "decision": None if question.decision is None else _decision(question.decision),
            "status": question.status.value,
        },
        separators=(",", ":"),
    )


def _decision(decision: Decision) -> dict[str, Any]:
    """Where nobody could be reached, the answer says so, and nobody gave it."""
    return {
        "answer": decision.answer.value,
        "by": decision.act.by,
        "via": decision.act.via.value,
        "at": timestamp(decision.act.at),
        "comment": decision.act.comment,
    }
