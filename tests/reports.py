"""Small synthetic CT series and analyses for the tests of report codecs."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import numpy as np
from analyses import PROVENANCE
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from millet.codec import gsps, key_images, labelmap, secondary, seg
from millet.codec.projection import project
from millet.codec.source import Source
from millet.core.analysis import (
    Analysis,
    Effusion,
    Lungs,
    Outcome,
    Pattern,
    Triage,
    TriageLevel,
    VolumeSummary,
)
from millet.core.geometry import Grid, PointMm, Vector
from millet.core.labels import Labels
from millet.core.nodule import Nodule, Side
from millet.core.reasons import Reason, Remark, Weight
from millet.core.uids import derived_uid

STUDY, SERIES, FRAME = (derived_uid("test", kind) for kind in ("study", "series", "frame"))
SLICES, ROWS, COLUMNS = 30, 64, 64
GRID = Grid(
    shape=(SLICES, ROWS, COLUMNS),
    spacing_mm=(5.0, 5.0, 5.0),
    origin_mm=PointMm(-160.0, -160.0, -75.0),
    axes=(Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0)),
)


def sop_uid(number):
    """The SOP Instance UID of the n-th slice."""
    return derived_uid("test", "slice", str(number))


def ct_slice(number, **changes):
    """One CT instance, complete for its IOD, its pixels 0 HU."""
    ds = Dataset()
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = sop_uid(number)
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = STUDY, SERIES, FRAME
    ds.PositionReferenceIndicator = ""
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Modality, ds.Manufacturer, ds.BodyPartExamined = "CT", "none", "CHEST"
    ds.PatientName, ds.PatientID, ds.IssuerOfPatientID = "Doe^Jane", "12345", "HOSP"
    ds.PatientBirthDate, ds.PatientSex, ds.PatientAge = "19600101", "F", "065Y"
    ds.StudyDate, ds.StudyTime, ds.StudyID = "20260101", "101500", "1"
    ds.AccessionNumber, ds.ReferringPhysicianName = "A1", "Ref^Doc"
    ds.StudyDescription = "CT Thorax"
    ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = "1", str(number + 1), "1"
    ds.PatientPosition, ds.KVP = "HFS", "120"
    ds.Rows, ds.Columns, ds.PixelSpacing, ds.SliceThickness = ROWS, COLUMNS, ["5.0", "5.0"], "5.0"
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.ImagePositionPatient = ["-160.0", "-160.0", str(-75.0 + 5.0 * number)]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1", "0", "HU"
    ds.PixelData = np.zeros((ROWS, COLUMNS), np.int16).tobytes()
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    return ds


def as_file(ds, syntax=ExplicitVRLittleEndian):
    """The bytes of a DICOM file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    ds.file_meta = meta
    out = io.BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def ct_series(slices=SLICES, **changes):
    """A series of slices, feet first in the list, as files."""
    return [as_file(ct_slice(number, **changes)) for number in range(slices)]


