"""What activities, workflows and checks tell each other.

They share one process and one event loop, so that a check can know what its
activity knows (its task token, say) without asking the server under test.
"""

import asyncio
from typing import Any

_notes: dict[tuple[str, str], asyncio.Future[Any]] = {}
_seen: set[str] = set()


def _note(workflow_id: str, topic: str) -> asyncio.Future[Any]:
    return _notes.setdefault(
        (workflow_id, topic), asyncio.get_running_loop().create_future()
    )


def leave(workflow_id: str, topic: str, value: Any = None) -> None:
    """Leave a value for whoever waits for it; the first one stays."""
    note = _note(workflow_id, topic)
    if not note.done():
        note.set_result(value)


async def find(workflow_id: str, topic: str) -> Any:
    """Wait for the value that is left about a workflow."""
    # A shield, because a reader's timeout must not cancel the note itself.
    return await asyncio.shield(_note(workflow_id, topic))


def first_time(key: str) -> bool:
    """True on the first call with this key: what fails once asks it."""
    if key in _seen:
        return False
    _seen.add(key)
    return True
