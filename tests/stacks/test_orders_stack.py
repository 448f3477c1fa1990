"""The promises of the stack that carries out orders: above all, who may do what."""

from collections.abc import Sequence
from typing import Any

import pytest

from functions.orders.inventory import HOLD
from functions.orders.patience import BRIEFLY, PATIENTLY
from stacks import orders_stack
from tests.stacks.rights import (
    EVERY_DURABLE_FUNCTION,
    EVERY_FUNCTION,
    EVERY_JOB,
    Right,
    in_words,
    rights,
    rights_in_words,
)
from tests.stacks.synthesis import Properties, Templates, actions_of, resources_of

JOB_TYPES = ("order-transaction", "order-processing", "order-orchestration")
DURABLE_SERVICES = ("process-payment", "create-shipment")
PLAIN_SERVICES = ("validate-customer", "check-inventory")
SERVICES = (*PLAIN_SERVICES, *DURABLE_SERVICES)
FUNCTIONS = (*JOB_TYPES, *SERVICES, "expire-reservations")

TABLES = {
    "CUSTOMER_TABLE_NAME": "CustomersTable",
    "INVENTORY_TABLE_NAME": "InventoryTable",
    "PAYMENT_TABLE_NAME": "PaymentsTable",
    "SHIPMENT_TABLE_NAME": "ShipmentsTable",
}

READ_CUSTOMERS = {("dynamodb:GetItem", "CustomersTable")}
USE_INVENTORY = {
    ("dynamodb:GetItem", "InventoryTable"),
    ("dynamodb:Query", "InventoryTable"),
    ("dynamodb:PutItem", "InventoryTable"),
    ("dynamodb:UpdateItem", "InventoryTable"),
}
EXPIRE_RESERVATIONS = {
    ("dynamodb:Query", "InventoryTable/index/held-reservations"),
    ("dynamodb:GetItem", "InventoryTable"),
    ("dynamodb:UpdateItem", "InventoryTable"),
}
MOVE_MONEY = {
    ("dynamodb:GetItem", "PaymentsTable"),
    ("dynamodb:PutItem", "PaymentsTable"),
    ("dynamodb:UpdateItem", "PaymentsTable"),
}
SHIP = {
    ("dynamodb:GetItem", "ShipmentsTable"),
    ("dynamodb:PutItem", "ShipmentsTable"),
}
# For a chained invoke AWS asks the caller for the function's ARN and for all its qualifiers.
# https://docs.aws.amazon.com/lambda/latest/dg/durable-security.html
INVOKE_SERVICES = {
    ("lambda:InvokeFunction", f"{service}{qualifiers}")
    for service in (
        "ValidateCustomerFunction",
        "CheckInventoryFunction",
        "ProcessPaymentFunction",
        "CreateShipmentFunction",
    )
    for qualifiers in ("", ":*")
}


def variables(templates: Templates, function: str) -> dict[str, Any]:
    found: dict[str, Any] = templates.functions()[function]["Environment"]["Variables"]
    return found


def table(templates: Templates, name: str) -> Properties:
    return templates.orders.only("AWS::DynamoDB::GlobalTable", id_has=name)[1]


@pytest.mark.parametrize(
    ("function", "allowed"),
    [
        ("order-transaction", EVERY_JOB | USE_INVENTORY | MOVE_MONEY | SHIP),
        ("order-processing", EVERY_JOB | READ_CUSTOMERS | USE_INVENTORY | MOVE_MONEY | SHIP),
        ("order-orchestration", EVERY_JOB | INVOKE_SERVICES),
        ("validate-customer", EVERY_FUNCTION | READ_CUSTOMERS),
        ("check-inventory", EVERY_FUNCTION | USE_INVENTORY),
        ("process-payment", EVERY_DURABLE_FUNCTION | MOVE_MONEY),
        ("create-shipment", EVERY_DURABLE_FUNCTION | SHIP),
        ("expire-reservations", EVERY_FUNCTION | EXPIRE_RESERVATIONS),
    ],
)
def test_a_function_may_do_what_it_does_and_nothing_else(
    dev: Templates, function: str, allowed: set[Right]
) -> None:
    assert rights(dev, function) == allowed


