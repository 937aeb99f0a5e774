"""Pictures for any viewer: projections with every nodule marked, as multi-frame secondary captures.

Three of them, each a series of its own: axial slabs from head to feet; from the front, first all of the
lungs, then slabs from front to back; and the lungs turning once around. Multi-frame True Color Secondary
Capture (PS3.3 A.8.5) in RLE Lossless. What has to be said of an AI result is burnt into every frame, with
the sides; no patient data is. They are made for every analysed series, also where nothing was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from millet.codec import run_length
from millet.codec.content import Pen
from millet.codec.disclosure import disclosure
from millet.codec.document import head, pen_of
from millet.codec.elements import Encoded, dataset
from millet.codec.lettering import Lettering, Rgb, lines, put, ring
from millet.codec.masks import LOSSY, pointer
from millet.codec.part10 import encapsulated, part10
from millet.codec.presentation import COLOURS, tally
from millet.codec.projection import View, Views
from millet.codec.source import Source
from millet.codec.turning import Turned
from millet.core.analysis import Analysis
from millet.core.geometry import Floats, Grid
from millet.core.language import Language
from millet.core.nodule import NoduleClass
from millet.core.uids import object_uid

TRUE_COLOR_CAPTURE = "1.2.840.10008.5.1.4.1.1.7.4"
WIDTH_PX = 512
TURNING_PX = 384
"""The width of what turns, which is coarse and has many frames."""
_WORDS_PX, _SIDES_PX = 11, 20
_LEAST_RING_PX = 4
_FRAME_MS = 100
_OBLIQUE = 0.38
"""Sine of 22 degrees: from there on a side has two letters."""


class _Shot(NamedTuple):
    """One frame before it is drawn."""

    grey: NDArray[np.uint8]
    mm: tuple[float, float]
    """Height and width of the whole."""
    rows: Floats
    """Of the nodules' centres, (N,), in pixels of `grey`, whose first one's middle is 0; NaN: not seen."""
    columns: Floats
    sides: tuple[str, str]
    """What lies on the left and on the right of the picture."""
    words: str
    width_px: int = WIDTH_PX


class _Nodules(NamedTuple):
    """Where they lie and how they are marked."""

    indices: Floats
    """(N, 3) volume indices."""
    radii_mm: Floats
    masses: NDArray[np.bool_]


def encode(seen: Views, analysis: Analysis, source: Source) -> Mapping[str, bytes]:
    """DICOM files by kind: sc-axial, sc-coronal and sc-rotating; equal arguments give equal bytes."""
    nodules, pen = _nodules(analysis, seen.grid), pen_of(analysis, source)
    return {
        kind: _encoded(kind, shots, nodules, analysis, source)
        for kind, shots in (
            ("sc-axial", [*_slabs(seen.axial, nodules, pen)]),
            ("sc-coronal", [*_whole(seen.coronal, nodules, pen), *_slabs(seen.fronts, nodules, pen)]),
            ("sc-rotating", [*_around(seen.turned, nodules, pen)]),
        )
    }


def _nodules(analysis: Analysis, grid: Grid) -> _Nodules:
    found = analysis.nodules
    centres = np.asarray([nodule.centre_mm for nodule in found], float).reshape(-1, 3)
    return _Nodules(
        indices=grid.to_index_array(centres),
        radii_mm=np.asarray([nodule.diameter_mm / 2 for nodule in found], float),
        masses=np.asarray([nodule.nodule_class is NoduleClass.MASS for nodule in found], bool),
    )


# --- what is seen ------------------------------------------------------------------------------------


def _whole(view: View, nodules: _Nodules, pen: Pen) -> Iterator[_Shot]:
    words = pen.say("picture.all", mm=view.depth_mm)
    yield _flat(view, nodules, np.ones(len(nodules.masses), bool), words)


def _slabs(views: Sequence[View], nodules: _Nodules, pen: Pen) -> Iterator[_Shot]:
    for number, view in enumerate(views, start=1):
        axis, (low, high) = (1, view.y) if _is_front(view) else (0, view.z)
        place = nodules.indices[:, axis]
        within = (low - 0.5 <= place) & (place < high - 0.5)
        words = pen.say("picture.slab", number=number, count=len(views), mm=view.depth_mm)
        yield _flat(view, nodules, within, words)


def _flat(view: View, nodules: _Nodules, seen: NDArray[np.bool_], words: str) -> _Shot:
    """A view along an axis of the volume; only some nodules are seen."""
    down = nodules.indices[:, 0 if _is_front(view) else 1]
    steps = [abs(step) for step in view.step_mm]
    rows, columns = view.grey.shape
    return _Shot(
        grey=(view.grey * 255).astype(np.uint8),
        mm=(rows * steps[0], columns * steps[1]),
        rows=np.where(seen, np.abs(down - view.start[0]), np.nan),
        columns=nodules.indices[:, 2] - view.start[1],
        sides=("R", "L"),
        words=words,
    )


def _is_front(view: View) -> bool:
    return view.step_mm[0] < 0


def _around(turned: Turned, nodules: _Nodules, pen: Pen) -> Iterator[_Shot]:
    _, rows, columns = turned.grey.shape
    for view, (grey, angle_deg) in enumerate(zip(turned.grey, turned.angles_deg, strict=True)):
        places = turned.places(view, nodules.indices)
        yield _Shot(
            grey=grey,
            mm=(rows * turned.step_mm[0], columns * turned.step_mm[1]),
            rows=places[:, 0],
            columns=places[:, 1],
            sides=(_side(angle_deg + 180), _side(angle_deg)),
            words=pen.say("picture.angle", angle=float(angle_deg)),
            width_px=TURNING_PX,
        )


def _side(angle_deg: float) -> str:
    """What lies to the right of a picture taken from so far round: letters of PS3.3 C.7.6.1.1.1."""
    left, back = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    letters = [(abs(left), "L" if left > 0 else "R"), (abs(back), "P" if back > 0 else "A")]
    return "".join(letter for share, letter in sorted(letters, reverse=True) if share > _OBLIQUE)


# --- drawn -------------------------------------------------------------------------------------------


def _drawn(shot: _Shot, nodules: _Nodules, above: Rgb, below: Rgb, language: Language) -> Rgb:
    """A frame in true proportions: marks, sides and words, between what stands above and below."""
    width = shot.width_px
    height = max(1, round(width * shot.mm[0] / shot.mm[1]))
    resized = Image.fromarray(shot.grey).resize((width, height), Image.Resampling.BILINEAR)
    picture = np.empty((3, height, width), np.uint8)
    picture[:] = np.asarray(resized)
    _mark(picture, shot, nodules)
    for side, column in zip(shot.sides, (_SIDES_PX, width - _SIDES_PX), strict=True):
        put(picture, side, (height // 2, column), Lettering(_SIDES_PX, language))
    put(picture, shot.words, (_WORDS_PX, width // 2), Lettering(_WORDS_PX, language))
    return np.concatenate([above, picture, below], axis=1)


def _mark(picture: Rgb, shot: _Shot, nodules: _Nodules) -> None:
    """Ring what is seen, masses last."""
    scale = np.asarray(picture.shape[1:]) / shot.grey.shape
    centres = (np.stack([shot.rows, shot.columns], axis=1) + 0.5) * scale - 0.5
    radii = np.maximum(np.rint(nodules.radii_mm * shot.width_px / shot.mm[1] + 2), _LEAST_RING_PX).astype(int)
    for kind, members in ((NoduleClass.NODULE, ~nodules.masses), (NoduleClass.MASS, nodules.masses)):
        marked = members & ~np.isnan(shot.rows)
        for radius_px in np.unique(radii[marked]).tolist():
            ring(picture, centres[marked & (radii == radius_px)], radius_px, COLOURS[kind])


# --- encoded -----------------------------------------------------------------------------------------


def _encoded(
    kind: str, shots: Sequence[_Shot], nodules: _Nodules, analysis: Analysis, source: Source
) -> bytes:
    width, language, pen = shots[0].width_px, analysis.language, pen_of(analysis, source)
    above, below = (
        lines(said, width, Lettering(_WORDS_PX, language))
        for said in ((tally(analysis),), disclosure(analysis))
    )
    frames = []
    for shot in shots:
        drawn = _drawn(shot, nodules, above, below, language)
        frames.append(run_length.encode(drawn))
    document = {
        **head(analysis, source, kind=kind, sop_class_uid=TRUE_COLOR_CAPTURE, modality="OT"),
        **_image(kind, analysis, drawn.shape, len(frames), pen),
        **_steps(kind, [shot.words for shot in shots], pen),
        **source.images[0].copied(*LOSSY),
        **encapsulated(frames),
    }
    return part10(
        document,
        sop_class_uid=TRUE_COLOR_CAPTURE,
        sop_instance_uid=object_uid(analysis, kind),
        transfer_syntax_uid=run_length.RLE,
    )


def _image(kind: str, analysis: Analysis, shape: tuple[int, ...], frames: int, pen: Pen) -> Encoded:
    """Secondary capture, general image and image pixel modules."""
    return pen.dataset(
        BodyPartExamined="CHEST",
        ConversionType="SYN",
        ImageType=("DERIVED", "SECONDARY", "PROJECTION IMAGE"),
        PatientOrientation={"sc-axial": ("L", "P"), "sc-coronal": ("L", "F")}.get(kind, ""),
        ImageComments=" ".join(disclosure(analysis)),
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
        NumberOfFrames=frames,
        Rows=shape[1],
        Columns=shape[2],
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
        BurnedInAnnotation="YES",
        LossyImageCompression="00",
    )


def _steps(kind: str, words: Sequence[str], pen: Pen) -> Encoded:
    """What the frames follow each other by: time where they turn (C.7.6.5), else what each one shows."""
    if kind != "sc-rotating":
        return pen.dataset(FrameIncrementPointer=pointer("FrameLabelVector"), FrameLabelVector=_short(words))
    return dataset(
        FrameIncrementPointer=pointer("FrameTime"),
        FrameTime=str(_FRAME_MS),
        RecommendedDisplayFrameRate=str(1000 // _FRAME_MS),
    )


def _short(words: Sequence[str]) -> list[str]:
    """As SH: sixteen characters, of which what tells frames apart comes first."""
    return [one.partition(",")[0][:16] for one in words]
