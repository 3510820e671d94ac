"""Checks of Nexus operations, which reach the worker through polls of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from nexusrpc import HandlerError, HandlerErrorType
from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import (
    CreateNexusEndpointRequest,
    DeleteNexusEndpointRequest,
)
from temporalio.exceptions import NexusOperationError

import expect
from context import Context
from nexus_service import Later
from registry import check
from workflows import CallsNexus


@check
async def a_nexus_operation_returns_its_result(ctx: Context) -> None:
    async with endpoint(ctx) as name:
        handle = await ctx.start(CallsNexus.run, name, "greet", "panko")
        expect.equal(await handle.result(), "hello panko")


@check
async def a_failing_nexus_operation_tells_its_caller(ctx: Context) -> None:
    async with endpoint(ctx) as name:
        handle = await ctx.start(CallsNexus.run, name, "refuse", "panko")
        error = await expect.workflow_fails(handle, NexusOperationError)
        cause = expect.instance(error.cause, HandlerError)
        expect.equal(cause.type, HandlerErrorType.BAD_REQUEST)


@check
async def a_nexus_operation_ends_with_a_workflow_on_any_cluster(ctx: Context) -> None:
    async with endpoint(ctx) as name:
        for cluster in ctx.homes.clusters():
            workflow_id = ctx.homes.take(cluster)
            ctx.homes.of[workflow_id] = cluster
            later = Later("panko", workflow_id)
            handle = await ctx.start(CallsNexus.run, name, "greet_later", later)
            expect.equal(await handle.result(), "hello panko")


@asynccontextmanager
async def endpoint(ctx: Context) -> AsyncIterator[str]:
    """An endpoint that leads to this worker, made on the cluster itself.

    Making one is an operator's work, not a client's: it is no part of what the
    address is asked for.
    """
    operator = ctx.cluster.client.operator_service
    worker = EndpointTarget.Worker(
        namespace=ctx.cluster.client.namespace, task_queue=ctx.task_queue
    )
    spec = EndpointSpec(
        name=f"checklist-{uuid4().hex}", target=EndpointTarget(worker=worker)
    )
    made = await operator.create_nexus_endpoint(CreateNexusEndpointRequest(spec=spec))
    try:
        yield spec.name
    finally:
        await operator.delete_nexus_endpoint(
            DeleteNexusEndpointRequest(
                id=made.endpoint.id, version=made.endpoint.version
            )
        )
