"""Payments in DynamoDB: the payment, the customer's account and a ledger, changed together or not.

A movement of money is one transaction, and its entry in the ledger is written where none is. So
the money moves once, whether a call is repeated, answered late, or made twice at once.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from functions.orders import payment_record
from functions.orders.dynamodb import ROUNDS, read, to_item, write_all
from functions.orders.order import Money
from functions.orders.order_run import OrderRun
from functions.orders.payment_record import Bill, Change, Holder, PaymentRecord, Transfer
from functions.orders.payments import (
    PaymentContendedError,
    PaymentDeclinedError,
    PaymentStateError,
    PaymentStatus,
)
from functions.shared import names
from functions.shared.errors import PermanentError
from functions.shared.job import timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef


class PaymentTable:
    """Moves money between accounts, and writes every movement into a ledger that sums to zero."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table_name: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._table_name = table_name
        self._now = now

    def authorize(self, run: OrderRun, customer_id: str, money: Money) -> PaymentStatus:
        bill = Bill(customer_id, money)
        return self._settle(run, lambda record: payment_record.authorize(record, run, bill)).status

    def capture(self, run: OrderRun) -> PaymentStatus:
        return self._settle(run, lambda record: payment_record.capture(record, run)).status

    def charge(self, run: OrderRun, customer_id: str, money: Money) -> PaymentStatus:
        bill = Bill(customer_id, money)
        return self._settle(run, lambda record: payment_record.charge(record, run, bill)).status

    def void(self, run: OrderRun) -> bool:
        record = self._settle(run, lambda record: payment_record.void(record, run))
        return record.was_given_back(run, PaymentStatus.VOIDED)

    def refund(self, run: OrderRun) -> bool:
        record = self._settle(run, lambda record: payment_record.refund(record, run))
        return record.was_given_back(run, PaymentStatus.REFUNDED)

    def open_account(self, customer_id: str, money: Money, *, is_blocked: bool = False) -> bool:
        """Give the customer an account with *money*; False where they have one, which stays."""
        account = {
            **_account_key(customer_id),
            "available": money.amount,
            "currency": money.currency,
            "is_blocked": is_blocked,
        }
        return write_all(self._client, [self._put_new(account)])

    def _settle(
        self, run: OrderRun, decide: Callable[[PaymentRecord | None], Change]
    ) -> PaymentRecord:
        """Make the payment what *decide* says; where others were faster, decide anew."""
        for _ in range(ROUNDS):
            before = self._record(run)
            change = decide(before)
            if change.record == before:
                return before
            refusal = self._refusal(change.transfer)
            if refusal is not None:
                # A call of ours whose answer was lost may have moved the money since.
                if self._record(run) == before:
                    raise refusal
            elif write_all(self._client, self._writes(run, before, change)):
                return change.record
        raise PaymentContendedError("other payments keep changing the same account")

    def _record(self, run: OrderRun) -> PaymentRecord | None:
        item = read(self._client, self._table_name, *_payment_key(run).values())
        return None if item is None else _record_from(item)

    def _refusal(self, transfer: Transfer | None) -> PermanentError | None:
        """Why the customer's account takes no part in the transfer; None where it may."""
        if transfer is None or not transfer.concerns(Holder.CUSTOMER):
            return None
        bill = transfer.bill
        account = read(self._client, self._table_name, *_account_key(bill.customer_id).values())
        if transfer.movement.giver is Holder.CUSTOMER:
            return _decline(account, bill.money)
        if account is None or account["currency"] != bill.money.currency:
            return PaymentStateError("the account that the money came from is gone")
        return None

    def _writes(
        self, run: OrderRun, before: PaymentRecord | None, change: Change
    ) -> list["TransactWriteItemTypeDef"]:
        payment = {**_payment_key(run), **_columns(change.record)}
        writes = [
            self._put_new(payment) if before is None else self._put_over(payment, _state(before))
        ]
        if change.transfer is not None:
            # However the record came to be: what moved money before does not move it again.
            writes.append(self._put_new(_entry(run, change.transfer, self._now())))
            if change.transfer.concerns(Holder.CUSTOMER):
                writes.append(self._update_account(change.transfer))
        return writes

    def _put_new(self, item: Mapping[str, Any]) -> "TransactWriteItemTypeDef":
        return {
            "Put": {
                "TableName": self._table_name,
                "Item": to_item(item),
                "ConditionExpression": f"attribute_not_exists({names.ITEM_KEY})",
            }
        }

    def _put_over(
        self, item: Mapping[str, Any], as_read: Mapping[str, Any]
    ) -> "TransactWriteItemTypeDef":
        return {
            "Put": {
                "TableName": self._table_name,
                "Item": to_item(item),
                "ConditionExpression": " AND ".join(f"#{name} = :{name}" for name in as_read),
                "ExpressionAttributeNames": {f"#{name}": name for name in as_read},
                "ExpressionAttributeValues": to_item(
                    {f":{name}": value for name, value in as_read.items()}
                ),
            }
        }

    def _update_account(self, transfer: Transfer) -> "TransactWriteItemTypeDef":
        """Change what is available by the transfer, whatever others made of it meanwhile."""
        is_debit = transfer.movement.giver is Holder.CUSTOMER
        money = transfer.bill.money
        values: dict[str, Any] = {":amount": money.amount, ":currency": money.currency}
        condition = "currency = :currency"
        if is_debit:
            condition += " AND available >= :amount AND is_blocked = :no"
            values[":no"] = False
        return {
            "Update": {
                "TableName": self._table_name,
                "Key": to_item(_account_key(transfer.bill.customer_id)),
                "UpdateExpression": f"SET available = available {'-' if is_debit else '+'} :amount",
                "ConditionExpression": condition,
                "ExpressionAttributeValues": to_item(values),
            }
        }


