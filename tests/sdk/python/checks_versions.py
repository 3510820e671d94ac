"""A versioned worker, beside the one that all other checks share."""

import asyncio
import time

from temporalio.api.workflowservice.v1 import (
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import Worker, WorkerDeploymentConfig

import expect
from context import Context
from registry import check
from workflows import Echo


@check
async def a_worker_version_is_made_current(ctx: Context) -> None:
    name = f"shop-{ctx.task_queue}-{ctx.cluster.name}"
    version = WorkerDeploymentVersion(deployment_name=name, build_id="one")
    worker = Worker(
        ctx.client,
        task_queue=name,
        workflows=[Echo],
        deployment_config=WorkerDeploymentConfig(
            version=version,
            use_worker_versioning=True,
            default_versioning_behavior=VersioningBehavior.PINNED,
        ),
    )
    async with worker:
        await make_current(ctx, name)
        options = ctx.start_options() | {"task_queue": name}
        handle = await ctx.client.start_workflow(Echo.run, "versioned", **options)
        expect.equal(await handle.result(), "versioned")
        info = (await handle.describe()).raw_description.workflow_execution_info
        expect.equal(info.versioning_info.deployment_version.build_id, "one")


async def make_current(ctx: Context, name: str) -> None:
    """Servers know a version once its workers have polled."""
    end = time.monotonic() + 20
    while True:
        try:
            await ctx.client.workflow_service.set_worker_deployment_current_version(
                SetWorkerDeploymentCurrentVersionRequest(
                    namespace=ctx.client.namespace,
                    deployment_name=name,
                    build_id="one",
                    version=f"{name}.one",
                    identity="a test",
                )
            )
            return
        except RPCError:
            if time.monotonic() > end:
                raise
        await asyncio.sleep(0.5)
