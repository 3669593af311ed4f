"""Model files that come inside installed packages: found and verified as data, never imported."""

import hashlib
import importlib.util
from pathlib import Path


class ModelFileError(Exception):
    """A model file is missing or is not the expected one. The message names no path."""

    from_package = True
    """Installing the backend's packages brings the file."""


def package_folder(package: str) -> Path | None:
    """Folder of an installed top-level package, without importing it; None: it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def needed_folder(package: str, distribution: str) -> Path:
    """As ``package_folder``, of a package that ``distribution``, with its version, brings.

    Raises:
        ModelFileError: it is not installed.
    """
    folder = package_folder(package)
    if folder is None:
        raise ModelFileError(f"package {distribution} is not installed.")
    return folder


def verified(file: Path, sha256: str) -> Path:
    """``file``, after its content was compared with the pinned digest.

    Raises:
        ModelFileError: the file is missing or differs.
    """
    try:
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelFileError(f"model file {file.name} cannot be read: {error.strerror}.") from error
    if found != sha256:
        raise ModelFileError(
            f"model file {file.name} is not the expected one: sha256 {found}, expected {sha256}."
        )
    return file
