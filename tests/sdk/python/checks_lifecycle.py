"""Checks of a workflow's life: starting it, looking at it, ending it."""

import asyncio
from uuid import uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    ResetWorkflowExecutionRequest,
)
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import (
    CancelledError,
    TerminatedError,
    WorkflowAlreadyStartedError,
)
from temporalio.service import RPCError, RPCStatusCode

import activities
import expect
from clusters import describe
from context import Context, wait_for_event
from registry import check
from workflows import CallsActivity, Counter, Echo


@check
async def a_started_workflow_returns_its_result(ctx: Context) -> None:
    text = "a text that is worth compressing, " * 2_000
    handle = await ctx.start(Echo.run, text)
    expect.equal(await handle.result(), text)


@check
async def a_second_start_with_a_running_id_is_refused(ctx: Context) -> None:
    first = await ctx.start(Counter.run)
    error = await expect.raises(
        WorkflowAlreadyStartedError, ctx.start(Counter.run, id=first.id)
    )
    expect.equal(error.run_id, first.result_run_id)
    await first.signal(Counter.finish)
    expect.equal(await first.result(), 0)


@check
async def a_workflow_can_be_described(ctx: Context) -> None:
    handle = await ctx.start(Counter.run, memo={"colour": "blue"})
    running = await handle.describe()
    expect.equal(running.id, handle.id)
    expect.equal(running.run_id, handle.result_run_id)
    expect.equal(running.workflow_type, "Counter")
    expect.equal(running.task_queue, ctx.task_queue)
    expect.equal(await running.memo(), {"colour": "blue"})
    expect.equal(running.status, WorkflowExecutionStatus.RUNNING)
    await handle.signal(Counter.finish)
    await handle.result()
    closed = await handle.describe()
    expect.equal(closed.status, WorkflowExecutionStatus.COMPLETED)


@check
async def an_unknown_id_is_not_found(ctx: Context) -> None:
    handle = ctx.client.get_workflow_handle(ctx.homes.take(ctx.cluster.name))
    error = await expect.raises(RPCError, handle.describe())
    expect.equal(error.status, RPCStatusCode.NOT_FOUND)


@check
async def a_cancelled_workflow_ends_as_cancelled(ctx: Context) -> None:
    handle = await ctx.start(Counter.run)
    await handle.cancel()
    await expect.workflow_fails(handle, CancelledError)


@check
async def a_terminated_workflow_ends_as_terminated(ctx: Context) -> None:
    handle = await ctx.start(Counter.run)
    await handle.terminate(reason="the checklist says so")
    error = await expect.workflow_fails(handle, TerminatedError)
    expect.contains(str(error), "the checklist says so")


@check
async def a_deleted_workflow_is_gone(ctx: Context) -> None:
    # An open workflow: a server may take half a minute over one that just closed.
    handle = await ctx.start(Counter.run)
    # Not while the worker has its first task, whose answer would find nothing.
    await wait_for_event(handle, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    ctx.homes.of[handle.id] = None
    await ctx.client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=ctx.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id),
        )
    )
    # The server deletes in the background.
    while await describe(ctx.client, handle.id):
        await asyncio.sleep(0.2)


@check
async def a_reset_workflow_completes_again(ctx: Context) -> None:
    first = await ctx.start(CallsActivity.run, activities.greet.__name__)
    result = await first.result()
    task_completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    events = (await first.fetch_history()).events
    first_task = next(e for e in events if e.event_type == task_completed)
    reset = await ctx.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=ctx.client.namespace,
            workflow_execution=WorkflowExecution(
                workflow_id=first.id, run_id=first.result_run_id or ""
            ),
            reason="the checklist says so",
            workflow_task_finish_event_id=first_task.event_id,
            request_id=str(uuid4()),
        )
    )
    again = ctx.client.get_workflow_handle(first.id, run_id=reset.run_id)
    expect.equal(await again.result(), result)
    latest = await ctx.client.get_workflow_handle(first.id).describe()
    expect.equal(latest.run_id, reset.run_id)
