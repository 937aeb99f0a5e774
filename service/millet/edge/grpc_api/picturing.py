"""What a viewer draws of an analysis: masks of its nodules, projections, and slices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from millet.codec import nodule_masks
from millet.codec.presentation import tally
from millet.codec.slice_picture import WINDOWS, picture
from millet.codec.wire_fields import text
from millet.core.analysis import Analysis
from millet.core.language import say
from millet.core.looked_at import cuts, to_open_first, volume_of
from millet.core.nodule import Nodule
from millet.core.series import SliceHeader
from millet.edge.grpc_api.reading import OfSeries, Reading, key_of
from millet.edge.grpc_api.refusals import answering, bad, missing, unmet
from millet.errors import Removed, UnfitSeries
from millet.ports import SeriesKey, SliceLog, Worklist
from millet.proto.millet.v1 import picture_service_pb2 as pb

PART_BYTES = 1024 * 1024
"""Of a picture in one message."""
PROJECTIONS: Mapping[pb.Projection.ValueType, str] = MappingProxyType(
    {pb.PROJECTION_CORONAL: "coronal", pb.PROJECTION_AXIAL: "axial"}
)
SEEN_IN: Mapping[pb.Window.ValueType, str] = MappingProxyType(
    {pb.WINDOW_LUNG: "lung", pb.WINDOW_SOFT_TISSUE: "soft"}
)


class OfGeneration(OfSeries, Protocol):
    """A request about what was seen of a series."""

    generation: int


class Kept(NamedTuple):
    """Where the bytes of pictures come from."""

    worklist: Worklist
    slices: SliceLog | None
    """Which instances are behind an analysis; None shows none of them."""
    read: Callable[[str], bytes]
    """The bytes of one of them, from the spool."""


class Picturing:
    """Every answer about masks and pictures. Blocks; raises Refusal."""

    def __init__(self, reading: Reading, kept: Kept) -> None:
        self._reading = reading
        self._kept = kept

    def masks(self, request: pb.StreamMasksRequest) -> Iterator[pb.StreamMasksResponse]:
        """The voxels of nodules; all is read at once, and each message made when it is asked for."""
        with answering():
            analysis = self._analysis(request)
            wanted = set(request.nodule_ids)
            if not wanted.issubset(one.nodule_id for one in analysis.nodules):
                raise missing("Nodule", "NO_SUCH_NODULE", "the analysis has no such nodule")
            encoded = self._object(key_of(request), nodule_masks.KIND, analysis)
        if encoded is None:
            raise missing("Masks", "NO_MASKS", "no masks were made with this analysis")
        return nodule_masks.parts(pb.StreamMasksResponse.FromString(encoded), wanted)

    def list(self, request: pb.ListPicturesRequest) -> pb.ListPicturesResponse:
        """What there is to begin with."""
        with answering():
            analysis, key = self._analysis(request), key_of(request)
            made = [one for one in PROJECTIONS if self._object(key, _kind(one), analysis) is not None]
            stored = self._kept.slices.slices(key) if self._kept.slices and made else ()
        stack = volume_of([one.header for one in stored])
        there = all(one.path for one in stored)
        first = to_open_first(stack, analysis.nodules) if stack and there else ()
        told = [
            *(_projection(one, analysis) for one in made),
            *(_slice(header, pb.WINDOW_LUNG, analysis) for header in first),
        ]
        return pb.ListPicturesResponse(generation=analysis.generation, pictures=told)

    def get(self, request: pb.GetPictureRequest) -> Iterator[pb.GetPictureResponse]:
        """One picture, in parts."""
        with answering():
            asked = request.WhichOneof("picture")
            if asked is None:
                raise bad("picture", "projection or sop_instance_uid says which picture")
            analysis = self._analysis(request)
            made = self._projection if asked == "projection" else self._slice
            told, png = made(request, analysis)
        return _parts(analysis.generation, told, png)

    def _analysis(self, request: OfGeneration) -> Analysis:
        """The newest one, which is of the generation that was seen."""
        if request.generation < 0:
            raise bad("generation", f"generation is at least 0, not {request.generation}")
        analysis = self._reading.analysis(request)
        if request.generation not in {0, analysis.generation}:
            why = "the newest analysis is not of the generation that was seen; look again"
            raise unmet("CHANGED_SINCE", why, ["generation"])
        return analysis

    def _object(self, key: SeriesKey, kind: str, analysis: Analysis) -> bytes | None:
        return self._kept.worklist.object_bytes(key, kind, analysis.generation)

    def _projection(self, request: pb.GetPictureRequest, analysis: Analysis) -> tuple[pb.Picture, bytes]:
        if request.projection not in PROJECTIONS:
            raise bad("projection", "projection is none of coronal, axial")
        made = self._object(key_of(request), _kind(request.projection), analysis)
        if made is None:
            raise missing("Picture", "NO_SUCH_PICTURE", "no projections were made with this analysis")
        return _projection(request.projection, analysis), made

    def _slice(self, request: pb.GetPictureRequest, analysis: Analysis) -> tuple[pb.Picture, bytes]:
        shown = request.window or pb.WINDOW_LUNG
        if shown not in SEEN_IN:
            raise bad("window", "window is none of lung, soft tissue")
        slices = self._kept.slices
        found = slices.slice(key_of(request), request.sop_instance_uid) if slices else None
        if found is not None and not found.path:
            raise missing("Picture", "REMOVED", "the slice is kept no more")
        try:
            if found is not None:
                made = picture(self._kept.read(found.path), found.header, WINDOWS[SEEN_IN[shown]])
                return _slice(found.header, shown, analysis), made
        except UnfitSeries:
            pass
        except Removed as gone:
            raise missing("Picture", "REMOVED", "the slice is kept no more") from gone
        raise missing("Picture", "NO_SUCH_PICTURE", "the analysis was made of no such slice")


def _kind(projection: pb.Projection.ValueType) -> str:
    return f"mip-{PROJECTIONS[projection]}.png"


def _projection(projection: pb.Projection.ValueType, analysis: Analysis) -> pb.Picture:
    words = say(analysis.language, f"picture.{PROJECTIONS[projection]}", tally=tally(analysis))
    return pb.Picture(projection=projection, words=text(words))


def _slice(header: SliceHeader, shown: pb.Window.ValueType, analysis: Analysis) -> pb.Picture:
    found = cuts(header, analysis.nodules)
    return pb.Picture(
        sop_instance_uid=text(header.sop_instance_uid),
        window=shown,
        words=text(_named(analysis, [one.nodule for one in found])),
        cuts=[
            pb.Cut(
                nodule_id=one.nodule.nodule_id,
                number=one.nodule.number,
                column=one.column,
                row=one.row,
                radius_columns=one.radius_columns,
                radius_rows=one.radius_rows,
            )
            for one in found
        ],
    )


def _named(analysis: Analysis, nodules: Sequence[Nodule]) -> str:
    """Such as "Nodule 3, Mass 1"; empty for none."""
    return ", ".join(f"{say(analysis.language, f'name.{one.nodule_class}')} {one.number}" for one in nodules)


def _parts(generation: int, told: pb.Picture, png: bytes) -> Iterator[pb.GetPictureResponse]:
    yield pb.GetPictureResponse(
        generation=generation, picture=told, total_bytes=len(png), png=png[:PART_BYTES]
    )
    for at in range(PART_BYTES, len(png), PART_BYTES):
        yield pb.GetPictureResponse(png=png[at : at + PART_BYTES])
