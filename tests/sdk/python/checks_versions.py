"""Versioned workers, beside the one that all other checks share."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.api.workflowservice.v1 import (
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import Worker, WorkerDeploymentConfig

import expect
from context import Context, Handle
from registry import check
from workflows import Counter, Echo


@check
async def a_worker_version_is_made_current(ctx: Context) -> None:
    name = f"shop-{ctx.task_queue}-{ctx.cluster.name}"
    async with versioned(ctx, name, "one", VersioningBehavior.PINNED):
        await make_current(ctx, name, "one")
        handle = await begin(ctx, name, Echo.run, "versioned")
        expect.equal(await handle.result(), "versioned")
        expect.equal(await build_id(handle), "one")


@check
async def a_new_version_takes_over_by_a_ramp(ctx: Context) -> None:
    name = f"ramp-{ctx.task_queue}-{ctx.cluster.name}"
    behavior = VersioningBehavior.AUTO_UPGRADE
    async with (
        versioned(ctx, name, "one", behavior),
        versioned(ctx, name, "two", behavior),
    ):
        await make_current(ctx, name, "one")
        old = await begin(ctx, name, Counter.run)
        expect.equal(await old.query(Counter.total), 0)
        expect.equal(await build_id(old), "one")
        await ramp(ctx, name, "two")
        new = await begin(ctx, name, Counter.run)
        expect.equal(await new.query(Counter.total), 0)
        expect.equal(await build_id(new), "two")
        await make_current(ctx, name, "two")
        for handle in (old, new):
            await handle.signal(Counter.finish)
            expect.equal(await handle.result(), 0)
            expect.equal(await build_id(handle), "two")


def versioned(
    ctx: Context, name: str, build: str, behavior: VersioningBehavior
) -> Worker:
    """A worker of one version on a queue of the deployment's name."""
    return Worker(
        ctx.client,
        task_queue=name,
        workflows=[Echo, Counter],
        deployment_config=WorkerDeploymentConfig(
            version=WorkerDeploymentVersion(deployment_name=name, build_id=build),
            use_worker_versioning=True,
            default_versioning_behavior=behavior,
        ),
    )


async def begin(ctx: Context, name: str, run: Any, *args: Any) -> Handle:
    """Start a workflow on the deployment's queue."""
    options = ctx.start_options() | {"task_queue": name}
    return await ctx.client.start_workflow(run, args=args, **options)


async def build_id(handle: Handle) -> str:
    """The version that a workflow runs on."""
    info = (await handle.describe()).raw_description.workflow_execution_info
    return info.versioning_info.deployment_version.build_id


async def make_current(ctx: Context, name: str, build: str) -> None:
    """Have this version get what starts."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=ctx.client.namespace,
        deployment_name=name,
        build_id=build,
        version=f"{name}.{build}",
        identity="a test",
    )
    service = ctx.client.workflow_service
    await known(lambda: service.set_worker_deployment_current_version(request))


async def ramp(ctx: Context, name: str, build: str) -> None:
    """Have this version get all that starts, as a ramp."""
    request = SetWorkerDeploymentRampingVersionRequest(
        namespace=ctx.client.namespace,
        deployment_name=name,
        build_id=build,
        version=f"{name}.{build}",
        percentage=100,
        identity="a test",
    )
    service = ctx.client.workflow_service
    await known(lambda: service.set_worker_deployment_ramping_version(request))


async def known(call: Callable[[], Awaitable[Any]]) -> None:
    """Servers know a version once its workers have polled."""
    end = time.monotonic() + 20
    while True:
        try:
            await call()
            return
        except RPCError:
            if time.monotonic() > end:
                raise
        await asyncio.sleep(0.5)
