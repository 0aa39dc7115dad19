"""Retention: which committed steps are kept (T23).

A manifest is kept if any of these holds:

1. It is among the last `last` of its pipeline and step (branch and fold are part of the step, attempts are not).
2. It is younger than `days`.
3. A ref points to it: it is current, or pinned. What a ref pointed to before does not count.
4. It was made, or used again, within the grace period.
5. A kept one was made from it, directly or through others, in this data set or another one.

Of `raw_tables` and `encoded_tables` the last two count at most, and 2 does not hold: they are large, and what a kept
model was made from stays by 5.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from argn_assets.errors import ConfigError
from argn_assets.store.steps import CommittedStep, dependents_first, with_sources

LAST_OF_LARGE_TABLES = {"raw_tables": 2, "encoded_tables": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How much of the past is kept.

    Attributes:
        last: of each pipeline and step, how many manifests, from 1.
        days: how young a manifest is kept in any case, from 0.
        last_by_asset: assets that count no days, and how many of theirs are kept at most.

    Raises:
        ConfigError: a number is too small.
    """

    last: int = 5
    days: float = 90.0
    last_by_asset: Mapping[str, int] = field(default_factory=lambda: dict(LAST_OF_LARGE_TABLES))

    def __post_init__(self) -> None:
        if self.last < 1 or self.days < 0 or any(last < 1 for last in self.last_by_asset.values()):
            raise ConfigError(f"keep: {self}: `last` is at least 1 and `days` at least 0.")

    def keeps_by_itself(self, steps: Iterable[CommittedStep], now: datetime) -> set[str]:
        """Return the paths of the manifests that are kept by 1 and 2."""
        groups: defaultdict[tuple[str, str, str], list[CommittedStep]] = defaultdict(list)
        for step in steps:
            groups[step.dataset, step.pipeline_id, step.step_name].append(step)
        kept = set()
        for group in groups.values():
            newest_first = sorted(group, key=lambda step: (step.created_at, step.path), reverse=True)
            for rank, step in enumerate(newest_first):
                most = self.last_by_asset.get(step.asset)
                young = most is None and now - step.created_at < timedelta(days=self.days)
                if young or rank < (self.last if most is None else min(self.last, most)):
                    kept.add(step.path)
        return kept


def expired_steps(
    dataset: str,
    steps: Iterable[CommittedStep],
    *,
    retention: Retention,
    named_by_refs: Iterable[str],
    now: datetime,
    touched_before: datetime,
) -> list[CommittedStep]:
    """Return the committed steps of a data set that are not kept, in the order of their removal.

    Args:
        dataset: whose steps may go; those of the others are kept.
        steps: of all data sets, since one may be made from another.
        retention: how much of the past is kept.
        named_by_refs: the manifests that refs and pins of all data sets point to.
        now: what `days` are counted from.
        touched_before: the beginning of the grace period.
    Raises:
        StoreError: manifests depend on each other in a cycle.
    """
    by_path = {step.path: step for step in steps}
    mine = [step for step in by_path.values() if step.dataset == dataset]
    others = {step.path for step in by_path.values() if step.dataset != dataset}
    young = {step.path for step in mine if step.touched_at > touched_before}
    kept = with_sources({*others, *named_by_refs, *young, *retention.keeps_by_itself(mine, now)}, by_path)
    return dependents_first(step for step in mine if step.path not in kept)
