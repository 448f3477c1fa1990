"""The job type `order-orchestration`: the order's way through four functions of their own."""

from aws_durable_execution_sdk_python import DurableContext

from functions.orders.fulfillment import Shipment
from functions.orders.inventory import Reservation
from functions.orders.order import Order
from functions.orders.order_run import OrderRun
from functions.orders.outcome import Fulfilled
from functions.orders.saga import Saga
from functions.orders.service_calls import (
    call,
    cancel,
    charge,
    commit,
    refund,
    release,
    reserve,
    ship,
    validate,
)
from functions.shared.durable_job import durable_job, job_run


@durable_job
def handler(order: Order, context: DurableContext) -> Fulfilled:
    """Fulfil the order by its services, or have them undo what they did and fail."""
    run = OrderRun.of(job_run(context))
    with Saga(context) as saga:
        if run.attempt > 1:
            # An earlier attempt that was interrupted may have left any of it behind; in the order
            # of the dos below, for they keep their places.
            saga.undo_with(release(run), refund(run), cancel(run))

        call(context, validate(run, order), name="validate-customer")

        saga.undo_with(release(run))
        reserved = call(context, reserve(run, order), name="check-inventory")
        reservation = Reservation.from_event(reserved)

        saga.undo_with(refund(run))
        call(context, charge(run, order), name="process-payment")

        saga.undo_with(cancel(run))
        shipped = call(context, ship(run, order, reservation), name="create-shipment")

        # Releasing puts committed stock back too: no undo of its own.
        call(context, commit(run), name="commit-inventory")

    return Fulfilled.of(run, reservation, Shipment.from_event(shipped))
