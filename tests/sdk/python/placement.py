"""After the run: is every workflow where it has to be, and nowhere else?"""

import time

import pace
from clusters import Cluster, Homes
from registry import Row

NAME = "every workflow is on its cluster and on no other"


async def placement_rows(clusters: list[Cluster], homes: Homes) -> list[Row]:
    """Ask every cluster about every workflow id of the run."""
    return [await placement_row(cluster, homes) for cluster in clusters]


async def placement_row(cluster: Cluster, homes: Homes) -> Row:
    """What one cluster lacks, and what it has but should not have."""
    started = time.monotonic()

    async def wrong(workflow_id: str, home: str | None) -> str | None:
        is_here = await cluster.describe(workflow_id) is not None
        if is_here and home != cluster.name:
            return f"{workflow_id} is here, but belongs on {home or 'no cluster'}"
        if not is_here and home == cluster.name:
            return f"{workflow_id} is not here"
        return None

    found = await pace.gather(wrong(*entry) for entry in homes.of.items())
    faults = [fault for fault in found if fault]
    seconds = time.monotonic() - started
    return Row(NAME, cluster.name, seconds, "\n  ".join(faults) or None)
