"""CT instances for tests: headers as values, and small real DICOM files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from millet.core.geometry import PointMm, Vector
from millet.core.series import Patient, SliceHeader
from millet.ports import Entry, Received, Site, Stored

START_UTC = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SERIES = "1.2.826.0.1.3680043.8.498.1"
SOURCE = Site("default", "SCANNER", "MILLET")


def header(number: int, series_uid: str = SERIES) -> SliceHeader:
    """The header of slice `number`, 1 mm above the one before."""
    return SliceHeader(
        sop_instance_uid=f"{series_uid}.{number}",
        sop_class_uid=str(CTImageStorage),
        series_uid=series_uid,
        study_uid="1.2.826.0.1.3680043.8.498",
        frame_of_reference_uid="1.2.826.0.1.3680043.8.498.9",
        transfer_syntax_uid=str(ExplicitVRLittleEndian),
        modality="CT",
        patient=Patient(patient_id="P1", issuer="ISS", name="Müller^Ä", birth_date="19600101", sex="F"),
        accession="A1",
        study_date="20260102",
        age_years=66.0,
        image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
        acquisition_number=1,
        instance_number=number,
        acquisition_time="",
        content_time="",
        temporal_position=None,
        kernel="B60f",
        kvp=120.0,
        series_description="THORAX",
        body_part="CHEST",
        manufacturer="Test",
        contrast=False,
        burned_in=False,
        lossy=False,
        rows=4,
        columns=4,
        pixel_spacing_mm=(0.7, 0.7),
        position_mm=PointMm(0.0, 0.0, float(number)),
        row_direction=Vector(1.0, 0.0, 0.0),
        column_direction=Vector(0.0, 1.0, 0.0),
        slice_thickness_mm=1.0,
        gantry_tilt_deg=0.0,
        rescale_slope=1.0,
        rescale_intercept=-1024.0,
        bits_allocated=16,
        bits_stored=16,
        signed=True,
        samples_per_pixel=1,
        padding_value=None,
        birth=datetime(1960, 1, 1, tzinfo=UTC).date(),
    )


def entry(number: int, digest: str | None = None, source: Site = SOURCE, series_uid: str = SERIES) -> Entry:
    """Slice `number`, as if it were durable."""
    digest = digest or f"{number:064x}"
    return Entry(
        source=source,
        header=header(number, series_uid),
        stored=Stored(f"{digest[:2]}/{digest}.dcm", digest, 1000),
        received_utc=START_UTC + timedelta(seconds=number),
    )


def ct_dataset(number: int, series_uid: str = SERIES, sop_class: str = CTImageStorage) -> Dataset:
    """Slice `number` as a dataset with 4 x 4 pixels."""
    told = header(number, series_uid)
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = sop_class
    made.SOPInstanceUID = told.sop_instance_uid
    made.StudyInstanceUID, made.SeriesInstanceUID = told.study_uid, series_uid
    made.FrameOfReferenceUID = told.frame_of_reference_uid
    made.Modality, made.ImageType = "CT", list(told.image_type)
    made.PatientID, made.PatientName = told.patient.patient_id, told.patient.name
    made.PatientBirthDate, made.PatientSex = told.patient.birth_date, told.patient.sex
    made.StudyDate, made.AccessionNumber = told.study_date, told.accession
    made.InstanceNumber, made.AcquisitionNumber = number, 1
    made.ImagePositionPatient = [0, 0, number]
    made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made.PixelSpacing, made.SliceThickness = [0.7, 0.7], 1
    made.RescaleSlope, made.RescaleIntercept = 1, -1024
    made.Rows = made.Columns = 4
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation, made.SamplesPerPixel = 15, 0, 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.PixelData = np.full((4, 4), number, "<u2").tobytes()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = sop_class
    made.file_meta.MediaStorageSOPInstanceUID = told.sop_instance_uid
    return made


def ct_file(number: int, series_uid: str = SERIES) -> bytes:
    """Slice `number` as a DICOM file."""
    return file_of(ct_dataset(number, series_uid))


def file_of(made: Dataset) -> bytes:
    """A dataset as a DICOM file."""
    buffer = BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def received(number: int, encoded: bytes | None = None, series_uid: str = SERIES) -> Received:
    """Slice `number` as an association delivers it."""
    told = header(number, series_uid)
    return Received(
        source=SOURCE,
        sop_class_uid=told.sop_class_uid,
        sop_instance_uid=told.sop_instance_uid,
        transfer_syntax_uid=told.transfer_syntax_uid,
        encoded=encoded or ct_file(number, series_uid),
    )
