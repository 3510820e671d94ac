"""The load: starts workflows, waits for their results, writes down how long each took.

At a rate, whatever becomes of those before (`--rate`, `--workflows`), or so that a number is always
in flight (`--in-flight`, `--seconds`). One line of JSON for each workflow.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from demo.process import leave, log_to_stderr
from temporalio.client import Client
from temporalio.exceptions import TemporalError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from work import WORKFLOW, Work


class Load:
    """What all of its workflows have in common, and what became of them."""

    def __init__(self, client: Client, options: argparse.Namespace) -> None:
        self._client = client
        self._options = options
        self._work = Work(**json.loads(options.work))
        self._began = time.monotonic()
        self._out = options.out.open("w")

    async def at_rate(self) -> None:
        """Starts each workflow at its time; comes back when all have ended."""
        rate, count = self._options.rate, self._options.workflows
        running = []
        for number in range(count):
            await asyncio.sleep(self._began + number / rate - time.monotonic())
            running.append(asyncio.create_task(self._one(number)))
        await asyncio.gather(*running)

    async def in_flight(self) -> None:
        """Starts one whenever one ends, until the time is over."""
        numbers = iter(range(10**9))

        async def one_after_the_other() -> None:
            while time.monotonic() < self._began + self._options.seconds:
                await self._one(next(numbers))

        await asyncio.gather(*(one_after_the_other() for _ in range(self._options.in_flight)))

    async def _one(self, number: int) -> None:
        workflow_id = f"{self._options.prefix}-{number:05}"
        began = time.monotonic()
        seconds = problem = None
        try:
            async with asyncio.timeout(self._options.patience):
                await patiently(lambda: self._start(workflow_id))
                await patiently(self._client.get_workflow_handle(workflow_id).result)
                seconds = time.monotonic() - began
        except TimeoutError:
            problem = f"no result {self._options.patience:.0f} s after its start"
        except (TemporalError, RPCError) as error:
            cause = f" ({error.__cause__})" if error.__cause__ else ""
            problem = f"{type(error).__name__}: {error}{cause}"
        at = began - self._began
        line = {"id": workflow_id, "at": at, "seconds": seconds, "problem": problem}
        self._out.write(json.dumps(line) + "\n")

    async def _start(self, workflow_id: str) -> None:
        try:
            await self._client.start_workflow(
                WORKFLOW,
                self._work,
                id=workflow_id,
                task_queue=self._options.task_queue,
                # What is left open ends by itself, and disturbs no later round.
                execution_timeout=timedelta(seconds=2 * self._options.patience),
            )
        except WorkflowAlreadyStartedError:
            # By an earlier try, whose answer was lost with the connection.
            pass

    def close(self) -> None:
        """Everything is in the file."""
        self._out.close()


async def patiently(call: Callable[[], Awaitable[object]]) -> None:
    """Makes a call again while nobody can take it, as a client does that waits for its cluster."""
    while True:
        try:
            await call()
            return
        except RPCError as error:
            if error.status not in (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED):
                raise
        await asyncio.sleep(0.2)


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Start workflows and wait for their results.")
    parser.add_argument("--address", required=True, metavar="HOST:PORT")
    parser.add_argument("--task-queue", required=True)
    parser.add_argument("--prefix", required=True, help="of the workflow ids")
    parser.add_argument("--work", required=True, metavar="JSON", help="see work.py")
    parser.add_argument("--patience", type=float, required=True, metavar="SECONDS")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rate", type=float, metavar="PER_SECOND")
    parser.add_argument("--workflows", type=int)
    parser.add_argument("--in-flight", type=int)
    parser.add_argument("--seconds", type=float)
    return parser.parse_args()


async def main(options: argparse.Namespace) -> None:
    """The whole load."""
    load = Load(await Client.connect(options.address), options)
    await (load.in_flight() if options.in_flight else load.at_rate())
    load.close()


if __name__ == "__main__":
    log_to_stderr()
    asyncio.run(main(parse()))
    leave(0)
