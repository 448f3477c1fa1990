import contextlib
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from functions.orders.order import Money
from functions.orders.order_run import (
    OrderConflictError,
    OrderRun,
    OrderSupersededError,
    OrderUndoneError,
)
from functions.orders.payment_record import Transfer
from functions.orders.payment_table import PaymentTable
from functions.orders.payments import (
    PaymentContendedError,
    PaymentDeclinedError,
    Payments,
    PaymentStateError,
    PaymentStatus,
)
from functions.shared.errors import PermanentError
from tests.functions.orders.services_kit import Fault, FaultKind
from tests.functions.orders.shop import CUSTOMER, EUROS, Shop
from tests.functions.orders.tables import PAYMENTS

FIRST = OrderRun("order-1", 1)
SECOND = OrderRun("order-1", 2)
OPENING = 1_000
MONEY = Money(400, EUROS)

Do = Callable[[Payments, OrderRun], Any]

DOS: dict[str, Do] = {
    "authorize": lambda payments, run: payments.authorize(run, CUSTOMER, MONEY),
    "capture": lambda payments, run: payments.capture(run),
    "charge": lambda payments, run: payments.charge(run, CUSTOMER, MONEY),
}
UNDOS: dict[str, Do] = {
    "void": lambda payments, run: payments.void(run),
    "refund": lambda payments, run: payments.refund(run),
}
CALLS = DOS | UNDOS
# Ways to get to where a call finds something: what was done before it, by the first attempt.
HISTORIES = [
    (),
    ("authorize",),
    ("charge",),
    ("authorize", "capture"),
    ("authorize", "void"),
    ("charge", "refund"),
    ("void",),
]


@pytest.fixture
def bank(shop: Shop) -> Shop:
    """A shop with one customer, who has money."""
    shop.welcome(amount=OPENING)
    return shop


@pytest.fixture
def payments(bank: Shop) -> PaymentTable:
    return bank.payment_table


def answer(call: Callable[[], Any]) -> Any:
    """What a caller gets: a value, or the error's class."""
    try:
        return call()
    except PermanentError as error:
        return type(error)


def block(bank: Shop) -> None:
    bank.client.update_item(
        TableName=PAYMENTS,
        Key={"pk": {"S": f"ACCOUNT#{CUSTOMER}"}, "sk": {"S": "ACCOUNT"}},
        UpdateExpression="SET is_blocked = :yes",
        ExpressionAttributeValues={":yes": {"BOOL": True}},
    )


def prepare(payments: Payments, history: tuple[str, ...]) -> None:
    for name in history:
        CALLS[name](payments, FIRST)


def test_authorized_money_is_held_and_captured_money_is_taken(
    bank: Shop, payments: PaymentTable
) -> None:
    authorized = payments.authorize(FIRST, CUSTOMER, MONEY)
    assert bank.snapshot().balances == {"order-1": {"customer": -400, "held": 400}}

    captured = payments.capture(FIRST)

    assert authorized is PaymentStatus.AUTHORIZED
    assert captured is PaymentStatus.CAPTURED
    assert bank.snapshot().balances == {"order-1": {"customer": -400, "merchant": 400}}
    assert bank.snapshot().accounts == {CUSTOMER: 600}


def test_a_charge_is_both_in_one_movement(bank: Shop, payments: PaymentTable) -> None:
    status = payments.charge(FIRST, CUSTOMER, MONEY)

    assert status is PaymentStatus.CAPTURED
    assert bank.snapshot().balances == {"order-1": {"customer": -400, "merchant": 400}}
    bank.check_invariants()


def test_a_charge_takes_what_the_same_attempt_holds(bank: Shop, payments: PaymentTable) -> None:
    payments.authorize(FIRST, CUSTOMER, MONEY)

    payments.charge(FIRST, CUSTOMER, MONEY)

    assert bank.snapshot().accounts == {CUSTOMER: 600}
    assert bank.effects("order-1") == {"captured"}


