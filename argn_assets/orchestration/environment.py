"""What the environment decides: folders, executor, instance. Read when used, never at import.

    ARGN_DATASETS   catalogue of declared data sets, any fsspec URL     datasets/
    ARGN_STORE      artifact store, any fsspec URL                      .argn/store
    ARGN_EXECUTOR   in_process or multiprocess                          in_process
    ARGN_AUTOMATION 1: data sets are trained without being asked        0
    ARGN_RETRAIN_CRON, ARGN_RETRAIN_TAGS  when the schedule `retrain_all` ticks, UTC, and for which tags
                                          0 2 * * 6; all, else name=value with commas between them
    ARGN_COLLECT    1: the scheduled collection removes, and is no dry run  0
    DAGSTER_HOME    Dagster's own state, when it is not the project's   the project's dagster.yaml

Relative places belong to the project: the nearest folder upwards that has a `dagster.yaml`, else the working folder.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path

import dagster as dg

from argn_assets.datasets.locations import in_project
from argn_assets.errors import ConfigError

DEFAULT_STORE = ".argn/store"
STATE_FOLDER = ".argn/dagster"


def quiet_preview_warnings() -> None:
    """Silence Dagster's notices about features it calls preview or beta (partitioned checks): we pin and test them."""
    for category in (dg.PreviewWarning, dg.BetaWarning):
        warnings.filterwarnings("ignore", category=category)


def chosen_executor() -> dg.ExecutorDefinition:
    """Return the executor that `ARGN_EXECUTOR` names.

    Raises:
        ConfigError: another name than `in_process` or `multiprocess`.
    """
    executors = {"in_process": dg.in_process_executor, "multiprocess": dg.multiprocess_executor}
    name = os.environ.get("ARGN_EXECUTOR") or "in_process"
    if name not in executors:
        raise ConfigError(f"ARGN_EXECUTOR is {name!r}; it can be {' or '.join(executors)}. Unset it for in_process.")
    return executors[name]


def project_root() -> Path:
    """Return the nearest folder upwards from the working folder with a `dagster.yaml`; else the working folder."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "dagster.yaml").is_file()), here)


def store_url() -> str:
    """Return where artifacts are stored, as an fsspec URL or an absolute path."""
    place = in_project(os.environ.get("ARGN_STORE") or DEFAULT_STORE)
    return place if "://" in place else os.path.abspath(place)


def open_instance() -> dg.DagsterInstance:
    """Open Dagster's state: `DAGSTER_HOME` if set, else the project's `dagster.yaml`, else `.argn/dagster` right here.

    The project's file has places relative to its folder, which becomes the working folder of this process.
    """
    if os.environ.get("DAGSTER_HOME"):
        return dg.DagsterInstance.get()
    root = project_root()
    os.chdir(root)
    if (root / "dagster.yaml").is_file():
        return dg.DagsterInstance.from_config(str(root))
    return _instance_without_settings(root / STATE_FOLDER)


def _instance_without_settings(folder: Path) -> dg.DagsterInstance:
    from dagster._core.instance import InstanceRef

    folder.mkdir(parents=True, exist_ok=True)
    settings = {"telemetry": {"enabled": False}}
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=settings))


def automation_status() -> dg.DefaultSensorStatus:
    """Return whether sensors that begin trainings start by themselves: with `ARGN_AUTOMATION=1`."""
    return dg.DefaultSensorStatus.RUNNING if switched_on("ARGN_AUTOMATION") else dg.DefaultSensorStatus.STOPPED


def schedule_status() -> dg.DefaultScheduleStatus:
    """Return whether schedules that tidy up and look around start by themselves: with `ARGN_AUTOMATION=1`."""
    return dg.DefaultScheduleStatus.RUNNING if switched_on("ARGN_AUTOMATION") else dg.DefaultScheduleStatus.STOPPED


def switched_on(variable: str) -> bool:
    """Return whether an environment variable is 1.

    Raises:
        ConfigError: it is neither 0 nor 1.
    """
    asked = os.environ.get(variable) or "0"
    if asked not in ("0", "1"):
        raise ConfigError(f"{variable} is {asked!r}; it can be 1, for on, or 0, for off. Unset it for off.")
    return asked == "1"


def retrain_cron() -> str:
    """Return when the schedule `retrain_all` ticks, as a cron expression."""
    return os.environ.get("ARGN_RETRAIN_CRON") or "0 2 * * 6"


def retrain_tags() -> dict[str, str]:
    """Return the tags of the data sets that the schedule `retrain_all` runs; none is all.

    Raises:
        ConfigError: `ARGN_RETRAIN_TAGS` is not name=value with commas between them.
    """
    return parse_tags((os.environ.get("ARGN_RETRAIN_TAGS") or "").split(","), "ARGN_RETRAIN_TAGS")


def parse_tags(pairs: Iterable[str], said_in: str) -> dict[str, str]:
    """Return tags by name.

    >>> parse_tags(["tier=gold", " team = risk "], "--tag")
    {'tier': 'gold', 'team': 'risk'}

    Raises:
        ConfigError: one is not written name=value; names what it was said in.
    """
    tags = {}
    for pair in filter(str.strip, pairs):
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"{said_in}: {pair!r} is no tag. Write name=value, such as tier=gold.")
        tags[name.strip()] = value.strip()
    return tags
