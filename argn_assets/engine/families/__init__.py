"""Generator families, one folder each: `families/<name>/family.py` holds the class whose `NAME` is the folder's name.

An artifact carries the name of its family; the family is loaded when it is first used.
"""

# B rows, S sub-columns, K cardinality
from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from argn_assets.errors import ArtifactError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from argn_assets.artifact import ModelArtifact
    from argn_assets.engine.siblings import SiblingRows


class FlatSteps(Protocol):
    """A model's sub-columns arranged in one order: each is predicted from all that were shown before it.

    Generating, probabilities, prediction and imputation are all made of these five.
    """

    @property
    def order(self) -> Sequence[int]:
        """Positions of all sub-columns, context first, in the order of the steps, [S]."""

    def begin(self, codes: Tensor, shown: Tensor, base: Any = None) -> Any:
        """Return what the first step sees: codes, [S, B] int64, where `shown`, [S, B], and nothing elsewhere.

        `base` is what rows see from outside them, as `SequenceGenerator.base` or `FlatGenerator.base_of` gives it.
        """

    def logits(self, step: int, seen: Any) -> Tensor:
        """Return the logits of the sub-column `order[step]` given all that is seen, [B, K]."""

    def show(self, step: int, seen: Any, codes: Tensor, shown: Tensor | None = None) -> None:
        """Add the codes of `order[step]`, [B], to what is seen; of some rows only where `shown`, [B], is passed."""

    def rows(self, seen: Any, part: slice | Tensor) -> Any:
        """Return what is seen of some rows, a slice of them or their numbers."""

    def repeat(self, seen: Any, times: int) -> Any:
        """Return what is seen with every row `times` times in a row, as a copy, [B] -> [B * times]."""


class RowGenerator(Protocol):
    """A loaded model that generates rows, each from what was shown of it and what it sees from outside."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    @property
    def columns(self) -> Sequence[int]:
        """Number of the column that each sub-column belongs to, [S], ascending; context columns first."""

    @property
    def n_context(self) -> int:
        """Sub-columns that are only given, never predicted; they come first."""

    def steps(self, order: Sequence[int], n_given: int) -> FlatSteps:
        """Arrange the sub-columns in an order, [S]; only its first `n_given` are ever shown when a batch begins."""


class FlatGenerator(RowGenerator, Protocol):
    """A loaded model of a flat table."""

    def base_of(self, siblings: Sequence[SiblingRows]) -> Any:
        """Return what rows see of their context's siblings, of which each holds one sequence per row; or None."""


class SequenceGenerator(RowGenerator, Protocol):
    """A loaded model of sequences: it generates their rows from a state per sequence."""

    def begin(self, context: Tensor, siblings: Sequence[SiblingRows] = ()) -> Any:
        """Return the state of sequences before their first row, of the codes, [U, B], and siblings of their context."""

    def length_logits(self, state: Any) -> Tensor:
        """Return the logits of the length of the whole sequence, [B, cells of lengths]."""

    def base(self, state: Any, left: Tensor) -> Any:
        """Return what the next row sees from outside it, of the rows that are left with it, [B]."""

    def advance(self, state: Any, codes: Tensor) -> Any:
        """Return the state after another row, of its codes, [S, B]."""

    def keep(self, state: Any, chosen: Tensor) -> Any:
        """Return the state of some of the sequences, by their place, [B']."""


class GeneratorFamily(ABC):
    """One kind of model. Subclasses are never instantiated; their methods are class methods."""

    NAME: ClassVar[str]

    @classmethod
    @abstractmethod
    def load_flat(cls, artifact: ModelArtifact, device: torch.device, dtype: torch.dtype = ...) -> FlatGenerator:
        """Return a flat artifact's network, ready to use.

        Args:
            artifact: of this family.
            device: where it will compute.
            dtype: of weights and logits; float32 where none is passed.
        """

    @classmethod
    @abstractmethod
    def load_sequential(
        cls, artifact: ModelArtifact, device: torch.device, dtype: torch.dtype = ...
    ) -> SequenceGenerator:
        """Return a sequential artifact's network, ready to use; arguments as for `load_flat`."""


def family_names() -> tuple[str, ...]:
    """Return the names of all families, ascending."""
    return tuple(sorted(folder.name for folder in pkgutil.iter_modules(__path__)))


@cache
def family_named(name: str) -> type[GeneratorFamily]:
    """Return the family called `name`, loading no other; ArtifactError lists the known ones."""
    if name not in family_names():
        raise ArtifactError(
            f"The artifact is of the family {name!r}; this version knows {', '.join(family_names())}. Install the "
            "version that wrote it, or train again."
        )
    module = importlib.import_module(f"{__name__}.{name}.family")
    classes = [value for value in vars(module).values() if isinstance(value, type)]
    return next(c for c in classes if issubclass(c, GeneratorFamily) and vars(c).get("NAME") == name)
