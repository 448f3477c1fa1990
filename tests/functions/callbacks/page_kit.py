"""The page of a link as a browser meets it: events in, HTML out, and the record behind it."""

import base64
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from functions.callbacks import answer_page
from functions.callbacks.links import Links
from functions.callbacks.waiting_jobs import WaitingJobs
from functions.shared.job import JobStatus
from functions.shared.question import Question
from functions.shared.question_table import QuestionTable
from tests.functions.callbacks.link_kit import FakeLinkSigner, any_links, token_of
from tests.functions.job_table_rows import ANY_PAYLOAD, ANY_TIME, Rows
from tests.functions.question_items import ASKED_AT, REF

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SOURCE = "198.51.100.7"
FORM = "application/x-www-form-urlencoded"
AN_HOUR_LATER = ASKED_AT + timedelta(hours=1)

Fields = Mapping[str, str] | list[tuple[str, str]]


@dataclass(frozen=True)
class Response:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def html(self) -> "Html":
        return Html.of(self.body)


class Html(HTMLParser):
    """A page taken apart: its elements with their attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._inside: list[str] = []

    @classmethod
    def of(cls, body: str) -> "Html":
        html = cls()
        html.feed(body)
        html.close()
        return html

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]

    @property
    def text(self) -> str:
        """What is read on the page, in one line."""
        return " ".join(" ".join(self.texts).split())

    @property
    def buttons(self) -> list[str | None]:
        return [each["value"] for each in self.all("button") if "disabled" not in each]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"style", "title"}.intersection(self._inside):
            self.texts.append(data)


@dataclass
class Visitor:
    """Opens links, as many as wanted, at the time that *now* says."""

    questions: QuestionTable
    rows: Rows
    signer: FakeLinkSigner = field(default_factory=FakeLinkSigner)
    now: datetime = AN_HOUR_LATER

    @property
    def links(self) -> Links:
        return any_links(self.signer)

    def ask(self, question: Question, status: JobStatus = JobStatus.PROCESSING) -> str:
        """Ask, by a job in *status*, and return the token of the first person's link."""
        self.questions.ask(question)
        self.set_job(question.ref.job_id, status)
        return self.token(question)

    def set_job(self, job_id: str, status: JobStatus, attempt: int = 1) -> None:
        self.rows.put(
            {
                "job_id": {"S": job_id},
                "job_type": {"S": "document-approval"},
                "status": {"S": status.value},
                "attempt": {"N": str(attempt)},
                "created_at": {"S": ANY_TIME},
                "payload": {"S": ANY_PAYLOAD},
            }
        )

    def token(self, question: Question, person_id: str = "p1") -> str:
        return token_of(self.links.url(question, person_id))

    def question(self) -> Question:
        return self.questions.read(REF)

    def get(self, token: str, language: str = "en", method: str = "GET") -> Response:
        return self.send(event(method, token, {"accept-language": language}))

    def post(self, token: str, fields: Fields, language: str = "en") -> Response:
        return self.send(answer_event(token, fields, language))

    def send(self, request: dict[str, Any]) -> Response:
        answer = answer_page.handler(request, None)
        return Response(answer["statusCode"], answer["headers"], answer.get("body", ""))


def answer_event(token: str, fields: Fields, language: str = "en") -> dict[str, Any]:
    headers = {"accept-language": language, "content-type": FORM}
    return event("POST", token, headers, urlencode(fields))


def event(
    method: str, token: str, headers: Mapping[str, str] | None = None, body: str | None = None
) -> dict[str, Any]:
    """What an HTTP API sends in payload format 2.0; bodies of forms come in base64."""
    sent: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "ANY /q/{token}",
        "rawPath": f"/q/{token}",
        "rawQueryString": "",
        "headers": {"host": "links.example.com", **(headers or {})},
        "requestContext": {
            "http": {
                "method": method,
                "path": f"/q/{token}",
                "protocol": "HTTP/1.1",
                "sourceIp": SOURCE,
                "userAgent": "any",
            },
            "stage": "$default",
        },
        "pathParameters": {"token": token},
        "isBase64Encoded": body is not None,
    }
    if body is not None:
        sent["body"] = base64.b64encode(body.encode()).decode()
    return sent


def open_door(monkeypatch: pytest.MonkeyPatch, questions: QuestionTable, rows: Rows) -> Visitor:
    """A visitor at the handler, which sees the tables of the test and the visitor's clock."""
    visitor = Visitor(questions, rows)
    monkeypatch.setattr(answer_page, "questions", questions)
    monkeypatch.setattr(answer_page, "jobs", WaitingJobs(rows.client, rows.table_name))
    monkeypatch.setattr(answer_page, "links", Links(visitor.signer, "", "test"))
    monkeypatch.setattr(answer_page, "now", lambda: visitor.now)
    return visitor


@contextmanager
def counted_calls(client: "DynamoDBClient") -> Iterator[Counter[str]]:
    """The calls that *client* makes meanwhile."""
    calls: Counter[str] = Counter()

    def count(model: Any, **_: Any) -> None:
        calls[model.name] += 1

    client.meta.events.register("before-call.dynamodb", count)
    yield calls
    client.meta.events.unregister("before-call.dynamodb", count)


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail
