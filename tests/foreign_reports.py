"""Reports of lesions in any organ as somebody else's program writes them, by highdicom, and their series."""

from __future__ import annotations

import io

import highdicom
import numpy as np
from highdicom.sr import (
    Comprehensive3DSR,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    EnhancedSR,
    FindingSite,
    GraphicTypeValues,
    GraphicTypeValues3D,
    ImageRegion,
    ImageRegion3D,
    Measurement,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    SourceImageForRegion,
    TrackingIdentifier,
)
from pydicom import dcmread
from pydicom.sr.codedict import codes as known
from pydicom.sr.coding import Code
from pydicom.uid import MRImageStorage
from reports import FRAME, as_file, ct_slice, sop_uid

from millet.core.nodule import Side

SITES = {
    "supratentorial": Code("372073000", "SCT", "Cerebral hemisphere"),
    "infratentorial": Code("113305005", "SCT", "Cerebellum"),
    "": Code("12738006", "SCT", "Brain"),
}
SIDES = {Side.LEFT: Code("7771000", "SCT", "Left"), Side.RIGHT: Code("24028007", "SCT", "Right")}
LESION = Code("52988006", "SCT", "Lesion")
DIAMETER = Code("81827009", "SCT", "Diameter")
MM = Code("mm", "UCUM", "millimeter")
MR_HEAD = {"SOPClassUID": MRImageStorage, "Modality": "MR", "BodyPartExamined": "HEAD"}


def mr_series(slices=30, **changes):
    """Images every 5 mm, the first from 0 to 5 mm, as `brains.IMAGES` has them; as files."""
    return [
        as_file(
            ct_slice(
                number,
                **{**MR_HEAD, "ImagePositionPatient": ["-100.0", "-100.0", str(2.5 + 5 * number)], **changes},
            )
        )
        for number in range(slices)
    ]


MR = tuple(mr_series())
EVIDENCE = [dcmread(io.BytesIO(encoded)) for encoded in MR]


def group(number, lesion, *, finding=LESION, site=None, sized=True, frame=FRAME):
    """The group of one lesion (TID 1410): four corners around its centre, and its diameter."""
    radius = lesion.diameter_mm / 2
    corners = [(radius, 0, 0), (0, radius, 0), (-radius, 0, 0), (0, -radius, 0), (radius, 0, 0)]
    compartment = next(iter(lesion.regions), "")
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(f"2.25.{number}", f"Lesion {number}"),
        referenced_region=ImageRegion3D(
            graphic_type=GraphicTypeValues3D.POLYGON,
            graphic_data=np.asarray(lesion.centre_mm) + np.asarray(corners),
            frame_of_reference_uid=frame,
        ),
        finding_type=finding,
        finding_sites=[FindingSite(site or SITES[compartment], laterality=SIDES.get(lesion.side))],
        measurements=[Measurement(name=DIAMETER, value=lesion.diameter_mm, unit=MM)] if sized else None,
    )


def flat(number, lesion):
    """The group of one lesion by its contour on the image that it lies on (TID 1410)."""
    image = round((lesion.centre_mm.z - 2.5) / 5)
    column, row = (float(at) / 5 + 20.5 for at in lesion.centre_mm[:2])
    corners = [(column + 1, row), (column, row + 1), (column - 1, row), (column, row - 1), (column + 1, row)]
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(f"2.25.{number}", f"Lesion {number}"),
        referenced_region=ImageRegion(
            GraphicTypeValues.POLYLINE,
            np.asarray(corners),
            SourceImageForRegion(MRImageStorage, sop_uid(image)),
        ),
        finding_type=LESION,
        finding_sites=[FindingSite(SITES[lesion.regions[0]], laterality=SIDES.get(lesion.side))],
        measurements=[Measurement(name=DIAMETER, value=lesion.diameter_mm, unit=MM)],
    )


def device(name="other", **more):
    """A device that observes."""
    told = DeviceObserverIdentifyingAttributes(uid=more.pop("uid", highdicom.UID()), name=name, **more)
    return ObserverContext(known.DCM.Device, told)


def report(groups, kind=Comprehensive3DSR, evidence=EVIDENCE, observer=None, **equipment):
    """A report around groups, as a file; of the patient and study of its evidence."""
    content = MeasurementReport(
        observation_context=ObservationContext(observer or device()),
        procedure_reported=Code("25056-3", "LN", "MRI unspecified body region"),
        imaging_measurements=groups,
    )
    return as_file(
        kind(
            evidence=evidence,
            content=content[0],
            series_number=1,
            series_instance_uid=highdicom.UID(),
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            **{"manufacturer": "other", **equipment},
        )
    )


def of(exam, kind=Comprehensive3DSR):
    """The report of all lesions of an exam of the brain: in space, or on the images."""
    written = group if kind is Comprehensive3DSR else flat
    return report([written(number, lesion) for number, lesion in enumerate(exam.lesions, start=1)], kind)


KINDS = (Comprehensive3DSR, ComprehensiveSR, EnhancedSR)