def _decline(account: Mapping[str, Any] | None, money: Money) -> PaymentDeclinedError | None:
    if account is None:
        return PaymentDeclinedError("the customer has no account")
    if account["is_blocked"]:
        return PaymentDeclinedError("the customer's account is blocked")
    if account["currency"] != money.currency:
        return PaymentDeclinedError("the customer's account is in another currency")
    if account["available"] < money.amount:
        return PaymentDeclinedError("there is not enough money in the customer's account")
    return None


def _account_key(customer_id: str) -> dict[str, str]:
    return {names.ITEM_KEY: f"ACCOUNT#{customer_id}", names.ITEM_SORT_KEY: "ACCOUNT"}


def _payment_key(run: OrderRun) -> dict[str, str]:
    return {names.ITEM_KEY: f"PAYMENT#{run.order_id}", names.ITEM_SORT_KEY: "PAYMENT"}


def _state(record: PaymentRecord) -> dict[str, Any]:
    """What tells one version of a payment from every other one."""
    return {
        "attempt": record.attempt,
        "status": record.status.value,
        "is_undone": record.is_undone,
    }


def _columns(record: PaymentRecord) -> dict[str, Any]:
    if record.bill is None:
        return _state(record)
    return {
        **_state(record),
        "customer_id": record.bill.customer_id,
        "amount": record.bill.money.amount,
        "currency": record.bill.money.currency,
    }


def _record_from(item: Mapping[str, Any]) -> PaymentRecord:
    bill = None
    if "amount" in item:
        bill = Bill(item["customer_id"], Money(item["amount"], item["currency"]))
    return PaymentRecord(item["attempt"], PaymentStatus(item["status"]), item["is_undone"], bill)


def _entry(run: OrderRun, transfer: Transfer, now: datetime) -> dict[str, Any]:
    """The line of the ledger; its key is what keeps a movement from happening twice."""
    movement, money = transfer.movement, transfer.bill.money
    return {
        **_payment_key(run),
        names.ITEM_SORT_KEY: f"ENTRY#{run.attempt}#{movement.value}",
        "postings": {movement.giver.value: -money.amount, movement.taker.value: money.amount},
        "currency": money.currency,
        "customer_id": transfer.bill.customer_id,
        "at": timestamp(now),
    }
