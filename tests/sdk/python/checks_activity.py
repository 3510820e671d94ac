"""Checks of activities that the worker runs to their end."""

from temporalio.api.enums.v1 import EventType
from temporalio.exceptions import ApplicationError, CancelledError

import activities
import expect
import notes
from context import Context, event_types, wait_for_event
from registry import check
from workflows import CallsActivity, CallsLocalActivity, CallsManyActivities


@check
async def an_activity_returns_its_result(ctx: Context) -> None:
    handle = await ctx.start(CallsActivity.run, activities.greet.__name__)
    expect.equal(await handle.result(), f"hello from {handle.id}")


@check
async def activities_run_side_by_side(ctx: Context) -> None:
    # A worker takes a few eagerly, in the answer to its workflow task (on
    # newer servers); of this many, the others have to come by polls.
    handle = await ctx.start(CallsManyActivities.run, 8)
    expect.equal(await handle.result(), 8)


@check
async def a_local_activity_returns_its_result(ctx: Context) -> None:
    handle = await ctx.start(CallsLocalActivity.run)
    expect.equal(await handle.result(), f"hello from {handle.id}")
    types = await event_types(handle)
    expect.equal(types.count(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED), 0)


@check
async def a_failed_activity_tells_its_workflow(ctx: Context) -> None:
    handle = await ctx.start(CallsActivity.run, activities.fails_for_good.__name__)
    error = await expect.activity_fails(handle, ApplicationError)
    expect.equal(error.type, "Broken")


@check
async def a_failed_activity_is_retried(ctx: Context) -> None:
    handle = await ctx.start(CallsActivity.run, activities.fails_once.__name__)
    expect.equal(await handle.result(), 2)


@check
async def a_retried_activity_sees_its_heartbeat_details(ctx: Context) -> None:
    handle = await ctx.start(
        CallsActivity.run, activities.resumes_from_heartbeat.__name__, 5.0
    )
    expect.equal(await handle.result(), "half way")


@check
async def a_heartbeat_brings_the_cancellation(ctx: Context) -> None:
    handle = await ctx.start(
        CallsActivity.run, activities.heartbeats_until_cancelled.__name__, 5.0
    )
    await notes.find(handle.id, activities.RUNNING)
    await handle.cancel()
    await wait_for_event(handle, EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED)
    notes.leave(handle.id, activities.CANCEL_REQUESTED)
    await expect.workflow_fails(handle, CancelledError)
    expect.contains(
        await event_types(handle), EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED
    )