def test_no_function_of_the_stack_is_left_out_of_these_promises(dev: Templates) -> None:
    names = {
        function["Environment"]["Variables"]["AWS_SDK_UA_APP_ID"]
        for function in dev.orders.of_type("AWS::Lambda::Function").values()
    }

    assert names == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_use_the_tables_that_it_is_told_of_and_no_other(
    dev: Templates, function: str
) -> None:
    told = {
        table for name, table in TABLES.items() if name in variables(dev, function).keys() & TABLES
    }

    used = {resource for _, resource in rights(dev, function) if resource in TABLES.values()}

    assert used == told


def test_each_table_is_told_under_its_own_name(dev: Templates) -> None:
    told = {
        (name, in_words(value))
        for function in FUNCTIONS
        for name, value in variables(dev, function).items()
        if name in TABLES
    }

    assert told == set(TABLES.items())


def test_the_orchestrator_is_told_the_alias_of_each_service(dev: Templates) -> None:
    told = variables(dev, "order-orchestration")

    assert {name: told[name] for name in told if name.endswith("_ARN")} == {
        "VALIDATE_CUSTOMER_ARN": dev.alias_of("validate-customer"),
        "CHECK_INVENTORY_ARN": dev.alias_of("check-inventory"),
        "PROCESS_PAYMENT_ARN": dev.alias_of("process-payment"),
        "CREATE_SHIPMENT_ARN": dev.alias_of("create-shipment"),
    }


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_but_the_orchestrator_may_invoke_a_service(dev: Templates, service: str) -> None:
    name = "".join(word.capitalize() for word in service.split("-"))

    invokers = {
        function
        for function in dev.functions()
        for statement in dev.statements(function)
        if "lambda:InvokeFunction" in actions_of(statement)
        and any(f"{name}Function" in str(resource) for resource in resources_of(statement))
    }

    assert invokers == {"order-orchestration"}
    assert not dev.orders.of_type("AWS::Lambda::Url")


def test_of_all_that_could_invoke_from_outside_only_the_schedule_may(dev: Templates) -> None:
    permissions = dev.orders.of_type("AWS::Lambda::Permission").values()

    own = [p for p in permissions if "Ref" in p["FunctionName"]]
    assert [permission["Principal"] for permission in own] == ["events.amazonaws.com"]
    assert [permission["FunctionName"] for permission in own] == [
        dev.alias_of("expire-reservations")
    ]


def longest(templates: Templates, service: str, pauses: Sequence[int]) -> int:
    """Seconds of a call that is repeated to the last, each time into the service's timeout."""
    function = templates.functions()[service]
    once: int = function.get("DurableConfig", {}).get("ExecutionTimeout", function["Timeout"])
    return (len(pauses) + 1) * once + sum(pauses)


def test_an_order_is_undone_in_its_time_however_long_the_services_take_not_to_answer(
    dev: Templates,
) -> None:
    """Calls that would end later are never made: the order has timed out, and nothing undoes it."""
    # check-inventory is asked twice: to reserve and to commit.
    doing = sum(longest(dev, service, BRIEFLY) for service in (*SERVICES, "check-inventory"))
    undoing = sum(
        longest(dev, service, PATIENTLY)
        for service in ("create-shipment", "process-payment", "check-inventory")
    )
    # As many pauses for writing down how it ended.
    recording = sum(PATIENTLY)

    assert doing + undoing + recording < orders_stack.RUN_TIMEOUT.to_seconds()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_dead_letters_because_its_caller_hears_of_every_failure(
    dev: Templates, service: str
) -> None:
    assert "DeadLetterConfig" not in dev.functions()[service]


@pytest.mark.parametrize("job_type", JOB_TYPES)
def test_an_order_that_lambda_gives_up_on_reaches_the_topic(dev: Templates, job_type: str) -> None:
    target = dev.functions()[job_type]["DeadLetterConfig"]["TargetArn"]

    assert in_words(target) == "Alerts:DeadLettersTopic"


