"""A worker with the SDK's defaults. It ends with its standard input."""

import asyncio
import sys

from temporalio.client import Client
from temporalio.worker import Worker

from workflows import TASK_QUEUE, Account, Greets, Tick, greet


async def main(address: str) -> None:
    """Works until nobody wants it any more."""
    client = await Client.connect(address)
    workflows = [Account, Greets, Tick]
    async with Worker(client, task_queue=TASK_QUEUE, workflows=workflows, activities=[greet]):
        await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
