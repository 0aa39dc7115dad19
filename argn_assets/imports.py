"""How large libraries are imported: unseen by the garbage collector.

Loading torch and pandas makes a million objects that stay for good. The collector looks at them again and again while
they come in, whenever something else fills the memory, and once more when the process ends, and finds nothing: that was
a third of the time of a process that generates a thousand rows.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing(library: str) -> Iterator[None]:
    """Collect no garbage meanwhile, and never again look at what is there when `library` has been loaded.

    Where it is loaded already, or nobody collects, this does nothing.
    """
    if library in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        if library in sys.modules:
            gc.freeze()
    finally:
        gc.enable()
