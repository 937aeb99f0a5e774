"""How the key images are to be shown: a Grayscale Softcopy Presentation State (PS3.3 A.33.1).

A lung window; around each nodule that an image cuts a circle with its number and diameter; its long and
short axis where they were measured in that image; and the statement that nobody verified it. Without a
nodule there is no key image, and so no presentation state: there is nothing that it could refer to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from millet.codec.content import Pen
from millet.codec.disclosure import disclosure
from millet.codec.document import head, pen_of
from millet.codec.elements import Encoded, dataset, tag_of
from millet.codec.keys import KeyImage, Plane, key_images, presented
from millet.codec.part10 import part10
from millet.codec.source import Source
from millet.core.analysis import Analysis
from millet.core.geometry import Floats, PointMm
from millet.core.nodule import Nodule, NoduleClass
from millet.core.uids import object_uid

PRESENTATION_STATE = "1.2.840.10008.5.1.4.1.1.11.1"
CENTRE_HU, WIDTH_HU = -600, 1500
"""A customary lung window."""
NODULES, AXES, SAID = "NODULES", "AXES", "STATEMENT"
_LAYERS = ((NODULES, (45746, 44975, 46003)), (AXES, (41634, 21588, 24415)), (SAID, (65535, 32896, 32896)))
"""Yellow, cyan and white, as CIELab (PS3.3 C.10.7.1.1)."""
_CONTENT = {tag_of("ContentDate"), tag_of("ContentTime")}
_MARGIN_MM = 1.5
_LEAST_RADIUS_MM = 3.0
_MOST_SIZES = 20
"""On one image: of more nodules only the numbers are written, for want of room."""
_LINE = 0.025
"""Height of a line of the statement, of the displayed area."""


def encode(analysis: Analysis, source: Source) -> bytes | None:
    """Encode the presentation state as a DICOM file, None without a nodule; equal arguments, equal bytes.

    Args:
        analysis: whose nodules are marked.
        source: the images of the analysed stack.
    """
    shown = presented(key_images(analysis, source))
    if not shown:
        return None
    pen = pen_of(analysis, source)
    common = head(analysis, source, kind="gsps", sop_class_uid=PRESENTATION_STATE, modality="PR")
    document = {
        **{tag: element for tag, element in common.items() if tag not in _CONTENT},
        **_identification(common, pen),
        **dataset(ReferencedSeriesSequence=_series(shown)),
        **_display(shown),
        **dataset(
            GraphicAnnotationSequence=[*_annotations(shown, pen), _statement(analysis, pen)],
            GraphicLayerSequence=[_layer(number, *layer) for number, layer in enumerate(_LAYERS, start=1)],
        ),
    }
    return part10(document, sop_class_uid=PRESENTATION_STATE, sop_instance_uid=object_uid(analysis, "gsps"))


def _identification(common: Encoded, pen: Pen) -> Encoded:
    """When it was made (C.11.10): a presentation state has words of its own for it."""
    day, time = (common[tag_of(word)][8:] for word in ("ContentDate", "ContentTime"))
    return pen.dataset(
        BodyPartExamined="CHEST",
        ContentLabel="KEY_NODULES",
        ContentDescription=pen.say("statement.short"),
        ContentCreatorName="",
        PresentationCreationDate=day,
        PresentationCreationTime=time,
    )


def _series(shown: Sequence[KeyImage]) -> list[Encoded]:
    """What it applies to (C.11.11)."""
    grouped: dict[str, list[Encoded]] = {}
    for one in shown:
        grouped.setdefault(one.image.text("SeriesInstanceUID"), []).append(one.image.reference)
    return [dataset(SeriesInstanceUID=uid, ReferencedImageSequence=images) for uid, images in grouped.items()]


def _display(shown: Sequence[KeyImage]) -> Encoded:
    """Displayed area, modality LUT, window and presentation LUT (C.10.4, C.11.1, C.11.8, C.11.6)."""
    first = shown[0].image
    rows, columns = (first.raw[word].number for word in ("Rows", "Columns"))
    rescale = first.copied("RescaleIntercept", "RescaleSlope")
    spacing = first.raw["PixelSpacing"].value
    area = dataset(
        DisplayedAreaTopLeftHandCorner=(1, 1),
        DisplayedAreaBottomRightHandCorner=(columns, rows),
        PresentationSizeMode="SCALE TO FIT",
        PresentationPixelSpacing=spacing,
    )
    window = dataset(
        WindowCenter=str(CENTRE_HU), WindowWidth=str(WIDTH_HU), WindowCenterWidthExplanation="LUNG"
    )
    return {
        **rescale,
        **(dataset(RescaleType="HU") if rescale else {}),
        **dataset(
            DisplayedAreaSelectionSequence=[area],
            SoftcopyVOILUTSequence=[window],
            PresentationLUTShape="IDENTITY",
        ),
    }


def _layer(order: int, name: str, colour: tuple[int, int, int]) -> Encoded:
    return dataset(
        GraphicLayer=name,
        GraphicLayerOrder=str(order),
        GraphicLayerRecommendedDisplayGrayscaleValue=0xFFFF,
        GraphicLayerRecommendedDisplayCIELabValue=colour,
    )


# --- marks -------------------------------------------------------------------------------------------


def _annotations(shown: Sequence[KeyImage], pen: Pen) -> Iterator[Encoded]:
    """The marks of each image, layer by layer (C.10.5)."""
    for one in shown:
        plane = Plane.of(one.image)
        on = dataset(ReferencedImageSequence=[one.image.reference])
        sizes = len(one.nodules) <= _MOST_SIZES
        circles = [(nodule, *_circle(nodule, plane)) for nodule in one.nodules]
        yield {
            **on,
            **dataset(
                GraphicLayer=NODULES,
                GraphicObjectSequence=[_shape("CIRCLE", points) for _, points, _ in circles],
                TextObjectSequence=[_label(nodule, at, pen, sizes=sizes) for nodule, _, at in circles],
            ),
        }
        axes = [_shape("POLYLINE", line) for nodule in one.nodules for line in _axes(nodule, plane)]
        if axes:
            yield {**on, **dataset(GraphicLayer=AXES, GraphicObjectSequence=axes)}


def _circle(nodule: Nodule, plane: Plane) -> tuple[Floats, Floats]:
    """Middle and a point of the circumference, and where the label begins, in columns and rows."""
    centre = plane.pixels(np.asarray([nodule.centre_mm]))[0]
    radius = max(nodule.diameter_mm / 2 + _MARGIN_MM, _LEAST_RADIUS_MM) / plane.spacing_mm
    return np.stack([centre, centre + radius * (1, 0)]), centre + radius * (1, -1)


def _axes(nodule: Nodule, plane: Plane) -> Iterator[Floats]:
    """The ends of its long and short axis, where they lie in this plane."""
    if nodule.character is None:
        return
    for ends in (nodule.character.axes.long_mm, nodule.character.axes.short_mm):
        if len(ends) == 2 and _lie_in(plane, ends):
            yield plane.pixels(np.asarray(ends))


def _lie_in(plane: Plane, points_mm: Sequence[PointMm]) -> bool:
    """Within half a pixel: the axes were measured in one slice, and their ends are not its neighbours'."""
    return bool(np.abs(plane.distance_mm(np.asarray(points_mm))).max() <= plane.spacing_mm.min() / 2)


