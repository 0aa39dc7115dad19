"""How a model is trained. No torch here, so that a declaration can be checked without it."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal, get_args

from argn_assets.errors import ConfigError

ModelSize = Literal["S", "M", "L"]
FEWEST_BATCH, MOST_BATCH = 8, 2048
MANY_WEIGHTS, FEWEST_BATCH_OF_MANY = 1 << 20, 64


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Settings of one training.

    Attributes:
        model_size: `S`, `M` or `L`: layer widths, and with them quality and cost.
        max_epochs: passes over the training rows, at most; may be a fraction.
        max_training_time: minutes, at most; a training that needs four fifths of it or more depends on the clock.
        batch_size: rows per step; None chooses by the number of rows.
        max_sequence_window: rows of a sequence that are trained on together, at most.
        any_order: train every order of the columns, so that any of them may be given when generating.
        device: `auto` takes a GPU where there is one; else a torch device such as `cpu` or `cuda:0`.
    Raises:
        ConfigError: a value out of range; names the setting, the value and the range.
    """

    model_size: ModelSize = "M"
    max_epochs: float = 100.0
    max_training_time: float = 14400.0
    batch_size: int | None = None
    max_sequence_window: int = 100
    any_order: bool = True
    device: str = "auto"

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.model_size not in get_args(ModelSize):
            raise ConfigError(f"model_size is {self.model_size!r}; it may be {', '.join(get_args(ModelSize))}.")
        for name in ("max_epochs", "max_training_time"):
            value = getattr(self, name)
            if not (isinstance(value, Real) and float(value) >= 0):
                raise ConfigError(f"{name} is {value!r}; it must be a number from 0 up.")
        if self.batch_size is not None and not _is_whole(self.batch_size):
            raise ConfigError(f"batch_size is {self.batch_size!r}; it must be a whole number from 1 up, or None.")
        if not _is_whole(self.max_sequence_window):
            raise ConfigError(
                f"max_sequence_window is {self.max_sequence_window!r}; it must be a whole number from 1 up."
            )


def check_validation_split(share: object) -> None:
    """Refuse what is no share of the rows; ConfigError names the range."""
    if not (isinstance(share, Real) and 0 <= float(share) < 1):
        raise ConfigError(f"validation_split is {share!r}; it must be a number from 0 up and below 1.")


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and int(value) >= 1


def batch_size_for(n_rows: int, n_weights: int = 0) -> int:
    """Return the rows per step for `n_rows` training rows: the power of two below a 32nd of them, 8 to 2048.

    A network of many weights, that of a table of a hundred columns or more, gets 64 at least: a step of fewer takes as
    long, because the weights are masked and moved for any number of rows.

    >>> batch_size_for(31_259), batch_size_for(800), batch_size_for(800, 5_000_000)
    (512, 16, 64)
    """
    fewest = FEWEST_BATCH if n_weights <= MANY_WEIGHTS else FEWEST_BATCH_OF_MANY
    return max(fewest, min(MOST_BATCH, 1 << max(n_rows // 32, 1).bit_length() - 1))