@pytest.mark.parametrize("job_type", JOB_TYPES)
def test_stock_is_held_for_longer_than_an_order_may_run(dev: Templates, job_type: str) -> None:
    longest_run = dev.functions()[job_type]["DurableConfig"]["ExecutionTimeout"]

    assert HOLD.total_seconds() > longest_run


@pytest.mark.parametrize("name", TABLES.values())
def test_a_table_has_the_keys_of_its_records_and_can_be_restored(dev: Templates, name: str) -> None:
    found = table(dev, name)

    assert found["KeySchema"] == [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ]
    assert found["BillingMode"] == "PAY_PER_REQUEST"
    [replica] = found["Replicas"]
    assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert found["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}


@pytest.mark.parametrize("name", TABLES.values())
def test_a_table_outlives_its_stack_in_prod_and_goes_with_it_in_dev(
    dev: Templates, prod: Templates, name: str
) -> None:
    for stage, policy, is_protected in ((dev, "Delete", False), (prod, "Retain", True)):
        logical_id, found = stage.orders.only("AWS::DynamoDB::GlobalTable", id_has=name)

        resource = stage.orders.resources[logical_id]
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == policy
        assert [replica["DeletionProtectionEnabled"] for replica in found["Replicas"]] == [
            is_protected
        ]


def test_no_record_of_an_order_expires(dev: Templates) -> None:
    """What is not there is taken for something that never happened, and done again."""
    for name in TABLES.values():
        assert "TimeToLiveSpecification" not in table(dev, name)


def test_held_reservations_are_found_by_the_time_until_which_they_are_held(
    dev: Templates,
) -> None:
    [index] = table(dev, "InventoryTable")["GlobalSecondaryIndexes"]

    assert index["IndexName"] == "held-reservations"
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["held_bucket", "held_until"]
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


@pytest.mark.parametrize("name", ["CustomersTable", "PaymentsTable", "ShipmentsTable"])
def test_the_other_tables_have_no_index(dev: Templates, name: str) -> None:
    assert "GlobalSecondaryIndexes" not in table(dev, name)


def test_reservations_are_looked_through_every_five_minutes(dev: Templates) -> None:
    _, rule = dev.orders.only("AWS::Events::Rule", id_has="ExpirySchedule")

    assert rule["ScheduleExpression"] == "rate(5 minutes)"
    assert [target["Arn"] for target in rule["Targets"]] == [dev.alias_of("expire-reservations")]


def test_an_operator_may_look_at_orders_and_stop_them_and_nothing_else(dev: Templates) -> None:
    _, policy = dev.orders.only("AWS::IAM::ManagedPolicy")

    allowed = rights_in_words(policy["PolicyDocument"]["Statement"])
    executions = {
        (action, f"{function}Function:*")
        for action in (
            "lambda:GetDurableExecution",
            "lambda:GetDurableExecutionHistory",
            "lambda:StopDurableExecution",
        )
        for function in (
            "OrderTransaction",
            "OrderProcessing",
            "OrderOrchestration",
            "ProcessPayment",
            "CreateShipment",
        )
    }
    records = {
        ("dynamodb:Query", table) for table in ("InventoryTable", "PaymentsTable", "ShipmentsTable")
    }
    outputs = {("cloudformation:DescribeStacks", "AWS::StackId")}
    assert allowed == executions | records | outputs


def test_whoever_stocks_the_shop_and_looks_finds_the_tables_among_the_outputs(
    dev: Templates,
) -> None:
    outputs = {name: output["Value"] for name, output in dev.orders.body["Outputs"].items()}

    assert {
        name: in_words(outputs[name])
        for name in (
            "CustomerTableName",
            "InventoryTableName",
            "PaymentTableName",
            "ShipmentTableName",
            "OperatorPolicyArn",
        )
    } == {
        "CustomerTableName": "CustomersTable",
        "InventoryTableName": "InventoryTable",
        "PaymentTableName": "PaymentsTable",
        "ShipmentTableName": "ShipmentsTable",
        "OperatorPolicyArn": "OperatorPolicy",
    }
