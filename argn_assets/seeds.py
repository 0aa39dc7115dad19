"""Chance: one root seed, named children, and random numbers that belong to rows.

A number drawn for a row is a function of (seed, row key) and of nothing else, so a table may be cut into batches
anywhere, in any order, and every row still gets the same numbers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_GOLDEN = 0x9E3779B97F4A7C15  # splitmix64 increment (Steele, Lea, Flood 2014)


@dataclass(frozen=True)
class Seed:
    """A 64-bit seed that has named children.

    >>> Seed(1).child("train") == Seed(1).child("train")
    True
    >>> Seed(1).child("train") == Seed(1).child("generate")
    False
    """

    value: int = 0

    def child(self, *names: str | int) -> Seed:
        """Return the seed of a named part of the work; different names give independent seeds."""
        text = "\x1f".join([str(self.value), *map(str, names)])
        return Seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little"))

    def numpy(self) -> np.random.Generator:
        """Return a numpy generator seeded with this value."""
        import numpy as np

        return np.random.default_rng(self.value)

    def uniforms(self, row_keys: NDArray[np.uint64]) -> NDArray[np.float64]:
        """Return one uniform number in [0, 1) per row key, shape [B]; equal keys give equal numbers."""
        import numpy as np

        bits: NDArray[np.uint64] = mix64(row_keys ^ np.uint64(self.value)) >> np.uint64(11)
        return bits.astype(np.float64) * 2.0**-53


def mix64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit integers (the splitmix64 finaliser, applied twice); shape is kept.

    >>> import numpy as np
    >>> len(set(mix64(np.arange(4, dtype=np.uint64)).tolist()))
    4
    """
    import numpy as np

    mixed = np.array(values, dtype=np.uint64)
    for _ in range(2):  # in place: new arrays would take most of the time
        mixed += np.uint64(_GOLDEN)
        mixed ^= mixed >> np.uint64(30)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(27)
        mixed *= np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return mixed
