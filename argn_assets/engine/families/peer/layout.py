"""What an imported model is made of: its columns under the peer's names. No torch here.

The peer calls a sub-column `tgt:t0/c0__cat`: kind of table, table, column, sub-column. Weights carry these names.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

POSITIONS = "tgt:/"  # the column that the peer puts before those of a sequence's rows
INDEX, LENGTH, LEFT = "sidx_", "slen_", "ridx_"  # its parts: rows before, rows in all, rows left with this one
_MOST_PLAIN = 99  # rows of a sequence up to which a position is one code; beyond it has one per decimal digit


@dataclass(frozen=True)
class PeerColumn:
    """One column of the model.

    Attributes:
        name: as the peer calls it: `tgt:t0/c0`.
        sub_columns: the peer's names behind `__`, in order.
        cardinalities: codes of each of them.
        n_steps: elements of a list at most, where each cell of a context column is a list; else 0.
    """

    name: str
    sub_columns: tuple[str, ...]
    cardinalities: tuple[int, ...]
    n_steps: int = 0

    @property
    def table(self) -> str:
        """Kind of table and table: `ctxseq:t1`."""
        return self.name.partition("/")[0]

    @property
    def full_names(self) -> tuple[str, ...]:
        """Names of the sub-columns as weights carry them."""
        return tuple(f"{self.name}__{sub}" for sub in self.sub_columns)


@dataclass(frozen=True)
class PeerLayout:
    """The columns of a model.

    Attributes:
        context: columns that are given, in the order of the context's statistics.
        target: columns that are predicted.
        most: rows of the longest sequence; 0 for a flat table.
    """

    context: tuple[PeerColumn, ...]
    target: tuple[PeerColumn, ...]
    most: int = 0

    @property
    def positions(self) -> PeerColumn:
        """The column that says where in its sequence a row stands."""
        digits = str(self.most)
        parts = {"cat": self.most + 1}
        if self.most > _MOST_PLAIN:
            parts = {f"E{len(digits) - 1 - i}": 10 if i else int(digits[0]) + 1 for i in range(len(digits))}
        subs = [kind + part for kind in (INDEX, LENGTH, LEFT) for part in parts]
        return PeerColumn(POSITIONS, tuple(subs), tuple(parts.values()) * 3)

    @property
    def predicted(self) -> tuple[PeerColumn, ...]:
        """All columns that have predictors: the target's, behind the positions of a sequence."""
        return (self.positions, *self.target) if self.most else self.target

    @property
    def flat_context(self) -> tuple[PeerColumn, ...]:
        """Context columns with one value per row."""
        return tuple(column for column in self.context if not column.n_steps)

    @property
    def context_tables(self) -> dict[str, tuple[PeerColumn, ...]]:
        """The columns of every context table of sequences, by its name."""
        names = dict.fromkeys(column.table for column in self.context if column.n_steps)
        return {name: tuple(c for c in self.context if c.n_steps and c.table == name) for name in names}

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads back to an equal value."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> PeerLayout:
        """Read what `to_json` wrote."""
        context, target = (
            tuple(
                PeerColumn(c["name"], tuple(c["sub_columns"]), tuple(c["cardinalities"]), c["n_steps"])
                for c in document[side]
            )
            for side in ("context", "target")
        )
        return cls(context, target, document["most"])
