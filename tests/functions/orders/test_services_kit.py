import threading

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from functions.orders.customers import Customers
from functions.orders.fulfillment import Fulfillment
from functions.orders.inventory import Inventory
from functions.orders.order import Money
from functions.orders.order_run import OrderRun
from functions.orders.payments import PaymentDeclinedError, Payments, PaymentStatus
from functions.shared.aws_errors import is_transient
from tests.functions.orders.services_kit import (
    DECLINES,
    FOREVER,
    TRANSIENT,
    Call,
    Fault,
    FaultKind,
    FaultyService,
)

RUN = OrderRun("order-1", 1)
OTHER = OrderRun("order-2", 1)
MONEY = Money(500, "EUR")


class Register:
    """Payments that say yes, and count."""

    def __init__(self) -> None:
        self.charged = 0

    def charge(self, run: OrderRun, customer_id: str, money: Money) -> PaymentStatus:  # noqa: ARG002  # the port's signature
        if customer_id == "broke":
            raise PaymentDeclinedError("no")
        self.charged += 1
        return PaymentStatus.CAPTURED

    def authorize(self, run: OrderRun, customer_id: str, money: Money) -> PaymentStatus:
        raise NotImplementedError

    def capture(self, run: OrderRun) -> PaymentStatus:
        raise NotImplementedError

    def void(self, run: OrderRun) -> bool:
        raise NotImplementedError

    def refund(self, run: OrderRun) -> bool:
        raise NotImplementedError


def register(*faults: Fault) -> tuple[Register, FaultyService[Payments]]:
    service = Register()
    return service, FaultyService[Payments](service, faults, slowness_seconds=0)


def test_without_a_fault_a_call_goes_through_and_is_remembered() -> None:
    _, payments = register()

    status = payments.port.charge(RUN, "ann", MONEY)

    assert status is PaymentStatus.CAPTURED
    assert payments.calls == [Call("charge", "order-1", 1, "ok", is_effective=True)]


@pytest.mark.parametrize(
    ("kind", "error", "charged"),
    [
        (FaultKind.THROTTLED, ClientError, 0),
        (FaultKind.SERVER_ERROR, ClientError, 0),
        (FaultKind.TIMEOUT_BEFORE, ReadTimeoutError, 0),
        (FaultKind.TIMEOUT_AFTER, ReadTimeoutError, 1),
        (FaultKind.DECLINED, PaymentDeclinedError, 0),
    ],
)
def test_a_fault_fails_the_call_that_it_names_and_no_other(
    kind: FaultKind, error: type[Exception], charged: int
) -> None:
    service, payments = register(Fault("charge", 2, kind))
    payments.port.charge(RUN, "ann", MONEY)

    with pytest.raises(error) as raised:
        payments.port.charge(RUN, "ann", MONEY)

    assert service.charged == 1 + charged
    assert is_transient(raised.value) == (kind in TRANSIENT)
    assert [call.is_effective for call in payments.calls] == [True, bool(charged)]
    payments.port.charge(RUN, "ann", MONEY)
    assert [call.answer for call in payments.calls] == ["ok", error.__name__, "ok"]


def test_a_slow_call_is_answered_all_the_same() -> None:
    service, payments = register(Fault("charge", 1, FaultKind.SLOW))

    payments.port.charge(RUN, "ann", MONEY)

    assert service.charged == 1
    assert payments.effects == {("charge", "order-1"): 1}


def test_a_fault_lasts_as_many_calls_as_it_says() -> None:
    service, payments = register(Fault("charge", 1, FaultKind.THROTTLED, times=2))

    for _ in range(2):
        with pytest.raises(ClientError):
            payments.port.charge(RUN, "ann", MONEY)
    payments.port.charge(RUN, "ann", MONEY)

    assert service.charged == 1


def test_a_fault_of_one_order_leaves_the_others_alone() -> None:
    _, payments = register(
        Fault("charge", 2, FaultKind.DECLINED, times=FOREVER, order_id="order-2")
    )

    payments.port.charge(RUN, "ann", MONEY)
    payments.port.charge(OTHER, "ann", MONEY)
    payments.port.charge(RUN, "ann", MONEY)

    with pytest.raises(PaymentDeclinedError):
        payments.port.charge(OTHER, "ann", MONEY)


def test_a_refusal_can_be_lost_like_any_other_answer() -> None:
    service, payments = register(Fault("charge", 1, FaultKind.TIMEOUT_AFTER))

    with pytest.raises(ReadTimeoutError):
        payments.port.charge(RUN, "broke", MONEY)

    assert service.charged == 0
    assert not payments.calls[0].is_effective


def test_the_services_own_refusal_is_passed_on() -> None:
    _, payments = register()

    with pytest.raises(PaymentDeclinedError):
        payments.port.charge(RUN, "broke", MONEY)

    assert payments.calls == [Call("charge", "order-1", 1, "PaymentDeclinedError")]


def test_a_fault_for_a_method_that_nobody_has_is_turned_down() -> None:
    with pytest.raises(ValueError, match="chargeback"):
        register(Fault("chargeback", 1, FaultKind.SLOW))


def test_every_method_of_every_port_can_be_declined_for_good() -> None:
    ports = (Customers, Inventory, Payments, Fulfillment)
    methods = {name for port in ports for name in vars(port) if not name.startswith("_")}

    assert methods == DECLINES.keys()
    assert not any(is_transient(error("no")) for error in DECLINES.values())


def test_calls_of_several_threads_are_all_counted_and_only_one_meets_the_fault() -> None:
    _, payments = register(Fault("charge", 50, FaultKind.DECLINED))
    declined: list[PaymentDeclinedError] = []

    def pay(run: OrderRun) -> None:
        for _ in range(20):
            try:
                payments.port.charge(run, "ann", MONEY)
            except PaymentDeclinedError as error:
                declined.append(error)

    threads = [threading.Thread(target=pay, args=(OrderRun(f"o-{n}", 1),)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(payments.calls) == 100
    assert len(declined) == 1


def test_what_was_remembered_and_injected_can_be_forgotten() -> None:
    _, payments = register(Fault("charge", 1, FaultKind.DECLINED))
    with pytest.raises(PaymentDeclinedError):
        payments.port.charge(RUN, "ann", MONEY)

    payments.forget()

    payments.port.charge(RUN, "ann", MONEY)
    assert [call.answer for call in payments.calls] == ["ok"]
