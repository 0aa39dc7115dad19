"""The last stage as a plain function: stored tables → figures and one HTML file.

Measuring and drawing are handed in: `quality` stands beside this folder and not below it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar

from argn_assets.datasets import DatasetSpec, Sequences, context_table, value_columns
from argn_assets.orchestration.chain import load_encoded, load_tables, naming
from argn_assets.orchestration.constraints import count_breaches
from argn_assets.orchestration.facts import Number, Part, StageFacts, StageResult
from argn_assets.orchestration.handles import StoredTables
from argn_assets.orchestration.one_table import spread_holdout
from argn_assets.orchestration.release import CONSTRAINTS, release_checks
from argn_assets.seeds import Seed

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.orchestration.one_table import Masks, Tables


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
        sequences: Sequences | None,
        seed: int,
    ) -> Q_co: ...


class Render(Protocol[Q_contra]):
    """Writes the report of all tables as one HTML text."""

    def __call__(  # noqa: D102
        self, dataset: str, tables: Mapping[str, Q_contra], *, provenance: Mapping[str, str]
    ) -> str: ...


def compare_table(
    spec: DatasetSpec, name: str, tables: Tables, masks: Masks, made: Tables, compare: Compare[Q]
) -> Q | None:
    """Compare one synthetic table with its training rows and its holdout, of which `masks` tell the rows.

    None where there is nothing to compare: a table of keys alone, and now and then no parent has a child, or only those
    that are held out have.
    """
    import polars as pl

    context, target = spec.tables[name].context, spec.target_column()
    held, sequences = pl.Series(masks[name]), None
    if made[name].is_empty() or held.all() or not value_columns(spec, tables, name):
        return None
    if context is not None:
        parents, held_parents = context_table(spec, tables, name), pl.Series(masks[context.table])
        sequences = Sequences(
            key=context.key,
            primary_key=str(spec.tables[context.table].primary_key),
            training=parents.filter(~held_parents),
            holdout=parents.filter(held_parents),
            synthetic=context_table(spec, made, name),
        )
    return compare(
        tables[name].filter(~held),
        tables[name].filter(held),
        made[name],
        name=name,
        keys=spec.tables[name].regenerated(),
        target=target[1] if target is not None and target[0] == name else None,
        sequences=sequences,
        seed=Seed(spec.seed).child("report").value,
    )


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
    tables, made = load_tables(spec, raw), load_tables(spec, synthetic)
    # What training left out stands in the codes; the declaration may say otherwise by now.
    first = {name: load_encoded(spec, encoded, name).own.validation for name in tables if not spec.ancestors(name)}
    masks = spread_holdout(spec, tables, first)
    qualities: dict[str, Q] = {}
    for name in spec.tables:
        with naming(spec, name):
            quality = compare_table(spec, name, tables, masks, made, compare)
        if quality is not None:
            qualities[name] = quality
    page = render(spec.dataset, qualities, provenance=_provenance(raw, encoded, synthetic))
    summaries = {name: dict(quality.summary()) for name, quality in qualities.items()}
    breaches = count_breaches(spec, made, tables)
    return StageResult(
        parts=(
            Part(name="report", value=page.encode(), artifact_type="report", class_name="QualityReport", format="html"),
            Part(name="summary", value=summaries, artifact_type="report", class_name="QualitySummary", format="json"),
            *_counted(breaches),
        ),
        facts=StageFacts(numbers=_numbers(qualities, summaries)),
        checks=release_checks(spec, summaries, breaches),
        predictions=tuple({"table": name, **summary} for name, summary in summaries.items()),
    )


def _counted(breaches: dict[str, dict[str, int]]) -> list[Part]:
    """Return the part that export asks, where constraints are declared."""
    if not breaches:
        return []
    return [
        Part(name=CONSTRAINTS, value=breaches, artifact_type="report", class_name="BrokenConstraints", format="json")
    ]


def _provenance(raw: StoredTables, encoded: StoredTables, synthetic: StoredTables) -> dict[str, str]:
    return {"raw_tables": raw.digest, "encoded_tables": encoded.digest, "synthetic_tables": synthetic.digest}


def _numbers(qualities: Mapping[str, Quality], summaries: Mapping[str, Mapping[str, float]]) -> dict[str, Number]:
    numbers: dict[str, Number] = {}
    if qualities:
        numbers["fidelity"] = sum(quality.fidelity for quality in qualities.values()) / len(qualities)
    apart = [summary["c2st_auc"] for summary in summaries.values() if summary.get("c2st_auc") is not None]
    if apart:
        numbers["c2st_auc"] = max(apart)
    several = len(summaries) > 1
    for table, summary in summaries.items():
        told = {key: value for key, value in summary.items() if value is not None}
        numbers |= {f"{table}/{key}" if several else key: value for key, value in told.items()}
    return numbers
