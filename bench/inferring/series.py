"""The series that are sent: phantoms, made once and kept under build/, raw and as JPEG-LS."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLSLossless
from table import ROOT

from millet.phantom import dicom, presets
from millet.phantom.spec import Scan

FOLDER = ROOT / "build" / "bench" / "series"


def phantom(preset: str, slices: int, *, seed: int, nodules: int | None = None) -> Path:
    """A folder of so many slices from a chest of about 300 mm."""
    count = "" if nodules is None else f"-{nodules}"
    folder = FOLDER / f"{preset}{count}-{seed}-{slices}"
    if len(list(folder.glob("*.dcm"))) == slices:
        return folder
    made = presets.make(preset, seed=seed, nodules=nodules, scan=Scan(slice_mm=300 / slices))
    dicom.write(made, folder)
    for path in sorted(folder.glob("*.dcm"))[slices:]:
        path.unlink()
    if len(list(folder.glob("*.dcm"))) != slices:
        raise RuntimeError(f"{folder} has fewer than {slices} slices")
    return folder


def as_jpeg_ls(folder: Path) -> Path:
    """The same series, compressed without loss."""
    out = folder.with_name(folder.name + "-jpegls")
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("*.dcm")):
        target = out / path.name
        if target.exists():
            continue
        dataset = pydicom.dcmread(path)
        pixels = np.ascontiguousarray(dataset.pixel_array)
        dataset.PixelData = encapsulate([imagecodecs.jpegls_encode(pixels)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
        encoded = io.BytesIO()
        dataset.save_as(encoded, enforce_file_format=True)
        target.write_bytes(encoded.getvalue())
    return out
