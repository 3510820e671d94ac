"""Two habits of the SDK's runtime that a program with a report and an exit status minds."""

import logging
import os
import sys
from dataclasses import replace
from typing import NoReturn

from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig


def log_to_stderr() -> None:
    """Sends the SDK's warnings to stderr as plain lines; call it before the first connection.

    By default they go to stdout, in colours, and would run through the report.
    """
    forwarding = LogForwardingConfig(logging.getLogger("temporalio"))
    logs = replace(LoggingConfig.default, forwarding=forwarding)
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=logs)))


def leave(status: int) -> NoReturn:
    """Ends the process without Python's own tidying up.

    While that goes on, threads of the SDK may still end calls, and ask for an interpreter that
    is half gone. Tried with 1.35.0: after calls that were given up the process hung for ever,
    and once it aborted after a success (temporalio/sdk-python#300).
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
