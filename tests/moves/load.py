"""The load: clients with the SDK's defaults. Says "ready", reads the names of phases, a line each, from the standard
input, and at its end writes what was seen to the standard output, as JSON.

    python load.py ADDRESS NAME     NAME makes this load's ids differ from another's
"""

import asyncio
import json
import logging
import os
import sys
from dataclasses import replace

from temporalio.client import Client
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    MetricBuffer,
    Runtime,
    TelemetryConfig,
)

from actors import Entity, Fresh, Scheduled
from book import Book
from policies import PAIRS, Pair

FRESH = 2
ENTITIES = 4
SCHEDULES = 2


async def main(address: str, name: str) -> Book:
    """Works until the input ends, and then until each actor has brought its step to an end."""
    buffer = MetricBuffer(1_000_000)
    logs = replace(
        LoggingConfig.default, forwarding=LogForwardingConfig(logging.getLogger("temporalio"))
    )
    runtime = Runtime(telemetry=TelemetryConfig(logging=logs, metrics=buffer))
    book = Book(buffer)
    client = await Client.connect(address, runtime=runtime)
    actors = [
        *(Fresh(book, client, f"{name}-{number}") for number in range(FRESH)),
        *(Entity(book, client, f"{name}-{number}") for number in range(ENTITIES)),
        *(Scheduled(book, client, f"{name}-{number}") for number in range(SCHEDULES)),
        *(Pair(book, client, name, reuse, conflict) for reuse, conflict in PAIRS),
    ]
    steps = [
        asyncio.create_task(book.until_stopped(type(actor).__name__, actor.step))
        for actor in actors
    ]
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        book.begin(line.strip())
    book.stopping = True
    await asyncio.gather(*steps)
    return book


if __name__ == "__main__":
    seen = asyncio.run(main(sys.argv[1], sys.argv[2]))
    print(json.dumps(seen.as_json()), flush=True)
    # Not by sys.exit: the SDK's threads may still run while that takes the interpreter down.
    os._exit(0)
