"""What README.md and docs/ tell a person to type or to open must be there."""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from functions.approvals.approval import ApprovalRequest
from functions.onboarding.registration import Registration
from functions.orders.customer_table import CustomerTable
from functions.orders.inventory_table import InventoryTable
from functions.orders.order import Order
from functions.orders.order_run import OrderRun
from functions.orders.payment_table import PaymentTable
from functions.pipelines.batch_request import BatchRequest
from functions.pipelines.pipeline_request import PipelineRequest
from functions.shared import names
from jobctl import cli
from local.command_line import main

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]

FENCED = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
IN_LINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


def commands(page: Path) -> list[str]:
    """Every line of the page that a person could type."""
    text = page.read_text(encoding="utf-8")
    fenced = [line for block in FENCED.findall(text) for line in block.splitlines()]
    return [line.split(" #")[0].strip() for line in [*fenced, *IN_LINE.findall(text)]]


def of_program(name: str) -> list[tuple[str, str]]:
    return [
        (page.name, command)
        for page in PAGES
        for command in commands(page)
        if re.match(rf"(bin/)?{name} ", command)
    ]


@pytest.mark.parametrize(("page", "command"), of_program("make"))
def test_every_target_of_make_exists(page: str, command: str) -> None:
    targets = TARGET.findall((REPOSITORY / "Makefile").read_text(encoding="utf-8"))

    asked = [word for word in shlex.split(command)[1:] if "=" not in word]

    assert set(asked) <= set(targets), page


@pytest.mark.parametrize(("page", "command"), of_program("jobctl"))
def test_jobctl_understands_every_command(page: str, command: str) -> None:
    _, *arguments = shlex.split(command)

    # An option that jobctl does not know is refused before it shows its help.
    answer = CliRunner().invoke(cli.app, [*arguments, "--help"])

    assert answer.exit_code == 0, f"{page}: {answer.output}"


@pytest.mark.parametrize(("page", "command"), of_program(r"(\.venv/bin/)?python -m local"))
def test_the_platform_understands_every_command(
    page: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, told = command.partition("-m local ")

    with pytest.raises(SystemExit) as ended:
        main([*shlex.split(told), "--help"])

    assert ended.value.code == 0, f"{page}: {capsys.readouterr().err}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = [link.partition("#")[0] for link in LINK.findall(page.read_text(encoding="utf-8"))]

    assert not [link for link in links if link and not (page.parent / link).exists()]


def test_every_failure_mode_is_proven_by_tests_that_exist() -> None:
    rows = [
        line
        for line in (REPOSITORY / "docs" / "failure-modes.md").read_text().splitlines()
        if re.match(r"\| \d+ \|", line)
    ]

    for row in rows:
        number = row.split("|")[1].strip()
        proofs = re.findall(r"`(tests/[\w/.]+)`", row)
        assert proofs, number
        assert not [proof for proof in proofs if not (REPOSITORY / proof).exists()], number


ORDER = re.compile(r"""submit order-\S+ --payload '(\{.*?\})'""")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_order_that_is_shown_is_one(page: Path) -> None:
    for payload in ORDER.findall(page.read_text(encoding="utf-8")):
        Order.from_payload(json.loads(payload))


REQUESTS: Mapping[str, Callable[[Any], object]] = {
    "batch-processing": BatchRequest.from_payload,
    "data-pipeline": PipelineRequest.from_payload,
    "document-approval": ApprovalRequest.from_payload,
    "user-onboarding": Registration.from_payload,
}
REQUEST = re.compile(
    rf"""submit ({"|".join(REQUESTS)}) --payload '(\{{.*?\}})'(?: *#.*)?$""", re.MULTILINE
)


def test_every_request_that_is_shown_is_one() -> None:
    shown = [found for page in PAGES for found in REQUEST.findall(page.read_text(encoding="utf-8"))]

    for job_type, payload in shown:
        REQUESTS[job_type](json.loads(payload))

    assert {job_type for job_type, _ in shown} == REQUESTS.keys()


def boto3_call(command: str) -> tuple[str, dict[str, Any]]:
    """The operation that a line of `aws dynamodb` asks for, and the table's output among it."""
    [_, _, operation, *words] = shlex.split(re.sub(r'"\$\(table (\w+)\)"', r"\1", command))
    options = dict(zip(words[::2], words[1::2], strict=True))
    arguments = {
        "".join(map(str.title, option.removeprefix("--").split("-"))): (
            json.loads(value) if value.startswith("{") else value
        )
        for option, value in options.items()
    }
    return operation.replace("-", "_"), arguments


def make_table(dynamodb: Any, name: str) -> None:
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": names.ITEM_KEY, "KeyType": "HASH"},
            {"AttributeName": names.ITEM_SORT_KEY, "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": "S"}
            for key in (names.ITEM_KEY, names.ITEM_SORT_KEY)
        ],
    )


@mock_aws
def test_an_account_is_made_ready_for_orders_by_the_commands_that_are_shown() -> None:
    page = REPOSITORY / "docs" / "orders.md"
    [payload, *_] = ORDER.findall(page.read_text(encoding="utf-8"))
    order = Order.from_payload(json.loads(payload))
    dynamodb = boto3.client("dynamodb")
    for table in ("Customer", "Payment", "Inventory"):
        make_table(dynamodb, table)

    for command in commands(page):
        if command.startswith("aws dynamodb "):
            operation, arguments = boto3_call(command)
            getattr(dynamodb, operation)(**arguments)

    run = OrderRun("order-1", 1)
    CustomerTable(dynamodb, "Customer").validate(order.customer_id)
    PaymentTable(dynamodb, "Payment").charge(run, order.customer_id, order.total)
    inventory = InventoryTable(dynamodb, "Inventory")
    inventory.reserve(run, order.items, datetime.now(UTC))
    inventory.commit(run)


@mock_aws
def test_pieces_that_are_gone_are_taken_out_of_the_stock_as_the_runbook_says() -> None:
    dynamodb = boto3.client("dynamodb")
    make_table(dynamodb, "Inventory")
    InventoryTable(dynamodb, "Inventory").restock("tea", "east", 3)
    [command] = [
        line
        for line in commands(REPOSITORY / "docs" / "runbook.md")
        if line.startswith("aws dynamodb update-item")
    ]
    gone = {"TABLE": "Inventory", "<sku>": "tea", "<warehouse>": "east", "<quantity>": "2"}
    for written, meant in gone.items():
        command = command.replace(written, meant)
    operation, arguments = boto3_call(command)

    getattr(dynamodb, operation)(**arguments)

    [stock] = dynamodb.scan(TableName="Inventory")["Items"]
    assert (stock["available"], stock["committed"]) == ({"N": "1"}, {"N": "2"})
    # The one that is left is not enough for a second time.
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        getattr(dynamodb, operation)(**arguments)
