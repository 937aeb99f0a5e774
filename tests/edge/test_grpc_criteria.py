"""Lesions that a caller brings over gRPC, over a real channel."""

from __future__ import annotations

from dataclasses import replace

import grpc
import pytest
from brains import TABLE, brain
from gates import MemoryGate
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from grpc_bench import Bench

from millet.codec.wire_fields import from_wire
from millet.core.criteria import evaluate
from millet.core.criteria_sets import BRAIN_MILIARY_CT, BRAIN_MILIARY_MR, LUNG_MILIARY
from millet.core.judgement import Judgement, Standing
from millet.core.nodule import Side
from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.proto.millet.v1.analysis_service_pb2_grpc import CriteriaServiceStub

SIDES = {None: pb.SIDE_UNSPECIFIED, Side.LEFT: pb.SIDE_LEFT, Side.RIGHT: pb.SIDE_RIGHT}
TWENTY = brain({3: 20, 9: 20})


def point(x=0.0, y=0.0, z=0.0):
    """A place in mm."""
    return pb.PointMm(x=x, y=y, z=z)


def request(exam, **changes):
    """What a caller sends of an exam."""
    stack = exam.images
    images = stack and pb.ImageStack(
        positions_mm=[point(z=stack.first_mm + at * stack.step_mm) for at in range(stack.count)],
        thickness_mm=stack.thickness_mm,
    )
    lesions = [
        pb.Lesion(
            centre_mm=point(*one.centre_mm),
            diameter_mm=one.diameter_mm,
            side=SIDES[one.side],
            regions=one.regions,
        )
        for one in exam.lesions
    ]
    given = {"organ": exam.organ, "modality": exam.modality, "lesions": lesions, "images": images}
    return pb.EvaluateCriteriaRequest(**(given | changes))


def asked(*requests, bench=None, metadata=()):
    """What each request is answered: a response, or the error."""
    bench, got = bench or Bench(), []

    async def test(_stub):
        stub = CriteriaServiceStub(bench.channel)
        for one in requests:
            try:
                got.append(await stub.EvaluateCriteria(one, metadata=metadata))
            except grpc.aio.AioRpcError as error:
                got.append(error)

    bench.run(test)
    return got


def test_every_exam_of_the_table_is_judged_as_the_engine_does():
    """Condition by condition, for MR and CT, where sides, compartments or images are told and where not."""
    exams = [row[1] for row in TABLE]
    for exam, answer in zip(exams, asked(*map(request, exams)), strict=True):
        judged = tuple(from_wire(Judgement, one) for one in answer.judgements)
        assert judged == (evaluate(BRAIN_MILIARY_MR, exam), evaluate(BRAIN_MILIARY_CT, exam))
        assert len(answer.configuration_digest) == 64


def test_a_modality_and_what_was_left_out_are_heeded():
    """A set for another modality is not evaluated; what the caller left out is doubted with the level."""
    short = request(replace(brain({3: 20, 9: 19}), modality="MR"), left_out=2)
    (answer,) = asked(short)
    mr, ct = answer.judgements
    assert mr.not_evaluated == "2 of 41 lesions could not be judged"
    assert ct.not_evaluated == "criteria for CT, an exam by MR"


def test_a_sites_own_set_is_judged_beside_ours():
    """With every condition, and what stands behind it."""
    own = replace(BRAIN_MILIARY_MR, identifier="brain-north", standing=Standing.PROPOSAL)
    bench = Bench(criteria=(own, replace(LUNG_MILIARY, identifier="lung-north")))
    (answer,) = asked(request(TWENTY), bench=bench)
    told = {one.criteria: (one.level, one.standing) for one in answer.judgements}
    assert told["brain-north"] == (1, pb.STANDING_PROPOSAL)
    assert set(told) == {"brain-miliary-mr", "brain-miliary-ct", "brain-north"}


ONE = pb.Lesion(centre_mm=point(), diameter_mm=3.0)


def _with(**changes):
    lesion = pb.Lesion()
    lesion.CopyFrom(ONE)
    lesion.MergeFrom(pb.Lesion(**changes))
    return request(TWENTY, lesions=[ONE, lesion])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (request(TWENTY, organ=""), "organ"),
        (request(TWENTY, organ="knee"), "organ"),
        (request(TWENTY, modality="mr"), "modality"),
        (request(TWENTY, left_out=-1), "left_out"),
        (request(TWENTY, lesions=[pb.Lesion(diameter_mm=3.0)]), "lesions[0].centre_mm"),
        (request(TWENTY, lesions=[ONE, pb.Lesion(centre_mm=point())]), "lesions[1]"),
        (_with(diameter_mm=float("nan")), "lesions[1]"),
        (_with(centre_mm=point(z=float("inf"))), "lesions[1]"),
        (_with(side=77), "lesions[1]"),
        (_with(regions=["supra-tentorial"]), "lesions[1].regions"),
        (request(TWENTY, images=pb.ImageStack()), "images"),
        (request(TWENTY, images=pb.ImageStack(positions_mm=[point(), point(z=5), point(z=20)])), "images"),
        (
            request(
                TWENTY, images=pb.ImageStack(positions_mm=[point(), point(z=5)], normal=point(z=float("nan")))
            ),
            "images",
        ),
        (request(TWENTY, images=pb.ImageStack(positions_mm=[point(), point(z=5)], normal=point())), "images"),
        (
            request(TWENTY, images=pb.ImageStack(positions_mm=[point(), point(z=5)], thickness_mm=0.0)),
            "images",
        ),
    ],
    ids=range(15),
)
def test_what_makes_no_sense_is_refused_by_its_field(wrong, field):
    """INVALID_ARGUMENT, and no value of the caller in the sentence."""
    (error,) = asked(wrong)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    details = BadRequest()
    (packed,) = [one for one in status.details if one.Is(BadRequest.DESCRIPTOR)]
    packed.Unpack(details)
    assert [one.field for one in details.field_violations] == [field]
    assert "tentorial" not in error.details().partition("none but")[0]


def test_a_request_of_any_size_has_a_clear_status():
    """Tens of thousands of lesions are judged; more than the message holds end with RESOURCE_EXHAUSTED."""
    many = pb.Lesion(centre_mm=point(1, 2, 3), diameter_mm=2, side=pb.SIDE_LEFT, regions=["supratentorial"])
    fits, not_so = (request(TWENTY, lesions=[many] * count) for count in (50_000, 90_000))
    answer, error = asked(fits, not_so)
    assert len(answer.judgements) == 2
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_reading_is_role_enough_and_nobody_unknown_may_call():
    """As for the worklist; calls are counted by their status."""
    bench = Bench()
    bench.behind(MemoryGate())
    assert asked(request(TWENTY), bench=bench)[0].code() is grpc.StatusCode.UNAUTHENTICATED
    token = (("authorization", "Bearer viewer-token"),)
    assert len(asked(request(TWENTY), bench=bench, metadata=token)[0].judgements) == 2
    bench = Bench()
    asked(request(TWENTY), request(TWENTY, organ=""), bench=bench)
    assert bench.handled("EvaluateCriteria", "OK") == 1
    assert bench.handled("EvaluateCriteria", "INVALID_ARGUMENT") == 1
