"""DICOM files below a folder, as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from millet.errors import ServiceError

_PREFIX_AT, _PREFIX = 128, b"DICM"


def dicom_files(folder: Path) -> tuple[Path, ...]:
    """All files below the folder that carry the DICOM prefix (PS3.10 7.1), in name order."""
    if not folder.is_dir():
        raise ServiceError(f"{folder} is no folder")
    files = tuple(path for path in sorted(folder.rglob("*")) if path.is_file() and _is_dicom(path))
    if not files:
        raise ServiceError(f"no DICOM file below {folder}")
    return files


def contents(files: tuple[Path, ...]) -> Iterator[bytes]:
    """The bytes of each file."""
    return (path.read_bytes() for path in files)


def is_dicom(begin: bytes) -> bool:
    """Whether a file that begins so carries the prefix."""
    return begin[_PREFIX_AT : _PREFIX_AT + len(_PREFIX)] == _PREFIX


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return is_dicom(file.read(_PREFIX_AT + len(_PREFIX)))
