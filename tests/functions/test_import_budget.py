"""What importing each handler loads: a cold start is paid for by the package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

DURABLE_SDK = "aws_durable_execution_sdk_python"
WATCHED = {
    DURABLE_SDK,
    "aws_lambda_powertools",
    "aws_xray_sdk",
    "boto3",
    "botocore",
    "duckdb",
    "fastjsonschema",
    "jinja2",
    "pydantic",
    "pypdf",
    "requests",
}
AWS = {"boto3", "botocore"}

BUDGETS = {
    "functions.jobs.send_email": AWS | {DURABLE_SDK},
    "functions.jobs.dispatcher": AWS,
    "functions.jobs.recorder": AWS,
    # Once a minute and nobody waits for it: the only one that writes metrics of its own.
    "functions.jobs.watchdog": AWS | {"aws_lambda_powertools"},
    # pypdf is loaded where a PDF is at hand: replays of the wait do not pay for it.
    "functions.approvals.document_approval": AWS | {DURABLE_SDK},
    # jinja2 is loaded where a mail is written: neither the question nor its wait pays for it.
    "functions.onboarding.user_onboarding": AWS | {DURABLE_SDK},
    "functions.orders.order_transaction": AWS | {DURABLE_SDK},
    "functions.orders.order_processing": AWS | {DURABLE_SDK},
    "functions.orders.order_orchestration": AWS | {DURABLE_SDK},
    "functions.orders.process_payment": AWS | {DURABLE_SDK},
    "functions.orders.create_shipment": AWS | {DURABLE_SDK},
    "functions.orders.validate_customer": AWS,
    "functions.orders.check_inventory": AWS,
    "functions.orders.expire_reservations": AWS,
    # It counts bad links.
    "functions.callbacks.answer_page": AWS | {"aws_lambda_powertools", "jinja2"},
    "functions.callbacks.links": set(),
    "functions.callbacks.page": set(),
    # It writes mails, and nobody waits for it.
    "functions.callbacks.inviter": AWS | {"jinja2"},
    "functions.callbacks.resumer": AWS,
    "functions.callbacks.mail_feedback": AWS,
    "functions.callbacks.invitations": set(),
    "functions.shared.job_table": AWS,
    "functions.shared.question_table": set(),
    "functions.shared.question": set(),
    "functions.shared.mail_templates": {"jinja2"},
    "functions.shared.job": set(),
    "functions.shared.names": set(),
    "functions.shared.errors": set(),
    "functions.shared.redaction": set(),
    "functions.shared.results": set(),
    "functions.shared.start_event": set(),
    "functions.jobs.mail": set(),
    "functions.approvals.approval": set(),
    "functions.approvals.document": set(),
    "functions.approvals.documents": set(),
    "functions.approvals.papers": set(),
    "functions.onboarding.accounts": set(),
    "functions.onboarding.outcome": set(),
    "functions.onboarding.profiles": set(),
    "functions.onboarding.registration": set(),
    "functions.onboarding.welcome_content": set(),
    "functions.orders.order": set(),
    "functions.orders.order_run": set(),
    "functions.orders.outcome": set(),
    "functions.orders.service_errors": set(),
    "functions.orders.allocation": set(),
    # DuckDB is loaded with the first Parquet file.
    "functions.pipelines.data_pipeline": AWS | {DURABLE_SDK},
    "functions.pipelines.batch_processing": AWS | {DURABLE_SDK},
    "functions.pipelines.batch_shard": AWS | {DURABLE_SDK},
    # fastjsonschema is loaded with the first record that is checked.
    "functions.pipelines.schema": set(),
    "functions.pipelines.processors": set(),
    "functions.pipelines.batch_request": set(),
    "functions.pipelines.batch_run": set(),
    "functions.pipelines.chunk_summary": set(),
    "functions.pipelines.csv_format": set(),
    "functions.pipelines.lines": set(),
    "functions.pipelines.manifest": set(),
    "functions.pipelines.off_peak": set(),
    "functions.pipelines.pipeline_request": set(),
    "functions.pipelines.record_format": set(),
}


def printed(program: str) -> list[str]:
    """The words that *program* prints in an interpreter of its own."""
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env=dict(os.environ),
        timeout=60,
    ).stdout.split()


@pytest.mark.parametrize(("module", "budget"), BUDGETS.items(), ids=BUDGETS.keys())
def test_a_module_loads_what_it_uses_and_nothing_else(module: str, budget: set[str]) -> None:
    loaded = printed(f"import sys, {module}; print(' '.join(sys.modules))")

    assert WATCHED & {name.split(".")[0] for name in loaded} == budget


DURABLE = [module for module, budget in BUDGETS.items() if DURABLE_SDK in budget]

# Hands out the name of every service that a client is made for.
NAMES_CLIENTS = """
import botocore.session
made = []
create_client = botocore.session.Session.create_client
def remember(session, service, *rest, **more):
    made.append(service)
    return create_client(session, service, *rest, **more)
botocore.session.Session.create_client = remember
import {module}
print(*made)
"""


@pytest.mark.parametrize("module", DURABLE)
def test_a_workflow_makes_one_client_for_each_service_that_it_needs_at_once(module: str) -> None:
    made = printed(NAMES_CLIENTS.format(module=module))

    assert {"dynamodb", "lambda"} <= set(made)
    assert len(made) == len(set(made))