def nodules(count, *, mass=False, seed=1):
    """Nodules of 3 mm in both lungs, the first one a mass on the left if asked for."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(1, count + 1):
        is_mass = mass and number == 1
        side = Side.LEFT if is_mass or number % 2 else Side.RIGHT
        x = rng.uniform(30, 120) * (1 if side is Side.LEFT else -1)
        centre = PointMm(float(x), float(rng.uniform(-80, 80)), float(rng.uniform(-70, 65)))
        diameter = 41.5 if is_mass else float(rng.normal(3, 0.3))
        made.append(
            Nodule(
                number=number,
                tracking_uid=derived_uid("test", "nodule", str(number)),
                centre_mm=centre,
                diameter_mm=diameter,
                volume_mm3=np.pi / 6 * diameter**3,
                mean_hu=float(rng.normal(20, 10)),
                score=1.0 - number / (count + 2),
                side=side,
                source_sop_instance_uid=sop_uid(round((centre.z + 75) / 5)),
            )
        )
    return tuple(made)


def analysis(found=(), effusions=(), remarks=(), **changes):
    """An analysis whose outcome follows from what it holds."""
    refused = any(remark.weight is Weight.REFUSES for remark in remarks)
    outcome = Outcome.NOT_ANALYSED if refused else Outcome.NONE_FOUND
    if found or effusions:
        outcome = Outcome.FINDINGS
    level = {Outcome.FINDINGS: TriageLevel.CRITICAL, Outcome.NONE_FOUND: TriageLevel.UNFLAGGED}.get(
        outcome, TriageLevel.NOT_ASSESSED
    )
    right = sum(nodule.side is Side.RIGHT for nodule in found)
    pattern = Pattern(
        level=3,
        criteria_version="1",
        nodules_right=right,
        nodules_left=len(found) - right,
        small_nodules=len(found),
        median_diameter_mm=3.0 if found else None,
        diameter_cv=0.1 if found else None,
        slabs_10mm_with_10=12,
    )
    fields = {
        "site": "default",
        "study_uid": STUDY,
        "series_uid": SERIES,
        "frame_of_reference_uid": FRAME,
        "generation": 1,
        "created_utc": datetime(2026, 1, 1, 12, 30, 5, 123456, tzinfo=UTC),
        "outcome": outcome,
        "remarks": tuple(remarks),
        "volumes": (
            VolumeSummary(
                label="acquisition 1", slices=30, spacing_mm=5.0, chosen=not refused, why="only one"
            ),
        ),
        "nodules": tuple(found),
        "triage": Triage(level=level, reasons=("Because of the test.", "And of \u00e4\u4e2d too.")),
        "pattern": None if refused else pattern,
        "lungs": None if refused else Lungs(right_l=2.5, left_l=2.25),
        "effusions": tuple(effusions),
        "not_assessed": ("lymph nodes", "bones"),
        "provenance": PROVENANCE,
    }
    return Analysis(**{**fields, **changes})


REFUSED = Remark(
    reason=Reason.UNSUPPORTED_TRANSFER_SYNTAX, weight=Weight.REFUSES, detail="1.2.840.10008.1.2.4.100"
)
NOTE = Remark(reason=Reason.DUPLICATE_SLICES, weight=Weight.NOTE, detail="one kept")
LEFT_EFFUSION = Effusion(side=Side.LEFT, volume_ml=120.5)


def cases():
    """The reports that every validator must take, by name."""
    return {
        "none": analysis(),
        "refused": analysis(remarks=[REFUSED]),
        "effusion": analysis(effusions=[LEFT_EFFUSION]),
        "one": analysis(nodules(1), remarks=[NOTE]),
        "eighteen": analysis(nodules(18)),
        "thirty": analysis(nodules(30)),
        "case": analysis(nodules(221, mass=True), effusions=[LEFT_EFFUSION]),
    }


def labels(found, grid=GRID):
    """Label every voxel within a nodule's radius (at least its own voxel) with the nodule's number."""
    volume = np.zeros(grid.shape, np.uint32)
    where = np.moveaxis(np.indices(grid.shape), 0, -1).reshape(-1, 3).astype(float)
    points = grid.to_patient_array(where)
    for nodule in reversed(found):
        distance = np.linalg.norm(points - np.asarray(nodule.centre_mm), axis=1)
        inside = distance <= max(nodule.diameter_mm / 2, distance.min())
        volume.reshape(-1)[inside] = nodule.number
    return sparse(volume)


def sparse(volume):
    """A label volume as its labelled voxels."""
    voxels = np.flatnonzero(volume)
    return Labels(shape=volume.shape, voxels=voxels, numbers=volume.reshape(-1)[voxels].astype(np.int64))


def dense(found):
    """Labels as a volume, 0 elsewhere."""
    volume = np.zeros(found.shape, np.int64)
    volume.reshape(-1)[found.voxels] = found.numbers
    return volume


def images(found=None):
    """Every image object of an analysis, by kind; of three nodules where none are given."""
    found = nodules(3) if found is None else found
    source, made = Source.read(ct_series()), analysis(found)
    objects = {
        "seg": seg.encode(made, labels(found), source),
        "labelmap": labelmap.encode(made, labels(found), source),
        "gsps": gsps.encode(made, source),
        "kos": key_images.encode(made, source),
        **secondary.encode(project(np.zeros(GRID.shape, np.int16), GRID, None), made, source),
    }
    return {kind: encoded for kind, encoded in objects.items() if encoded}
