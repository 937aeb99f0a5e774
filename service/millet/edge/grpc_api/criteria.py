"""CriteriaService: lesions that a caller brings, judged by the criteria of their organ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from millet import __version__
from millet.codec.wire_fields import from_wire, to_wire
from millet.core import digest
from millet.core.brought import Brought, judgements, sets_for
from millet.core.criteria import MODALITY, CriteriaSet, regions_of
from millet.core.geometry import Vector
from millet.core.language import Language
from millet.core.lesion import UPWARDS, Exam, Images, Lesion
from millet.edge.grpc_api.behaviours import Context
from millet.edge.grpc_api.refusals import bad
from millet.edge.grpc_api.service import answered
from millet.edge.telemetry import Rpc, Telemetry
from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.proto.millet.v1 import analysis_service_pb2_grpc as rpc


class CriteriaService(rpc.CriteriaServiceServicer):
    """The call of the contract, which says what it does; `further` are a site's own sets."""

    def __init__(self, further: Sequence[CriteriaSet], telemetry: Telemetry) -> None:
        self._further = further
        self._telemetry = telemetry

    async def EvaluateCriteria(  # noqa: N802 - the rpc's name
        self, request: pb.EvaluateCriteriaRequest, context: Context
    ) -> pb.EvaluateCriteriaResponse:
        """See the contract."""
        method = Rpc.EVALUATE_CRITERIA
        return await answered(self._telemetry, method, context, lambda: evaluated(request, self._further))


def evaluated(
    request: pb.EvaluateCriteriaRequest, further: Sequence[CriteriaSet]
) -> pb.EvaluateCriteriaResponse:
    """Judge what a request holds. Raises Refusal."""
    try:
        sets = sets_for(request.organ, further)
    except ValueError as error:
        raise bad("organ", str(error)) from error
    if request.modality and not MODALITY.fullmatch(request.modality):
        raise bad("modality", "a modality is such as MR, in capital letters")
    if request.left_out < 0:
        raise bad("left_out", "a number of lesions is not negative")
    exam = Exam(
        organ=request.organ,
        modality=request.modality,
        lesions=tuple(_lesions(request.lesions, regions_of(sets))),
        images=_images(request.images) if request.HasField("images") else None,
    )
    found = judgements(Brought(exam=exam, left_out=request.left_out), sets)
    return pb.EvaluateCriteriaResponse(
        judgements=[to_wire(one, pb.Judgement) for one in found],
        software_version=__version__,
        configuration_digest=digest.judging(sets, __version__, Language.ENGLISH),
    )


def _lesions(brought: Sequence[pb.Lesion], regions: frozenset[str]) -> Iterator[Lesion]:
    for at, one in enumerate(brought):
        if not one.HasField("centre_mm"):
            raise bad(f"lesions[{at}].centre_mm", "a lesion has a centre")
        if not regions.issuperset(one.regions):
            known = ", ".join(sorted(regions))
            raise bad(
                f"lesions[{at}].regions", f"the criteria of this organ ask for none but {known or 'none'}"
            )
        try:
            yield from_wire(Lesion, one)
        except ValueError as error:
            why = "a place or a size that no patient has, or a side that is none"
            raise bad(f"lesions[{at}]", why) from error


def _images(stack: pb.ImageStack) -> Images:
    normal = Vector(stack.normal.x, stack.normal.y, stack.normal.z) if stack.HasField("normal") else UPWARDS
    length = sum(part * part for part in normal) ** 0.5
    try:
        unit = [part / length for part in normal]
        levels_mm = [at.x * unit[0] + at.y * unit[1] + at.z * unit[2] for at in stack.positions_mm]
        thickness_mm = stack.thickness_mm if stack.HasField("thickness_mm") else None
        return Images.at(levels_mm, thickness_mm, normal)
    except (ValueError, ZeroDivisionError) as error:
        raise bad("images", "no even stack of images") from error
