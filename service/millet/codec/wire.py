"""Our values <-> protobuf messages. No generated class passes this module inwards.

Numbers cross as doubles, so nothing is rounded; times cross with microseconds, in UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

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
from millet.core.geometry import PointMm
from millet.core.nodule import Nodule, Side
from millet.core.reasons import Reason, Remark, Weight
from millet.core.wording import words
from millet.proto.millet.v1 import analysis_service_pb2 as pb

E = TypeVar("E", bound=Enum)


def text(value: str) -> str:
    """A string that UTF-8 can carry; what it cannot (lone surrogates) becomes `?`."""
    return value.encode("utf-8", "replace").decode("utf-8")


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
    return None if number == 0 else _member(TriageLevel, number)


def outcome_to_wire(outcome: Outcome | None) -> pb.Outcome.ValueType:
    """An outcome; None is unspecified."""
    return pb.Outcome.Value(f"OUTCOME_{outcome.name if outcome else 'UNSPECIFIED'}")


def outcome_from_wire(number: int) -> Outcome | None:
    """An outcome; raises ValueError for a number that this version does not know."""
    return None if number == 0 else _member(Outcome, number)


def _member(kind: type[E], number: int) -> E:
    """Our value for a number: the generated enums keep our order and begin at 1 (a test holds them to it)."""
    if not 1 <= number <= len(kind):
        raise ValueError(f"{kind.__name__} has no value {number}")
    return list(kind)[number - 1]


def nodule_to_wire(nodule: Nodule) -> pb.Nodule:
    """One nodule."""
    return pb.Nodule(
        number=nodule.number,
        tracking_uid=nodule.tracking_uid,
        centre_mm=pb.PointMm(**nodule.centre_mm._asdict()),
        diameter_mm=nodule.diameter_mm,
        volume_mm3=nodule.volume_mm3,
        mean_hu=nodule.mean_hu,
        score=nodule.score,
        nodule_class=pb.NoduleClass.Value(f"NODULE_CLASS_{nodule.nodule_class.name}"),
        side=pb.Side.Value(f"SIDE_{nodule.side.name}"),
        source_sop_instance_uid=nodule.source_sop_instance_uid,
    )


def nodule_from_wire(message: pb.Nodule) -> Nodule:
    """One nodule; its class follows from its size."""
    centre = message.centre_mm
    return Nodule(
        number=message.number,
        tracking_uid=message.tracking_uid,
        centre_mm=PointMm(centre.x, centre.y, centre.z),
        diameter_mm=message.diameter_mm,
        volume_mm3=message.volume_mm3,
        mean_hu=message.mean_hu,
        score=message.score,
        side=_member(Side, message.side),
        source_sop_instance_uid=message.source_sop_instance_uid,
    )


def remark_to_wire(remark: Remark) -> pb.Remark:
    """One remark, with its code in words."""
    return pb.Remark(
        reason_code=remark.reason.value,
        weight=pb.RemarkWeight.Value(f"REMARK_WEIGHT_{remark.weight.name}"),
        text=words(remark.reason.value),
        detail=text(remark.detail),
    )


def remark_from_wire(message: pb.Remark) -> Remark:
    """One remark; raises ValueError for a code that this version does not know."""
    weight = _member(Weight, message.weight)
    return Remark(reason=Reason(message.reason_code), weight=weight, detail=message.detail)


def analysis_to_wire(analysis: Analysis, nodules: Sequence[Nodule] | None = None) -> pb.Analysis:
    """An analysis with all its nodules, or with the given page of them."""
    return pb.Analysis(
        site=text(analysis.site),
        study_uid=analysis.study_uid,
        series_uid=analysis.series_uid,
        frame_of_reference_uid=analysis.frame_of_reference_uid,
        generation=analysis.generation,
        created_time=time_to_wire(analysis.created_utc),
        outcome=outcome_to_wire(analysis.outcome),
        reason_code=analysis.reason_code,
        reason_text=words(analysis.reason_code),
        remarks=[remark_to_wire(remark) for remark in analysis.remarks],
        volumes=[_volume_to_wire(volume) for volume in analysis.volumes],
        nodules=[nodule_to_wire(n) for n in (analysis.nodules if nodules is None else nodules)],
        triage=_triage_to_wire(analysis.triage),
        pattern=_pattern_to_wire(analysis.pattern) if analysis.pattern else None,
        lungs=pb.Lungs(right_l=analysis.lungs.right_l, left_l=analysis.lungs.left_l)
        if analysis.lungs
        else None,
        effusions=[_effusion_to_wire(effusion) for effusion in analysis.effusions],
        not_assessed=[text(sentence) for sentence in analysis.not_assessed],
        provenance=_provenance_to_wire(analysis.provenance),
        count_reliable=analysis.count_reliable,
        reliability=_reliability_to_wire(analysis.reliability) if analysis.reliability else None,
        predecessor=_predecessor_to_wire(analysis.predecessor) if analysis.predecessor else None,
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
        outcome=_member(Outcome, message.outcome),
        remarks=tuple(remark_from_wire(remark) for remark in message.remarks),
        volumes=tuple(_volume_from_wire(volume) for volume in message.volumes),
        nodules=tuple(nodule_from_wire(nodule) for nodule in message.nodules),
        triage=_triage_from_wire(message.triage),
        pattern=_pattern_from_wire(message.pattern) if message.HasField("pattern") else None,
        lungs=Lungs(right_l=message.lungs.right_l, left_l=message.lungs.left_l)
        if message.HasField("lungs")
        else None,
        effusions=tuple(_effusion_from_wire(effusion) for effusion in message.effusions),
        not_assessed=tuple(message.not_assessed),
        provenance=_provenance_from_wire(message.provenance),
        reliability=_reliability_from_wire(message.reliability) if message.HasField("reliability") else None,
        predecessor=_predecessor_from_wire(message.predecessor) if message.HasField("predecessor") else None,
    )


def _triage_to_wire(triage: Triage) -> pb.Triage:
    return pb.Triage(level=level_to_wire(triage.level), reasons=[text(r) for r in triage.reasons])


def _triage_from_wire(message: pb.Triage) -> Triage:
    level = _member(TriageLevel, message.level)
    return Triage(level=level, reasons=tuple(message.reasons))


def _volume_to_wire(volume: VolumeSummary) -> pb.VolumeSummary:
    return pb.VolumeSummary(
        label=text(volume.label),
        slices=volume.slices,
        spacing_mm=volume.spacing_mm,
        chosen=volume.chosen,
        why=text(volume.why),
    )


def _volume_from_wire(message: pb.VolumeSummary) -> VolumeSummary:
    return VolumeSummary(
        label=message.label,
        slices=message.slices,
        spacing_mm=message.spacing_mm if message.HasField("spacing_mm") else None,
        chosen=message.chosen,
        why=message.why,
    )


def _effusion_to_wire(effusion: Effusion) -> pb.Effusion:
    return pb.Effusion(side=pb.Side.Value(f"SIDE_{effusion.side.name}"), volume_ml=effusion.volume_ml)


def _effusion_from_wire(message: pb.Effusion) -> Effusion:
    return Effusion(side=_member(Side, message.side), volume_ml=message.volume_ml)


def _pattern_to_wire(pattern: Pattern) -> pb.Pattern:
    return pb.Pattern(
        level=pattern.level,
        criteria_version=pattern.criteria_version,
        nodules_right=pattern.nodules_right,
        nodules_left=pattern.nodules_left,
        small_nodules=pattern.small_nodules,
        median_diameter_mm=pattern.median_diameter_mm,
        diameter_cv=pattern.diameter_cv,
        slabs_10mm_with_10=pattern.slabs_10mm_with_10,
    )


def _pattern_from_wire(message: pb.Pattern) -> Pattern:
    median = message.median_diameter_mm if message.HasField("median_diameter_mm") else None
    return Pattern(
        level=message.level,
        criteria_version=message.criteria_version,
        nodules_right=message.nodules_right,
        nodules_left=message.nodules_left,
        small_nodules=message.small_nodules,
        median_diameter_mm=median,
        diameter_cv=message.diameter_cv if message.HasField("diameter_cv") else None,
        slabs_10mm_with_10=message.slabs_10mm_with_10,
    )


def _reliability_to_wire(found: Reliability) -> pb.Reliability:
    return pb.Reliability(
        second_reader=text(found.second_reader),
        small_nodules=found.small_nodules,
        second_small_nodules=found.second_small_nodules,
        noise_hu=found.noise_hu,
        detectability=found.detectability,
        detectability_mm=found.detectability_mm,
    )


def _reliability_from_wire(message: pb.Reliability) -> Reliability:
    second = message.second_small_nodules if message.HasField("second_small_nodules") else None
    return Reliability(
        second_reader=message.second_reader,
        small_nodules=message.small_nodules,
        second_small_nodules=second,
        noise_hu=message.noise_hu if message.HasField("noise_hu") else None,
        detectability=message.detectability if message.HasField("detectability") else None,
        detectability_mm=message.detectability_mm,
    )


def _predecessor_to_wire(before: Predecessor) -> pb.Predecessor:
    return pb.Predecessor(
        generation=before.generation,
        study_uid=before.study_uid,
        series_uid=before.series_uid,
        sop_instance_uid=before.sop_instance_uid,
    )


def _predecessor_from_wire(message: pb.Predecessor) -> Predecessor:
    return Predecessor(
        generation=message.generation,
        study_uid=message.study_uid,
        series_uid=message.series_uid,
        sop_instance_uid=message.sop_instance_uid,
    )


def _provenance_to_wire(provenance: Provenance) -> pb.Provenance:
    return pb.Provenance(
        software_version=provenance.software_version,
        model_name=provenance.model_name,
        model_version=provenance.model_version,
        model_digest=provenance.model_digest,
        configuration_digest=provenance.configuration_digest,
        provider=provenance.provider,
        precision=provenance.precision,
    )


def _provenance_from_wire(message: pb.Provenance) -> Provenance:
    return Provenance(
        software_version=message.software_version,
        model_name=message.model_name,
        model_version=message.model_version,
        model_digest=message.model_digest,
        configuration_digest=message.configuration_digest,
        provider=message.provider,
        precision=message.precision,
    )
