"""A folder of YAML files, each one data set.

1. A file is named like its data set: `planes.yaml` declares `planes`. So a name has one file, and a file that cannot
   be read still has a name.
2. A broken file is a problem of its data set; the others go on.
3. A catalogue is a snapshot; make a new one to see changed files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from argn_assets.datasets.field_types import DATASET_NAME_RULE, is_dataset_name
from argn_assets.datasets.locations import SourceFile, absolute, in_project, open_system, unreadable
from argn_assets.datasets.messages import listing, shown_url, suggestion
from argn_assets.datasets.parse import parse_dataset
from argn_assets.datasets.spec import DatasetSpec
from argn_assets.errors import ConfigError, SourceError

DEFAULT_FOLDER = "datasets"
SUFFIXES = (".yaml", ".yml")


def catalogue_url() -> str:
    """Return the catalogue's path or URL: ARGN_DATASETS, or `datasets`; a relative path belongs to the project."""
    return in_project(os.environ.get("ARGN_DATASETS") or DEFAULT_FOLDER)


@dataclass(frozen=True)
class CatalogueFile:
    """One file of a catalogue: its declaration, or the problem it has.

    Attributes:
        name: the data set's name, which is the file's name without its suffix.
        file: the file's path or URL, for people.
        digest: `sha256:…` of the file's bytes; empty where they could not be read.
        spec: the declaration, or None.
        problem: what is wrong, or None.
    """

    name: str
    file: str
    digest: str
    spec: DatasetSpec | None = None
    problem: str | None = None


class Catalogue:
    """The declared data sets of a folder, as they were when the catalogue was made.

    >>> import fsspec
    >>> with fsspec.open("memory://doc/planes.yaml", "w") as file:
    ...     _ = file.write("{dataset: planes, tables: {planes: {source: planes.csv}}}")
    >>> Catalogue("memory://doc").names()
    ['planes']
    """

    def __init__(self, url: str | None = None):
        """Read the folder.

        Args:
            url: a path or any fsspec URL; None: what `catalogue_url` says.
        Raises:
            ConfigError: there is no such folder, or it cannot be listed.
        """
        self.url = url or catalogue_url()
        self._files = {entry.name: entry for entry in _with_one_file_each(list(_read(self.url)))}

    def names(self) -> list[str]:
        """Return the data sets that can be used, sorted."""
        return [name for name, entry in self._files.items() if entry.spec is not None]

    def declared_names(self) -> list[str]:
        """Return every declared data set, sorted, the broken ones among them: their partitions should stay."""
        return list(self._files)

    def get(self, name: str) -> DatasetSpec:
        """Return a declaration; ConfigError says what is wrong with its file, or which data sets there are."""
        entry = self.entry(name)
        if entry.spec is None:
            raise ConfigError(entry.problem)
        return entry.spec

    def entry(self, name: str) -> CatalogueFile:
        """Return what is known of a declared data set, broken or not; ConfigError where none is declared."""
        if name not in self._files:
            known = f"Declared: {listing(self._files)}." if self._files else "The catalogue is empty."
            raise ConfigError(
                f"No data set {name!r} in the catalogue {shown_url(self.url)}.{suggestion(name, self._files)} {known}"
            )
        return self._files[name]

    def entries(self) -> list[CatalogueFile]:
        """Return all files, sorted by data set."""
        return list(self._files.values())

    def digest(self, name: str) -> str:
        """Return `sha256:…` of the bytes of a data set's file, to see that it changed."""
        return self.entry(name).digest

    def tagged(self, tags: Mapping[str, str]) -> list[str]:
        """Return the data sets that can be used and declare all these tags, sorted."""
        return [name for name in self.names() if tags.items() <= self.get(name).tags.items()]

    def problems(self) -> dict[str, str]:
        """Return the files that cannot be used, each with its message."""
        return {entry.file: entry.problem for entry in self._files.values() if entry.problem is not None}


