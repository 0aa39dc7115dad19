"""Parts of the work beside each other, one thread each, on a CPU.

Threads that share every operation wait for each other after each, which beside other load makes them slower than one
alone. A part of the rows needs nobody until it is done; but Python's lock is handed over at every operation, so parts
gain only where operations are large (docs/log.md has the figures).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeVar

import torch

LEAST_PART = 1024  # rows to be generated; fewer are not worth a thread
WAKE_SECONDS = 0.2
MOST_THREADS = 8  # more would wait for Python's own lock

Part = TypeVar("Part")
Result = TypeVar("Result")


class Threads:
    """Threads that compute beside each other. A single one is the caller's own."""

    def __init__(self, n_threads: int = 1, pool: ThreadPoolExecutor | None = None):
        self.n_threads, self._pool = n_threads, pool

    def map(self, work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        """Return the work's results on all parts, in their order; the first error ends it and is raised."""
        if self._pool is None or len(parts) <= 1:
            return [work(part) for part in parts]
        try:
            futures = [self._pool.submit(work, part) for part in parts]
        except RuntimeError:  # no more threads can be started: there is no memory for their stacks, or a limit
            self._pool.shutdown(cancel_futures=True)
            self.n_threads, self._pool = 1, None
            return [work(part) for part in parts]
        try:
            _wait(futures)
            failed = [future for future in futures if future.done() and future.exception()]
            return [future.result() for future in failed or futures]
        finally:
            for future in futures:
                future.cancel()
            wait(futures)  # what still runs holds memory, and reads weights


def _wait(futures: Sequence[Future[Result]]) -> None:
    """Wait until all are done or one failed; awake now and then, or an interrupt would be heard only then."""
    left = set(futures)
    while left:
        done, left = wait(left, WAKE_SECONDS, FIRST_EXCEPTION)
        if any(future.exception() for future in done):
            return


ONE_THREAD = Threads()


@contextmanager
def threads_for(device: torch.device, most: int = MOST_THREADS) -> Iterator[Threads]:
    """Yield at most `most` threads that share the cores torch may use; one where another device computes."""
    n_cores = _cores(device)
    n_threads = min(n_cores, MOST_THREADS, most)
    if n_threads <= 1:
        yield ONE_THREAD
        return
    pool = ThreadPoolExecutor(n_threads, initializer=_begin_thread, initargs=(n_cores // n_threads,))
    # The caller's share too: the cores it would use beside would wait between its operations, and not for nothing.
    torch.set_num_threads(n_cores // n_threads)
    try:
        yield Threads(n_threads, pool)
    finally:
        pool.shutdown(cancel_futures=True)
        # A thread's setting is also what threads begin with that are started later.
        torch.set_num_threads(n_cores)


def _cores(device: torch.device) -> int:
    return torch.get_num_threads() if device.type == "cpu" else 1


def _begin_thread(n_cores: int) -> None:
    torch.set_num_threads(n_cores)
    torch.set_flush_denormal(True)


@contextmanager
def one_core(device: torch.device) -> Iterator[None]:
    """Compute with one core of a CPU: for small operations others would be waited for longer than they help."""
    n_cores = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_cores)


def parts_of(n_rows: int, most: int, device: torch.device) -> list[slice]:
    """Return the rows in even parts of at most `most`, on a CPU as many for each thread where that is worth it.

    >>> parts_of(6, 2, torch.device("cpu"))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    n_parts = -(-n_rows // most)
    n_threads = min(MOST_THREADS, _cores(device), n_rows // LEAST_PART)
    if n_threads > 1:
        n_parts = -(-n_parts // n_threads) * n_threads
    ends = [n_rows * number // n_parts for number in range(n_parts + 1)] if n_parts else []
    return [slice(start, end) for start, end in pairwise(ends)]
