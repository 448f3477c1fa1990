"""Three ways to carry out an order, and the four services behind them."""

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from functions.shared import names
from stacks.constructs.durable_function import DurableFunction
from stacks.constructs.durable_job import DurableJob
from stacks.constructs.function_bundle import function_bundle
from stacks.constructs.plain_function import PlainFunction
from stacks.constructs.service_table import ServiceTable
from stacks.jobs_stack import JobsStack
from stacks.stages import Stage

# Shorter than stock is held for an order (`HOLD`): only an abandoned order may lose its stock.
# Longer than all calls of services together, each repeated to the last and ending in a timeout.
RUN_TIMEOUT = Duration.hours(6)
# An order calls again: the less time a service takes that never answers, the more is left to undo.
SERVICE_TIMEOUT = Duration.minutes(5)
CALL_TIMEOUT = Duration.minutes(1)
EXPIRE_EVERY = Duration.minutes(5)

# A transaction needs the rights of the writes in it.
_READ_AND_PUT = ("dynamodb:GetItem", "dynamodb:PutItem")
_READ_PUT_AND_UPDATE = (*_READ_AND_PUT, "dynamodb:UpdateItem")


class OrdersStack(Stack):
    """What the services know, the services as functions of their own, and the job types.

    `order-transaction` and `order-processing` use the services' tables themselves;
    `order-orchestration` has none and invokes the functions.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        jobs: JobsStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._stage = stage
        self._platform = jobs.platform
        self._bundle = function_bundle(self, "orders", stage)
        self._operators = iam.ManagedPolicy(
            self,
            "OperatorPolicy",
            description="Look at orders and at what they did, stop them and the services they call",
        )

        self.customers = ServiceTable(self, "Customers", stage=stage)
        self.inventory = ServiceTable(
            self,
            "Inventory",
            stage=stage,
            # Sparse: a reservation leaves it when it is committed, released or expired.
            indexes={names.HELD_INDEX: (names.HELD_BUCKET, names.HELD_UNTIL)},
        )
        self.payments = ServiceTable(self, "Payments", stage=stage)
        self.shipments = ServiceTable(self, "Shipments", stage=stage)

        self.validate_customer = self._validate_customer()
        self.check_inventory = self._check_inventory()
        self.process_payment = self._process_payment()
        self.create_shipment = self._create_shipment()
        self.expire_reservations = self._expire_reservations()

        self.order_transaction = self._order_transaction()
        self.order_processing = self._order_processing()
        self.order_orchestration = self._order_orchestration()

        self._let_operators_look()
        self._say_where_the_records_are()
        self.tables = [self.customers, self.inventory, self.payments, self.shipments]
        self.services: list[PlainFunction | DurableFunction] = [
            self.validate_customer,
            self.check_inventory,
            self.process_payment,
            self.create_shipment,
        ]
        self.job_types = [self.order_transaction, self.order_processing, self.order_orchestration]

    def _validate_customer(self) -> PlainFunction:
        function = self._plain(
            "ValidateCustomer",
            "validate-customer",
            {names.CUSTOMER_TABLE_NAME: self.customers.name},
        )
        self.customers.grant(function.role, "dynamodb:GetItem")
        return function

    def _check_inventory(self) -> PlainFunction:
        function = self._plain(
            "CheckInventory",
            "check-inventory",
            {names.INVENTORY_TABLE_NAME: self.inventory.name},
        )
        self._let_use_inventory(function.role)
        return function

    def _process_payment(self) -> DurableFunction:
        function = self._durable(
            "ProcessPayment",
            "process-payment",
            {names.PAYMENT_TABLE_NAME: self.payments.name},
        )
        self.payments.grant(function.role, *_READ_PUT_AND_UPDATE)
        return function

    def _create_shipment(self) -> DurableFunction:
        function = self._durable(
            "CreateShipment",
            "create-shipment",
            {names.SHIPMENT_TABLE_NAME: self.shipments.name},
        )
        self.shipments.grant(function.role, *_READ_AND_PUT)
        return function

    def _expire_reservations(self) -> PlainFunction:
        """What gives back the stock of orders that were abandoned."""
        # Without dead letters: there is nothing in the event, and the next run makes up for it.
        function = self._plain(
            "ExpireReservations",
            "expire-reservations",
            {names.INVENTORY_TABLE_NAME: self.inventory.name},
        )
        self.inventory.grant(function.role, "dynamodb:GetItem", "dynamodb:UpdateItem")
        self.inventory.grant_query_of_index(function.role, names.HELD_INDEX)
        events.Rule(
            self,
            "ExpirySchedule",
            description="Give back stock that was held for abandoned orders",
            schedule=events.Schedule.rate(EXPIRE_EVERY),
            targets=[targets.LambdaFunction(function.alias)],
        )
        return function

    def _order_transaction(self) -> DurableJob:
        job = self._job(
            "OrderTransaction",
            "order-transaction",
            {
                names.INVENTORY_TABLE_NAME: self.inventory.name,
                names.PAYMENT_TABLE_NAME: self.payments.name,
                names.SHIPMENT_TABLE_NAME: self.shipments.name,
            },
        )
        self._let_use_inventory(job.role)
        self.payments.grant(job.role, *_READ_PUT_AND_UPDATE)
        self.shipments.grant(job.role, *_READ_AND_PUT)
        return job

    def _order_processing(self) -> DurableJob:
        job = self._job(
            "OrderProcessing",
            "order-processing",
            {
                names.CUSTOMER_TABLE_NAME: self.customers.name,
                names.INVENTORY_TABLE_NAME: self.inventory.name,
                names.PAYMENT_TABLE_NAME: self.payments.name,
                names.SHIPMENT_TABLE_NAME: self.shipments.name,
            },
        )
        self.customers.grant(job.role, "dynamodb:GetItem")
        self._let_use_inventory(job.role)
        self.payments.grant(job.role, *_READ_PUT_AND_UPDATE)
        self.shipments.grant(job.role, *_READ_AND_PUT)
        return job

    def _order_orchestration(self) -> DurableJob:
        called: dict[str, PlainFunction | DurableFunction] = {
            names.VALIDATE_CUSTOMER_ARN: self.validate_customer,
            names.CHECK_INVENTORY_ARN: self.check_inventory,
            names.PROCESS_PAYMENT_ARN: self.process_payment,
            names.CREATE_SHIPMENT_ARN: self.create_shipment,
        }
        job = self._job(
            "OrderOrchestration",
            "order-orchestration",
            {name: service.alias.function_arn for name, service in called.items()},
        )
        for service in called.values():
            # The function's ARN and all its qualifiers, as AWS asks for chained invokes; the
            # alias's own grant would be its ARN alone.
            # https://docs.aws.amazon.com/lambda/latest/dg/durable-security.html
            service.function.grant_invoke(job.role)
        return job

    def _let_use_inventory(self, role: iam.IRole) -> None:
        """Stock is found by a query: its warehouses are not known before."""
        self.inventory.grant(role, *_READ_PUT_AND_UPDATE, "dynamodb:Query")

    def _let_operators_look(self) -> None:
        """At what an order did, and at the executions of the services that it called."""
        for service in (self.process_payment, self.create_shipment):
            service.grant_operate(self._operators)
        # Not at customers: nothing is mended by knowing where somebody lives.
        for table in (self.inventory, self.payments, self.shipments):
            table.grant(self._operators, "dynamodb:Query")
        # The runbook's commands find the tables among this stack's outputs.
        self._operators.add_statements(
            iam.PolicyStatement(
                actions=["cloudformation:DescribeStacks"], resources=[self.stack_id]
            )
        )
        CfnOutput(self, "OperatorPolicyArn", value=self._operators.managed_policy_arn)

    def _say_where_the_records_are(self) -> None:
        CfnOutput(self, "CustomerTableName", value=self.customers.name)
        CfnOutput(self, "InventoryTableName", value=self.inventory.name)
        CfnOutput(self, "PaymentTableName", value=self.payments.name)
        CfnOutput(self, "ShipmentTableName", value=self.shipments.name)

    def _job(self, construct_id: str, job_type: str, environment: dict[str, str]) -> DurableJob:
        return DurableJob(
            self,
            construct_id,
            stage=self._stage,
            job_type=job_type,
            bundle=self._bundle,
            platform=self._platform,
            operators=self._operators,
            run_timeout=RUN_TIMEOUT,
            environment=environment,
        )

    def _durable(
        self, construct_id: str, name: str, environment: dict[str, str]
    ) -> DurableFunction:
        return DurableFunction(
            self,
            construct_id,
            stage=self._stage,
            name=name,
            bundle=self._bundle,
            environment=environment,
            execution_timeout=SERVICE_TIMEOUT,
        )

    def _plain(self, construct_id: str, name: str, environment: dict[str, str]) -> PlainFunction:
        return PlainFunction(
            self,
            construct_id,
            stage=self._stage,
            name=name,
            bundle=self._bundle,
            environment=environment,
            timeout=CALL_TIMEOUT,
        )
