"""What an artifact depends on, and what that depends on: iterative, cycles named, depth limited."""

from __future__ import annotations

from collections.abc import Callable

from argn_assets.errors import MissingArtifact, StoreError
from argn_assets.store.records import ArtifactRecord, Dependency

DEPTH_LIMIT = 100

_Key = tuple[str, str]  # artifact id and content hash
FindRecord = Callable[[ArtifactRecord, Dependency], ArtifactRecord]


def closure(record: ArtifactRecord, find: FindRecord, depth_limit: int = DEPTH_LIMIT) -> list[ArtifactRecord]:
    """Return all that `record` depends on, itself not included, every source before what is made from it.

    Args:
        record: where to start.
        find: gives the record behind a dependency of a record.
        depth_limit: the longest chain that is followed, in artifacts.
    Raises:
        MissingArtifact: a dependency is not there.
        StoreError: the dependencies form a cycle, which is named, or a chain longer than `depth_limit`.
    """
    ordered: dict[_Key, ArtifactRecord] = {}
    chain = {_key(record): record}
    waiting = [iter(record.depends_on)]
    while True:
        source = next(waiting[-1], None)
        if source is None:
            waiting.pop()
            key, done = chain.popitem()
            if not chain:
                return list(ordered.values())
            ordered[key] = done
        elif (source.artifact_id, source.content_hash) not in ordered:
            found = find(next(reversed(chain.values())), source)
            _check(chain, found, depth_limit)
            chain[_key(found)] = found
            waiting.append(iter(found.depends_on))


def same_bytes(record: ArtifactRecord, source: Dependency) -> ArtifactRecord:
    """Return `record` if it is the one that a dependency names; MissingArtifact if its bytes are others."""
    if record.content_hash != source.content_hash:
        raise MissingArtifact(
            f"{source.artifact_id} was used with the bytes {source.content_hash}; {record.manifest or 'this run'} "
            f"records {record.content_hash}. Name the manifest of the run that made it."
        )
    return record


def _check(chain: dict[_Key, ArtifactRecord], found: ArtifactRecord, depth_limit: int) -> None:
    """Raise StoreError if `found` is in the chain already, or makes it too long."""
    if _key(found) not in chain and len(chain) <= depth_limit:
        return
    ids = [artifact_id for artifact_id, _ in chain]
    if _key(found) in chain:
        cycle = [*ids[list(chain).index(_key(found)) :], found.artifact_id]
        raise StoreError(f"dependencies form a cycle: {' → '.join(cycle)}. One of them cannot be made from the other.")
    raise StoreError(f"{ids[0]} depends on a chain of more than {depth_limit} artifacts: {' → '.join(ids[:3])} → ….")


def _key(record: ArtifactRecord) -> _Key:
    return record.artifact_id, record.content_hash
