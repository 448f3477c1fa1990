"""The job type `order-processing`: step by step, and able to say no."""

from dataclasses import replace

from aws_durable_execution_sdk_python import DurableContext

from functions.orders.customer_steps import VALIDATING, validate
from functions.orders.inventory_steps import COMMITTING, RESERVING, commit, release, reserve
from functions.orders.order import ProposedOrder
from functions.orders.order_run import OrderRun
from functions.orders.outcome import Fulfilled, Rejected
from functions.orders.payment_steps import PAYING, authorize, capture, refund, void
from functions.orders.saga import Saga
from functions.orders.shipment_steps import SHIPPING, cancel, create
from functions.shared.durable_job import durable_job, job_run


@durable_job
def handler(order: ProposedOrder, context: DurableContext) -> Fulfilled | Rejected:
    """Turn the order down, which is an answer, or fulfil it and take the money last."""
    run = OrderRun.of(job_run(context))
    with Saga(context) as saga:
        if run.attempt > 1:
            # An earlier attempt that was interrupted may have left any of it behind; in the order
            # of the dos below, for they keep their places.
            saga.undo_with(void(run), release(run), cancel(run), refund(run))

        rejection = context.step(validate(order), name="validate-order", config=VALIDATING)
        if rejection is not None:
            return replace(rejection, undone=tuple(saga.undo()))

        saga.undo_with(void(run))
        context.step(
            authorize(run, order.customer_id, order.total), name="authorize-payment", config=PAYING
        )

        saga.undo_with(release(run))
        reservation = context.step(
            reserve(run, order.items), name="allocate-inventory", config=RESERVING
        )

        saga.undo_with(cancel(run))
        shipment = context.step(
            create(run, order.customer_id, reservation), name="create-shipment", config=SHIPPING
        )

        saga.undo_with(refund(run))
        context.step(capture(run), name="capture-payment", config=PAYING)

        # Releasing puts committed stock back too: no undo of its own.
        context.step(commit(run), name="commit-inventory", config=COMMITTING)

    return Fulfilled.of(run, reservation, shipment)
