"""A worker, as a process that can be told to end (SIGTERM), or killed. Its twin in Go is `go/`.

It also ends when its standard input does: then whoever started it is gone.
"""

import argparse
import asyncio
import os
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path

from demo.process import leave, log_to_stderr
from temporalio.client import Client
from temporalio.worker import PollerBehaviorSimpleMaximum, UnsandboxedWorkflowRunner, Worker

from work import Activities, Forgetful, OneActivity

GRACE = timedelta(seconds=10)
"""For the activities of a worker that ends: more than the load's take."""


def parse() -> argparse.Namespace:
    """Reads the command line. 0 leaves a choice to the SDK."""
    parser = argparse.ArgumentParser(description="Work on one task queue until told to end.")
    parser.add_argument("--address", required=True, metavar="HOST:PORT")
    parser.add_argument("--task-queue", required=True)
    parser.add_argument("--identity", required=True)
    parser.add_argument("--ready", type=Path, required=True, help="made once it polls")
    parser.add_argument("--activity-slots", type=int, default=0)
    parser.add_argument("--activity-pollers", type=int, default=0)
    parser.add_argument("--workflow-pollers", type=int, default=0, help="1: no sticky queue")
    parser.add_argument("--forget", type=float, default=0.0, metavar="PERCENT")
    return parser.parse_args()


def worker(client: Client, options: argparse.Namespace) -> Worker:
    """Has the SDK's defaults, but for what the options say and what is explained here."""
    chosen: dict[str, object] = {}
    if options.activity_slots:
        chosen["max_concurrent_activities"] = options.activity_slots
    if options.activity_pollers:
        pollers = PollerBehaviorSimpleMaximum(options.activity_pollers)
        chosen["activity_task_poller_behavior"] = pollers
    if options.workflow_pollers:
        pollers = PollerBehaviorSimpleMaximum(options.workflow_pollers)
        chosen["workflow_task_poller_behavior"] = pollers
    if options.workflow_pollers == 1:
        # A sticky queue would need a second one.
        chosen["max_cached_workflows"] = 0
    return Worker(
        client,
        task_queue=options.task_queue,
        workflows=[OneActivity],
        activities=[Activities(Forgetful(options.forget)).work],
        # An eager activity comes with the answer to a workflow task. Here every task is polled for.
        disable_eager_activity_execution=True,
        graceful_shutdown_timeout=GRACE,
        # By default heartbeats wait for most of their timeout; a busy machine makes them late.
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        # Python's sandbox costs more than all else that is measured.
        workflow_runner=UnsandboxedWorkflowRunner(),
        **chosen,  # type: ignore[arg-type]
    )


def end_with_parent() -> None:
    """Ends at once with the standard input."""
    sys.stdin.buffer.read()
    os._exit(3)


async def main(options: argparse.Namespace) -> None:
    """Works until SIGTERM."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    client = await Client.connect(options.address, identity=options.identity)
    async with worker(client, options):
        options.ready.touch()
        await told.wait()


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    log_to_stderr()
    asyncio.run(main(parse()))
    leave(0)
