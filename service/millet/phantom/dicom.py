"""A phantom as a CT series: valid headers, any patient position, any order of the files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from millet.codec import tables
from millet.core.geometry import Grid, PointMm, Vector
from millet.core.uids import derived_uid
from millet.core.volume import Volume
from millet.phantom import after
from millet.phantom.spec import Phantom

INTERCEPT = -1024
STUDY_DATE = "20260105"
"""Of the first of a pair; the second comes so many days later."""
BIRTH_DATE = "19680214"
AGE = "057Y"
_ROWS = {
    "HFS": ((1, 0, 0), (0, 1, 0)),
    "HFP": ((-1, 0, 0), (0, -1, 0)),
    "HFDR": ((0, 1, 0), (-1, 0, 0)),
    "HFDL": ((0, -1, 0), (1, 0, 0)),
    "FFS": ((-1, 0, 0), (0, 1, 0)),
    "FFP": ((1, 0, 0), (0, -1, 0)),
    "FFDR": ((0, -1, 0), (-1, 0, 0)),
    "FFDL": ((0, 1, 0), (1, 0, 0)),
}
"""Patient Position (PS3.3 C.7.3.1.1.2): the LPS directions in which columns and rows are counted, as a
scanner that does not turn its images writes them."""
POSITIONS = tuple(_ROWS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """How the same voxels are written. Every pose puts every voxel at the same LPS place.

    `position` is one of POSITIONS; `flip_rows` counts rows from the other side, `reversed_slices`
    numbers instances from the other end, `shuffled` numbers them in no order of place at all.
    """

    position: str = "HFS"
    flip_rows: bool = False
    reversed_slices: bool = False
    shuffled: bool = False

    def __post_init__(self) -> None:
        if self.position not in _ROWS:
            raise ValueError(f"no position {self.position!r}; there are {', '.join(POSITIONS)}")

    @property
    def rows(self) -> tuple[Vector, Vector]:
        """Directions in which the column index and the row index grow."""
        row, column = _ROWS[self.position]
        sign = -1 if self.flip_rows else 1
        return Vector(*map(float, row)), Vector(*(float(sign * v) for v in column))


HEAD_FIRST_SUPINE = Pose()


def write(phantom: Phantom, out: Path, *, pose: Pose = HEAD_FIRST_SUPINE) -> None:
    """Write the series (one .dcm a slice) and truth.csv into a folder, which is made if need be.

    The second of a pair has followed.csv as well, see `phantom.after`.
    """
    out.mkdir(parents=True, exist_ok=True)
    for number, dataset in enumerate(datasets(phantom, pose=pose), start=1):
        with (out / f"{number:04d}.dcm").open("wb") as target:
            dcmwrite(target, dataset, enforce_file_format=True)
    (out / "truth.csv").write_text(tables.truth(phantom.truth))
    if phantom.asked.after:
        (out / "followed.csv").write_text(after.table(phantom.followed))


def encoded(phantom: Phantom, *, pose: Pose = HEAD_FIRST_SUPINE) -> list[bytes]:
    """The series in memory, one DICOM file (PS3.10) an instance."""
    files = []
    for dataset in datasets(phantom, pose=pose):
        target = BytesIO()
        dcmwrite(target, dataset, enforce_file_format=True)
        files.append(target.getvalue())
    return files


def datasets(phantom: Phantom, *, pose: Pose = HEAD_FIRST_SUPINE) -> Iterator[Dataset]:
    """The instances in order of their Instance Number."""
    volume = posed(phantom.volume, pose)
    key = (*phantom.key, repr(pose))
    common = _common(phantom, pose, key)
    for number, k in enumerate(_numbering(volume.grid.shape[0], pose, phantom.seed), start=1):
        dataset = Dataset()
        dataset.update(common)
        _place(dataset, volume, k, number, key)
        dataset.file_meta = _meta(dataset.SOPInstanceUID)
        yield dataset


def posed(volume: Volume, pose: Pose) -> Volume:
    """The same voxels on a grid whose rows and columns run as the pose has them.

    Takes a canonical volume; slices run to the head.
    """
    row, column = pose.rows
    y_axis, y_back = _axis(column)
    x_axis, x_back = _axis(row)
    order = (0, y_axis, x_axis)
    flips = (slice(None), slice(None, None, -1 if y_back else 1), slice(None, None, -1 if x_back else 1))
    grid = volume.grid
    corner = [0, 0, 0]
    for axis, back in ((y_axis, y_back), (x_axis, x_back)):
        corner[axis] = grid.shape[axis] - 1 if back else 0
    origin = grid.to_patient_array(np.asarray([corner], float))[0]
    turned = Grid(
        shape=(grid.shape[0], grid.shape[y_axis], grid.shape[x_axis]),
        spacing_mm=(grid.spacing_mm[0], grid.spacing_mm[y_axis], grid.spacing_mm[x_axis]),
        origin_mm=PointMm(*(float(v) for v in origin)),
        axes=(Vector(0, 0, 1), column, row),
    )
    return Volume(hu=volume.hu.transpose(order)[flips], grid=turned)


def _axis(direction: Vector) -> tuple[int, bool]:
    """The axis of a canonical volume along a direction, and whether it runs backwards."""
    place = int(np.argmax(np.abs(direction)))
    return 2 - place, direction[place] < 0


def _numbering(slices: int, pose: Pose, seed: int) -> list[int]:
    """Which slice each Instance Number is: along the table as it moves, unless told otherwise."""
    order = list(range(slices))
    if pose.position.startswith("HF") != pose.reversed_slices:
        order.reverse()
    if pose.shuffled:
        order = [int(k) for k in np.random.default_rng([seed, 77]).permutation(slices)]
    return order


def _meta(sop_instance_uid: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(derived_uid("implementation", "millet-phantom"))
    meta.ImplementationVersionName = "MILLET"
    return meta


def _common(phantom: Phantom, pose: Pose, key: tuple[str, ...]) -> Dataset:
    """What all instances share: patient, study, series, equipment, protocol."""
    scan, grid = phantom.scan, posed(phantom.volume, pose).grid
    row, column = pose.rows
    day = _day(phantom)
    return _filled(
        SpecificCharacterSet="ISO_IR 100", ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
        SOPClassUID=CTImageStorage,
        StudyDate=day, SeriesDate=day, AcquisitionDate=day, ContentDate=day,
        StudyTime="101500", SeriesTime="101600", AcquisitionTime="101630", ContentTime="101630",
        AccessionNumber=f"{'MQ' if phantom.asked.after else 'MP'}{phantom.seed:06d}", Modality="CT",
        Manufacturer="Millet",
        ManufacturerModelName="Analytic chest", InstitutionName="", ReferringPhysicianName="",
        StudyDescription="CT chest",
        SeriesDescription=f"Chest {scan.slice_mm:g} mm, drawn ({phantom.preset})",
        PatientName=f"PHANTOM^{phantom.preset.upper()}", PatientID=f"{phantom.asked.patient}-{phantom.seed}",
        PatientBirthDate=BIRTH_DATE, PatientSex="F", PatientAge=AGE, BodyPartExamined="CHEST", KVP="120",
        SliceThickness=f"{scan.slice_mm:g}", DataCollectionDiameter="500", SoftwareVersions="1",
        ReconstructionDiameter=f"{grid.shape[1] * scan.pixel_mm:g}", GantryDetectorTilt="0",
        RotationDirection="CW", ExposureTime="500", XRayTubeCurrent=f"{round(scan.mas * 2)}",
        Exposure=f"{round(scan.mas)}", ConvolutionKernel=f"G{round(scan.fwhm_mm * 10):02d}",
        PatientPosition=pose.position, StudyInstanceUID=derived_uid("phantom-study", *phantom.key),
        SeriesInstanceUID=derived_uid("phantom-series", *key), StudyID="1", SeriesNumber="2",
        AcquisitionNumber="1", ImageOrientationPatient=[*row, *column],
        FrameOfReferenceUID=derived_uid("phantom-frame", *phantom.key),
        PositionReferenceIndicator="", SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
        Rows=grid.shape[1], Columns=grid.shape[2], PixelSpacing=[f"{v:g}" for v in grid.spacing_mm[1:]],
        BitsAllocated=16, BitsStored=12, HighBit=11, PixelRepresentation=0, RescaleIntercept=str(INTERCEPT),
        RescaleSlope="1", RescaleType="HU", WindowCenter=["-600", "40"], WindowWidth=["1500", "400"],
        BurnedInAnnotation="NO", LossyImageCompression="00",
    )  # fmt: skip


def _day(phantom: Phantom) -> str:
    """The date of the study."""
    later = phantom.asked.after
    first = date(int(STUDY_DATE[:4]), int(STUDY_DATE[4:6]), int(STUDY_DATE[6:]))
    return (first + timedelta(days=later.days if later else 0)).strftime("%Y%m%d")


def _filled(**elements: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def _place(dataset: Dataset, volume: Volume, k: int, number: int, key: tuple[str, ...]) -> None:
    """What is one instance's own: number, place, pixels."""
    corner = volume.grid.to_patient_array(np.asarray([(k, 0, 0)], float))[0]
    dataset.SOPInstanceUID = derived_uid("phantom-instance", *key, str(k))
    dataset.InstanceNumber = str(number)
    dataset.ImagePositionPatient = [f"{v:.4f}".rstrip("0").rstrip(".") for v in corner]
    dataset.SliceLocation = f"{corner[2]:.4f}"
    stored = (volume.hu[k].astype(np.int32) - INTERCEPT).astype("<u2")
    dataset.PixelData = stored.tobytes()
