"""The job type `order-transaction`: reserve, charge, ship; all of it or none of it."""

from aws_durable_execution_sdk_python import DurableContext

from functions.orders.inventory_steps import COMMITTING, RESERVING, commit, release, reserve
from functions.orders.order import Order
from functions.orders.order_run import OrderRun
from functions.orders.outcome import Fulfilled
from functions.orders.payment_steps import PAYING, charge, refund
from functions.orders.saga import Saga
from functions.orders.shipment_steps import SHIPPING, cancel, create
from functions.shared.durable_job import durable_job, job_run


@durable_job
def handler(order: Order, context: DurableContext) -> Fulfilled:
    """Fulfil the order, or undo what was done and fail with what went wrong."""
    run = OrderRun.of(job_run(context))
    with Saga(context) as saga:
        if run.attempt > 1:
            # An earlier attempt that was interrupted may have left any of it behind.
            saga.undo_with(release(run), refund(run), cancel(run))

        saga.undo_with(release(run))
        reservation = context.step(
            reserve(run, order.items), name="reserve-inventory", config=RESERVING
        )

        saga.undo_with(refund(run))
        context.step(
            charge(run, order.customer_id, order.total), name="charge-customer", config=PAYING
        )

        saga.undo_with(cancel(run))
        shipment = context.step(
            create(run, order.customer_id, reservation), name="create-shipment", config=SHIPPING
        )

        # Releasing puts committed stock back too: no undo of its own.
        context.step(commit(run), name="commit-inventory", config=COMMITTING)

    return Fulfilled.of(run, reservation, shipment)
