"""The names of the encodings there are, found without importing them (they import polars and numpy)."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules


@cache
def known_encodings() -> tuple[str, ...]:
    """Return the encodings' names, sorted: the modules of `argn_assets.encodings` that give their own name as NAME."""
    package = find_spec("argn_assets.encodings")
    folders = list(package.submodule_search_locations or []) if package else []
    names = (module.name for module in iter_modules(folders))
    return tuple(sorted(name for name in names if any(_is_encoding(Path(folder), name) for folder in folders)))


def _is_encoding(folder: Path, name: str) -> bool:
    file = folder / f"{name}.py"
    own_name = rf"""^\s+NAME\b[^=\n]*=\s*["']{re.escape(name)}["']"""
    return file.is_file() and re.search(own_name, file.read_text(encoding="utf-8"), re.MULTILINE) is not None