@pytest.mark.parametrize(("do", "undo"), [("authorize", "void"), ("charge", "refund")])
def test_an_undo_gives_the_money_back_and_says_so_however_often_it_is_asked(
    bank: Shop, payments: PaymentTable, do: str, undo: str
) -> None:
    before = bank.snapshot()
    CALLS[do](payments, FIRST)

    assert [CALLS[undo](payments, FIRST) for _ in range(3)] == [True, True, True]

    assert bank.snapshot() == before
    bank.check_invariants()


@pytest.mark.parametrize("undo", UNDOS)
@pytest.mark.parametrize("do", DOS)
def test_a_do_that_comes_after_its_undo_moves_no_money(
    bank: Shop, payments: PaymentTable, do: str, undo: str
) -> None:
    before = bank.snapshot()

    assert [CALLS[undo](payments, FIRST) for _ in range(2)] == [False, False]

    with pytest.raises(OrderUndoneError):
        CALLS[do](payments, FIRST)
    assert bank.snapshot() == before


def test_a_refund_leaves_held_money_held_and_keeps_it_from_being_captured(
    bank: Shop, payments: PaymentTable
) -> None:
    payments.authorize(FIRST, CUSTOMER, MONEY)

    assert payments.refund(FIRST) is False

    assert bank.effects("order-1") == {"authorized"}
    with pytest.raises(OrderUndoneError):
        payments.capture(FIRST)
    assert payments.void(FIRST) is True
    assert bank.snapshot().accounts == {CUSTOMER: OPENING}


def test_a_void_leaves_captured_money_taken(bank: Shop, payments: PaymentTable) -> None:
    payments.charge(FIRST, CUSTOMER, MONEY)

    assert payments.void(FIRST) is False

    assert bank.effects("order-1") == {"captured"}
    assert payments.refund(FIRST) is True


@pytest.mark.parametrize("history", [("authorize",), ("charge",)])
def test_a_retry_takes_over_what_an_interrupted_attempt_left(
    bank: Shop, payments: PaymentTable, history: tuple[str, ...]
) -> None:
    prepare(payments, history)
    before = bank.snapshot()

    status = payments.authorize(SECOND, CUSTOMER, MONEY)

    assert bank.snapshot() == before
    assert (
        status
        == {
            "authorize": PaymentStatus.AUTHORIZED,
            "charge": PaymentStatus.CAPTURED,
        }[history[0]]
    )
    assert payments.capture(SECOND) is PaymentStatus.CAPTURED
    bank.check_invariants()


@pytest.mark.parametrize("history", [("authorize", "refund"), ("charge", "void")])
def test_a_retry_takes_over_what_an_undo_in_vain_left(
    bank: Shop, payments: PaymentTable, history: tuple[str, ...]
) -> None:
    prepare(payments, history)

    payments.charge(SECOND, CUSTOMER, MONEY)

    assert bank.snapshot().accounts == {CUSTOMER: 600}
    assert bank.effects("order-1") == {"captured"}


@pytest.mark.parametrize("history", [("authorize", "void"), ("charge", "refund"), ("void",)])
def test_a_retry_charges_anew_what_was_undone(
    bank: Shop, payments: PaymentTable, history: tuple[str, ...]
) -> None:
    prepare(payments, history)

    payments.charge(SECOND, CUSTOMER, MONEY)

    assert bank.snapshot().accounts == {CUSTOMER: 600}
    bank.check_invariants()


@pytest.mark.parametrize("history", [("authorize", "void"), ("charge", "refund")])
@pytest.mark.parametrize("undo", UNDOS)
def test_a_retry_does_not_call_its_own_what_an_earlier_attempt_gave_back(
    payments: PaymentTable, history: tuple[str, ...], undo: str
) -> None:
    prepare(payments, history)

    assert [CALLS[undo](payments, SECOND) for _ in range(2)] == [False, False]


