"""What can be wrong with a series: each as a change to a good one, with the code that it ends with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ct
from pydicom.dataset import Dataset
from pydicom.uid import BasicTextSRStorage

from millet.core.reasons import Reason, Weight

Change = Callable[[list[Dataset]], list[Dataset]]
JPEG_BASELINE, MPEG2, JPEG_LS = (f"1.2.840.10008.1.2.4.{number}" for number in (50, 102, 80))


def _every(**values: Any) -> Change:
    def change(datasets: list[Dataset]) -> list[Dataset]:
        for dataset in datasets:
            for name, value in values.items():
                setattr(dataset, name, value)
        return datasets

    return change


def _one(**values: Any) -> Change:
    def change(datasets: list[Dataset]) -> list[Dataset]:
        _every(**values)(datasets[11:12])
        return datasets

    return change


def _without(name: str) -> Change:
    def change(datasets: list[Dataset]) -> list[Dataset]:
        for dataset in datasets:
            delattr(dataset, name)
        return datasets

    return change


def _every_syntax(uid: str) -> Change:
    return lambda datasets: [ct.compressed(dataset, uid, b"\0" * 100) for dataset in datasets]


def _truncated(datasets: list[Dataset]) -> list[Dataset]:
    datasets[7].PixelData = datasets[7].PixelData[:-20]
    return datasets


def _placed(place: Callable[[int], list[float]]) -> Change:
    def change(datasets: list[Dataset]) -> list[Dataset]:
        for number, dataset in enumerate(datasets):
            dataset.ImagePositionPatient = place(number)
        return datasets

    return change


def _conflicting(datasets: list[Dataset]) -> list[Dataset]:
    other = ct.copied(datasets[5:6], "9", PixelData=datasets[6].PixelData)
    return datasets + other


def _thick(thickness_mm: float) -> Change:
    """The same slices, drawn apart."""

    def change(datasets: list[Dataset]) -> list[Dataset]:
        first = datasets[0].ImagePositionPatient
        step = 1 if datasets[1].ImagePositionPatient[2] > first[2] else -1
        for number, dataset in enumerate(datasets):
            dataset.SliceThickness = thickness_mm
            dataset.ImagePositionPatient = [first[0], first[1], first[2] + step * thickness_mm * number]
        return datasets

    return change


def _half_coronal(datasets: list[Dataset]) -> list[Dataset]:
    coronal = ct.series(((1, 0, 0), (0, 0, -1), (0, 1, 0)))[:10]
    return datasets[:12] + ct.copied(coronal, "8", PatientID=datasets[0].PatientID)


REFUSED: dict[str, tuple[Change, Reason]] = {
    "no CT": (_every(SOPClassUID=BasicTextSRStorage, Modality="SR"), Reason.NOT_CT),
    "localizers": (_every(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), Reason.LOCALIZER_ONLY),
    "another patient": (_one(PatientID="P2"), Reason.IDENTITY_CONFLICT),
    "another issuer": (_one(IssuerOfPatientID="H2"), Reason.IDENTITY_CONFLICT),
    "another birth date": (_one(PatientBirthDate="19600102"), Reason.IDENTITY_CONFLICT),
    "another sex": (_one(PatientSex="M"), Reason.IDENTITY_CONFLICT),
    "another study": (_one(StudyInstanceUID="1.2.3"), Reason.IDENTITY_CONFLICT),
    "another frame": (_one(FrameOfReferenceUID="1.2.3"), Reason.IDENTITY_CONFLICT),
    "truncated pixels": (_truncated, Reason.PIXELS_TRUNCATED),
    "no pixels": (_without("PixelData"), Reason.PIXELS_TRUNCATED),
    "no rescale": (_without("RescaleSlope"), Reason.RESCALE_MISSING),
    "mixed orientations": (_half_coronal, Reason.MIXED_ORIENTATION),
    "tilt by tag": (_every(GantryDetectorTilt=12), Reason.GANTRY_TILT),
    "tilt by shear": (_placed(lambda n: [-40, -150 + 0.1 * n, 300 + n]), Reason.GANTRY_TILT),
    "a missing slice": (lambda d: d[:10] + d[11:], Reason.MISSING_SLICES),
    "a duplicate slice that differs": (_conflicting, Reason.DUPLICATE_SLICES),
    "uneven steps": (_placed(lambda n: [-40, -150, 300 + n + 0.3 * (n % 3 == 0)]), Reason.UNEVEN_SPACING),
    "coronal": (lambda _: ct.series(((1, 0, 0), (0, 0, -1), (0, 1, 0))), Reason.NOT_AXIAL),
    "sagittal": (lambda _: ct.series(((0, 1, 0), (0, 0, -1), (1, 0, 0))), Reason.NOT_AXIAL),
    "12 mm slices": (_thick(12), Reason.THICK_SLICES),
    "1 mm every 10 mm": (lambda _: ct.series(spacing_mm=(10.0, 0.8, 0.7)), Reason.MISSING_SLICES),
    "16 slices": (lambda d: d[:16], Reason.TOO_FEW_SLICES),
    "an unsupported syntax": (_every_syntax(JPEG_BASELINE), Reason.UNSUPPORTED_TRANSFER_SYNTAX),
    "an MPEG": (_every_syntax(MPEG2), Reason.UNSUPPORTED_TRANSFER_SYNTAX),
    "rubbish in JPEG-LS": (_every_syntax(JPEG_LS), Reason.PIXELS_TRUNCATED),
    "colour": (_every(SamplesPerPixel=3), Reason.UNSUPPORTED_PIXELS),
    "no position": (_without("ImagePositionPatient"), Reason.GEOMETRY_MISSING),
    "another pixel size": (_one(PixelSpacing=[0.9, 0.9]), Reason.MIXED_GEOMETRY),
    "another matrix": (_one(Rows=12, Columns=10), Reason.MIXED_GEOMETRY),
    "a child": (_every(PatientAge="017Y"), Reason.UNDER_AGE),
    "a projection": (_every(ImageType=["DERIVED", "SECONDARY", "MIP"]), Reason.MAXIMUM_PROJECTION),
    "a reformat": (_every(ImageType=["DERIVED", "SECONDARY", "MPR"]), Reason.DERIVED_IMAGE),
    "an attenuation map": (_every(SeriesDescription="CTAC 3.0"), Reason.ATTENUATION_CORRECTION),
    "cone beam": (_every(SeriesDescription="DynaCT thorax"), Reason.CONE_BEAM),
    "a biopsy": (_every(SeriesDescription="CT biopsy lung"), Reason.BIOPSY),
    "a QA phantom": (_every(SeriesDescription="Daily QA"), Reason.QA_PHANTOM),
    "burnt-in text": (_every(BurnedInAnnotation="YES"), Reason.BURNED_IN_ANNOTATION),
}
"""Refused, each with its own code. Changes are for `ct.series`."""


def _with_localizer(datasets: list[Dataset]) -> list[Dataset]:
    values = {
        "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
        "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
    }
    return datasets + ct.copied(datasets[:2], "7", **values)


def _with_report(datasets: list[Dataset]) -> list[Dataset]:
    report = ct.copied(datasets[:1], "7", SOPClassUID=BasicTextSRStorage, Modality="SR")
    del report[0].FrameOfReferenceUID, report[0].PixelData, report[0].Rows, report[0].Columns
    return datasets + report


def _two_phases(datasets: list[Dataset]) -> list[Dataset]:
    contrast = ct.copied(datasets, "2", AcquisitionNumber=2, ContrastBolusAgent="iodine")
    return _every(AcquisitionTime="101500")(datasets) + _every(AcquisitionTime="101600")(contrast)


def _four_d(datasets: list[Dataset]) -> list[Dataset]:
    later = [ct.copied(datasets, f"{at}", TemporalPositionIdentifier=at) for at in (2, 3)]
    return _every(TemporalPositionIdentifier=1)(datasets) + [one for pass_ in later for one in pass_]


HANDLED: dict[str, tuple[Change, Reason, Weight]] = {
    "a localizer in the series": (_with_localizer, Reason.LOCALIZER_ONLY, Weight.NOTE),
    "a report in the series": (_with_report, Reason.FOREIGN_OBJECT, Weight.NOTE),
    "a slice sent twice": (lambda d: d + ct.copied(d[3:4], "9"), Reason.DUPLICATE_SLICES, Weight.NOTE),
    "5 mm slices": (_thick(5), Reason.THICK_SLICES, Weight.OUTSIDE_USE),
    "no age": (_every(PatientAge="", PatientBirthDate=""), Reason.AGE_UNKNOWN, Weight.OUTSIDE_USE),
    "lossy": (_every(LossyImageCompression="01"), Reason.LOSSY_COMPRESSION, Weight.OUTSIDE_USE),
    "marked derived": (
        _every(ImageType=["DERIVED", "PRIMARY", "AXIAL"]),
        Reason.DERIVED_IMAGE,
        Weight.OUTSIDE_USE,
    ),
    "the CT of a PET": (
        _every(SeriesDescription="PET/CT thorax"),
        Reason.ATTENUATION_CORRECTION,
        Weight.OUTSIDE_USE,
    ),
    "two contrast phases": (_two_phases, Reason.SEVERAL_VOLUMES, Weight.NOTE),
    "a 4D CT": (_four_d, Reason.SEVERAL_VOLUMES, Weight.NOTE),
}
"""Analysed, and said so. Changes are for any axial series."""
