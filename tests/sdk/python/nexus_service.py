"""The Nexus service of the checklist: one operation succeeds, one fails, one ends later."""

from dataclasses import dataclass

from nexusrpc import HandlerError, HandlerErrorType, Operation, service
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio.nexus import (
    WorkflowHandle,
    WorkflowRunOperationContext,
    workflow_run_operation,
)


@dataclass(frozen=True)
class Later:
    """Whom to greet, and the id of the workflow that does it."""

    name: str
    workflow_id: str


@service
class Greeter:
    """The contract that the calling workflow sees."""

    greet: Operation[str, str]
    refuse: Operation[str, str]
    greet_later: Operation[Later, str]


@service_handler(service=Greeter)
class GreeterHandler:
    """The worker's side of it."""

    @sync_operation
    async def greet(self, _ctx: StartOperationContext, name: str) -> str:
        """Ends in RespondNexusTaskCompleted."""
        return f"hello {name}"

    @sync_operation
    async def refuse(self, _ctx: StartOperationContext, name: str) -> str:
        """Ends in RespondNexusTaskFailed, and is not to be retried."""
        raise HandlerError(f"no {name} here", type=HandlerErrorType.BAD_REQUEST)

    @workflow_run_operation
    async def greet_later(
        self, ctx: WorkflowRunOperationContext, later: Later
    ) -> WorkflowHandle[str]:
        """Ends when the workflow that it starts does, wherever that lives."""
        return await ctx.start_workflow(
            "Echo", f"hello {later.name}", id=later.workflow_id, result_type=str
        )
