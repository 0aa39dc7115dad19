"""What a synthetic table has to reach before it leaves: copies, the declared floors and constraints (O20).

The checks of the report say so on its page; export and publishing ask again, of the very tables that are to leave,
under what is declared by then.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from argn_assets.datasets import DatasetSpec
from argn_assets.errors import DataError
from argn_assets.orchestration.check_outcomes import floor_check, synthetic_constraints_check
from argn_assets.orchestration.checks import COPY_RATE
from argn_assets.orchestration.constraints import Counted
from argn_assets.orchestration.facts import CheckOutcome, Number, failed, passed
from argn_assets.orchestration.handles import StoredTables

Summaries = Mapping[str, Mapping[str, float]]
CONSTRAINTS = "constraints"  # the part of a report that holds what was counted, where any are declared
STANDARD_ERRORS = 2.0  # around the held-out rows' share: what is beyond is no chance


def release_checks(spec: DatasetSpec, summaries: Summaries, breaches: Counted) -> tuple[CheckOutcome, ...]:
    """Return the outcomes of the checks that block export and publishing.

    Args:
        spec: the declared floors and constraints.
        summaries: figures by table, as the report's summary has them.
        breaches: rows that break each constraint, as the report counted them.
    """
    return (
        floor_check(spec, {name: found["fidelity"] for name, found in summaries.items()}),
        copy_check(spec, summaries),
        synthetic_constraints_check(spec, breaches),
    )


def check_release(spec: DatasetSpec, synthetic: StoredTables, report: StoredTables) -> None:
    """Check that tables may leave.

    Raises:
        DataError: they do not reach what is declared, or the report is about others; the message says which figures.
    """
    measured = {source.content_hash for record in report.manifest.items for source in record.depends_on}
    if not {record.content_hash for record in synthetic.manifest.items} <= measured:
        raise DataError(
            f"data set {spec.dataset!r}: the report is about other synthetic tables than the current ones, so nothing "
            "is known of them. Materialise quality_report first."
        )
    breaches = cast(Counted, report.load(CONSTRAINTS)) if CONSTRAINTS in report.names() else {}
    outcomes = release_checks(spec, cast(Summaries, report.load("summary")), breaches)
    said = [outcome.description for outcome in outcomes if not outcome.passed]
    if said:
        raise DataError(f"data set {spec.dataset!r} stays where it is: {' '.join(said)}")


def copy_check(spec: DatasetSpec, summaries: Summaries) -> CheckOutcome:
    """Compare the share of synthetic rows that equal a training row with the share of held-out rows that do.

    Rows of few distinct values are equal by chance: held-out rows, which nobody copied, say how often.
    """
    floor = spec.floors.copy_rate
    numbers: dict[str, Number] = {}
    beyond: list[str] = []
    for name, figures in summaries.items():
        rate, chance = figures["copy_rate"], _by_chance(figures)
        numbers |= {f"copy_rate/{name}": round(rate, 6), f"by_chance/{name}": round(chance, 6)}
        if floor is not None and rate > chance + floor:
            beyond.append(f"{name!r} {rate:.2%}, by chance up to {chance:.2%}")
    if beyond:
        said = f"More rows equal a training row than chance and floors.copy_rate {floor} allow: {'; '.join(beyond)}."
        way = "Turn value_protection on, train for less time, or leave out columns that name a person."
        return failed(COPY_RATE.name, f"{said} {way}", numbers)
    said = "No limit is declared." if floor is None else "No more rows equal a training row than chance allows."
    return passed(COPY_RATE.name, said, **numbers)


def _by_chance(figures: Mapping[str, float]) -> float:
    """Return the share of rows that equal a training row by chance, at most; 0 without held-out rows.

    The upper end of Wilson's interval around the held-out rows' share: a few rows say little, even if none is equal.
    """
    share, n = figures.get("copy_rate_holdout"), figures["rows_holdout"]
    if share is None or n < 1:
        return 0.0
    squared = STANDARD_ERRORS**2 / n
    spread = STANDARD_ERRORS * math.sqrt(share * (1 - share) / n + squared / (4 * n))
    return min(1.0, (share + squared / 2 + spread) / (1 + squared))
