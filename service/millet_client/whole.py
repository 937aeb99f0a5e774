"""What comes in parts, put together: an analysis, masks, a picture."""

from __future__ import annotations

from collections.abc import Sequence

from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.proto.millet.v1 import picture_service_pb2 as pictures
from millet_client.errors import Incomplete


def analysis_of(parts: Sequence[pb.StreamAnalysisResponse]) -> pb.Analysis:
    """An analysis, of the messages that it came in. Raises Incomplete."""
    head = parts[0] if parts else pb.StreamAnalysisResponse()
    made = head.analysis
    for part in parts[1:]:
        made.nodules.extend(part.nodules)
        if part.changes:
            made.change.nodules.extend(part.changes)
    if not parts or (len(made.nodules), len(made.change.nodules)) != (head.total_nodules, head.total_changes):
        raise Incomplete("the analysis broke off")
    return made


def masks_of(parts: Sequence[pictures.StreamMasksResponse]) -> pictures.StreamMasksResponse:
    """The grid and all masks in one message. Raises Incomplete."""
    made = pictures.StreamMasksResponse()
    for part in parts:
        made.MergeFrom(part)
    if not parts or len(made.masks) != made.total_masks:
        raise Incomplete("the masks broke off")
    return made


def picture_of(parts: Sequence[pictures.GetPictureResponse]) -> pictures.GetPictureResponse:
    """What a picture shows and all its bytes in one message. Raises Incomplete."""
    made = parts[0] if parts else pictures.GetPictureResponse()
    made.png = b"".join(part.png for part in parts)
    if not parts or len(made.png) != made.total_bytes:
        raise Incomplete("the picture broke off")
    return made
