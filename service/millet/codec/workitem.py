"""A task to review a study as a Unified Procedure Step (PS3.3 B.26, PS3.4 table CC.2.5-3).

Of the patient it tells nothing but the ID, where the recipient asked for it; what must be there stays empty.
It names the study and, instance by instance, the series that decided, with the archive that has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset

from millet.codec import notice
from millet.codec.codes import Code
from millet.codec.notice import Told
from millet.core.language import Language, say
from millet.core.review import priority

UPS_PUSH = "1.2.840.10008.5.1.4.34.6.1"
UPS_PULL = "1.2.840.10008.5.1.4.34.6.3"
_INTERPRETATION = Code("110005", "DCM", "Interpretation")
"""CID 9231."""
_EMPTY = """
TransactionUID ScheduledProcessingParametersSequence ScheduledStationNameCodeSequence
ScheduledStationClassCodeSequence ScheduledStationGeographicLocationCodeSequence
PatientName PatientID PatientBirthDate PatientSex OtherPatientIDsSequence
AdmissionID IssuerOfAdmissionIDSequence AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence
ReferencedRequestSequence ProcedureStepProgressInformationSequence
UnifiedProcedureStepPerformedProcedureSequence
"""
_EMPTY_REQUEST = """
IssuerOfAccessionNumberSequence RequestedProcedureID RequestedProcedureDescription
RequestedProcedureCodeSequence
"""
LONGEST_COMMENT = 10_240
"""Of an LT (PS3.5 6.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What all tasks of one worklist share."""

    worklist: str
    """Worklist Label."""
    archive_ae: str
    """From which the series can be retrieved."""
    language: Language
    station: Code | None = None
    """At which the study is to be read; None for any."""
    performer: Code | None = None
    """Who is to read it; None for anybody."""


def created(told: Told, task: Task, images: Iterable[tuple[str, str]]) -> Dataset:
    """The attributes of N-CREATE; images are SOP Class and Instance UIDs of the series that decided."""
    dataset = changed(told, task)
    _leave_empty(dataset, _EMPTY)
    dataset.ScheduledProcedureStepStartDateTime = told.at_utc.strftime("%Y%m%d%H%M%S%z")
    dataset.WorklistLabel = task.worklist
    dataset.ScheduledWorkitemCodeSequence = [_coded(_INTERPRETATION)]
    dataset.InputReadinessState = "READY"
    dataset.InputInformationSequence = list(_inputs(told, task, images))
    dataset.StudyInstanceUID = told.study_uid
    dataset.ProcedureStepState = "SCHEDULED"
    _assign(dataset, told, task)
    _name(dataset, told)
    return dataset


def changed(told: Told, task: Task) -> Dataset:
    """The attributes of N-SET: priority, and why."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ScheduledProcedureStepPriority = priority(told.level)
    level = say(task.language, f"level.{told.level}")
    dataset.ProcedureStepLabel = say(task.language, "notice.task", level=level)
    reasons = [one.words for one in told.reasons]
    lines = [notice.headline(told, task.language), *reasons, notice.disclaimer(task.language)]
    dataset.CommentsOnTheScheduledProcedureStep = "\r\n".join(lines)[:LONGEST_COMMENT]
    return dataset


def cancelled(told: Told, task: Task) -> Dataset:
    """The information of a request to cancel (PS3.4 CC.2.2)."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ReasonForCancellation = notice.headline(told, task.language)
    return dataset


def _assign(dataset: Dataset, told: Told, task: Task) -> None:
    if task.station is not None:
        dataset.ScheduledStationNameCodeSequence = [_coded(task.station)]
    if task.performer is not None:
        performer = Dataset()
        performer.HumanPerformerCodeSequence = [_coded(task.performer)]
        performer.HumanPerformerName = task.performer.meaning
        performer.HumanPerformerOrganization = told.site
        dataset.ScheduledHumanPerformersSequence = [performer]


def _name(dataset: Dataset, told: Told) -> None:
    if told.patient_id:
        dataset.PatientID = told.patient_id
    if told.issuer:
        dataset.IssuerOfPatientID = told.issuer
    if told.accession:
        request = Dataset()
        _leave_empty(request, _EMPTY_REQUEST)
        request.StudyInstanceUID = told.study_uid
        request.AccessionNumber = told.accession
        dataset.ReferencedRequestSequence = [request]


def _inputs(told: Told, task: Task, images: Iterable[tuple[str, str]]) -> Iterator[Dataset]:
    """One series, by reference (PS3.3 table 10-3b); none where nothing of it is known any more."""
    references = [_reference(*image) for image in images]
    if not references:
        return
    item, archive = Dataset(), Dataset()
    archive.RetrieveAETitle = task.archive_ae
    item.TypeOfInstances = "DICOM"
    item.StudyInstanceUID = told.study_uid
    item.SeriesInstanceUID = told.series_uid
    item.ReferencedSOPSequence = references
    item.DICOMRetrievalSequence = [archive]
    yield item


def _reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item


def _leave_empty(dataset: Dataset, keywords: str) -> None:
    for keyword in keywords.split():
        setattr(dataset, keyword, [] if keyword.endswith("Sequence") else None)


def _coded(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme
    item.CodeMeaning = code.meaning
    return item
