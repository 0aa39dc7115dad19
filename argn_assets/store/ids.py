"""Who made an artifact: execution path ⇄ artifact id (T3), and the pipeline's id (T4).

    pipeline_id[:branch…]:step[.output]:fold        cdnow_1f2e3d4c5b6a:0:3:all

Fold 0 is not `all`; an empty branch has no segment; a second output of a step is `3.1`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from argn_assets.errors import UnsafeName
from argn_assets.store.documents import canonical_json
from argn_assets.store.names import check_pipeline_id, short_hash, slug

if TYPE_CHECKING:
    from argn_assets.store.documents import JsonValue

SHARED = "all"  # the fold segment of what all folds share

_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionPath:
    """Where in a pipeline an artifact was made.

    Attributes:
        pipeline_id: the data set and its configuration, see `pipeline_id`.
        branch_path: the variant, outermost first; empty before any branch.
        step_index: position of the asset in the graph's definition, from 0.
        fold_id: the cross-validation fold, from 0; None when all folds share it.
        output: which output of the step, from 0.
    """

    pipeline_id: str
    branch_path: tuple[int, ...] = ()
    step_index: int
    fold_id: int | None = None
    output: int = 0

    @property
    def step_name(self) -> str:
        """The id without its pipeline and output, as a folder name: `3_all`, `0_3_4`."""
        return "_".join([*map(str, self.branch_path), str(self.step_index), _fold_text(self.fold_id)])


def generate_artifact_id(
    pipeline_id: str, branch_path: Sequence[int], step_index: int, fold_id: int | None = None, output: int = 0
) -> str:
    """Return the artifact id of an execution path; UnsafeName for a pipeline id with `:` or a negative number.

    >>> generate_artifact_id("p", (), 3), generate_artifact_id("p", (0, 2), 3, 0)
    ('p:3:all', 'p:0:2:3:0')
    >>> generate_artifact_id("p", (), 3, output=1)
    'p:3.1:all'
    """
    check_pipeline_id(pipeline_id)
    folds = [] if fold_id is None else [fold_id]
    for number in [*branch_path, step_index, *folds, output]:
        if isinstance(number, bool) or not isinstance(number, int) or not _NUMBER.fullmatch(str(number)):
            raise UnsafeName(f"{number!r} in the path of an artifact of {pipeline_id}; accepted: 0, 1, 2 … 999999999.")
    step = f"{step_index}.{output}" if output else str(step_index)
    return ":".join([pipeline_id, *map(str, branch_path), step, _fold_text(fold_id)])


def parse_artifact_id(artifact_id: str) -> ExecutionPath:
    """Return the execution path of an artifact id; UnsafeName if it is not one.

    The long form with an empty branch, `p::3:all`, is understood; it is never written.

    >>> parse_artifact_id("p:0:3.1:all")
    ExecutionPath(pipeline_id='p', branch_path=(0,), step_index=3, fold_id=None, output=1)
    """
    pipeline, *middle = artifact_id.split(":")
    if middle[:1] == [""]:
        middle = middle[1:]
    if len(middle) < 2:
        raise UnsafeName(f"artifact id {artifact_id!r}; accepted: pipeline_id[:branch…]:step:fold.")
    *branches, step, fold = middle
    step_index, dot, output = step.partition(".")
    path = ExecutionPath(
        pipeline_id=check_pipeline_id(pipeline),
        branch_path=tuple(_number(branch, artifact_id) for branch in branches),
        step_index=_number(step_index, artifact_id),
        fold_id=None if fold == SHARED else _number(fold, artifact_id),
        output=_number(output, artifact_id) if dot else 0,
    )
    if dot and path.output == 0:
        raise UnsafeName(f"artifact id {artifact_id!r}: output 0 is written `{step_index}`, not `{step}`.")
    return path


def pipeline_id(dataset: str, config: JsonValue) -> str:
    """Return slug of the data set + 12 digits of the hash of its configuration: same configuration, same id.

    >>> pipeline_id("Census", {"a": 1, "b": 2}) == pipeline_id("Census", {"b": 2, "a": 1})
    True
    """
    return f"{slug(dataset)}_{short_hash(canonical_json([dataset, config]))}"


def _fold_text(fold_id: int | None) -> str:
    # `is None`, never truthiness: fold 0 is a fold.
    return SHARED if fold_id is None else str(fold_id)


def _number(text: str, artifact_id: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise UnsafeName(f"artifact id {artifact_id!r}: {text!r} is not a number as ids write it (0, 1, 2 …).")
    return int(text)
