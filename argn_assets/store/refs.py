"""Refs: the published copy of what is current, and pins, as numbered create-only files (T22).

`refs/<dataset>/<name>/<seq12>.json`: moving a ref creates the next number. No lock is needed, of two racers one wins,
the history stays. Dagster's event log decides what is current and never reads a ref; a ref can be rebuilt from it.

A pin is a ref called `pin.<name>`: it keeps manifests from collection and makes nothing current. Where a ref points now
is kept; where it pointed before is history, and may be gone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import uuid4

from argn_assets.errors import CorruptArtifact, MissingArtifact, RefConflict
from argn_assets.store.documents import JsonObject, JsonValue, seal, strict_json, unseal
from argn_assets.store.names import check_dataset, check_key
from argn_assets.store.port import Port
from argn_assets.store.records import read_time, time_text

_PIN = "pin."
_FILE = re.compile(r"([0-9]{12})\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """Where a ref pointed.

    Attributes:
        name: of the ref, within its data set.
        sequence: from 1; one more with every move.
        value: what it points to; `{"manifest": path}` makes it found by `ArtifactRegistry.resolve`.
        moved_at: when, in UTC.
    """

    name: str
    sequence: int
    value: Mapping[str, JsonValue]
    moved_at: datetime

    @property
    def manifests(self) -> tuple[str, ...]:
        """The manifests that it keeps: those of a pin, or the one that is published."""
        pinned, published = self.value.get("pin"), self.value.get("manifest")
        if isinstance(pinned, list):
            return tuple(map(str, pinned))
        return (published,) if isinstance(published, str) else ()


class RefLog:
    """The refs of one data set."""

    def __init__(self, port: Port, dataset: str, now: Callable[[], datetime]):
        self._port, self._folder, self._now = port, f"refs/{check_dataset(dataset)}", now
        self._seen: dict[str, int] = {}

    def names(self) -> list[str]:
        """Return the sorted names of the refs that there are, pins left out."""
        return [name for name in self._port.names(self._folder) if not name.startswith(_PIN)]

    def pins(self) -> dict[str, tuple[str, ...]]:
        """Return pin → the manifests that it keeps, sorted by name; CorruptArtifact if the newest file is bad."""
        names = [name for name in self._port.names(self._folder) if name.startswith(_PIN)]
        found = {name.removeprefix(_PIN): self.manifests_of(name) for name in names}
        return {name: manifests for name, manifests in found.items() if manifests}

    def pin(self, name: str, manifests: Iterable[str]) -> Ref:
        """Keep manifests, and what they were made from, until `unpin`; an older pin of this name keeps them no more.

        Args:
            name: letters, digits, `_`, `.`, `-`.
            manifests: paths, as `Manifest.path` gives them.
        Raises:
            MissingArtifact: one of them is not there.
            RefConflict: another writer moved the pin at the same time.
        """
        wanted = sorted(set(manifests))
        for manifest in wanted:
            self._port.touch(manifest)  # too young for a collector that has not seen the pin
        return self.move(_PIN + name, {"pin": wanted})

    def unpin(self, name: str) -> None:
        """Let a pin keep nothing; MissingArtifact (which lists the pins there are) if there is none of this name."""
        pins = self.pins()
        if name not in pins:
            raise MissingArtifact(f"{self._folder} has no pin {name!r}; there are {', '.join(pins) or 'none'}.")
        self.move(_PIN + name, {"pin": []})

    def manifests_of(self, name: str) -> tuple[str, ...]:
        """Return the manifests that a ref or pin (`pin.<name>`) points to now."""
        ref = self.read(name)
        return ref.manifests if ref else ()

    def delete(self, name: str, *, through: int) -> None:
        """Remove the moves of a ref up to number `through`, oldest first: it never points to where it pointed before.

        A move that another writer made since stays, and with it the ref.
        """
        for sequence in sorted(self._sequences(name)):
            if sequence <= through:
                self._port.delete(self._path(name, sequence))

    def read(self, name: str) -> Ref | None:
        """Return where a ref points, None if it was never moved, or deleted.

        Raises:
            CorruptArtifact: its newest file went bad; an older one is not taken for it.
        """
        with suppress(MissingArtifact):  # deleted between the two looks
            return self._newest_ref(name)
        return self._newest_ref(name)

    def newest(self, name: str) -> int:
        """Return the number of a ref's last move, 0 if there was none; its file is not read."""
        return max(self._sequences(name), default=0)

    def history(self, name: str) -> tuple[Ref, ...]:
        """Return where a ref pointed, oldest first."""
        return tuple(self._at(name, sequence) for sequence in sorted(self._sequences(name)))

    def move(self, name: str, value: Mapping[str, object], *, after: int | None = None) -> Ref:
        """Point a ref to `value`; a ref that points there already is returned as it is.

        Args:
            name: letters, digits, `_`, `.`, `-`.
            value: strict JSON.
            after: the sequence that the caller has seen (0: none); None takes the newest.
        Raises:
            RefConflict: another writer moved the ref since; read it and decide again.
        """
        wanted = cast(JsonObject, strict_json(value, f"value of ref {name}"))
        newest = self.read(name)
        seen = newest.sequence if newest else 0
        if after is not None and after != seen:
            raise RefConflict(
                f"{self._folder}/{name} is at {seen}, not at {after}: another writer moved it. Read it again."
            )
        if newest and newest.value == wanted:
            return newest
        ref = Ref(name=name, sequence=seen + 1, value=wanted, moved_at=self._now())
        # The uid tells our own put whose answer was lost from another writer's with the same value.
        moved: JsonObject = {
            "ref": name,
            "sequence": ref.sequence,
            "value": wanted,
            "moved_at": time_text(ref.moved_at),
        }
        if not self._port.publish(self._path(name, ref.sequence), seal({**moved, "uid": uuid4().hex})):
            raise RefConflict(f"{self._folder}/{name}: another writer made move {ref.sequence} first. Read it again.")
        return ref

    def _newest_ref(self, name: str) -> Ref | None:
        sequence = self._last_move(name)
        return self._at(name, sequence) if sequence else None

    def _last_move(self, name: str) -> int:
        """Return the number of the last move, 0 if there was none."""
        # Moves have no gaps: from the last one that was seen here the newest is found without a listing of them all.
        sequence = self._seen.get(name, 0)
        if sequence and self._port.size(self._path(name, sequence)) is not None:
            while self._port.size(self._path(name, sequence + 1)) is not None:
                sequence += 1
        else:
            sequence = self.newest(name)
        self._seen[name] = sequence
        return sequence

    def _sequences(self, name: str) -> list[int]:
        folder = f"{self._folder}/{check_key(name, 'ref')}"
        return [int(found[1]) for found in map(_FILE.fullmatch, self._port.names(folder)) if found]

    def _at(self, name: str, sequence: int) -> Ref:
        path = self._path(name, sequence)
        stored = unseal(self._port.read(path), path)
        try:
            found, value, moved_at = (stored["ref"], stored["sequence"]), stored["value"], str(stored["moved_at"])
            ref = Ref(name=name, sequence=sequence, value=dict(cast("JsonObject", value)), moved_at=read_time(moved_at))
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptArtifact(path, f"move {sequence} of {name}", f"another document ({error!r})") from error
        if found != (name, sequence):
            raise CorruptArtifact(path, f"move {sequence} of {name}", f"move {found[1]} of {found[0]}")
        return ref

    def _path(self, name: str, sequence: int) -> str:
        return f"{self._folder}/{name}/{sequence:012d}.json"