def add_file(url: str, name: str, text: str) -> str:
    """Write a declaration into a catalogue, making its folder if need be, and return the file's path or URL.

    Raises:
        ConfigError: the text does not declare the data set `name`, or the name is taken.
        SourceError: the folder cannot be written to.
    """
    shown = f"{shown_url(url).rstrip('/')}/{name}.yaml"
    declared = parse_dataset(text, shown).dataset
    if declared != name:
        raise ConfigError(f"{shown} would declare the data set {declared!r}; a file is named like its data set.")
    system, folder = open_system(absolute(url, ""), shown_url(url))
    try:
        system.makedirs(folder, exist_ok=True)
        taken = _claims(url, name)
        if taken:
            raise ConfigError(f"The data set {name!r} is declared already, in {taken[0].shown}. Choose another name.")
        system.pipe_file(f"{folder.rstrip('/')}/{name}.yaml", text.encode())
    except OSError as error:
        raise unreadable(shown, error) from error
    return shown


def remove_file(url: str, name: str) -> str:
    """Delete the declaration of a data set and return the path or URL of its file.

    Raises:
        ConfigError: no file, or more than one, declares it.
    """
    claims = _claims(url, name)
    if len(claims) != 1:
        found = " and ".join(claim.shown for claim in claims) or f"no file in {shown_url(url)}"
        raise ConfigError(f"{name!r} is declared by {found}, not by one file. Delete the wrong one yourself.")
    claims[0].system.rm_file(claims[0].path)
    return claims[0].shown


def _claims(url: str, name: str) -> list[SourceFile]:
    return [file for file, stem in _yaml_files(url) if stem == name]


def _read(url: str) -> Iterator[CatalogueFile]:
    folder = absolute(url, "")
    for file, stem in _yaml_files(url):
        yield _declared(file, stem, folder)


def _yaml_files(url: str) -> Iterator[tuple[SourceFile, str]]:
    """Yield the YAML files of a folder and their names without suffix, in the order of their names."""
    folder = absolute(url, "")
    try:
        system, path = open_system(folder, shown_url(url))
        entries = system.ls(path, detail=True) if system.isdir(path) else None
    except SourceError as error:
        raise ConfigError(f"The catalogue cannot be read: {error} {_WAY_OUT}") from error
    except Exception as error:  # each file system has errors of its own
        raise ConfigError(f"The catalogue {shown_url(url)} cannot be listed: {error}. {_WAY_OUT}") from error
    if entries is None:
        raise ConfigError(f"The catalogue {shown_url(url)} is not a folder. {_WAY_OUT}")
    for file_path in sorted(str(entry["name"]) for entry in entries if entry.get("type") != "directory"):
        file_name = file_path.rpartition("/")[2]
        if file_name.casefold().endswith(SUFFIXES) and not file_name.startswith("."):
            shown = f"{shown_url(url).rstrip('/')}/{file_name}"
            yield SourceFile(system, file_path, shown), file_name.rpartition(".")[0]


_WAY_OUT = "Make the folder, or set ARGN_DATASETS to the path or URL of the one with your YAML files."


def _declared(file: SourceFile, stem: str, folder: str) -> CatalogueFile:
    digest = ""
    try:
        content = file.read_bytes()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if not is_dataset_name(stem):
            raise ConfigError(f"{file.shown}: {stem!r} cannot name a data set. Accepted: {DATASET_NAME_RULE}.")
        spec = _parsed(content, file.shown).in_folder(folder)
        if spec.dataset != stem:
            raise ConfigError(
                f"{file.shown} declares the data set {spec.dataset!r}; a file is named like its data set. Rename it to "
                f"{spec.dataset}.yaml, or write 'dataset: {stem}'."
            )
    except (ConfigError, SourceError) as error:
        return CatalogueFile(stem, file.shown, digest, problem=str(error))
    return CatalogueFile(stem, file.shown, digest, spec=spec)


# A sensor reads the same files every few seconds; declarations are immutable, so equal bytes are parsed once.
@lru_cache(maxsize=4096)
def _parsed(content: bytes, file: str) -> DatasetSpec:
    return parse_dataset(content, file)


def _with_one_file_each(entries: list[CatalogueFile]) -> Iterator[CatalogueFile]:
    """Turn two files of one name into one entry with a problem that names both."""
    by_name: dict[str, list[CatalogueFile]] = {}
    for entry in entries:
        by_name.setdefault(entry.name, []).append(entry)
    for name, claims in sorted(by_name.items()):
        if len(claims) == 1:
            yield claims[0]
        else:
            files = " and ".join(claim.file for claim in claims)
            digests = hashlib.sha256("".join(claim.digest for claim in claims).encode()).hexdigest()
            problem = f"{files} both declare the data set {name!r}. Keep one of them."
            yield CatalogueFile(name, claims[0].file, f"sha256:{digests}", problem=problem)
