"""Drift: how much less likely a trained artifact finds new rows than rows like those it learnt from (O32).

Likelihood is the mean log-probability per row, in nats. New rows are those that the tables had not when they were read;
what they are compared with are the rows that training did not see, the holdout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from argn_assets.datasets import DatasetSpec, read_tables
from argn_assets.errors import DataError, SchemaError
from argn_assets.orchestration.chain import load_tables
from argn_assets.orchestration.facts import Number
from argn_assets.orchestration.handles import StoredTables
from argn_assets.orchestration.one_table import draw_holdout, given_table

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from argn_assets.artifact import ModelArtifact

MOST_ROWS = 50_000  # of each table that are scored; sequences stay whole


@dataclass(frozen=True, kw_only=True)
class TableScore:
    """How likely the rows of a table are, in nats per row.

    Attributes:
        before: of the rows it is compared with.
        now: of the new rows.
        new_rows: how many are new; where none is, all rows are scored.
    """

    before: float
    now: float
    new_rows: int

    @property
    def fall(self) -> float:
        """How many nats per row less likely the new rows are."""
        return self.before - self.now


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What scoring the new content of a data set's sources came to.

    Attributes:
        margin: nats per row that rows may be less likely.
        scores: by table.
        unscored: why the new tables cannot be scored at all; empty where they were.
    """

    margin: float
    scores: Mapping[str, TableScore]
    unscored: str = ""

    @property
    def asks(self) -> bool:
        """Whether the data set should be trained again: new rows fell by more than the margin, or cannot be scored."""
        return bool(self.unscored) or any(score.fall > self.margin for score in self.scores.values())

    def numbers(self) -> dict[str, Number]:
        """Return what is recorded, whatever came of it."""
        told: dict[str, Number] = {"drift/margin": self.margin, "drift/retraining": self.asks}
        told |= {"drift/unscored": self.unscored} if self.unscored else {}
        for table, score in self.scores.items():
            told |= {
                f"drift/fall/{table}": score.fall,
                f"drift/log_prob/{table}": score.now,
                f"drift/log_prob_before/{table}": score.before,
                f"drift/new_rows/{table}": score.new_rows,
            }
        return told


def score_drift(spec: DatasetSpec, raw: StoredTables, trained: StoredTables, *, margin: float) -> Drift:
    """Read the sources and score their new rows under the current artifacts.

    Args:
        spec: the declared data set.
        raw: the tables as they were read for the last training.
        trained: the artifacts, one per table.
        margin: nats per row.
    """
    from argn_assets.artifact import ModelArtifact

    known, tables = load_tables(spec, raw), read_tables(spec)
    held = draw_holdout(spec, known)
    scores = {}
    try:
        for name in spec.ordered_tables():
            new = _new_rows(known[name], tables[name])
            artifact = ModelArtifact.from_bytes(trained.load_bytes(name))
            scores[name] = TableScore(
                before=_mean_log_prob(spec, name, artifact, known, held[name] if held[name].any() else ~held[name]),
                now=_mean_log_prob(spec, name, artifact, tables, new if new.any() else ~new),
                new_rows=int(new.sum()),
            )
    except (SchemaError, DataError) as error:  # other columns, other types, keys that do not resolve
        return Drift(margin=margin, scores=scores, unscored=str(error))
    return Drift(margin=margin, scores=scores)


def _new_rows(known: pl.DataFrame, table: pl.DataFrame) -> NDArray[np.bool_]:
    """Return which rows of a table are not among the known ones, [N]; all where the columns differ."""
    import numpy as np

    if known.schema != table.schema:
        return np.ones(table.height, dtype=bool)
    numbered = table.with_row_index("__row")
    left = numbered.join(known.unique(), on=table.columns, how="anti", nulls_equal=True)
    mask = np.zeros(table.height, dtype=bool)
    mask[left["__row"].to_numpy()] = True
    return mask


def _mean_log_prob(
    spec: DatasetSpec,
    name: str,
    artifact: ModelArtifact,
    tables: Mapping[str, pl.DataFrame],
    chosen: NDArray[np.bool_],
) -> float:
    """Return the mean log-probability of the chosen rows of a table, given their context and the rows before."""
    import numpy as np

    from argn_assets.engine import log_prob

    table, context = tables[name], spec.tables[name].context
    if context is None:
        places = np.flatnonzero(chosen)
        picked = places[:: max(1, -(-len(places) // MOST_ROWS))]
        return float(log_prob(artifact, table[picked]).mean()) - _cost_of_unknown(artifact, table[picked])
    keys = table.filter(chosen)[context.key].unique(maintain_order=True)
    rows_per_key = max(1, table.height // max(1, table[context.key].n_unique()))
    keys = keys.head(max(1, MOST_ROWS // rows_per_key))
    scored = table[context.key].is_in(keys.implode()).to_numpy()
    found = log_prob(artifact, table.filter(scored), ctx_data=given_table(spec, name, tables))
    rows = table.filter(scored & chosen)
    return float(found[chosen[scored]].mean()) - _cost_of_unknown(artifact, rows)


def _cost_of_unknown(artifact: ModelArtifact, rows: pl.DataFrame) -> float:
    """Return what values cost that an artifact cannot show, in nats per row: each as much as what was seen once.

    Codes alone would not tell: a number beyond the range has the code of its end. Times are left out, because they go
    on in new rows whatever else stays.
    """
    import numpy as np

    from argn_assets.tables.ranges import rows_outside

    stats = artifact.tgt_stats
    outside = rows_outside(rows, stats)
    n_values = sum(n for name, n in outside.items() if not stats.columns[name].NAME.startswith("datetime"))
    return n_values / max(1, rows.height) * float(np.log(stats.n_rows + 1))
