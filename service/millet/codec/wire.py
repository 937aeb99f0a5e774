"""Our values <-> protobuf messages. No generated class passes this module inwards.

Numbers cross as doubles, so nothing is rounded; times cross with microseconds, in UTC.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from millet.codec.wire_fields import from_wire, member, text, to_wire
from millet.core.advice import Advice
from millet.core.analysis import (
    Analysis,
    Effusion,
    Lungs,
    Outcome,
    Pattern,
    Predecessor,
    Provenance,
    Reliability,
    Triage,
    TriageLevel,
    VolumeSummary,
)
from millet.core.change import Change
from millet.core.judgement import Judgement
from millet.core.language import Language
from millet.core.nodule import Nodule
from millet.core.reasons import Reason, Remark, Weight
from millet.core.spread import Spread
from millet.core.wording import words
from millet.proto.millet.v1 import analysis_service_pb2 as pb

WHOLE = slice(None)
"""Of a list."""


def time_to_wire(moment: datetime) -> Timestamp:
    """A timezone-aware time."""
    stamp = Timestamp()
    stamp.FromDatetime(moment.astimezone(UTC))
    return stamp


def time_from_wire(stamp: Timestamp) -> datetime:
    """The same time in UTC."""
    return stamp.ToDatetime(UTC)


def level_to_wire(level: TriageLevel | None) -> pb.TriageLevel.ValueType:
    """A triage level; None is unspecified."""
    return pb.TriageLevel.Value(f"TRIAGE_LEVEL_{level.name if level else 'UNSPECIFIED'}")


def level_from_wire(number: int) -> TriageLevel | None:
    """A triage level; raises ValueError for a number that this version does not know."""
    return None if number == 0 else member(TriageLevel, number)


def outcome_to_wire(outcome: Outcome | None) -> pb.Outcome.ValueType:
    """An outcome; None is unspecified."""
    return pb.Outcome.Value(f"OUTCOME_{outcome.name if outcome else 'UNSPECIFIED'}")


def nodule_to_wire(nodule: Nodule) -> pb.Nodule:
    """One nodule."""
    return to_wire(nodule, pb.Nodule)


def nodule_from_wire(message: pb.Nodule) -> Nodule:
    """One nodule; its class follows from its size."""
    return from_wire(Nodule, message)


def change_to_wire(change: Change, lists: slice = WHOLE) -> pb.Change:
    """What changed since a prior, with all its nodules or with a part of them."""
    return to_wire(replace(change, nodules=change.nodules[lists]), pb.Change)


def remark_to_wire(remark: Remark, language: Language = Language.ENGLISH) -> pb.Remark:
    """One remark, with its code in words."""
    return pb.Remark(
        reason_code=remark.reason.value,
        weight=pb.RemarkWeight.Value(f"REMARK_WEIGHT_{remark.weight.name}"),
        text=words(remark.reason.value, language),
        detail=text(remark.detail),
    )


def remark_from_wire(message: pb.Remark) -> Remark:
    """One remark; raises ValueError for a code that this version does not know."""
    weight = member(Weight, message.weight)
    return Remark(reason=Reason(message.reason_code), weight=weight, detail=message.detail)


def analysis_to_wire(analysis: Analysis, lists: slice = WHOLE) -> pb.Analysis:
    """An analysis with all its nodules and those of its change, or with a part of either list."""
    return pb.Analysis(
        site=text(analysis.site),
        study_uid=analysis.study_uid,
        series_uid=analysis.series_uid,
        frame_of_reference_uid=analysis.frame_of_reference_uid,
        generation=analysis.generation,
        created_time=time_to_wire(analysis.created_utc),
        outcome=outcome_to_wire(analysis.outcome),
        reason_code=analysis.reason_code,
        reason_text=words(analysis.reason_code, analysis.language),
        remarks=[remark_to_wire(remark, analysis.language) for remark in analysis.remarks],
        volumes=[to_wire(volume, pb.VolumeSummary) for volume in analysis.volumes],
        nodules=[nodule_to_wire(nodule) for nodule in analysis.nodules[lists]],
        triage=to_wire(analysis.triage, pb.Triage),
        pattern=to_wire(analysis.pattern, pb.Pattern) if analysis.pattern else None,
        lungs=to_wire(analysis.lungs, pb.Lungs) if analysis.lungs else None,
        effusions=[to_wire(effusion, pb.Effusion) for effusion in analysis.effusions],
        not_assessed=[text(sentence) for sentence in analysis.not_assessed],
        provenance=to_wire(analysis.provenance, pb.Provenance),
        count_reliable=analysis.count_reliable,
        reliability=to_wire(analysis.reliability, pb.Reliability) if analysis.reliability else None,
        predecessor=to_wire(analysis.predecessor, pb.Predecessor) if analysis.predecessor else None,
        spread=to_wire(analysis.spread, pb.Spread) if analysis.spread else None,
        judgements=[to_wire(judgement, pb.Judgement) for judgement in analysis.judgements],
        advice=[to_wire(advice, pb.Advice) for advice in analysis.advice],
        change=change_to_wire(analysis.change, lists) if analysis.change else None,
        language=analysis.language,
    )


def analysis_from_wire(message: pb.Analysis) -> Analysis:
    """The analysis of a message that holds all its nodules; raises ValueError where it makes no sense."""
    return Analysis(
        site=message.site,
        study_uid=message.study_uid,
        series_uid=message.series_uid,
        frame_of_reference_uid=message.frame_of_reference_uid,
        generation=message.generation,
        created_utc=time_from_wire(message.created_time),
        outcome=member(Outcome, message.outcome),
        remarks=tuple(remark_from_wire(remark) for remark in message.remarks),
        volumes=tuple(from_wire(VolumeSummary, volume) for volume in message.volumes),
        nodules=tuple(nodule_from_wire(nodule) for nodule in message.nodules),
        triage=from_wire(Triage, message.triage),
        pattern=from_wire(Pattern, message.pattern) if message.HasField("pattern") else None,
        lungs=from_wire(Lungs, message.lungs) if message.HasField("lungs") else None,
        effusions=tuple(from_wire(Effusion, effusion) for effusion in message.effusions),
        not_assessed=tuple(message.not_assessed),
        provenance=from_wire(Provenance, message.provenance),
        reliability=from_wire(Reliability, message.reliability) if message.HasField("reliability") else None,
        predecessor=from_wire(Predecessor, message.predecessor) if message.HasField("predecessor") else None,
        spread=from_wire(Spread, message.spread) if message.HasField("spread") else None,
        judgements=tuple(from_wire(Judgement, judgement) for judgement in message.judgements),
        advice=tuple(from_wire(Advice, advice) for advice in message.advice),
        change=from_wire(Change, message.change) if message.HasField("change") else None,
        language=Language(message.language or Language.ENGLISH),
    )
