"""The series that are sent: phantoms, made once and kept under build/, raw and as JPEG-LS."""

from __future__ import annotations

import copy
import io
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLSLossless
from table import ROOT

from millet.core.uids import derived_uid
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


def finer(folder: Path, slices: int) -> Path:
    """The same chest in so many slices, each a mean of its two neighbours weighted by distance.

    Needs the memory of the given series alone; the noise of neighbours is alike, as where slices overlap.
    """
    out = folder.with_name(f"{folder.name}-finer-{slices}")
    if len(list(out.glob("*.dcm"))) == slices:
        return out
    out.mkdir(parents=True, exist_ok=True)
    known = sorted(map(pydicom.dcmread, folder.glob("*.dcm")), key=lambda one: one.ImagePositionPatient[2])
    pixels = [one.pixel_array for one in known]
    for number, at in enumerate(np.linspace(0, len(known) - 1, slices)):
        below = min(int(at), len(known) - 2)
        share = float(at) - below
        one = known[below]
        corners = [np.asarray(each.ImagePositionPatient, float) for each in known[below : below + 2]]
        corner = (1 - share) * corners[0] + share * corners[1]
        mixed = (1 - share) * pixels[below] + share * pixels[below + 1]
        made = copy.deepcopy(one)
        made.PixelData = np.rint(mixed).astype("<u2").tobytes()
        made.ImagePositionPatient = [f"{value:.4f}" for value in corner]
        made.SliceLocation, made.InstanceNumber = f"{corner[2]:.4f}", str(number + 1)
        made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = derived_uid(
            "finer", out.name, str(number)
        )
        made.save_as(out / f"{number:05d}.dcm", enforce_file_format=True)
    return out
