"""What may happen to an order's money: the rules of authorize, capture, charge, void and refund.

Each rule takes the payment as it is on record and says how it shall be, and which movement of
money goes with that. Writing both, or neither, is the adapter's work.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from functions.orders.order import Money
from functions.orders.order_run import OrderConflictError, OrderRun, Standing, may_undo, standing
from functions.orders.payments import PaymentStateError, PaymentStatus


class Holder(StrEnum):
    """Who has the money."""

    CUSTOMER = "customer"
    # Set aside for the order; nobody can spend it.
    HELD = "held"
    MERCHANT = "merchant"


class Movement(StrEnum):
    """Money that changes hands; each happens once in an attempt at most."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    CHARGE = "charge"
    VOID = "void"
    REFUND = "refund"

    @property
    def giver(self) -> Holder:
        return _FLOWS[self][0]

    @property
    def taker(self) -> Holder:
        return _FLOWS[self][1]


_FLOWS: Mapping[Movement, tuple[Holder, Holder]] = {
    Movement.AUTHORIZE: (Holder.CUSTOMER, Holder.HELD),
    Movement.CAPTURE: (Holder.HELD, Holder.MERCHANT),
    Movement.CHARGE: (Holder.CUSTOMER, Holder.MERCHANT),
    Movement.VOID: (Holder.HELD, Holder.CUSTOMER),
    Movement.REFUND: (Holder.MERCHANT, Holder.CUSTOMER),
}


@dataclass(frozen=True, slots=True)
class Bill:
    """Who pays how much."""

    customer_id: str
    money: Money


@dataclass(frozen=True, slots=True)
class PaymentRecord:
    """An order's payment as the service keeps it.

    *attempt* is who acted last. *is_undone*: it called an undo, and may do nothing any more. A
    record without *bill* is a tombstone: that attempt had nothing to give back.
    """

    attempt: int
    status: PaymentStatus
    is_undone: bool = False
    bill: Bill | None = None

    @property
    def has_ended(self) -> bool:
        return self.status in {PaymentStatus.VOIDED, PaymentStatus.REFUNDED}

    def was_given_back(self, run: OrderRun, status: PaymentStatus) -> bool:
        """Whether *run* itself gave money back; a repeated undo answers as the first one did."""
        return (self.attempt, self.status) == (run.attempt, status) and self.bill is not None


@dataclass(frozen=True, slots=True)
class Transfer:
    """A movement of the money of a bill."""

    movement: Movement
    bill: Bill

    def concerns(self, holder: Holder) -> bool:
        return holder in {self.movement.giver, self.movement.taker}


@dataclass(frozen=True, slots=True)
class Change:
    """The payment as it shall be, and the transfer of money that makes it so."""

    record: PaymentRecord
    transfer: Transfer | None = None


def authorize(record: PaymentRecord | None, run: OrderRun, bill: Bill) -> Change:
    found = _found(record, run)
    if found is None:
        return _pay(run, bill, PaymentStatus.AUTHORIZED, Movement.AUTHORIZE)
    _check_same(found, bill)
    return Change(found)


def capture(record: PaymentRecord | None, run: OrderRun) -> Change:
    found = _found(record, run)
    if found is None or found.bill is None:
        raise PaymentStateError("no money is held for the order")
    if found.status is PaymentStatus.CAPTURED:
        return Change(found)
    captured = replace(found, status=PaymentStatus.CAPTURED)
    return Change(captured, Transfer(Movement.CAPTURE, found.bill))


def charge(record: PaymentRecord | None, run: OrderRun, bill: Bill) -> Change:
    found = _found(record, run)
    if found is None:
        return _pay(run, bill, PaymentStatus.CAPTURED, Movement.CHARGE)
    _check_same(found, bill)
    return capture(record, run)


def void(record: PaymentRecord | None, run: OrderRun) -> Change:
    return _undo(record, run, PaymentStatus.AUTHORIZED, PaymentStatus.VOIDED, Movement.VOID)


def refund(record: PaymentRecord | None, run: OrderRun) -> Change:
    return _undo(record, run, PaymentStatus.CAPTURED, PaymentStatus.REFUNDED, Movement.REFUND)


def _found(record: PaymentRecord | None, run: OrderRun) -> PaymentRecord | None:
    """The payment that *run* goes on with, from here on its own; None where there is none."""
    if record is None:
        return None
    # Money that an earlier attempt still has is taken over, whatever undo it called in vain.
    is_undone = record.has_ended or (record.is_undone and record.attempt == run.attempt)
    if standing(run, record.attempt, is_undone=is_undone) is Standing.FREE:
        return None
    return replace(record, attempt=run.attempt, is_undone=False)


def _pay(run: OrderRun, bill: Bill, status: PaymentStatus, movement: Movement) -> Change:
    if bill.money.amount <= 0:
        raise PaymentStateError("only an amount above 0 can be paid")
    return Change(PaymentRecord(run.attempt, status, bill=bill), Transfer(movement, bill))


def _check_same(record: PaymentRecord, bill: Bill) -> None:
    if record.bill != bill:
        raise OrderConflictError(
            "the order's id belongs to another order, with other money or another customer"
        )


def _undo(
    record: PaymentRecord | None,
    run: OrderRun,
    undoes: PaymentStatus,
    ends_as: PaymentStatus,
    movement: Movement,
) -> Change:
    if record is None:
        return Change(PaymentRecord(run.attempt, ends_as, is_undone=True))
    if not may_undo(run, record.attempt):
        return Change(record)
    if record.has_ended or record.bill is None:
        if record.attempt == run.attempt:
            return Change(record)
        return Change(PaymentRecord(run.attempt, record.status, is_undone=True))
    undone = replace(record, attempt=run.attempt, is_undone=True)
    if record.status is not undoes:
        return Change(undone)
    return Change(replace(undone, status=ends_as), Transfer(movement, record.bill))
