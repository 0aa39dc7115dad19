"""The code location `argn_assets`: everything under `defs/`, with the executor the environment asks for.

Loading this module imports dagster and pydantic, and neither torch nor a table library.
"""

from pathlib import Path

import dagster as dg

from argn_assets.orchestration.environment import chosen_executor, quiet_preview_warnings

quiet_preview_warnings()


@dg.definitions
def defs() -> dg.Definitions:
    """Return all definitions of the project."""
    found = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    return dg.Definitions.merge(found, dg.Definitions(executor=chosen_executor()))