@pytest.mark.parametrize("begun", CALLS)
@pytest.mark.parametrize("late", CALLS)
def test_once_a_newer_attempt_has_begun_an_older_one_changes_nothing(
    bank: Shop, payments: PaymentTable, begun: str, late: str
) -> None:
    payments.authorize(FIRST, CUSTOMER, MONEY)
    CALLS[begun](payments, SECOND)
    before = bank.snapshot()

    got = answer(lambda: CALLS[late](payments, FIRST))

    assert got is (False if late in UNDOS else OrderSupersededError)
    assert bank.snapshot() == before


@pytest.mark.parametrize("history", [(), ("authorize", "void")])
def test_there_is_nothing_to_capture_where_nothing_is_held(
    payments: PaymentTable, history: tuple[str, ...]
) -> None:
    prepare(payments, history)

    with pytest.raises(PaymentStateError, match="no money is held"):
        payments.capture(SECOND)


@pytest.mark.parametrize("history", [("authorize",), ("charge",)])
@pytest.mark.parametrize("run", [FIRST, SECOND])
@pytest.mark.parametrize(
    ("customer_id", "money"),
    [
        ("customer-2", MONEY),
        (CUSTOMER, Money(401, EUROS)),
        (CUSTOMER, Money(400, "USD")),
    ],
)
def test_an_order_has_one_payment_and_refuses_another(
    bank: Shop,
    payments: PaymentTable,
    history: tuple[str, ...],
    run: OrderRun,
    customer_id: str,
    money: Money,
) -> None:
    bank.welcome("customer-2")
    prepare(payments, history)
    before = bank.snapshot()

    for do in (payments.authorize, payments.charge):
        with pytest.raises(OrderConflictError, match="other money or another customer"):
            do(run, customer_id, money)

    assert bank.snapshot() == before


@pytest.mark.parametrize("amount", [0, -400])
def test_nobody_is_paid_by_ordering(bank: Shop, payments: PaymentTable, amount: int) -> None:
    before = bank.snapshot()

    for do in (payments.authorize, payments.charge):
        with pytest.raises(PaymentStateError):
            do(FIRST, CUSTOMER, Money(amount, EUROS))

    assert bank.snapshot() == before


@pytest.mark.parametrize("do", ["authorize", "charge"])
@pytest.mark.parametrize(
    ("account", "words"),
    [
        (None, "no account"),
        ({"is_blocked": True}, "blocked"),
        ({"currency": "USD"}, "another currency"),
        ({"amount": 399}, "not enough money"),
    ],
)
def test_a_decline_says_why_and_moves_no_money(
    shop: Shop, do: str, account: dict[str, Any] | None, words: str
) -> None:
    if account is not None:
        shop.welcome(**account)
    before = shop.snapshot()

    with pytest.raises(PaymentDeclinedError, match=words) as declined:
        CALLS[do](shop.payment_table, FIRST)

    assert shop.snapshot() == before
    assert not any(character.isdigit() for character in str(declined.value))


def test_the_last_cent_can_be_spent_and_not_one_more(bank: Shop, payments: PaymentTable) -> None:
    payments.charge(FIRST, CUSTOMER, Money(OPENING, EUROS))

    assert bank.snapshot().accounts == {CUSTOMER: 0}
    with pytest.raises(PaymentDeclinedError):
        payments.charge(OrderRun("order-2", 1), CUSTOMER, Money(1, EUROS))


def test_a_declined_order_can_be_paid_once_there_is_money(shop: Shop) -> None:
    with pytest.raises(PaymentDeclinedError):
        shop.payment_table.charge(FIRST, CUSTOMER, MONEY)

    shop.welcome(amount=OPENING)

    assert shop.payment_table.charge(FIRST, CUSTOMER, MONEY) is PaymentStatus.CAPTURED


