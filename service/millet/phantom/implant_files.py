"""Series on disk around an implant: the HU of one, and copies of its instances with the changed pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGLSLossless

from millet.codec import tables
from millet.core.geometry import Grid, PointMm, Vector
from millet.core.uids import derived_uid
from millet.core.volume import Volume
from millet.phantom.implant import Implanted
from millet.phantom.shapes import Field


def write(sources: Sequence[Path], implanted: Implanted, out: Path) -> None:
    """Write copies of the source instances with the changed pixels, and truth.csv, into a folder.

    Each slice finds its plane by its own position. New SOP Instance and Series UIDs, Explicit VR
    Little Endian; all other elements stay. Pixels that did not change keep their stored value.
    Raises ValueError for an instance that is no slice of the volume.
    """
    out.mkdir(parents=True, exist_ok=True)
    for number, source in enumerate(sorted(sources), start=1):
        dataset = pydicom.dcmread(source)
        _replace_pixels(dataset, implanted.volume)
        _rename(dataset)
        with (out / f"{number:04d}.dcm").open("wb") as target:
            dcmwrite(target, dataset, enforce_file_format=True)
    (out / "truth.csv").write_text(tables.truth(implanted.truth))


def _replace_pixels(dataset: Dataset, volume: Volume) -> None:
    old = stored_values(dataset)
    slope, intercept = float(dataset.RescaleSlope), float(dataset.RescaleIntercept)
    hu = _plane(dataset, volume)
    if hu.shape != old.shape:
        raise ValueError(f"a slice of {old.shape} does not fit a plane of {hu.shape}")
    changed = np.abs(hu - (old * slope + intercept)) > 0.5 * abs(slope)
    new = np.where(changed, np.rint((hu - intercept) / slope), old).astype(old.dtype)
    dataset.PixelData = new.tobytes()
    dataset["PixelData"].VR = "OW"
    dataset["PixelData"].is_undefined_length = False
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _plane(dataset: Dataset, volume: Volume) -> Field:
    """The plane of the volume at the instance's position, rows and columns as the instance has them."""
    row, column = np.reshape(np.asarray(dataset.ImageOrientationPatient, float), (2, 3))
    index = volume.grid.to_index(PointMm(*(float(v) for v in dataset.ImagePositionPatient)))
    plane = int(np.argmax(np.abs(np.asarray(volume.grid.axes) @ np.cross(row, column))))
    k = round(index[plane])
    if abs(index[plane] - k) > 0.2 or not 0 <= k < volume.grid.shape[plane]:
        raise ValueError("an instance lies on no plane of the volume")
    image = np.take(np.asarray(volume.hu, np.float32), k, axis=plane)
    left = [np.asarray(axis) for axis in np.delete(np.asarray(volume.grid.axes), plane, axis=0)]
    if abs(float(left[0] @ column)) < 0.5:
        image, left = image.T, left[::-1]
    rows, columns = (
        slice(None, None, 1 if axis @ want > 0 else -1)
        for axis, want in zip(left, (column, row), strict=True)
    )
    return np.asarray(image[rows, columns], np.float32)


def _rename(dataset: Dataset) -> None:
    new = UID(derived_uid("implanted-instance", str(dataset.SOPInstanceUID)))
    dataset.SOPInstanceUID = new
    dataset.file_meta.MediaStorageSOPInstanceUID = new
    dataset.SeriesInstanceUID = derived_uid("implanted-series", str(dataset.SeriesInstanceUID))


def stored_values(dataset: Dataset) -> NDArray[np.int16] | NDArray[np.uint16]:
    """The stored pixels (rows, columns) of a 16 bit instance, JPEG-LS or uncompressed."""
    if dataset.file_meta.TransferSyntaxUID == JPEGLSLossless:
        frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
        flat = np.asarray(imagecodecs.jpegls_decode(frame))
    else:
        flat = np.frombuffer(dataset.PixelData, "<u2")
    kind = np.dtype("<i2" if dataset.PixelRepresentation else "<u2")
    return np.ascontiguousarray(flat.reshape(dataset.Rows, dataset.Columns)).view(kind)


def volume_of(sources: Sequence[Path]) -> Volume:
    """The HU of a whole axial series as it lies on disk (a helper for benchmarks: no checks of fitness)."""
    slices = sorted((pydicom.dcmread(path) for path in sources), key=_height)
    first, step = slices[0], (_height(slices[-1]) - _height(slices[0])) / max(len(slices) - 1, 1)
    hu = np.stack([stored_values(s) * float(s.RescaleSlope) + float(s.RescaleIntercept) for s in slices])
    row, column = np.reshape(np.asarray(first.ImageOrientationPatient, float), (2, 3))
    normal = np.cross(row, column)
    grid = Grid(
        shape=(hu.shape[0], hu.shape[1], hu.shape[2]),
        spacing_mm=(step, float(first.PixelSpacing[0]), float(first.PixelSpacing[1])),
        origin_mm=PointMm(*(float(v) for v in first.ImagePositionPatient)),
        axes=(Vector(*normal.tolist()), Vector(*column.tolist()), Vector(*row.tolist())),
    )
    return Volume(hu=hu.astype(np.float32), grid=grid)


def _height(dataset: Dataset) -> float:
    """How far along the slice normal an instance lies, in mm."""
    row, column = np.reshape(np.asarray(dataset.ImageOrientationPatient, float), (2, 3))
    return float(np.cross(row, column) @ np.asarray(dataset.ImagePositionPatient, float))
