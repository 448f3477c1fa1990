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
    "pydantic",
    "requests",
}
AWS = {"boto3", "botocore"}

BUDGETS = {
    "functions.jobs.send_email": AWS | {DURABLE_SDK},
    "functions.jobs.dispatcher": AWS,
    "functions.jobs.recorder": AWS,
    # Once a minute and nobody waits for it: the only one that writes metrics of its own.
    "functions.jobs.watchdog": AWS | {"aws_lambda_powertools"},
    "functions.orders.order_transaction": AWS | {DURABLE_SDK},
    "functions.orders.order_processing": AWS | {DURABLE_SDK},
    "functions.orders.order_orchestration": AWS | {DURABLE_SDK},
    "functions.orders.process_payment": AWS | {DURABLE_SDK},
    "functions.orders.create_shipment": AWS | {DURABLE_SDK},
    "functions.orders.validate_customer": AWS,
    "functions.orders.check_inventory": AWS,
    "functions.orders.expire_reservations": AWS,
    "functions.shared.job_table": AWS,
    "functions.shared.job": set(),
    "functions.shared.names": set(),
    "functions.shared.errors": set(),
    "functions.shared.redaction": set(),
    "functions.shared.results": set(),
    "functions.shared.start_event": set(),
    "functions.jobs.mail": set(),
    "functions.orders.order": set(),
    "functions.orders.order_run": set(),
    "functions.orders.outcome": set(),
    "functions.orders.service_errors": set(),
    "functions.orders.allocation": set(),
}


@pytest.mark.parametrize(("module", "budget"), BUDGETS.items(), ids=BUDGETS.keys())
def test_a_module_loads_what_it_uses_and_nothing_else(module: str, budget: set[str]) -> None:
    program = f"import sys, {module}; print(' '.join(sys.modules))"

    loaded = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env=dict(os.environ),
        timeout=60,
    ).stdout.split()

    assert WATCHED & {name.split(".")[0] for name in loaded} == budget