@pytest.mark.parametrize(("do", "undo"), [("authorize", "void"), ("charge", "refund")])
def test_money_goes_back_to_a_blocked_account(bank: Shop, do: str, undo: str) -> None:
    CALLS[do](bank.payment_table, FIRST)
    block(bank)

    assert CALLS[undo](bank.payment_table, FIRST) is True
    assert bank.snapshot().accounts == {CUSTOMER: OPENING}


def test_money_stays_where_it_is_when_its_account_is_gone(bank: Shop) -> None:
    bank.payment_table.charge(FIRST, CUSTOMER, MONEY)
    bank.client.delete_item(
        TableName=PAYMENTS, Key={"pk": {"S": f"ACCOUNT#{CUSTOMER}"}, "sk": {"S": "ACCOUNT"}}
    )

    with pytest.raises(PaymentStateError, match="gone"):
        bank.payment_table.refund(FIRST)

    assert bank.effects("order-1") == {"captured"}


def test_an_account_is_opened_once(bank: Shop, payments: PaymentTable) -> None:
    payments.charge(FIRST, CUSTOMER, MONEY)

    assert payments.open_account(CUSTOMER, Money(OPENING, EUROS)) is False

    assert bank.snapshot().accounts == {CUSTOMER: 600}


class Interfered(PaymentTable):
    """Somebody acts each time after a payment was read, and before it is written."""

    def __init__(self, bank: Shop, interfere: Callable[[], object], *, times: int = 1) -> None:
        super().__init__(bank.client, PAYMENTS)
        self._interfere = interfere
        self._times = times

    def _refusal(self, transfer: Transfer | None) -> PermanentError | None:
        if self._times:
            self._times -= 1
            self._interfere()
        return super()._refusal(transfer)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("history", HISTORIES)
def test_a_call_between_reading_and_writing_counts_as_one_before(
    bank: Shop, payments: PaymentTable, history: tuple[str, ...], name: str
) -> None:
    call = CALLS[name]
    prepare(payments, history)
    go_back = bank.remember()
    seen: list[str] = []
    answer(lambda: call(Interfered(bank, lambda: seen.append(name)), FIRST))
    others = [(other, run) for other in CALLS.values() for run in (FIRST, SECOND)]

    # Where the call writes nothing, nothing can come in between.
    for other, run in others if seen else []:
        act = partial(answer, partial(other, payments, run))
        go_back()
        act()
        expected = answer(partial(call, payments, FIRST)), bank.snapshot()

        go_back()
        got = answer(partial(call, Interfered(bank, act), FIRST)), bank.snapshot()

        assert got == expected
        bank.check_invariants()


def test_a_decline_gives_way_to_a_charge_that_went_through_meanwhile(bank: Shop) -> None:
    money = Money(OPENING, EUROS)
    interfered = Interfered(bank, lambda: bank.payment_table.charge(FIRST, CUSTOMER, money))

    assert interfered.charge(FIRST, CUSTOMER, money) is PaymentStatus.CAPTURED


class Overtaken(Interfered):
    """Somebody acts even later: once the account was found to hold enough."""

    def _refusal(self, transfer: Transfer | None) -> PermanentError | None:
        return PaymentTable._refusal(self, transfer)

    def _writes(self, *args: Any) -> Any:
        if self._times:
            self._times -= 1
            self._interfere()
        return super()._writes(*args)


def test_money_that_another_order_was_faster_to_spend_is_not_spent_again(bank: Shop) -> None:
    other = OrderRun("order-2", 1)
    overtaken = Overtaken(
        bank, lambda: bank.payment_table.charge(other, CUSTOMER, Money(700, EUROS))
    )

    with pytest.raises(PaymentDeclinedError, match="not enough money"):
        overtaken.charge(FIRST, CUSTOMER, MONEY)

    assert bank.snapshot().accounts == {CUSTOMER: 300}
    bank.check_invariants()


def test_an_account_that_is_blocked_at_the_last_moment_is_not_charged(bank: Shop) -> None:
    overtaken = Overtaken(bank, lambda: block(bank))

    with pytest.raises(PaymentDeclinedError, match="blocked"):
        overtaken.charge(FIRST, CUSTOMER, MONEY)


