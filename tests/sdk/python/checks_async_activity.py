"""Checks of activities that are ended from outside their worker.

Each way to end one exists twice: by the task token, and by workflow and
activity id. These are different RPCs, so every check here is registered twice.
"""

import asyncio
from collections.abc import Awaitable, Callable

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import AsyncActivityCancelledError, AsyncActivityHandle
from temporalio.exceptions import ApplicationError, CancelledError

import activities
import expect
import notes
from context import Context, Handle, event_types
from registry import register
from workflows import CallsActivity

AsyncCheck = Callable[[Context, Handle, AsyncActivityHandle], Awaitable[None]]


def check_both_ways(function: AsyncCheck) -> AsyncCheck:
    """Register a check twice; it gets a workflow and its running activity."""

    async def by_token(ctx: Context) -> None:
        workflow, info = await start(ctx)
        token = info.task_token
        await function(
            ctx, workflow, ctx.client.get_async_activity_handle(task_token=token)
        )

    async def by_id(ctx: Context) -> None:
        workflow, info = await start(ctx)
        # No run id: the id alone has to lead to the open run.
        handle = ctx.client.get_async_activity_handle(
            workflow_id=workflow.id, run_id=None, activity_id=info.activity_id
        )
        await function(ctx, workflow, handle)

    register(f"{function.__name__}_by_token", by_token)
    register(f"{function.__name__}_by_id", by_id)
    return function


async def start(ctx: Context) -> tuple[Handle, activity.Info]:
    """Start a workflow, and wait until the worker has let go of its activity."""
    workflow = await ctx.start(CallsActivity.run, activities.ends_elsewhere.__name__)
    return workflow, await notes.find(workflow.id, activities.RUNNING)


@check_both_ways
async def an_activity_is_completed(
    ctx: Context, workflow: Handle, handle: AsyncActivityHandle
) -> None:
    await handle.complete("done elsewhere")
    expect.equal(await workflow.result(), "done elsewhere")


@check_both_ways
async def an_activity_is_failed(
    ctx: Context, workflow: Handle, handle: AsyncActivityHandle
) -> None:
    await handle.fail(ApplicationError("broken elsewhere", non_retryable=True))
    error = await expect.activity_fails(workflow, ApplicationError)
    expect.equal(error.message, "broken elsewhere")


@check_both_ways
async def an_activity_is_kept_alive(
    ctx: Context, workflow: Handle, handle: AsyncActivityHandle
) -> None:
    await handle.heartbeat("half way")
    pending = (await workflow.describe()).raw_description.pending_activities[0]
    details = await ctx.client.data_converter.decode(pending.heartbeat_details.payloads)
    expect.equal(details, ["half way"])
    await handle.complete("done")
    expect.equal(await workflow.result(), "done")


@check_both_ways
async def an_activity_is_reported_cancelled(
    ctx: Context, workflow: Handle, handle: AsyncActivityHandle
) -> None:
    await workflow.cancel()
    # The workflow passes the cancellation on in its next task.
    await expect.raises(AsyncActivityCancelledError, heartbeat_until_told(handle))
    await handle.report_cancellation("as asked")
    await expect.workflow_fails(workflow, CancelledError)
    expect.contains(
        await event_types(workflow), EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED
    )


async def heartbeat_until_told(handle: AsyncActivityHandle) -> None:
    """Heartbeat until an answer asks for the cancellation, which raises."""
    while True:
        await handle.heartbeat()
        await asyncio.sleep(0.1)
