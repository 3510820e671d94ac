"""The list of checks, and how one of them is run."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from temporalio.service import RPCError

from context import Context

CheckFunction = Callable[[Context], Awaitable[None]]


@dataclass(frozen=True)
class Check:
    """One promise: its name says it, its function raises if it is broken."""

    name: str
    function: CheckFunction


@dataclass(frozen=True)
class Row:
    """The outcome of one check on one cluster; `error` is None if it held."""

    check: str
    cluster: str
    seconds: float
    error: str | None = None


CHECKS: list[Check] = []


def check(function: CheckFunction) -> CheckFunction:
    """Register a check under its function's name."""
    register(function.__name__, function)
    return function


def register(name: str, function: CheckFunction) -> None:
    """Register a check under a name of its own."""
    CHECKS.append(Check(name.replace("_", " "), function))


async def run_check(check: Check, context: Context, seconds: float) -> Row:
    """Run one check on the context's cluster, for at most that many seconds."""
    started = time.monotonic()
    error = None
    try:
        async with asyncio.timeout(seconds):
            await check.function(context)
    except Exception as failure:
        error = explain(failure)
    return Row(check.name, context.cluster.name, time.monotonic() - started, error)


def explain(failure: BaseException) -> str:
    """The failure, its causes, and the lines of this program that they passed.

    A timeout says nothing by itself; the line says what it was waiting for.
    """
    here = Path(__file__).parent
    told = []
    cause: BaseException | None = failure
    while cause is not None:
        lines = [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.line}"
            for frame in traceback.extract_tb(cause.__traceback__)
            if Path(frame.filename).parent == here and frame.filename != __file__
        ]
        told.append("\n    at ".join([title(cause), *lines]))
        cause = cause.__cause__
    return "\n  because of ".join(told)


def title(failure: BaseException) -> str:
    """The kind of a failure, its gRPC status if it has one, its message."""
    words = [type(failure).__name__]
    if isinstance(failure, RPCError):
        words.append(failure.status.name)
    if message := str(failure):
        words.append(message)
    return ": ".join(words)