def test_the_ledger_alone_keeps_a_movement_from_happening_twice(bank: Shop) -> None:
    bank.payment_table.charge(FIRST, CUSTOMER, MONEY)
    bank.client.delete_item(
        TableName=PAYMENTS, Key={"pk": {"S": "PAYMENT#order-1"}, "sk": {"S": "PAYMENT"}}
    )

    with pytest.raises(PaymentContendedError):
        bank.payment_table.charge(FIRST, CUSTOMER, MONEY)

    assert bank.snapshot().accounts == {CUSTOMER: 600}


def test_who_is_overtaken_again_and_again_is_told_to_ask_later(bank: Shop) -> None:
    attempts = iter(range(1, 50))
    interfered = Interfered(
        bank, lambda: bank.payment_table.void(OrderRun("order-1", next(attempts))), times=50
    )

    with pytest.raises(PaymentContendedError):
        interfered.charge(OrderRun("order-1", 100), CUSTOMER, MONEY)

    assert bank.snapshot().accounts == {CUSTOMER: OPENING}


class Killed(BaseException):
    """The process is gone."""


class Killer:
    """Ends the process at the *nth* call of AWS: before it is sent, or once it is done."""

    def __init__(self, call: Callable[..., Any], nth: int, *, is_done: bool) -> None:
        self._call = call
        self._left = nth
        self._is_done = is_done
        self.has_struck = False

    def __call__(self, *args: Any) -> Any:
        self._left -= 1
        if self._left:
            return self._call(*args)
        self.has_struck = True
        if self._is_done:
            self._call(*args)
        raise Killed


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("history", HISTORIES)
def test_a_call_that_died_anywhere_is_finished_by_asking_again(
    bank: Shop, monkeypatch: pytest.MonkeyPatch, history: tuple[str, ...], name: str
) -> None:
    ask = partial(answer, partial(CALLS[name], bank.payment_table, FIRST))
    prepare(bank.payment_table, history)
    go_back = bank.remember()
    undisturbed = ask(), bank.snapshot()

    for nth in itertools.count(1):
        for is_done in (False, True):
            go_back()
            with monkeypatch.context() as patch:
                killer = Killer(bank.client._make_api_call, nth, is_done=is_done)  # type: ignore[attr-defined]
                patch.setattr(bank.client, "_make_api_call", killer)
                with contextlib.suppress(Killed):
                    ask()
            if killer.has_struck:
                assert (ask(), bank.snapshot()) == undisturbed
                bank.check_invariants()
        if not killer.has_struck:
            assert nth > 1, "it never was at risk"
            break


@pytest.mark.parametrize("do", ["authorize", "charge"])
def test_money_moves_once_when_many_ask_at_the_same_moment(bank: Shop, do: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(lambda _: CALLS[do](bank.payment_table, FIRST), range(16), timeout=30)
        )

    assert len(set(answers)) == 1
    assert bank.snapshot().accounts == {CUSTOMER: 600}
    bank.check_invariants()


def test_an_account_is_never_overdrawn_by_orders_that_come_at_once(bank: Shop) -> None:
    def charge(number: int) -> Any:
        run = OrderRun(f"order-{number}", 1)
        return answer(lambda: bank.payment_table.charge(run, CUSTOMER, MONEY))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(charge, range(12), timeout=30))

    assert answers.count(PaymentDeclinedError) == 10
    assert bank.snapshot().accounts == {CUSTOMER: 200}
    bank.check_invariants()


runs = st.builds(OrderRun, st.sampled_from(["order-1", "order-2"]), st.integers(1, 3))
monies = st.sampled_from([MONEY, MONEY, MONEY, Money(700, EUROS), Money(5, "USD")])
customers = st.sampled_from([CUSTOMER, CUSTOMER, CUSTOMER, "customer-2", "stranger"])
lost_answers = st.sampled_from([None, None, FaultKind.TIMEOUT_BEFORE, FaultKind.TIMEOUT_AFTER])


