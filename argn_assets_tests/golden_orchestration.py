"""Golden files of the Dagster project; `python -m argn_assets_tests.golden_orchestration` writes them.

`asset_specs.json`: what every asset says of itself. `stage_digests.json`: what every stage makes of a fixed data set,
under its version: a digest that changes without a version would leave old results in everyone's action cache.

Weights and scores differ in their last digits from machine to machine. Of an artifact all but the weights' values is
hashed, and synthetic rows are drawn from an artifact whose weights are zero.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from argn_assets.artifact import ModelArtifact
from argn_assets.datasets import Catalogue, DatasetSpec
from argn_assets.orchestration.handles import StoredTables
from argn_assets.orchestration.one_table import generate_table
from argn_assets.orchestration.stages import STAGES, Stage
from argn_assets.store import ArtifactStore, arrow_data_hash
from argn_assets_tests.dagster_world import CHAIN, World, csv_rows, declaration, definitions

FOLDER = Path(__file__).parent / "golden_orchestration"


def asset_specs() -> dict[str, Any]:
    """Return what every asset says of itself, by its key."""
    graph = definitions().resolve_asset_graph()
    specs: dict[str, Any] = {}
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        specs[key.to_user_string()] = {
            "description": node.description,
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "owners": list(node.owners),
            "tags": {name: text for name, text in sorted(node.tags.items()) if not name.startswith("dagster/kind/")},
            "code_version": node.code_version,
            "partitions": node.partitions_def.name if node.partitions_def else None,
            "parents": sorted(parent.to_user_string() for parent in node.parent_keys),
            "checks": sorted(check.name for check in node.check_keys),
            "automation": node.automation_condition.get_label() if node.automation_condition else None,
        }
    return specs


def stage_digests() -> dict[str, dict[str, Any]]:
    """Return version and digest of every stage, by its asset."""
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral(tempdir=folder) as instance:
        os.environ.update(ARGN_STORE=f"{folder}/store", ARGN_DATASETS=f"{folder}/datasets")
        world = World(Path(folder), instance)
        world.declare("golden", csv=csv_rows(), yaml=declaration("golden", target="kind"))
        if not world.run("golden", CHAIN).success:
            raise RuntimeError("the chain of the golden data set failed")
        store, spec = ArtifactStore.open(f"{folder}/store"), Catalogue().get("golden")
        made = {stage.asset: _handle(store, stage.asset) for stage in STAGES}
        digest_of = {stage.asset: lambda handle: handle.digest for stage in STAGES} | {
            "trained_artifact": lambda handle: _hash(_without_values(handle)),
            "synthetic_tables": lambda _: _drawn(spec, made["trained_artifact"]),
            "quality_report": lambda handle: _hash(_figures(handle)),
        }
        return {stage.asset: _entry(stage, digest_of[stage.asset](made[stage.asset])) for stage in STAGES}


def _handle(store: ArtifactStore, asset: str) -> StoredTables:
    ref = store.refs("golden").read(asset)
    assert ref is not None, asset
    return StoredTables(store.read_manifest(str(ref.value["manifest"])), store, asset=asset)


def _entry(stage: Stage, digest: str) -> dict[str, Any]:
    return {"version": stage.version, "digest": digest}


def _without_values(trained: StoredTables) -> Any:
    artifact = ModelArtifact.from_bytes(trained.load_bytes("golden"))
    shapes = {name: [str(value.dtype), *value.shape] for name, value in sorted(artifact.weights.items())}
    said = [artifact.network, shapes, artifact.tgt_cardinalities, [record.epoch for record in artifact.history]]
    return [said, hashlib.sha256(artifact.tgt_stats.to_bytes()).hexdigest()]


def _drawn(spec: DatasetSpec, trained: StoredTables) -> str:
    artifact = ModelArtifact.from_bytes(trained.load_bytes("golden"))
    zero = {name: np.zeros_like(value) for name, value in artifact.weights.items()}
    settings = {**spec.sampling.model_dump(), "rows": 50, "seed": 3}
    table = generate_table(spec, "golden", dataclasses.replace(artifact, weights=zero), {}, settings=settings)
    return arrow_data_hash(table.to_arrow())


def _figures(report: StoredTables) -> Any:
    summary: Any = report.load("summary")
    return [sorted(summary["golden"]), summary["golden"]["rows_training"]]  # names and a count: no machine rounds them


def _hash(value: Any) -> str:
    return f"sha256:{hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()}"


FILES: dict[str, Callable[[], Any]] = {"asset_specs.json": asset_specs, "stage_digests.json": stage_digests}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, make in FILES.items():
        (FOLDER / name).write_text(json.dumps(make(), indent=2, ensure_ascii=False) + "\n")
        print(f"wrote {FOLDER / name}")
