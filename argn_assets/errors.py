"""Every error of the package, drawn as a tree and split by whose fault it is.

    ArgnError
    ├── UserError              the declaration, the configuration or the data want a change
    │   ├── SchemaError        a table does not have the columns, keys or types it should have
    │   ├── ConfigError        a setting or a declared data set cannot be used
    │   ├── DataError          values that cannot be used: empty tables, duplicate keys, unparsable text
    │   └── SourceError        a source cannot be read
    ├── EngineError            training or generation cannot go on
    │   └── NonFiniteLogits    a model gave no usable probability
    ├── ArtifactError          bytes that are not an artifact this version reads
    └── StoreError             the artifact store
        ├── MissingArtifact    named, and not there
        ├── CorruptArtifact    stored bytes differ from their digest
        ├── ArtifactConflict   one name for two contents
        ├── RefConflict        two writers moved one ref; the other one won
        ├── UnsafeName         a name that would leave the store's root
        ├── UnsafeClass        a pickle names what is not on the allow-list
        ├── UnsafeArchive      a tar is not one that `argn artifacts export` writes
        ├── UnsupportedManifestVersion
        └── StoreUnavailable   the back-end did not answer, refused or is full

A message names the thing, the value found, what would be accepted and the way out.
"""


class ArgnError(Exception):
    """Base of every error this package raises on purpose."""


class UserError(ArgnError):
    """The declaration, the configuration or the data want a change."""


class SchemaError(UserError):
    """A table lacks columns, keys or types that it should have."""


class ConfigError(UserError):
    """A setting, or a declared data set, cannot be used."""


class DataError(UserError):
    """The values of a table cannot be used."""


class SourceError(UserError):
    """A source of raw data cannot be read."""


class EngineError(ArgnError):
    """Training or generation cannot go on."""


class NonFiniteLogits(EngineError):
    """A model gave a row without one finite logit."""


class ArtifactError(ArgnError):
    """Bytes are not a model artifact that this version reads."""


class StoreError(ArgnError):
    """The artifact store cannot do what was asked."""


class MissingArtifact(StoreError):
    """An artifact was named and is not in the store."""


class CorruptArtifact(StoreError):
    """Stored bytes do not match the digest they are stored under."""

    def __init__(self, path: str, expected: str, found: str):
        super().__init__(
            f"{path} should be {expected} and reads back as {found}: the stored bytes changed. "
            "Restore the file from a copy, or materialise the asset again with force."
        )
        self.path, self.expected, self.found = path, expected, found


class ArtifactConflict(StoreError):
    """One artifact id was given two contents within a run."""


class RefConflict(StoreError):
    """Two writers moved the same ref and the other one won."""


class UnsafeName(StoreError):
    """A name from outside would leave the store's root."""


class UnsafeClass(StoreError):
    """A pickle names something that is not on the allow-list; it was neither imported nor called.

    Args:
        class_name: what was named, with its module.
        path: where.
    """

    def __init__(self, class_name: str, path: str):
        super().__init__(
            f"{path} names {class_name}, which is not on the list of classes that the format joblib loads "
            "(argn_assets.store.joblib_format.ALLOWED); nothing of it was run. Store arrays as npz or safetensors, "
            "settings as json."
        )
        self.class_name = class_name


class UnsafeArchive(StoreError):
    """A tar holds something that an exported artifact does not: links, devices, unknown or repeated members."""


class UnsupportedManifestVersion(StoreError):
    """A manifest was written by a version that this one does not read."""


class StoreUnavailable(StoreError):
    """The back-end did not answer, refused, or is full."""
