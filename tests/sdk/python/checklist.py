"""Every feature of an unchanged Temporal SDK, checked end to end at one address.

The README says how to run it; `main` is the road of a run.
"""

import asyncio
import os
import sys
import time
from argparse import Namespace
from uuid import uuid4

from temporalio.client import Client
from temporalio.worker import Worker

import activities
import checks_activity  # noqa: F401  (importing a file registers its checks)
import checks_async_activity  # noqa: F401
import checks_commands  # noqa: F401
import checks_history  # noqa: F401
import checks_lifecycle  # noqa: F401
import checks_message  # noqa: F401
import checks_nexus  # noqa: F401
import checks_versions  # noqa: F401
import checks_views  # noqa: F401
import options
import pace
import report
import workflows
from clusters import Cluster, Homes
from context import Context
from health import health_rows
from nexus_service import GreeterHandler
from placement import placement_rows
from registry import CHECKS, Check, Row, run_check

STOPS = "the worker stops when told"
STOP_SECONDS = 30
"""For the worker to stop, which waits for the last of its polls."""


async def main(wanted: Namespace) -> bool:
    """Run the checks, look at what they left behind, print; True if all is well."""
    names = [check.name for check in CHECKS]
    if unknown := set(wanted.without) - set(names):
        sys.exit(f"no check is named {sorted(unknown)}; there are: {names}")
    checks = [
        check
        for check in CHECKS
        if wanted.only in check.name and check.name not in wanted.without
    ]
    if not checks:
        sys.exit(f"no check has {wanted.only!r} in its name; there are: {names}")
    client = await Client.connect(wanted.address, namespace=wanted.namespace)
    clusters = [
        Cluster(
            option.name,
            await Client.connect(
                option.address, namespace=option.namespace or wanted.namespace
            ),
        )
        for option in wanted.cluster
    ]
    homes = Homes(wanted.pools)
    task_queue = f"checklist-{uuid4().hex[:8]}"
    contexts = [
        Context(client, cluster, homes, task_queue)
        for cluster in clusters
        if cluster.name in wanted.pools
    ]
    # All defaults: what is checked is what users run.
    worker = Worker(
        client,
        task_queue=task_queue,
        workflows=workflows.ALL,
        activities=activities.ALL,
        nexus_service_handlers=[GreeterHandler()],
    )
    rows = await run_checks(worker, checks, contexts, wanted.timeout)
    rows += await placement_rows(clusters, homes)
    rows += await health_rows(clusters, homes)

    print(report.table(rows, [cluster.name for cluster in clusters]))
    if wanted.json:
        report.write_json(rows, wanted.json)
    return not any(row.error for row in rows)


async def run_checks(
    worker: Worker, checks: list[Check], contexts: list[Context], timeout: float
) -> list[Row]:
    """Run every check on every cluster, then stop the worker."""
    rows: list[Row] = []
    stopping = 0.0
    error = None
    try:
        # Leaving the inner block stops the worker; only that has this limit.
        async with asyncio.timeout(None) as limit:
            async with worker:
                rows = await pace.gather(
                    run_check(check, context, timeout)
                    for check in checks
                    for context in contexts
                )
                stopping = time.monotonic()
                limit.reschedule(asyncio.get_running_loop().time() + STOP_SECONDS)
    except TimeoutError:
        error = f"it still ran {STOP_SECONDS} s later"
    seconds = time.monotonic() - stopping
    # Its polls go to every cluster, so this is a row for each of them.
    return rows + [Row(STOPS, ctx.cluster.name, seconds, error) for ctx in contexts]


if __name__ == "__main__":
    good = asyncio.run(main(options.parse()))
    sys.stdout.flush()
    # Not by sys.exit: threads of the SDK's may still run while that takes the
    # interpreter down, which then aborts ("thread state must be current").
    os._exit(0 if good else 1)
