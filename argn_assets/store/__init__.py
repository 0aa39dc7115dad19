"""The artifact store: every result as an immutable blob named by its content, found again by deterministic ids.

    ArtifactStore      the place: blobs, manifests, refs, action cache
    ArtifactRegistry   registers what a step makes and commits it
    ArtifactLoader     loads it again, verified
    Retention          how much of the past a collection keeps: `ArtifactStore.collect_dataset`
    export_artifact    writes it with all that it was made from as a tar; import_artifact takes it in again

No Dagster and no torch in here; pandas, polars, pyarrow and numpy are imported when a table is encoded or decoded.
"""

from argn_assets.store.arrow_hash import arrow_data_hash
from argn_assets.store.artifact_store import ArtifactStore
from argn_assets.store.collect import Collected
from argn_assets.store.documents import JsonObject, JsonValue, canonical_json, digest
from argn_assets.store.formats import FORMATS, Format
from argn_assets.store.ids import ExecutionPath, generate_artifact_id, parse_artifact_id, pipeline_id
from argn_assets.store.loader import ArtifactLoader
from argn_assets.store.manifest import Manifest
from argn_assets.store.meta_models import MetaModel
from argn_assets.store.records import ArtifactRecord, ArtifactType, Dependency, Producer
from argn_assets.store.refs import Ref
from argn_assets.store.registry import ArtifactRegistry
from argn_assets.store.retention import Retention
from argn_assets.store.transfer import export_artifact, import_artifact
from argn_assets.store.usage import Usage
from argn_assets.store.verify import Finding, VerifyReport

__all__ = [
    "FORMATS",
    "ArtifactLoader",
    "ArtifactRecord",
    "ArtifactRegistry",
    "ArtifactStore",
    "ArtifactType",
    "Collected",
    "Dependency",
    "ExecutionPath",
    "Finding",
    "Format",
    "JsonObject",
    "JsonValue",
    "Manifest",
    "MetaModel",
    "Producer",
    "Ref",
    "Retention",
    "Usage",
    "VerifyReport",
    "arrow_data_hash",
    "canonical_json",
    "digest",
    "export_artifact",
    "generate_artifact_id",
    "import_artifact",
    "parse_artifact_id",
    "pipeline_id",
]
