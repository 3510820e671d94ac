"""An online shop's orders: one workflow, its activities, its worker.

An ordinary Temporal application: it knows one address and nothing of what is behind it.
"""

import argparse
import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

TASK_QUEUE = "orders"


@dataclass
class Order:
    """What a customer asks for."""

    item: str
    cents: int
    address: str


@dataclass
class Receipt:
    """What a customer gets back."""

    parcel: str
    payment: str
    address: str


@activity.defn
async def reserve_stock(item: str) -> str:
    """Takes the item from the shelf; returns the reservation."""
    await asyncio.sleep(0.005)
    return f"one {item} from shelf 7"


@activity.defn
async def charge_card(cents: int) -> str:
    """Charges the customer; returns the payment's reference."""
    await asyncio.sleep(0.010)
    return f"paid {cents / 100:.2f}"


@activity.defn
async def ship(reservation: str, address: str) -> str:
    """Hands the parcel to the carrier; returns what the label says."""
    return f"{reservation}, to {address}"


@workflow.defn(name="Order")
class OrderWorkflow:
    """Reserve, wait for the payment's approval, charge, pack, ship."""

    @workflow.init
    def __init__(self, order: Order) -> None:
        self._address = order.address
        self._approved = False
        self._status = "received"

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """The order's life, from the customer's click to the carrier."""
        limit = timedelta(seconds=30)

        reservation = await workflow.execute_activity(
            reserve_stock, order.item, start_to_close_timeout=limit
        )
        self._status = "waiting for payment"
        await workflow.wait_condition(lambda: self._approved)

        payment = await workflow.execute_activity(
            charge_card, order.cents, start_to_close_timeout=limit
        )
        self._status = "packing"
        await workflow.sleep(timedelta(seconds=1))

        # From here on the address is on the parcel: change_address refuses.
        self._status = "shipping"
        parcel = await workflow.execute_activity(
            ship, args=[reservation, self._address], start_to_close_timeout=limit
        )
        self._status = "shipped"
        return Receipt(parcel=parcel, payment=payment, address=self._address)

    @workflow.signal
    def approve_payment(self) -> None:
        """The bank says yes."""
        self._approved = True

    @workflow.query
    def status(self) -> str:
        """How far the order is."""
        return self._status

    @workflow.update
    def change_address(self, address: str) -> str:
        """Sends the parcel somewhere else; returns the address before."""
        before, self._address = self._address, address
        return before

    @change_address.validator
    def _check_address(self, address: str) -> None:
        if not address.strip():
            raise ValueError("an address cannot be empty")
        if self._status in ("shipping", "shipped"):
            raise ValueError("the parcel is on its way")


def order_worker(client: Client) -> Worker:
    """The worker that runs orders, with the SDK's defaults."""
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[OrderWorkflow],
        activities=[reserve_stock, charge_card, ship],
    )


async def main() -> None:
    """Works on orders until it is stopped."""
    parser = argparse.ArgumentParser(description="Run a worker for orders.")
    parser.add_argument("--address", default="localhost:7233", metavar="HOST:PORT")
    client = await Client.connect(parser.parse_args().address)
    print("Working on orders. Ctrl-C stops it.", flush=True)
    await order_worker(client).run()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
