"""What the demo promises, and whether it was kept. No I/O."""

from collections import defaultdict
from dataclasses import dataclass

from demo.clusters import Record
from demo.customer import Outcome


@dataclass(frozen=True)
class Promise:
    """One sentence that must be true, and what speaks against it."""

    sentence: str
    broken: list[str]


def judge(outcomes: list[Outcome], records: list[Record], clusters: list[str]) -> list[Promise]:
    """Holds what clients saw and what clusters recorded against every promise."""
    where: dict[str, list[str]] = defaultdict(list)
    for record in records:
        where[record.workflow_id].append(record.cluster)
    homes = {outcome.workflow_id: where[outcome.workflow_id] for outcome in outcomes}
    inhabited = {record.cluster for record in records}

    return [
        Promise(
            f"all {len(outcomes)} orders finished with the right answers",
            [f"{o.workflow_id}: {o.problem}" for o in outcomes if o.problem],
        ),
        Promise(
            "each lives on exactly one cluster",
            [
                f"{workflow_id} is on {' and '.join(names) or 'none'}"
                for workflow_id, names in homes.items()
                if len(names) != 1
            ],
        ),
        Promise(
            "every cluster has some",
            [f"{name} has none" for name in clusters if name not in inhabited],
        ),
        Promise(
            "no workflow task timed out",
            [
                f"{r.workflow_id} on {r.cluster}: {r.task_timeouts}"
                for r in records
                if r.task_timeouts
            ],
        ),
        Promise(
            "no activity was tried twice",
            [
                f"{r.workflow_id} on {r.cluster}: {r.activity_retries} more attempts"
                for r in records
                if r.activity_retries
            ],
        ),
    ]
