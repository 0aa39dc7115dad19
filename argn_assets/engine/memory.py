"""Running out of memory: how it shows, and work that is tried again on half of the rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from argn_assets.errors import EngineError

Result = TypeVar("Result")

_SIGNS = ("allocate memory", "bad_alloc", "ALLOC_FAILED")  # of a CPU, of the standard library, of a GPU's libraries


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an allocation failed: an error of its own, or a RuntimeError that only its text tells apart."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def give_back(device: torch.device) -> None:
    """Give back what a GPU keeps for later, which may be in pieces too small for what is asked for next."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


@contextmanager
def enough_memory(device: torch.device) -> Iterator[None]:
    """Raise an EngineError that says what to do where memory does not suffice for a training at all."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise EngineError(
            f"The training does not fit into the memory of {device}. Choose a smaller model_size, or another device."
        ) from error


def by_halves(work: Callable[[slice], Result], rows: slice, device: torch.device) -> list[Result]:
    """Do the work on rows or sequences; where memory does not suffice, on one half of them after the other, and say so.

    Returns:
        the results in the order of the rows.
    Raises:
        EngineError: memory does not suffice for one of them.
    """
    try:
        return [work(rows)]
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        if rows.stop - rows.start <= 1:
            raise EngineError(
                f"Even one alone does not fit into the memory of {device}. Use another device, or train a smaller "
                "model_size."
            ) from error
    # Only here is what the failed work held gone.
    give_back(device)
    middle = (rows.start + rows.stop) // 2
    warnings.warn(
        f"{rows.stop - rows.start:,} at once did not fit into the memory of {device}: generation goes on with "
        f"{rows.stop - middle:,} at a time. A smaller batch_size saves the attempt.",
        stacklevel=2,
    )
    first, second = slice(rows.start, middle), slice(middle, rows.stop)
    return [*by_halves(work, first, device), *by_halves(work, second, device)]
