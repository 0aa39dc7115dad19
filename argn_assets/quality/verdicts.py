"""What the figures mean, as sentences: the words of the report in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from argn_assets.quality.figures import TableQuality
from argn_assets.quality.svg import percent

Level = Literal["good", "fair", "poor", "plain"]

# Points of accuracy below the ceiling, and points of AUC above the expected value, where the words change.
FIDELITY_STEPS = (0.005, 0.02, 0.05)
APART_STEPS = (0.03, 0.10, 0.25)
COPIES_MARGIN = 0.005  # above the holdout's share: still chance
COPYING_AUC = 0.45  # below, rows of one table sit on top of rows of the other


@dataclass(frozen=True, slots=True)
class Tile:
    """A headline figure: what it is, its value, one word, and a sentence that says what it means."""

    title: str
    value: str
    level: Level
    word: str
    sentence: str


def tiles(table: TableQuality) -> list[Tile]:
    """Return the headline tiles of one table."""
    found = [_fidelity(table), _apart(table), _copies(table), _rows(table)]
    return found if table.usefulness is None else [*found[:3], _useful(table), found[3]]


def _fidelity(table: TableQuality) -> Tile:
    says = "How much of the real distributions, of single columns and of pairs, is found again."
    ceiling = table.fidelity_ceiling
    if ceiling is None:
        return Tile("Fidelity", percent(table.fidelity), "plain", "no ceiling", says)
    gap = ceiling - table.fidelity
    level, word = _step(gap, FIDELITY_STEPS, ("like real rows", "close", "visible differences", "far off"))
    best = f"{percent(ceiling)} is what as many fresh real rows would reach"
    return Tile("Fidelity", percent(table.fidelity), level, word, f"{says} {best}.")


def _apart(table: TableQuality) -> Tile:
    title = "Telling apart (C2ST)"
    if table.c2st_auc is None:
        return Tile(title, "–", "plain", "not measured", "Too few rows to train a classifier on.")
    expected = 0.5 if table.c2st_auc_holdout is None else table.c2st_auc_holdout
    gap = table.c2st_auc - max(0.5, expected)
    level, word = _step(gap, APART_STEPS, ("cannot be told", "hardly told", "often told", "easily told"))
    says = (
        f"Shown one real and one synthetic row, a trained classifier points at the synthetic one "
        f"{percent(table.c2st_auc, 0)} of the time; 50\xa0% is guessing."
    )
    if table.c2st_auc < COPYING_AUC and table.copies > 2 * (table.copies_holdout or 0.0):
        level, word = "fair", "below guessing"
        says += " Far below 50\xa0% means that synthetic rows repeat training rows."
    elif table.c2st_auc_holdout is not None:
        says += f" With fresh real rows it is {percent(table.c2st_auc_holdout, 0)}."
    return Tile(title, f"{table.c2st_auc:.3f}", level, word, says)


def _copies(table: TableQuality) -> Tile:
    says = "Synthetic rows that equal a training row in every column."
    value = percent(table.copies, 2)
    if table.copies_holdout is None:
        return Tile("Exact copies", value, "plain", "no reference", says)
    gap = table.copies - max(1.2 * table.copies_holdout, table.copies_holdout + COPIES_MARGIN)
    level, word = _step(gap, (0.0, 0.02, 0.10), ("no more than chance", "above chance", "too many", "far too many"))
    reference = f"Of the held-out rows, which nobody copied, {percent(table.copies_holdout, 2)} do by chance."
    return Tile("Exact copies", value, level, word, f"{says} {reference}")


def _useful(table: TableQuality) -> Tile:
    score = table.usefulness
    assert score is not None  # the caller asked
    gap = score.trained_on_real - score.trained_on_synthetic
    level, word = _step(gap, (0.01, 0.03, 0.10), ("as good as real", "nearly as good", "weaker", "of little use"))
    measure = "area under the ROC curve" if score.measure == "auc" else "explained variance, R²"
    says = (
        f"A model of “{score.target}” trained on synthetic rows and tried on held-out real ones ({measure}). "
        f"Trained on real rows it reaches {score.trained_on_real:.3f}."
    )
    return Tile("Train on synthetic", f"{score.trained_on_synthetic:.3f}", level, word, says)


def _rows(table: TableQuality) -> Tile:
    held = f", {table.rows_holdout:,} held out for reference" if table.rows_holdout else ""
    says = f"Learnt from {table.rows_training:,} real rows{held}. {len(table.columns)} columns compared."
    return Tile("Synthetic rows", f"{table.rows_synthetic:,}", "plain", "", says)


def _step(gap: float, steps: tuple[float, float, float], words: tuple[str, str, str, str]) -> tuple[Level, str]:
    levels: tuple[Level, Level, Level, Level] = ("good", "good", "fair", "poor")
    place = sum(gap > edge for edge in steps)
    return levels[place], words[place]
