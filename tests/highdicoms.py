"""The measurement groups of our reports as highdicom builds them, and any group as plain values."""

from __future__ import annotations

import io

import highdicom
import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    GraphicTypeValues,
    GraphicTypeValues3D,
    ImageRegion,
    Measurement,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForRegion,
    SourceImageForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumeSurface,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom import dcmread
from pydicom.sr.codedict import codes as known
from pydicom.sr.coding import Code
from pydicom.uid import CTImageStorage
from reports import FRAME, as_file, ct_slice

from millet.codec import codes, sr_values
from millet.codec.sr_nodule import CODED_FROM_MM


def coded(code):
    """A code as highdicom takes it."""
    return Code(code.value, code.scheme, code.meaning)


def foreign(groups):
    """A report around groups, by highdicom."""
    observer = DeviceObserverIdentifyingAttributes(uid=highdicom.UID(), name="other")
    content = MeasurementReport(
        observation_context=ObservationContext(ObserverContext(known.DCM.Device, observer)),
        procedure_reported=Code("25045-6", "LN", "CT unspecified body region"),
        imaging_measurements=groups,
    )
    slices = [dcmread(io.BytesIO(as_file(ct_slice(number)))) for number in range(30)]
    report = Comprehensive3DSR(
        evidence=slices,
        content=content[0],
        series_number=1,
        series_instance_uid=highdicom.UID(),
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="other",
    )
    return as_file(report)


def volumetric(nodule, change=None):
    """The group of a nodule by TID 1411."""
    every = nodule.diameter_mm >= CODED_FROM_MM
    values = [
        (codes.DIAMETER, round(nodule.diameter_mm, 2), codes.MM, None),
        (codes.VOLUME, round(nodule.volume_mm3, 1), codes.MM3, None),
        (codes.ATTENUATION, round(nodule.mean_hu, 1), codes.HU, None),
        (codes.SCORE, round(nodule.score, 3), codes.NO_UNITS, None),
    ]
    if every:
        found = sr_values.numbers(nodule.character, change)
        values += [(field.concept, value, field.unit, field.derived) for field, value in found]
    group = VolumetricROIMeasurementsAndQualitativeEvaluations(
        **_shared(nodule, change),
        referenced_volume_surface=_ellipsoid(nodule),
        algorithm_id=AlgorithmIdentification("log", "1") if every else None,
        measurements=[_measurement(*value) for value in values],
        qualitative_evaluations=_types(nodule) + (_marks(nodule, change) if every else []),
    )[0]
    return group if every else _with_words(group, sr_values.in_words(nodule.character, change))


def planar(nodule, outline, change=None):
    """The group of a nodule by TID 1410."""
    axes = nodule.character.axes
    values = (
        (codes.DIAMETER, round(nodule.diameter_mm, 2), codes.MM, None),
        (codes.LONG_AXIS, round(axes.long_axis_mm, 2), codes.MM, None),
        (codes.SHORT_AXIS, round(axes.short_axis_mm, 2), codes.MM, None),
        (codes.VOLUME, round(nodule.volume_mm3, 1), codes.MM3, None),
    )
    shown = SourceImageForRegion(CTImageStorage, outline.image.sop_instance_uid)
    group = PlanarROIMeasurementsAndQualitativeEvaluations(
        **_shared(nodule, change),
        referenced_region=ImageRegion(GraphicTypeValues.POLYLINE, np.asarray(outline.points), shown),
        algorithm_id=AlgorithmIdentification("log", "1"),
        measurements=[_measurement(*value) for value in values],
        qualitative_evaluations=_types(nodule),
    )[0]
    besides = (sr_values.LONG_AXIS, sr_values.SHORT_AXIS)
    return _with_words(group, sr_values.in_words(nodule.character, change, besides))


def _shared(nodule, change):
    lobe = nodule.character.lobe if nodule.character else None
    site = codes.LOBES[lobe] if lobe else codes.LUNG
    name = f"{nodule.nodule_class.value.capitalize()} {nodule.number}"
    return {
        "tracking_identifier": TrackingIdentifier(
            change.tracking_uid if change else nodule.tracking_uid, name
        ),
        "finding_type": coded(codes.CLASSES[nodule.nodule_class]),
        "finding_sites": [FindingSite(coded(site), laterality=coded(codes.SIDES[nodule.side]))],
    }


def _ellipsoid(nodule):
    radius = nodule.diameter_mm / 2
    ends = [np.eye(3)[axis] * sign * radius for axis in range(3) for sign in (-1, 1)]
    return VolumeSurface(
        graphic_type=GraphicTypeValues3D.ELLIPSOID,
        graphic_data=np.asarray(nodule.centre_mm) + np.asarray(ends),
        frame_of_reference_uid=FRAME,
        source_images=[SourceImageForSegmentation(CTImageStorage, nodule.source_sop_instance_uid)],
    )


def _measurement(name, value, unit, derived):
    return Measurement(
        name=coded(name), value=value, unit=coded(unit), derivation=coded(derived) if derived else None
    )


def _types(nodule):
    if nodule.character is None:
        return []
    return [QualitativeEvaluation(coded(codes.TYPE), coded(codes.TYPES[nodule.character.type]))]


def _marks(nodule, change):
    held = sr_values.marks(nodule.character, change)
    return [QualitativeEvaluation(coded(mark.concept), coded(mark.value)) for mark in held]


def _with_words(group, words):
    """The group with our text; highdicom's qualitative evaluations are codes only."""
    if words:
        group.ContentSequence.append(
            TextContentItem(
                name=coded(codes.CHARACTER), value=words, relationship_type=RelationshipTypeValues.CONTAINS
            )
        )
    return group


def told(item):
    """A content item as plain values, its children in an order of their own."""
    values = []
    for element in item:
        if element.keyword == "ContentSequence":
            values.append(sorted(map(repr, map(told, element.value))))
        elif element.VR == "SQ":
            values.append([told(inner) for inner in element.value])
        elif element.keyword == "NumericValue":
            values.append(f"{float(element.value):.6g}")
        elif element.keyword == "GraphicData":
            values.append(np.asarray(element.value, np.float32).tolist())
        elif element.keyword != "FloatingPointValue":  # what the decimal string says, again
            values.append((element.keyword, str(element.value).lower()))
    return values
