"""The series that a report is about: what our objects refer to and what they copy unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from millet.codec.content import reference
from millet.codec.elements import Encoded, Raw, encode_raw, read_elements, tag_of
from millet.codec.elements import dataset as encode
from millet.codec.letters import Letters, letters_of
from millet.codec.text import decode
from millet.core.assembler import REPORTS
from millet.core.reasons import Reason
from millet.errors import UnfitSeries

# PS3.3 C.7.1.1 Patient, C.7.1.3 Clinical Trial Subject, C.7.2.1 General Study, C.7.2.2 Patient Study,
# C.7.2.3 Clinical Trial Study; the character set (C.12.1.1.2) and time zone that they are written in.
_INHERITED = """
SpecificCharacterSet TimezoneOffsetFromUTC
ReferencedPatientSequence PatientName PatientID IssuerOfPatientID TypeOfPatientID
IssuerOfPatientIDQualifiersSequence SourcePatientGroupIdentificationSequence
GroupOfPatientsIdentificationSequence PatientBirthDate PatientBirthTime
PatientBirthDateInAlternativeCalendar PatientDeathDateInAlternativeCalendar PatientAlternativeCalendar
PatientSex QualityControlSubject StrainDescription StrainNomenclature StrainStockSequence
StrainAdditionalInformation StrainCodeSequence GeneticModificationsSequence OtherPatientIDs
OtherPatientNames OtherPatientIDsSequence ReferencedPatientPhotoSequence EthnicGroup
EthnicGroupCodeSequence PatientSpeciesDescription PatientSpeciesCodeSequence PatientBreedDescription
PatientBreedCodeSequence BreedRegistrationSequence ResponsiblePerson ResponsiblePersonRole
ResponsibleOrganization PatientComments PatientIdentityRemoved DeidentificationMethod
DeidentificationMethodCodeSequence
ClinicalTrialSponsorName ClinicalTrialProtocolID ClinicalTrialProtocolName
IssuerOfClinicalTrialProtocolID OtherClinicalTrialProtocolIDsSequence ClinicalTrialSiteID
ClinicalTrialSiteName IssuerOfClinicalTrialSiteID ClinicalTrialSubjectID IssuerOfClinicalTrialSubjectID
ClinicalTrialSubjectReadingID IssuerOfClinicalTrialSubjectReadingID
ClinicalTrialProtocolEthicsCommitteeName ClinicalTrialProtocolEthicsCommitteeApprovalNumber
StudyDate StudyTime AccessionNumber IssuerOfAccessionNumberSequence ReferringPhysicianName
ReferringPhysicianIdentificationSequence ConsultingPhysicianName
ConsultingPhysicianIdentificationSequence StudyDescription ProcedureCodeSequence PhysiciansOfRecord
PhysiciansOfRecordIdentificationSequence NameOfPhysiciansReadingStudy
PhysiciansReadingStudyIdentificationSequence ReferencedStudySequence StudyInstanceUID StudyID
RequestingService RequestingServiceCodeSequence ReasonForPerformedProcedureCodeSequence
AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence PatientAge PatientSize
PatientSizeCodeSequence PatientBodyMassIndex MeasuredAPDimension MeasuredLateralDimension PatientWeight
MedicalAlerts Allergies Occupation SmokingStatus AdditionalPatientHistory PregnancyStatus
LastMenstrualDate PatientSexNeutered ReasonForVisit ReasonForVisitCodeSequence AdmissionID
IssuerOfAdmissionIDSequence ServiceEpisodeID ServiceEpisodeDescription
IssuerOfServiceEpisodeIDSequence PatientState
ClinicalTrialTimePointID ClinicalTrialTimePointDescription LongitudinalTemporalOffsetFromEvent
LongitudinalTemporalEventType ClinicalTrialTimePointTypeCodeSequence IssuerOfClinicalTrialTimePointID
ConsentForClinicalTrialUseSequence
"""
INHERITED = frozenset(tag_of(keyword) for keyword in _INHERITED.split())
"""Tags that our objects carry with the very bytes of the source."""

_TYPE_2: Encoded = encode(
    PatientName="",
    PatientID="",
    PatientBirthDate="",
    PatientSex="",
    StudyDate="",
    StudyTime="",
    AccessionNumber="",
    ReferringPhysicianName="",
    StudyID="",
)
"""Must be there, if only empty."""

_IMAGE = """
SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID FrameOfReferenceUID
PositionReferenceIndicator ImagePositionPatient ImageOrientationPatient PixelSpacing SliceThickness
Rows Columns RescaleIntercept RescaleSlope
LossyImageCompression LossyImageCompressionRatio LossyImageCompressionMethod
"""
_IMAGE_TAGS = {keyword: tag_of(keyword) for keyword in _IMAGE.split()}
_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


class SourceImage(NamedTuple):
    """One instance, by keyword: raw values of what `_IMAGE` names and the instance has."""

    raw: Mapping[str, Raw]

    def text(self, keyword: str) -> str:
        """A value as text, empty where it is absent."""
        return self.raw[keyword].ascii if keyword in self.raw else ""

    @property
    def sop_class_uid(self) -> str:
        """SOP Class UID."""
        return self.text("SOPClassUID")

    @property
    def sop_instance_uid(self) -> str:
        """SOP Instance UID."""
        return self.text("SOPInstanceUID")

    @property
    def reference(self) -> Encoded:
        """A reference to this instance."""
        return reference(self.sop_class_uid, self.sop_instance_uid)

    def copied(self, *keywords: str) -> Encoded:
        """Elements with the very bytes of this instance; what it lacks is left out."""
        return encode_raw({_IMAGE_TAGS[word]: self.raw[word] for word in keywords if word in self.raw})


@dataclass(frozen=True, kw_only=True)
class Source:
    """The instances of one series, in the order in which they were given, without their pixels."""

    images: tuple[SourceImage, ...]
    inherited: Encoded = field(repr=False)
    """Patient and study modules as the first instance has them whose can be read, character set and all."""

    @classmethod
    def read(cls, encoded: Sequence[bytes]) -> Source:
        """Read instances (DICOM files); for a SEG they are given in the order of the stack's z index.

        An instance that cannot be read is left out.

        Raises:
            UnfitSeries: Not one of them can be read.
        """
        read = [(image, data) for data in encoded if (image := read_image(data)) is not None]
        return cls.of(read)

    @classmethod
    def of(cls, read: Sequence[tuple[SourceImage, bytes]]) -> Source:
        """As `read`, of instances (with the DICOM files that they are) that were read one by one."""
        if not read:
            raise UnfitSeries(Reason.UNREADABLE_OBJECT)
        inherited = next((found for _, data in read if (found := _inherited(data)) is not None), None)
        if inherited is None:
            raise UnfitSeries(Reason.UNREADABLE_OBJECT)
        return cls(images=tuple(image for image, _ in read), inherited={**_TYPE_2, **inherited})

    @classmethod
    def any_of(cls, encoded: Iterable[bytes]) -> Source | None:
        """What can be read of a series that is not analysed, or None where that is nothing.

        The order does not matter: the instance first by its bytes lends patient and study.
        """
        try:
            return cls.read(sorted(set(encoded)))
        except UnfitSeries:
            return None

    @property
    def frame_of_reference_uid(self) -> str:
        """Frame of Reference UID of the first instance, or the empty string."""
        return self.images[0].text("FrameOfReferenceUID")

    @property
    def is_report(self) -> bool:
        """Whether the instances are structured reports, and none of them an image."""
        return all(image.sop_class_uid in REPORTS for image in self.images)

    @cached_property
    def letters(self) -> Letters:
        """What our words can be written in beside it."""
        return letters_of(self.inherited)

    @cached_property
    def by_uid(self) -> Mapping[str, SourceImage]:
        """The instances by SOP Instance UID."""
        return {image.sop_instance_uid: image for image in self.images}

    def inherited_text(self, keyword: str) -> str:
        """A short value of the patient or the study, decoded; empty where it is absent."""
        character_set = self._value("SpecificCharacterSet").decode("ascii", "replace")
        return decode(self._value(keyword), character_set).value

    def _value(self, keyword: str) -> bytes:
        return self.inherited.get(tag_of(keyword), b"")[8:]

    def by_series(self) -> Mapping[str, list[Encoded]]:
        """References to the instances, series by series (one series, unless senders err)."""
        grouped: dict[str, list[Encoded]] = {}
        for image in self.by_uid.values():
            grouped.setdefault(image.text("SeriesInstanceUID"), []).append(image.reference)
        return grouped

    def evidence(self, ours: Mapping[str, list[Encoded]] = MappingProxyType({})) -> list[Encoded]:
        """The items of an evidence sequence (PS3.3 C.17.2), one a study (one, unless senders err).

        `ours` are references to objects made of the series, by their series, in its study.
        """
        studies: dict[str, dict[str, list[Encoded]]] = {self.images[0].text("StudyInstanceUID"): {**ours}}
        for image in self.by_uid.values():
            series = studies.setdefault(image.text("StudyInstanceUID"), {})
            series.setdefault(image.text("SeriesInstanceUID"), []).append(image.reference)
        return [
            encode(
                StudyInstanceUID=study_uid,
                ReferencedSeriesSequence=[
                    encode(SeriesInstanceUID=uid, ReferencedSOPSequence=references)
                    for uid, references in series.items()
                ],
            )
            for study_uid, series in studies.items()
        ]


def _inherited(encoded: bytes) -> Encoded | None:
    """What is copied, None where reading it would cost too much."""
    try:
        return encode_raw(read_elements(encoded, INHERITED))
    except ValueError:
        return None


def read_image(encoded: bytes) -> SourceImage | None:
    """An instance (DICOM file), if enough of it can be read to refer to it."""
    try:
        found = read_elements(encoded, frozenset(_IMAGE_TAGS.values()))
    except ValueError:
        return None
    raw = {keyword: found[tag] for keyword, tag in _IMAGE_TAGS.items() if tag in found}
    image = SourceImage(raw)
    return image if all(image.text(keyword) for keyword in _NEEDED) else None
