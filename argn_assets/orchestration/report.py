"""The last stage as a plain function: stored tables → figures and one HTML file.

Measuring and drawing are handed in: `quality` stands beside this folder and not below it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from argn_assets.datasets import DatasetSpec
from argn_assets.orchestration.chain import load_encoded
from argn_assets.orchestration.check_outcomes import floor_check
from argn_assets.orchestration.facts import Number, Part, StageFacts, StageResult
from argn_assets.orchestration.handles import StoredTables
from argn_assets.seeds import Seed

if TYPE_CHECKING:
    import polars as pl


class Quality(Protocol):
    """What a comparison of one table says about itself."""

    @property
    def fidelity(self) -> float:
        """The headline figure, [0, 1]."""
        ...

    def summary(self) -> Mapping[str, float]:
        """The figures by name."""
        ...


Q = TypeVar("Q", bound=Quality)
Q_co = TypeVar("Q_co", bound=Quality, covariant=True)
Q_contra = TypeVar("Q_contra", bound=Quality, contravariant=True)


class Compare(Protocol[Q_co]):
    """Measures one synthetic table."""

    def __call__(  # noqa: D102
        self,
        training: pl.DataFrame,
        holdout: pl.DataFrame | None,
        synthetic: pl.DataFrame,
        *,
        name: str,
        keys: Collection[str],
        target: str | None,
        seed: int,
    ) -> Q_co: ...


class Render(Protocol[Q_contra]):
    """Writes the report of all tables as one HTML text."""

    def __call__(  # noqa: D102
        self, dataset: str, tables: Mapping[str, Q_contra], *, provenance: Mapping[str, str]
    ) -> str: ...


def compare_stored(
    spec: DatasetSpec,
    raw: StoredTables,
    encoded: StoredTables,
    synthetic: StoredTables,
    *,
    compare: Compare[Q],
    render: Render[Q],
) -> StageResult:
    """Compare every synthetic table with its training rows and its holdout."""
    qualities: dict[str, Q] = {}
    for name, table in spec.tables.items():
        rows = cast("pl.DataFrame", raw.load(name))
        held = load_encoded(encoded, name).validation
        target = spec.target_column()
        qualities[name] = compare(
            rows.filter(~held),
            rows.filter(held),
            cast("pl.DataFrame", synthetic.load(name)),
            name=name,
            keys=table.regenerated(),
            target=target[1] if target is not None and target[0] == name else None,
            seed=Seed(spec.seed).child("report").value,
        )
    page = render(spec.dataset, qualities, provenance=_provenance(raw, encoded, synthetic))
    summaries = {name: dict(quality.summary()) for name, quality in qualities.items()}
    return StageResult(
        parts=(
            Part(name="report", value=page.encode(), artifact_type="report", class_name="QualityReport", format="html"),
            Part(name="summary", value=summaries, artifact_type="report", class_name="QualitySummary", format="json"),
        ),
        facts=StageFacts(numbers=_numbers(qualities, summaries)),
        checks=(floor_check(spec, {name: quality.fidelity for name, quality in qualities.items()}),),
        predictions=tuple({"table": name, **summary} for name, summary in summaries.items()),
    )


def _provenance(raw: StoredTables, encoded: StoredTables, synthetic: StoredTables) -> dict[str, str]:
    return {"raw_tables": raw.digest, "encoded_tables": encoded.digest, "synthetic_tables": synthetic.digest}


def _numbers(qualities: Mapping[str, Quality], summaries: Mapping[str, Mapping[str, float]]) -> dict[str, Number]:
    numbers: dict[str, Number] = {"fidelity": sum(q.fidelity for q in qualities.values()) / len(qualities)}
    apart = [summary["c2st_auc"] for summary in summaries.values() if summary.get("c2st_auc") is not None]
    if apart:
        numbers["c2st_auc"] = max(apart)
    several = len(summaries) > 1
    for table, summary in summaries.items():
        told = {key: value for key, value in summary.items() if value is not None}
        numbers |= {f"{table}/{key}" if several else key: value for key, value in told.items()}
    return numbers
