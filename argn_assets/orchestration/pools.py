"""The pool of trainings: how many run at a time says `dagster.yaml`."""

from __future__ import annotations

import dagster as dg

TRAINER = "trainer"


def introduce_pools(instance: dg.DagsterInstance) -> None:
    """Let the queue know the pool before the first run of it is queued; a limit that somebody set stays.

    Dagster takes the default limit for a pool when it first sees it in the queue, which is too late for the runs that
    it looks at then: they would all be launched.
    """
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits or not instance.global_op_concurrency_default_limit:
        return
    if TRAINER not in {pool.name for pool in storage.get_pool_limits()}:
        storage.initialize_concurrency_limit_to_default(TRAINER)
