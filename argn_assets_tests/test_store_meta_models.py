"""Folds and meta-models: all of them or an error, and sources in the order of the features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from argn_assets.errors import ArtifactConflict, ConfigError, MissingArtifact, StoreError
from argn_assets.store import (
    ArtifactLoader,
    ArtifactRecord,
    ArtifactStore,
    Dependency,
    Manifest,
)
from argn_assets_tests.conformance.backend import NOON, new_registry
from argn_assets_tests.test_store_registry import register

DETAILS: Any = {"operation": "fit", "class_name": "Mixture", "format": "json"}


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore.open(str(tmp_path), now=lambda: NOON)


def train(
    store: ArtifactStore, branch: Sequence[int] = (), fold: int | None = None, *, run: str = "5f1c9a3e-77aa"
) -> Manifest:
    registry = new_registry(store, run)
    artifact_id = registry.generate_id(3, branch_path=branch, fold_id=fold)
    register(registry, content=f"{list(branch)} {fold} {run}".encode(), artifact_id=artifact_id)
    return registry.commit(3, branch_path=branch, fold_id=fold, name="trained_artifact")


def train_folds(store: ArtifactStore, *folds: int, branch: Sequence[int] = ()) -> list[Manifest]:
    return [train(store, branch, fold) for fold in folds]


def combine(
    store: ArtifactStore, sources: Sequence[ArtifactRecord], *, branch: Sequence[int] = (), **changes: Any
) -> Manifest:
    """Commit a meta-model, with `changes` to its record as somebody else might have written it."""
    registry = new_registry(store)
    record = registry.register_meta_model(
        {"weights": [1] * len(sources)},
        sources=sources,
        feature_columns=[f"model_{index}" for index, _ in enumerate(sources)],
        artifact_id=registry.generate_id(4, branch_path=branch),
        **DETAILS,
    )
    registry._records[record.artifact_id] = replace(record, **changes)
    return registry.commit(4, branch_path=branch, name="meta_model")


def items(manifests: Sequence[Manifest]) -> list[ArtifactRecord]:
    return [manifest.items[0] for manifest in manifests]


def test_fold_models_are_loaded_in_order_and_of_one_branch(store: ArtifactStore) -> None:  # T11
    manifests = train_folds(store, 2, 0, 1) + train_folds(store, 0, 1, branch=[1]) + [train(store)]
    loader = ArtifactLoader.from_manifest(manifests, store)
    found = loader.load_fold_models(3, n_folds=3)
    assert list(found) == [0, 1, 2]
    assert found[0] == b"[] 0 5f1c9a3e-77aa"
    assert list(loader.load_fold_models(3, [1], n_folds=2).values())[1] == b"[1] 1 5f1c9a3e-77aa"


@pytest.mark.parametrize("folds", [(0, 1, 2, 3), (1, 2, 3, 4), (0, 1, 3, 4), (0, 1, 2, 3, 4, 5), ()])
def test_four_folds_of_five_are_never_loaded(store: ArtifactStore, folds: tuple[int, ...]) -> None:  # T11
    loader = ArtifactLoader.from_manifest([*train_folds(store, *folds), train(store)], store)
    with pytest.raises(MissingArtifact, match=r"step 3, branch \[\] should have the folds 0 to 4 and has"):
        loader.load_fold_models(3, n_folds=5)
    assert loader.cache_info().misses == 0


def test_a_fold_whose_blob_is_gone_is_an_error_too(store: ArtifactStore) -> None:
    manifests = train_folds(store, 0, 1)
    store.port.delete(f"binaries/cdnow/{manifests[1].items[0].path}")
    with pytest.raises(MissingArtifact, match="binaries/cdnow/model_Net_"):
        ArtifactLoader.from_manifest(manifests, store).load_fold_models(3, n_folds=2)


def test_an_output_of_the_folds_is_chosen_and_a_number_of_folds_is_given(store: ArtifactStore) -> None:
    registry = new_registry(store)
    for output in (0, 1):
        artifact_id = registry.generate_id(3, fold_id=0, output=output)
        register(registry, content=b"output %d" % output, artifact_id=artifact_id)
    loader = ArtifactLoader.from_manifest(registry.commit(3, fold_id=0, name="trained_artifact"), store)
    assert loader.load_fold_models(3, n_folds=1, output=1) == {0: b"output 1"}
    with pytest.raises(ConfigError, match="n_folds is 0"):
        loader.load_fold_models(3, n_folds=0)


def test_a_meta_model_names_its_sources_by_bytes_in_the_order_of_its_features(store: ArtifactStore) -> None:  # T10
    folds = items(train_folds(store, 1, 0))
    found = combine(store, folds).items[0]
    assert found.artifact_type == "meta_model"
    assert found.depends_on == tuple(fold.as_dependency() for fold in folds)
    assert found.meta_config == {
        "source_models": [
            {"artifact_id": fold.artifact_id, "content_hash": fold.content_hash, "feature_index": index}
            for index, fold in enumerate(folds)
        ],
        "feature_columns": ["model_0", "model_1"],
    }


@pytest.mark.parametrize(
    ("sources", "columns", "told"),
    [
        ([0, 1], ["a"], "2 sources and 1 feature"),
        ([], [], "0 sources"),
        ([0, 0], ["a", "b"], "source .* is named twice"),
        ([0, 1], ["a", "a"], "feature column 'a' .* is named twice"),
    ],
)
def test_a_feature_belongs_to_one_source(
    store: ArtifactStore, sources: list[int], columns: list[str], told: str
) -> None:
    folds = items(train_folds(store, 0, 1))
    registry = new_registry(store)
    with pytest.raises(ConfigError, match=told):
        registry.register_meta_model(
            {}, sources=[folds[index] for index in sources], feature_columns=columns,
            artifact_id=registry.generate_id(4), **DETAILS,
        )  # fmt: skip
    assert registry.records == ()


def test_a_source_must_exist_when_it_is_named(store: ArtifactStore) -> None:  # T10
    fold = train(store, fold=0).items[0]
    registry = new_registry(store)
    other = Dependency(artifact_id=fold.artifact_id, content_hash="sha256:0", manifest=fold.manifest)
    for source in (registry.generate_id(3, fold_id=1), other):
        with pytest.raises(MissingArtifact):
            registry.register_meta_model(
                {}, sources=[fold, source], feature_columns=["a", "b"], artifact_id=registry.generate_id(4), **DETAILS
            )


def test_a_meta_model_is_loaded_with_its_sources_in_order(store: ArtifactStore) -> None:  # T11
    folds = items(train_folds(store, 1, 0, 2))
    manifest = combine(store, folds)
    loader = ArtifactLoader.from_manifest(manifest, store)
    found = loader.load_meta_model_with_sources(manifest.items[0].artifact_id)
    assert (found.record, found.value) == (manifest.items[0], {"weights": [1, 1, 1]})
    assert list(found.sources) == [fold.artifact_id for fold in folds]
    assert next(iter(found.sources.values())) == b"[] 1 5f1c9a3e-77aa"
    assert found.feature_columns == ("model_0", "model_1", "model_2")


def swapped(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "source_models": config["source_models"][::-1]}


def test_sources_in_another_order_than_the_features_are_refused(store: ArtifactStore) -> None:  # T11
    folds = items(train_folds(store, 0, 1))
    config: Any = combine(store, folds).items[0].meta_config
    for attempt, changed in enumerate(
        (
            swapped(config),
            {**config, "source_models": config["source_models"][:1]},
            {**config, "feature_columns": ["a"]},
            {"source_models": [], "feature_columns": []},
            {"feature_columns": ["a", "b"]},
            {**config, "source_models": [7, 8]},
            {**config, "source_models": [{**config["source_models"][0], "content_hash": "sha256:0"}]},
        )
    ):
        store = ArtifactStore.open(f"{store.url}/{attempt}", now=lambda: NOON)
        manifest = combine(store, items(train_folds(store, 0, 1)), meta_config=changed)
        loader = ArtifactLoader.from_manifest(manifest, store)
        for load in (loader.load_meta_model_with_sources, loader.load_meta_model_for_prediction):
            with pytest.raises(StoreError, match="register_meta_model"):
                load(manifest.items[0].artifact_id)
        assert loader.cache_info().misses == 0


def test_the_features_that_are_there_must_be_those_of_the_meta_model_in_its_order(store: ArtifactStore) -> None:
    manifest = combine(store, items(train_folds(store, 0, 1)))
    loader, artifact_id = ArtifactLoader.from_manifest(manifest, store), manifest.items[0].artifact_id
    assert loader.load_meta_model_for_prediction(artifact_id, feature_columns=["model_0", "model_1"]).sources
    for columns in (["model_1", "model_0"], ["model_0"], []):
        with pytest.raises(ConfigError, match=r"takes the features model_0, model_1 in this order"):
            loader.load_meta_model_for_prediction(artifact_id, feature_columns=columns)


def test_a_meta_model_predicts_in_its_own_branch_and_below(store: ArtifactStore) -> None:  # T11
    manifest = combine(store, items([train(store, [1], 0), train(store, [1], 1)]), branch=[1])
    loader, artifact_id = ArtifactLoader.from_manifest(manifest, store), manifest.items[0].artifact_id
    for branch in ([1], [1, 0]):
        assert len(loader.load_meta_model_for_prediction(artifact_id, branch).sources) == 2
    for branch in ([], [0], [0, 1]):
        with pytest.raises(ConfigError, match=r"of branch \[1\] and cannot predict in branch"):
            loader.load_meta_model_for_prediction(artifact_id, branch)


def test_a_meta_model_over_variants_and_one_over_what_they_share(store: ArtifactStore) -> None:
    over = combine(store, items([train(store, [0]), train(store, [1])]))
    shared = combine(store, items([train(store)]), branch=[2])
    loader = ArtifactLoader.from_manifest([over, shared], store)
    assert len(loader.load_meta_model_for_prediction(over.items[0].artifact_id).sources) == 2
    assert len(loader.load_meta_model_for_prediction(shared.items[0].artifact_id, [2]).sources) == 1


def test_a_source_of_another_branch_is_refused_for_prediction(store: ArtifactStore) -> None:
    manifest = combine(store, items([train(store, [1])]), branch=[0])
    loader, artifact_id = ArtifactLoader.from_manifest(manifest, store), manifest.items[0].artifact_id
    with pytest.raises(ConfigError, match=r"of branch \[0\] has the source .* of branch \[1\]"):
        loader.load_meta_model_for_prediction(artifact_id, [0])
    assert loader.cache_info().misses == 0


def test_what_is_no_meta_model_is_not_loaded_as_one(store: ArtifactStore) -> None:
    manifest = train(store)
    loader = ArtifactLoader.from_manifest(manifest, store)
    for load in (loader.load_meta_model_with_sources, loader.load_meta_model_for_prediction):
        with pytest.raises(ConfigError, match="is a model, not a meta-model"):
            load(manifest.items[0].artifact_id)


def test_two_contents_of_one_id_are_not_loaded_into_one_place(store: ArtifactStore) -> None:
    first, second = train(store).items[0], train(store, run="6a000000").items[0]
    registry = new_registry(store, "7b000000")
    register(registry, 5, depends_on=[first, second])
    manifest = registry.commit(5, name="comparison")
    with pytest.raises(ArtifactConflict, match=f"made from {first.artifact_id} of two runs"):
        ArtifactLoader.from_manifest(manifest, store).load_with_dependencies(manifest.items[0].artifact_id)


def test_committing_the_same_again_is_a_no_op(store: ArtifactStore) -> None:  # T10
    first = train(store, fold=0)
    assert train(store, fold=0) == first
    assert len(list(store.manifests("cdnow"))) == 1
