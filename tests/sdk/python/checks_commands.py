"""Checks of what a workflow does by itself: timers, children, new runs, retries."""

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError, ChildWorkflowError

import expect
from clusters import describe
from context import Context, Handle, event_types
from registry import check
from workflows import Countdown, Echo, Fails, FailsFirstTask, Parent, Sleeper


@check
async def a_timer_fires(ctx: Context) -> None:
    handle = await ctx.start(Sleeper.run, 1.0)
    expect.equal(await handle.result(), "awake")
    expect.contains(await event_types(handle), EventType.EVENT_TYPE_TIMER_FIRED)


@check
async def continue_as_new_leads_to_the_last_run(ctx: Context) -> None:
    handle = await ctx.start(Countdown.run, 3)
    last_run = await handle.result()
    latest = await ctx.client.get_workflow_handle(handle.id).describe()
    expect.equal(latest.run_id, last_run)
    first = ctx.client.get_workflow_handle(handle.id, run_id=handle.result_run_id)
    status = (await first.describe()).status
    expect.equal(status, WorkflowExecutionStatus.CONTINUED_AS_NEW)


@check
async def a_child_returns_its_result(ctx: Context) -> None:
    parent = await start_parent(ctx, Echo, ["from the child"])
    expect.equal(await parent.result(), "from the child")


@check
async def a_failing_child_tells_its_parent(ctx: Context) -> None:
    parent = await start_parent(ctx, Fails, [])
    error = await expect.workflow_fails(parent, ChildWorkflowError)
    expect.equal(expect.instance(error.cause, ApplicationError).type, "Broken")


@check
async def a_child_is_found_under_its_own_id(ctx: Context) -> None:
    parent = await start_parent(ctx, Echo, ["found"])
    await parent.result()
    child = ctx.client.get_workflow_handle(child_id(parent.id))
    expect.equal(await child.result(), "found")
    if not await describe(ctx.client, child.id):
        raise AssertionError(f"{child.id} has a result, but no description")


@check
async def a_failed_workflow_task_is_tried_again(ctx: Context) -> None:
    handle = await ctx.start(FailsFirstTask.run)
    expect.equal(await handle.result(), "recovered")
    types = await event_types(handle)
    expect.equal(types.count(EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED), 1)


async def start_parent(ctx: Context, child: type, args: list[str]) -> Handle:
    """Start a parent. Its child lives with it, wherever the child's id hashes to."""
    parent_id = ctx.new_id()
    ctx.homes.of[child_id(parent_id)] = ctx.cluster.name
    return await ctx.start(
        Parent.run, child.__name__, child_id(parent_id), args, id=parent_id
    )


def child_id(parent_id: str) -> str:
    """The id of a parent's only child."""
    return f"{parent_id}-child"
