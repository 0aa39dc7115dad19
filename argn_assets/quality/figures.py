"""What a comparison found: plain frozen numbers, no rows."""

from __future__ import annotations

from dataclasses import dataclass

from argn_assets.quality.columns import Kind


@dataclass(frozen=True, slots=True)
class Bar:
    """A value (or group of values) and the share of all rows that hold it; shares in [0, 1]."""

    label: str
    training: float
    synthetic: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of all rows in bins of equal width; the outer bins hold everything beyond them.

    Attributes:
        low, middle, high: labels of the axis.
        training, synthetic: one share in [0, 1] per bin.
    """

    low: str
    middle: str
    high: str
    training: tuple[float, ...]
    synthetic: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Distribution:
    """What the report draws of a column: bars for values, a histogram for the numbers that are no bar."""

    bars: tuple[Bar, ...]
    histogram: Histogram | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnQuality:
    """One column of the synthetic table beside the real one.

    Attributes:
        accuracy: 1 - total variation distance from the training rows, [0, 1].
        ceiling: what as many fresh real rows would score, [0, 1]; None without a holdout.
        c2st_auc: how well this column alone gives synthetic rows away, 0.5 is not at all; None for tiny tables.
        null_share_training, null_share_synthetic: rows without a value, [0, 1].
        unseen_share: synthetic values that no training row holds, among the values present, [0, 1].
        unseen_share_holdout: the same of the held-out rows; None without a holdout.
    """

    name: str
    kind: Kind
    accuracy: float
    ceiling: float | None
    c2st_auc: float | None
    null_share_training: float
    null_share_synthetic: float
    unseen_share: float
    unseen_share_holdout: float | None
    distribution: Distribution


@dataclass(frozen=True, slots=True)
class PairQuality:
    """Accuracy of two columns together, [0, 1], and its ceiling where rows were held out."""

    first: str
    second: str
    accuracy: float
    ceiling: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usefulness:
    """A model of `target` tried on held-out rows, once trained on real and once on as many synthetic rows.

    Attributes:
        measure: `auc` for classes (mean of one against the rest; 0.5 guessing, 1 perfect), `r2` for numbers.
    """

    target: str
    measure: str
    trained_on_real: float
    trained_on_synthetic: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceQuality:
    """The sequences of a synthetic table beside the real ones.

    Attributes:
        key: the column that names the sequence of each row.
        sequences_training, sequences_synthetic: how many there are, those without rows too.
        mean_length_training, mean_length_synthetic: rows per sequence.
        length_accuracy: 1 - total variation distance of the lengths, [0, 1].
        length_ceiling: what as many fresh real sequences would score; None without a holdout.
        coherence: mean accuracy of a column's value together with its next one, over the columns, [0, 1]; None where no
            sequence has two rows.
        coherence_ceiling: the same of fresh real sequences; None without a holdout.
        c2st_auc: how often a classifier names the synthetic one of two whole sequences, told by their lengths, what is
            given of them, and first, last and moments of their columns; None for few sequences.
        c2st_auc_holdout: the same game with held-out sequences, the value to expect.
        resolved_share: synthetic rows whose key names a row of the parent table, [0, 1].
        lengths: what the report draws of the lengths.
    """

    key: str
    sequences_training: int
    sequences_synthetic: int
    mean_length_training: float
    mean_length_synthetic: float
    length_accuracy: float
    length_ceiling: float | None
    coherence: float | None
    coherence_ceiling: float | None
    c2st_auc: float | None
    c2st_auc_holdout: float | None
    resolved_share: float
    lengths: Distribution

    def summary(self) -> dict[str, float | None]:
        """Return the headline numbers under stable names; None where one could not be measured."""
        return {
            "sequences_synthetic": float(self.sequences_synthetic),
            "sequence_length_accuracy": self.length_accuracy,
            "sequence_coherence": self.coherence,
            "sequence_coherence_ceiling": self.coherence_ceiling,
            "sequence_c2st_auc": self.c2st_auc,
            "sequence_c2st_auc_holdout": self.c2st_auc_holdout,
            "foreign_keys": self.resolved_share,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TableQuality:
    """One synthetic table beside the rows it was learnt from and the rows held out.

    Attributes:
        accuracy_univariate: mean accuracy of the columns, [0, 1].
        accuracy_bivariate: mean accuracy of the pairs of columns, [0, 1]; None with a single column.
        ceiling_univariate, ceiling_bivariate: the same of fresh real rows, from the holdout, corrected to the number of
            synthetic rows; None without a holdout.
        c2st_auc: how often a classifier names the synthetic one of two rows, 0.5 is guessing; None for tiny tables.
        c2st_auc_holdout: the same game with held-out instead of synthetic rows, the value to expect.
        copies: share of synthetic rows that equal a training row in every column, [0, 1].
        copies_holdout: share of held-out rows that do, by chance alone; None without a holdout.
        columns: worst accuracy first.
        pairs: worst accuracy first.
        usefulness: None unless a target was named and rows were held out.
        sequences: None where every row stands alone.
        notes: what a reader has to know about these figures, one sentence each.
    """

    name: str
    rows_training: int
    rows_holdout: int
    rows_synthetic: int
    accuracy_univariate: float
    accuracy_bivariate: float | None
    ceiling_univariate: float | None
    ceiling_bivariate: float | None
    c2st_auc: float | None
    c2st_auc_holdout: float | None
    copies: float
    copies_holdout: float | None
    columns: tuple[ColumnQuality, ...]
    pairs: tuple[PairQuality, ...]
    usefulness: Usefulness | None = None
    sequences: SequenceQuality | None = None
    notes: tuple[str, ...] = ()

    @property
    def fidelity(self) -> float:
        """The headline: mean of univariate and bivariate accuracy (univariate alone with one column), [0, 1]."""
        return mean_of_present(self.accuracy_univariate, self.accuracy_bivariate)

    @property
    def accuracy(self) -> float:
        """Another name of `fidelity`, as the peers call it."""
        return self.fidelity

    @property
    def fidelity_ceiling(self) -> float | None:
        """What as many fresh real rows would score; None without a holdout."""
        if self.ceiling_univariate is None:
            return None
        return mean_of_present(self.ceiling_univariate, self.ceiling_bivariate)

    @property
    def telltale_columns(self) -> tuple[ColumnQuality, ...]:
        """Columns by how well they alone give synthetic rows away, worst first; empty for tiny tables."""
        known = [column for column in self.columns if column.c2st_auc is not None]
        return tuple(sorted(known, key=lambda column: -(column.c2st_auc or 0.0)))

    def summary(self) -> dict[str, float]:
        """Return the headline numbers under stable names; a figure that could not be measured is absent."""
        figures = {
            "fidelity": self.fidelity,
            "fidelity_ceiling": self.fidelity_ceiling,
            "accuracy_univariate": self.accuracy_univariate,
            "accuracy_bivariate": self.accuracy_bivariate,
            "c2st_auc": self.c2st_auc,
            "c2st_auc_holdout": self.c2st_auc_holdout,
            "copy_rate": self.copies,
            "copy_rate_holdout": self.copies_holdout,
            "rows_training": float(self.rows_training),
            "rows_holdout": float(self.rows_holdout),
            "rows_synthetic": float(self.rows_synthetic),
        }
        if self.usefulness is not None:
            figures[f"target_{self.usefulness.measure}_real"] = self.usefulness.trained_on_real
            figures[f"target_{self.usefulness.measure}_synthetic"] = self.usefulness.trained_on_synthetic
        if self.sequences is not None:
            figures |= self.sequences.summary()
        return {name: value for name, value in figures.items() if value is not None}


def mean_of_present(first: float, second: float | None) -> float:
    """Return the mean of two figures, or the first where there is no second.

    >>> mean_of_present(0.5, None), mean_of_present(0.5, 1.0)
    (0.5, 0.75)
    """
    return first if second is None else (first + second) / 2
