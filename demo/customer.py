"""The client: places an order and does to it all that a client does to a workflow."""

import asyncio
import time
from dataclasses import dataclass

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import TemporalError

from demo.order import TASK_QUEUE, Order, OrderWorkflow

# An order takes little more than its one-second timer. Who waits this long waits for a
# task that was lost, even on a busy machine.
PATIENCE_SECONDS = 60


class WrongAnswer(Exception):
    """A call succeeded, but not with the answer that this order must give."""


@dataclass
class Outcome:
    """How one order went, as its client saw it."""

    workflow_id: str
    step: str = "start"
    """The call that was made last: where it went wrong, if it did."""
    seconds: float | None = None
    """From the start to the result; None without a result."""
    problem: str | None = None


async def place_order(client: Client, workflow_id: str) -> Outcome:
    """Drives one order from its start until after its end. Never raises for a failed call."""
    outcome = Outcome(workflow_id)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await _drive(client, outcome)
    except TimeoutError:
        outcome.problem = f"{outcome.step}: no answer, {PATIENCE_SECONDS} s after the start"
    except (TemporalError, WrongAnswer) as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        outcome.problem = f"{outcome.step}: {type(error).__name__}: {error}{cause}"
    return outcome


async def _drive(client: Client, outcome: Outcome) -> None:
    first, second = "1 Old Road", f"2 New Street ({outcome.workflow_id})"
    order = Order(item="teapot", cents=4200, address=first)

    began = time.perf_counter()
    handle = await client.start_workflow(
        OrderWorkflow.run, order, id=outcome.workflow_id, task_queue=TASK_QUEUE
    )

    # Nobody has approved the payment, so the order cannot be further than this.
    outcome.step = "query while running"
    status = await handle.query(OrderWorkflow.status)
    if status not in ("received", "waiting for payment"):
        raise WrongAnswer(f"status is {status!r} before the payment")

    outcome.step = "update that must be refused"
    try:
        await handle.execute_update(OrderWorkflow.change_address, " ")
    except WorkflowUpdateFailedError:
        pass
    else:
        raise WrongAnswer("an empty address was accepted")

    outcome.step = "update"
    before = await handle.execute_update(OrderWorkflow.change_address, second)
    _expect(before, first)

    outcome.step = "signal"
    await handle.signal(OrderWorkflow.approve_payment)

    outcome.step = "result"
    receipt = await handle.result()
    outcome.seconds = time.perf_counter() - began
    _expect(receipt.address, second)

    outcome.step = "query after the end"
    _expect(await handle.query(OrderWorkflow.status), "shipped")


def _expect(answer: str, wanted: str) -> None:
    if answer != wanted:
        raise WrongAnswer(f"{answer!r} instead of {wanted!r}")
