"""The Nexus service of the checklist: one operation succeeds, one fails."""

from nexusrpc import HandlerError, HandlerErrorType, Operation, service
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation


@service
class Greeter:
    """The contract that the calling workflow sees."""

    greet: Operation[str, str]
    refuse: Operation[str, str]


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
