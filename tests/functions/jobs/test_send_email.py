"""The job type `send-email`, from its start event to its row."""

from functions.jobs import send_email
from tests.functions.executions import execute
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.jobs.fake_mail_sender import FakeMailSender

START = {"attempt": 1, "job_id": "job-1", "job_type": "send-email"}


def test_a_mail_is_sent_once_and_its_row_says_so(rows: Rows, mail_sender: FakeMailSender) -> None:
    rows.submit(any_job())

    ended = execute(send_email.handler, START)

    assert ended.value == {"message_id": "message-1"}
    assert [mail.to for mail in mail_sender.sent] == [("ann@example.com",)]
    row = rows.get()
    assert row["status"] == "completed"
    assert row["result"] == '{"message_id":"message-1"}'


def test_a_job_costs_four_operations(rows: Rows, mail_sender: FakeMailSender) -> None:
    rows.submit(any_job())

    ended = execute(send_email.handler, START)

    # The execution itself is the fourth.
    assert ended.operations == ["claim", "send-email", "record-completed"]
    assert mail_sender.calls == 1
