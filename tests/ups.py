"""A worklist manager of the tests' own: Unified Procedure Steps with the states of PS3.4 CC.1.1."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import UnifiedProcedureStepPull, UnifiedProcedureStepPush

from millet.core.peer import Peer

SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED = "SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"

# Table CC.2.5-3, what an SCU gives with N-CREATE
VALUED = """
ScheduledProcedureStepPriority ProcedureStepLabel WorklistLabel ScheduledProcedureStepStartDateTime
InputReadinessState ProcedureStepState
"""
PRESENT = """
TransactionUID ScheduledProcessingParametersSequence ScheduledStationNameCodeSequence
ScheduledStationClassCodeSequence ScheduledStationGeographicLocationCodeSequence
ScheduledWorkitemCodeSequence CommentsOnTheScheduledProcedureStep InputInformationSequence
PatientName PatientBirthDate PatientSex AdmissionID IssuerOfAdmissionIDSequence
AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence ReferencedRequestSequence
ProcedureStepProgressInformationSequence UnifiedProcedureStepPerformedProcedureSequence
"""
EMPTY = """
TransactionUID ProcedureStepProgressInformationSequence UnifiedProcedureStepPerformedProcedureSequence
"""
FORBIDDEN = """
SOPClassUID SOPInstanceUID ScheduledProcedureStepModificationDateTime ProcedureStepCancellationDateTime
"""
UNCHANGEABLE = """
PatientName PatientID IssuerOfPatientID PatientBirthDate PatientSex AdmissionID ReferencedRequestSequence
ProcedureStepState SOPClassUID SOPInstanceUID
"""
INPUT = "TypeOfInstances StudyInstanceUID SeriesInstanceUID ReferencedSOPSequence DICOMRetrievalSequence"


def mistakes(created: Dataset) -> list[str]:
    """What is wrong with the attributes of an N-CREATE."""
    wrong = [f"no {name}" for name in VALUED.split() if not created.get(name)]
    wrong += [f"lacks {name}" for name in PRESENT.split() if name not in created]
    wrong += [f"{name} has a value" for name in EMPTY.split() if created.get(name)]
    wrong += [f"{name} is not allowed" for name in FORBIDDEN.split() if name in created]
    if created.get("ProcedureStepState") != SCHEDULED:
        wrong.append("is not SCHEDULED")
    if created.get("ScheduledProcedureStepPriority") not in {"HIGH", "MEDIUM", "LOW"}:
        wrong.append("has no such priority")
    for item in created.get("InputInformationSequence", []):
        wrong += [f"an input lacks {name}" for name in INPUT.split() if not item.get(name)]
    for item in created.get("ReferencedRequestSequence", []):
        wrong += [f"a request lacks {name}" for name in ("StudyInstanceUID",) if not item.get(name)]
    return wrong


class Manager:
    """Keeps tasks by UID; `answers` of it stand for those of the Standard, request by request."""

    def __init__(self, contexts=(UnifiedProcedureStepPush, UnifiedProcedureStepPull)) -> None:
        self.tasks = {}
        self.wrong = []
        self.asked = []
        self.answers = []
        entity = AE(ae_title="LISTS")
        for context in contexts:
            entity.add_supported_context(context)
        handlers = [
            (evt.EVT_N_CREATE, self._create),
            (evt.EVT_N_SET, self._set),
            (evt.EVT_N_ACTION, self._act),
        ]
        self._server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.peer = Peer(ae_title="LISTS", host="127.0.0.1", port=self._server.server_address[1])

    def end(self):
        """Stop."""
        self._server.shutdown()

    @property
    def states(self):
        """Priority and state of each task, in the order in which they were made."""
        return [(one.ScheduledProcedureStepPriority, one.ProcedureStepState) for one in self.tasks.values()]

    def begin(self, at=-1, state=IN_PROGRESS):
        """A performer takes a task, or has ended it."""
        list(self.tasks.values())[at].ProcedureStepState = state

    def _create(self, event):
        uid = event.request.AffectedSOPInstanceUID
        if status := self._note("create", uid):
            return status, None
        if uid in self.tasks:
            return 0x0111, None
        created = event.attribute_list
        self.wrong += mistakes(created)
        self.tasks[uid] = created
        return 0x0000, created

    def _set(self, event):
        uid = event.request.RequestedSOPInstanceUID
        if status := self._note("change", uid):
            return status, None
        if uid not in self.tasks:
            return 0xC307, None
        match self.tasks[uid].ProcedureStepState:
            case "IN PROGRESS":
                return 0xC301, None
            case "COMPLETED" | "CANCELED":
                return 0xC300, None
        changed = event.modification_list
        self.wrong += [f"{name} is changed" for name in UNCHANGEABLE.split() if name in changed]
        self.tasks[uid].update(changed)
        return 0x0000, changed

    def _act(self, event):
        uid = event.request.RequestedSOPInstanceUID
        if status := self._note("cancel", uid):
            return status, None
        if uid not in self.tasks:
            return 0xC307, None
        self.wrong += [] if event.action_type == 2 else ["is no request to cancel"]
        match self.tasks[uid].ProcedureStepState:
            case "COMPLETED":
                return 0xC311, None
            case "CANCELED":
                return 0xB304, None
            case "SCHEDULED":
                self.tasks[uid].ProcedureStepState = CANCELED
        return 0x0000, None

    def _note(self, request, uid):
        self.asked.append((request, uid))
        return self.answers.pop(0) if self.answers else 0
