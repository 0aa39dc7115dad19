"""Looking whether the sources of many data sets changed, within the time that a sensor's tick has."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from argn_assets.datasets import Catalogue, fingerprint_sources
from argn_assets.errors import ArgnError

SECONDS_PER_TICK = 20.0  # a sensor's tick is ended by Dagster after sixty


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What one tick saw.

    Attributes:
        looked_at: how many data sets.
        changed: the data sets whose sources have another version than was last seen, with that version.
        problems: the data sets whose sources cannot be reached, with the reason.
        last: the data set that was looked at last; the next tick goes on after it.
    """

    looked_at: int = 0
    changed: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    last: str = ""


def look_at_sources(
    catalogue: Catalogue,
    seen: Callable[[Sequence[str]], Mapping[str, str]],
    *,
    known: Sequence[str],
    after: str = "",
    clock: Callable[[], float] = time.monotonic,
) -> Sweep:
    """Compare the sources of the declared data sets with what was seen of them.

    Args:
        catalogue: what is declared.
        seen: gives the version that was last seen of each data set.
        known: the partitions; a data set that is none yet is left for the next tick.
        after: the data set that the last tick ended with; this one begins behind it and goes round once.
        clock: seconds; the tick ends after `SECONDS_PER_TICK`.
    """
    names = sorted(set(catalogue.names()) & set(known))
    turn = [name for name in names if name > after] + [name for name in names if name <= after]
    before, deadline = seen(turn), clock() + SECONDS_PER_TICK
    changed: dict[str, str] = {}
    problems: dict[str, str] = {}
    last, looked_at = after, 0
    for name in turn:
        try:
            version = fingerprint_sources(catalogue.get(name))
            if version != before.get(name):
                changed[name] = version
        except ArgnError as error:
            problems[name] = str(error)
        last, looked_at = name, looked_at + 1
        if clock() > deadline:
            break
    return Sweep(looked_at=looked_at, changed=changed, problems=problems, last=last)
