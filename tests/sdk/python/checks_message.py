"""Checks of signals, queries and updates, alone and together with a start."""

from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    WithStartWorkflowOperation,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from temporalio.common import WorkflowIDConflictPolicy

import expect
from context import Context, Handle, wait_for_event
from registry import check
from workflows import Counter


@check
async def signals_reach_a_running_workflow(ctx: Context) -> None:
    handle = await ctx.start(Counter.run)
    for amount in (1, 2, 3):
        await handle.signal(Counter.add, amount)
    await handle.signal(Counter.finish)
    expect.equal(await handle.result(), 6)


@check
async def a_query_answers_on_an_open_workflow(ctx: Context) -> None:
    handle = await start_and_let_settle(ctx)
    expect.equal(await handle.query(Counter.total), 0)
    # The next one may travel with the signal's workflow task.
    await handle.signal(Counter.add, 4)
    expect.equal(await handle.query(Counter.total), 4)
    await handle.signal(Counter.finish)
    await handle.result()


@check
async def a_query_answers_on_a_closed_workflow(ctx: Context) -> None:
    handle = await ctx.start(Counter.run)
    await handle.signal(Counter.add, 5)
    await handle.signal(Counter.finish)
    await handle.result()
    expect.equal(await handle.query(Counter.total), 5)


@check
async def a_failing_query_says_why(ctx: Context) -> None:
    handle = await start_and_let_settle(ctx)
    error = await expect.raises(WorkflowQueryFailedError, handle.query(Counter.broken))
    expect.contains(str(error), "this query fails on purpose")
    await handle.signal(Counter.finish)
    await handle.result()


@check
async def an_update_is_accepted_and_returns_its_result(ctx: Context) -> None:
    handle = await ctx.start(Counter.run)
    update = await handle.start_update(
        Counter.add_and_total, 7, wait_for_stage=WorkflowUpdateStage.ACCEPTED
    )
    expect.equal(await update.result(), 7)
    expect.equal(await handle.execute_update(Counter.add_and_total, 1), 8)
    await handle.signal(Counter.finish)
    expect.equal(await handle.result(), 8)


@check
async def a_rejected_update_says_why(ctx: Context) -> None:
    handle = await ctx.start(Counter.run)
    error = await expect.raises(
        WorkflowUpdateFailedError, handle.execute_update(Counter.add_and_total, -1)
    )
    expect.contains(str(error.cause), "only upwards")
    await handle.signal(Counter.finish)
    expect.equal(await handle.result(), 0)


@check
async def update_with_start_starts_a_workflow(ctx: Context) -> None:
    start = WithStartWorkflowOperation(
        Counter.run,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        **ctx.start_options(),
    )
    total = await ctx.client.execute_update_with_start_workflow(
        Counter.add_and_total, 9, start_workflow_operation=start
    )
    expect.equal(total, 9)
    handle = await start.workflow_handle()
    await handle.signal(Counter.finish)
    expect.equal(await handle.result(), 9)


@check
async def update_with_start_reaches_a_running_workflow(ctx: Context) -> None:
    running = await ctx.start(Counter.run)
    await running.signal(Counter.add, 1)
    start = WithStartWorkflowOperation(
        Counter.run,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        **ctx.start_options(running.id),
    )
    total = await ctx.client.execute_update_with_start_workflow(
        Counter.add_and_total, 9, start_workflow_operation=start
    )
    expect.equal(total, 10)
    expect.equal((await start.workflow_handle()).result_run_id, running.result_run_id)
    await running.signal(Counter.finish)
    expect.equal(await running.result(), 10)


@check
async def signal_with_start_starts_a_workflow(ctx: Context) -> None:
    handle = await ctx.start(Counter.run, start_signal="add", start_signal_args=[2])
    await handle.signal(Counter.finish)
    expect.equal(await handle.result(), 2)


@check
async def signal_with_start_reaches_a_running_workflow(ctx: Context) -> None:
    running = await ctx.start(Counter.run)
    await running.signal(Counter.add, 1)
    same = await ctx.start(
        Counter.run, id=running.id, start_signal="add", start_signal_args=[2]
    )
    expect.equal(same.result_run_id, running.result_run_id)
    await running.signal(Counter.finish)
    expect.equal(await running.result(), 3)


async def start_and_let_settle(ctx: Context) -> Handle:
    """Start a counter, and wait until it has no workflow task.

    A query then makes a task of its own, which ends in RespondQueryTaskCompleted;
    else it may be answered in RespondWorkflowTaskCompleted.
    """
    handle = await ctx.start(Counter.run)
    await wait_for_event(handle, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    return handle
