"""Services that go wrong on command: every fault is a value, every call is remembered."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Generic, TypeVar, cast

from botocore.exceptions import ClientError, ReadTimeoutError

from functions.orders.customers import InvalidCustomerError
from functions.orders.fulfillment import ShipmentHasLeftError, ShipmentRefusedError
from functions.orders.inventory import (
    OutOfStockError,
    ReservationExpiredError,
    ReservationMissingError,
    UnknownSkuError,
)
from functions.orders.order_run import OrderRun
from functions.orders.payments import PaymentDeclinedError, PaymentStateError
from functions.shared.errors import PermanentError

PortT = TypeVar("PortT")

FOREVER = sys.maxsize


class FaultKind(StrEnum):
    """What goes wrong with a call."""

    # Answers, but later.
    SLOW = "slow"
    # Is turned away, or fails, before it does anything.
    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    # Gives no answer; only the second has done what it was asked for.
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    # Is refused for good, with the port's own error.
    DECLINED = "declined"


TRANSIENT = frozenset(FaultKind) - {FaultKind.SLOW, FaultKind.DECLINED}

DECLINES: Mapping[str, type[PermanentError]] = {
    "validate": InvalidCustomerError,
    "unknown_skus": UnknownSkuError,
    "reserve": OutOfStockError,
    "commit": ReservationExpiredError,
    "release": ReservationMissingError,
    "authorize": PaymentDeclinedError,
    "charge": PaymentDeclinedError,
    "capture": PaymentStateError,
    "void": PaymentStateError,
    "refund": PaymentStateError,
    "create": ShipmentRefusedError,
    "find": ShipmentRefusedError,
    "cancel": ShipmentHasLeftError,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with the *nth* call of a method, counted from 1, and the ones after it.

    With *order_id* only that order's calls are counted and met.
    """

    method: str
    nth: int
    kind: FaultKind
    times: int = 1
    order_id: str | None = None

    def meets(self, number: int) -> bool:
        return self.nth <= number < self.nth + self.times


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the caller made it.

    *answer* is what the caller got: `ok`, the name of an error, or None where it never came back.
    *is_effective*: the service did what it was asked for, whatever the caller knows of it.
    """

    method: str
    order_id: str | None
    attempt: int | None
    answer: str | None = None
    is_effective: bool = False


class FaultyService(Generic[PortT]):
    """Any service of a port, with faults put in between; may be called from several threads."""

    def __init__(
        self, service: PortT, faults: Iterable[Fault] = (), *, slowness_seconds: float = 0.01
    ) -> None:
        self._service = service
        self._slowness_seconds = slowness_seconds
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._calls: list[Call] = []
        # Of a method, and of a method for one order.
        self._numbers: Counter[tuple[str, str | None]] = Counter()
        self.inject(*faults)

    @property
    def port(self) -> PortT:
        """This service, as what it stands for."""
        return cast("PortT", self)

    @property
    def calls(self) -> list[Call]:
        """All calls in the order in which they began."""
        with self._lock:
            return list(self._calls)

    @property
    def effects(self) -> Counter[tuple[str, str | None]]:
        """How often each method did what it was asked for, for each order."""
        return Counter((call.method, call.order_id) for call in self.calls if call.is_effective)

    def inject(self, *faults: Fault) -> None:
        for fault in faults:
            if not hasattr(self._service, fault.method):
                raise ValueError(f"{type(self._service).__name__} has no method {fault.method}")
        with self._lock:
            self._faults += faults

    def forget(self) -> None:
        """Forget calls and faults."""
        with self._lock:
            self._faults.clear()
            self._calls.clear()
            self._numbers.clear()

    def __getattr__(self, method: str) -> Callable[..., Any]:
        # Only public methods are the port's; copying and pickling look for others.
        if method.startswith("_"):
            raise AttributeError(method)
        do = getattr(self._service, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            run = kwargs.get("run", args[0] if args else None)
            index, fault = self._begin(method, run if isinstance(run, OrderRun) else None)
            try:
                answer = self._do(lambda: do(*args, **kwargs), index, method, fault)
            except Exception as error:
                self._note(index, answer=type(error).__name__)
                raise
            self._note(index, answer="ok")
            return answer

        return call

    def _begin(self, method: str, run: OrderRun | None) -> tuple[int, FaultKind | None]:
        order_id = run.order_id if run else None
        with self._lock:
            # A call that concerns no order is counted once.
            self._numbers.update({(method, None), (method, order_id)})
            self._calls.append(Call(method, order_id, run.attempt if run else None))
            met = (
                fault.kind
                for fault in self._faults
                if fault.method == method
                and fault.order_id in {None, order_id}
                and fault.meets(self._numbers[method, fault.order_id])
            )
            return len(self._calls) - 1, next(met, None)

    def _do(
        self, effect: Callable[[], Any], index: int, method: str, fault: FaultKind | None
    ) -> Any:
        if fault is FaultKind.SLOW:
            time.sleep(self._slowness_seconds)
        elif fault is FaultKind.TIMEOUT_AFTER:
            self._answer_is_lost(effect, index)
            raise _error(fault, method)
        elif fault is not None:
            raise _error(fault, method)
        answer = effect()
        self._note(index, is_effective=True)
        return answer

    def _answer_is_lost(self, effect: Callable[[], Any], index: int) -> None:
        try:
            effect()
        except PermanentError:
            # A refusal is lost like any other answer.
            return
        self._note(index, is_effective=True)

    def _note(self, index: int, **what: Any) -> None:
        with self._lock:
            self._calls[index] = replace(self._calls[index], **what)


def _error(fault: FaultKind, method: str) -> Exception:
    if fault is FaultKind.DECLINED:
        return DECLINES[method]("refused on command")
    if fault is FaultKind.THROTTLED:
        return _client_error("ThrottlingException", 400, method)
    if fault is FaultKind.SERVER_ERROR:
        return _client_error("InternalServerError", 500, method)
    return ReadTimeoutError(endpoint_url="https://service.example")


def _client_error(code: str, status: int, method: str) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": "failed on command"},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "HTTPHeaders": {},
                "HostId": "",
                "RequestId": "",
                "RetryAttempts": 0,
            },
        },
        method,
    )