class PaymentMachine(RuleBasedStateMachine):
    """Any calls, in any order, by any attempt, with answers that get lost."""

    bank: Shop

    def __init__(self) -> None:
        super().__init__()
        self.bank.clear()
        self.bank.welcome(amount=OPENING)
        self.bank.welcome("customer-2", amount=500)
        # The newest attempt that acted, and the newest that undid, of each order.
        self.newest: dict[str, int] = {}
        self.undone: dict[str, int] = {}

    @rule(run=runs, customer_id=customers, money=monies, lost=lost_answers)
    def authorize(
        self, run: OrderRun, customer_id: str, money: Money, lost: FaultKind | None
    ) -> None:
        self.do("authorize", run, lost, customer_id, money)

    @rule(run=runs, customer_id=customers, money=monies, lost=lost_answers)
    def charge(self, run: OrderRun, customer_id: str, money: Money, lost: FaultKind | None) -> None:
        self.do("charge", run, lost, customer_id, money)

    @rule(run=runs, lost=lost_answers)
    def capture(self, run: OrderRun, lost: FaultKind | None) -> None:
        self.do("capture", run, lost)

    @rule(run=runs, lost=lost_answers)
    def void(self, run: OrderRun, lost: FaultKind | None) -> None:
        self.undo("void", run, lost)

    @rule(run=runs, lost=lost_answers)
    def refund(self, run: OrderRun, lost: FaultKind | None) -> None:
        self.undo("refund", run, lost)

    @rule(run=runs)
    def give_up(self, run: OrderRun) -> None:
        self.undo("refund", run, None)
        self.undo("void", run, None)

        if run.attempt >= self.newest[run.order_id]:
            assert self.bank.effects(run.order_id) == frozenset()

    def do(self, method: str, run: OrderRun, lost: FaultKind | None, *args: Any) -> None:
        before = self.bank.snapshot()
        got = self.ask(method, run, lost, *args)

        if run.attempt < self.newest.get(run.order_id, 0):
            assert got is OrderSupersededError
        elif run.attempt == self.undone.get(run.order_id):
            assert got is OrderUndoneError
        elif isinstance(got, PaymentStatus):
            self.newest[run.order_id] = run.attempt
            expected = {"authorized"} if got is PaymentStatus.AUTHORIZED else {"captured"}
            assert self.bank.effects(run.order_id) == expected
        else:
            assert got in {OrderConflictError, PaymentDeclinedError, PaymentStateError}
        if not isinstance(got, PaymentStatus):
            assert self.bank.snapshot() == before

    def undo(self, method: str, run: OrderRun, lost: FaultKind | None) -> None:
        before = self.bank.snapshot()
        got = self.ask(method, run, lost)

        if run.attempt < self.newest.get(run.order_id, 0):
            assert got is False
            assert self.bank.snapshot() == before
        else:
            self.newest[run.order_id] = self.undone[run.order_id] = run.attempt

    def ask(self, method: str, run: OrderRun, lost: FaultKind | None, *args: Any) -> Any:
        """Ask until there is an answer, and once more: it is the same, and nothing moves."""
        self.bank.payments.forget()
        if lost is not None:
            self.bank.payments.inject(Fault(method, 1, lost))
        call = getattr(self.bank.payments.port, method)
        if lost is not None:
            with pytest.raises(Exception, match="Read timeout"):
                call(run, *args)
        got = answer(lambda: call(run, *args))
        after = self.bank.snapshot()
        assert answer(lambda: call(run, *args)) == got
        assert self.bank.snapshot() == after
        return got

    @invariant()
    def the_books_are_in_order(self) -> None:
        self.bank.check_invariants()


@pytest.mark.matrix
def test_the_books_stay_in_order_whatever_is_asked(open_shop: Shop) -> None:
    class Machine(PaymentMachine):
        bank = open_shop

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    open_shop.clear()
