"""A back-end on which something happens in the middle: just before one operation, another process has its turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from argn_assets_tests.conformance.faulty_backend import FaultyPort


class MeanwhilePort(FaultyPort):
    """Another back-end, in front of which others act between two operations."""

    act: Callable[[], object] | None = None

    def before(self, verb: str, path: str, act: Callable[[], object], *, skip: int = 0) -> None:
        """Do `act` once, before the operation `verb` on a path that contains `path`; `skip` of them pass first."""
        self.verb, self.path, self.act, self.skip = verb, path, act, skip

    def _do(self, verb: str, *arguments: Any) -> Any:
        if self.act is not None and verb == self.verb and self.path in str(arguments[0]):
            if self.skip == 0:
                act, self.act = self.act, None
                act()
            else:
                self.skip -= 1
        return super()._do(verb, *arguments)
