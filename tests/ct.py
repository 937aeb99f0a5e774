"""Small CT series for tests: one asymmetric body, written the way scanners write it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from millet.core.uids import derived_uid

ROOT = "1.2.826.0.1.3680043.8.498.77"
SHAPE = (24, 10, 12)
SPACING_MM = (1.0, 0.8, 0.7)
ORIGIN_MM = (-40.0, -150.0, 300.0)
AXIAL = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
HU = np.random.default_rng(7).integers(-1000, 400, SHAPE).astype(np.int16)
"""(z, y, x) in the canonical order: no two places are alike, so no flip goes unseen."""

Change = Callable[[Dataset], None]


def series(
    axes: Sequence[Sequence[int]] = AXIAL, spacing_mm: tuple[float, float, float] = SPACING_MM
) -> list[Dataset]:
    """The body as slices with the given row, column and slice directions (signed unit vectors)."""
    row, column, up = (np.asarray(axis) for axis in axes)
    source = [int(np.flatnonzero(axis)[0]) for axis in (up, column, row)]  # 0 for x, 1 for y, 2 for z
    hu = HU.transpose([2 - axis for axis in source])
    signs = [int(axis.sum()) for axis in (up, column, row)]
    hu = hu[tuple(slice(None, None, sign) for sign in signs)]
    first = np.asarray(ORIGIN_MM)
    for axis, sign in zip(source, signs, strict=True):
        if sign < 0:
            first[axis] += (SHAPE[2 - axis] - 1) * spacing_mm[2 - axis]
    step = up * spacing_mm[2 - source[0]]
    pixel = [spacing_mm[2 - source[1]], spacing_mm[2 - source[2]]]
    return [
        instance(number, plane, first + step * number, (*row, *column), pixel)
        for number, plane in enumerate(hu)
    ]


def instance(
    number: int,
    hu: NDArray[np.int16],
    place_mm: NDArray[Any],
    directions: Sequence[int],
    pixel_mm: Sequence[float],
) -> Dataset:
    """One slice, 16 bits with rescale intercept -1024."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SpecificCharacterSet, made.SOPClassUID, made.SOPInstanceUID = (
        "ISO_IR 192",
        CTImageStorage,
        f"{ROOT}.{number + 1}",
    )
    made.StudyInstanceUID, made.SeriesInstanceUID = f"{ROOT}.1.1", f"{ROOT}.1.2"
    made.FrameOfReferenceUID = f"{ROOT}.1.3"
    made.Modality, made.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.PatientID, made.IssuerOfPatientID, made.PatientName = "P1", "H1", "Müller^Ä"
    made.PatientBirthDate, made.PatientSex, made.PatientAge = "19600101", "F", "066Y"
    made.StudyDate, made.AccessionNumber, made.BodyPartExamined = "20260102", "A1", "CHEST"
    made.KVP, made.ConvolutionKernel, made.SliceThickness = 120, "B60f", 1
    made.InstanceNumber, made.AcquisitionNumber = number + 1, 1
    made.ImagePositionPatient, made.ImageOrientationPatient = (
        [float(v) for v in place_mm],
        [float(v) for v in directions],
    )
    made.PixelSpacing, made.RescaleSlope, made.RescaleIntercept = [float(v) for v in pixel_mm], 1, -1024
    made.Rows, made.Columns = hu.shape
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 0
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.PixelData = (hu + 1024).astype("<u2").tobytes()
    return made


def encoded(dataset: Dataset) -> bytes:
    """A dataset as a file."""
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def files(datasets: Sequence[Dataset]) -> list[bytes]:
    """Datasets as files."""
    return [encoded(dataset) for dataset in datasets]


def copied(datasets: Sequence[Dataset], tail: str, **values: Any) -> list[Dataset]:
    """The same slices as other instances, with some values changed."""
    made = []
    for dataset in datasets:
        copy = deepcopy(dataset)
        copy.SOPInstanceUID = f"{dataset.SOPInstanceUID}.{tail}"
        for name, value in values.items():
            setattr(copy, name, value)
        made.append(copy)
    return made


def renamed(datasets: Sequence[Dataset], name: str) -> list[Dataset]:
    """The same slices with identifiers of a series of its own; what was equal stays equal."""
    for dataset in datasets:
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"):
            if keyword in dataset:
                known = str(dataset.pop(keyword).value)  # data sets may share the element itself
                setattr(dataset, keyword, derived_uid("test", name, known))
    return list(datasets)


def compressed(dataset: Dataset, transfer_syntax_uid: str, code: bytes) -> Dataset:
    """The dataset with its pixels replaced by one encapsulated frame."""
    dataset.file_meta.TransferSyntaxUID = transfer_syntax_uid
    dataset.PixelData = encapsulate([code])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dataset
