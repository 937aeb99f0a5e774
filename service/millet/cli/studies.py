"""The studies below a folder, in any layout: DICOM media, an export, a folder a series, all in one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from millet.cli.folder import is_dicom
from millet.codec.ct import head_of, read_header
from millet.codec.scanner import Scanner, scanner_of
from millet.core.series import SliceHeader
from millet.errors import ServiceError, UnfitSeries
from millet.flow.reception import CT_CLASSES

HEAD_BYTES = 1 << 16
"""In which nearly every header ends."""
_MEDIA_DIRECTORY = b"1.2.840.10008.1.3.10\0"
"""Media Storage SOP Class UID of a DICOMDIR (PS3.3 F.3.2), which names files that are found without it."""
_META_BYTES = 1024


@dataclass(slots=True, kw_only=True)
class Series:
    """One series: its files, and whose it is. Stays on this machine."""

    series_uid: str
    study_uid: str
    patient: str
    """Issuer and ID; the study's UID where there is no ID."""
    scanner: Scanner
    accession: str = ""
    files: list[Path] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Below:
    """What lies below a folder."""

    series: dict[str, Series] = field(default_factory=dict)
    """By UID, in the order of their first files."""
    kinds: Counter[str] = field(default_factory=Counter)
    """What files are, in words."""
    left_out: dict[Path, str] = field(default_factory=dict)
    """Files and folders that could not be read, with the reason."""
    others: set[str] = field(default_factory=set)
    """UIDs of studies of which there are objects that the service does not take."""

    def studies(self) -> Mapping[str, list[Series]]:
        """The series of each study, by UID."""
        grouped: dict[str, list[Series]] = {}
        for one in self.series.values():
            grouped.setdefault(one.study_uid, []).append(one)
        return grouped

    @property
    def studies_not_taken(self) -> int:
        """Studies in which there is nothing that the service takes."""
        return len(self.others - {one.study_uid for one in self.series.values()})


CT, OTHER, DIRECTORY = "CT instances", "objects that the service does not take", "DICOMDIR"
NO_DICOM, UNREADABLE = "files that are no DICOM", "files and folders that cannot be read"


def below(root: Path, out: Path) -> Below:
    """Every series below a folder; hidden files and what lies in `out` are passed over.

    A file that cannot be read costs that file. Raises ServiceError where no series is.
    """
    if not root.is_dir():
        raise ServiceError(f"{root} is no folder")
    found = Below()
    for path in _files(root, out, found):
        try:
            kind = _take(path, found)
        except OSError as error:
            found.left_out[path] = error.strerror or type(error).__name__
            kind = UNREADABLE
        except UnfitSeries as error:
            found.left_out[path] = str(error)
            kind = UNREADABLE
        found.kinds[kind] += 1
    if not found.series:
        told = ", ".join(f"{count} {kind}" for kind, count in found.kinds.items()) or "no file"
        raise ServiceError(f"no CT series below {root}: {told}")
    return found


def _files(root: Path, out: Path, found: Below) -> Iterator[Path]:
    """In name order, so that the same folder is the same cases."""

    def failed(error: OSError) -> None:
        found.left_out[Path(error.filename)] = error.strerror or type(error).__name__
        found.kinds[UNREADABLE] += 1

    for folder, folders, names in os.walk(root, onerror=failed):
        here = Path(folder)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (here / name).resolve() != out.resolve()
        )
        yield from (here / name for name in sorted(names) if not name.startswith("."))


def _take(path: Path, found: Below) -> str:
    """What a file is; what the service takes is put with its series. Raises UnfitSeries, OSError."""
    with path.open("rb") as file:
        begin = file.read(HEAD_BYTES)
        if not is_dicom(begin):
            return NO_DICOM
        if _MEDIA_DIRECTORY in begin[:_META_BYTES]:
            return DIRECTORY
        head = head_of(begin) or begin + file.read()
    header = read_header(head)
    if header.sop_class_uid not in CT_CLASSES:
        found.others.add(header.study_uid)
        return OTHER
    if not header.series_uid:
        found.left_out[path] = "no Series Instance UID"
        return UNREADABLE
    one = found.series.get(header.series_uid) or found.series.setdefault(
        header.series_uid, _series(header, head)
    )
    one.accession = one.accession or header.accession
    one.files.append(path)
    return CT


def _series(header: SliceHeader, head: bytes) -> Series:
    study_uid = header.study_uid or f"of series {header.series_uid}"
    known = header.patient
    return Series(
        series_uid=header.series_uid,
        study_uid=study_uid,
        patient=f"{known.issuer}\n{known.patient_id}" if known.patient_id else study_uid,
        scanner=scanner_of(head),
    )
