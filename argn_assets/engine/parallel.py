"""Parts of the rows beside each other, one thread each, on a CPU.

Threads that share one product wait for each other after every one of a step's many small operations: two of them were
half as fast again as one. A part of the rows needs nobody, so two threads with a part each are nearly twice as fast.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

import torch

from argn_assets.engine.memory import by_halves

LEAST_PART = 1024  # rows; fewer are not worth a thread
MOST_THREADS = 8  # more would wait for Python's own lock


def parts_of(n_rows: int, most: int, device: torch.device) -> list[slice]:
    """Return the rows in parts of at most `most`, on a CPU one per thread where that is worth it.

    >>> parts_of(5, 2, torch.device("cpu"))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    size = most
    if device.type == "cpu":
        n_threads = min(MOST_THREADS, torch.get_num_threads())
        size = min(most, max(LEAST_PART, -(-n_rows // n_threads)))
    return [slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


def for_each_part(work: Callable[[slice], None], parts: list[slice], device: torch.device) -> None:
    """Do the work of all parts, on a CPU beside each other; the first error ends it and is raised.

    Where memory does not suffice for a part, its halves are done one after the other, and so on.

    Args:
        work: does a part; it sets up what belongs to its thread (`torch.inference_mode` and the like).
        parts: of the rows.
        device: where the work computes.
    """
    n_threads = torch.get_num_threads() if device.type == "cpu" else 1
    n_beside = min(n_threads, MOST_THREADS, len(parts))
    if n_beside <= 1:
        for part in parts:
            by_halves(work, part, device)
        return
    try:
        with ThreadPoolExecutor(n_beside, initializer=torch.set_num_threads, initargs=(n_threads // n_beside,)) as pool:
            futures = [pool.submit(by_halves, work, part, device) for part in parts]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                pool.shutdown(cancel_futures=True)
        for future in futures:
            if not future.cancelled():
                future.result()
    finally:
        # A thread's setting is also what threads begin with that are started later.
        torch.set_num_threads(n_threads)