def _shape(kind: str, points: Floats) -> Encoded:
    return dataset(
        GraphicAnnotationUnits="PIXEL",
        GraphicDimensions=2,
        NumberOfGraphicPoints=len(points),
        GraphicData=points.reshape(-1).tolist(),
        GraphicType=kind,
        GraphicFilled="N",
    )


def _label(nodule: Nodule, at: Floats, pen: Pen, *, sizes: bool) -> Encoded:
    words, number = str(nodule.number), nodule.number
    if nodule.nodule_class is NoduleClass.MASS:
        words = pen.say("gsps.mass", number=number, mm=nodule.diameter_mm)
    elif sizes:
        words = pen.say("gsps.sized", number=number, mm=nodule.diameter_mm)
    return pen.dataset(
        UnformattedTextValue=words,
        AnchorPoint=at.tolist(),
        AnchorPointVisibility="N",
        AnchorPointAnnotationUnits="PIXEL",
    )


def _statement(analysis: Analysis, pen: Pen) -> Encoded:
    """What has to be said, at the bottom of every image."""
    sentences = disclosure(analysis)
    top = 1 - _LINE * len(sentences)
    return dataset(
        GraphicLayer=SAID,
        TextObjectSequence=[
            pen.dataset(
                UnformattedTextValue=sentence,
                BoundingBoxAnnotationUnits="DISPLAY",
                BoundingBoxTopLeftHandCorner=(0.0, top + _LINE * number),
                BoundingBoxBottomRightHandCorner=(1.0, top + _LINE * (number + 1)),
                BoundingBoxTextHorizontalJustification="LEFT",
            )
            for number, sentence in enumerate(sentences)
        ],
    )
