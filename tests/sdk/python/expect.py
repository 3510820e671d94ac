"""Expectations, with what came instead in their messages."""

from collections.abc import Awaitable
from typing import Any, TypeVar

from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError

from context import Handle

Failure = TypeVar("Failure", bound=BaseException)


def equal(got: Any, wanted: Any) -> None:
    """The two are equal."""
    if got != wanted:
        raise AssertionError(f"expected {wanted!r}, got {got!r}")


def contains(got: Any, wanted: Any) -> None:
    """The first contains the second."""
    if wanted not in got:
        raise AssertionError(f"expected {wanted!r} in {got!r}")


def instance(got: BaseException | None, wanted: type[Failure]) -> Failure:
    """The failure is of the wanted type; anything else becomes the cause."""
    if not isinstance(got, wanted):
        raise AssertionError(f"expected {wanted.__name__}, got {got!r}") from got
    return got


async def raises(wanted: type[Failure], call: Awaitable[Any]) -> Failure:
    """The call fails with the wanted type of error, which is returned."""
    try:
        result = await call
    except wanted as error:
        return error
    raise AssertionError(f"expected {wanted.__name__}, got the result {result!r}")


async def workflow_fails(handle: Handle, wanted: type[Failure]) -> Failure:
    """The workflow ends without a result, for a reason of the wanted type."""
    error = await raises(WorkflowFailureError, handle.result())
    return instance(error.cause, wanted)


async def activity_fails(handle: Handle, wanted: type[Failure]) -> Failure:
    """The workflow fails because of its activity, which failed in the wanted way."""
    error = await workflow_fails(handle, ActivityError)
    return instance(error.cause, wanted)
