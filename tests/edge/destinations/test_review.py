"""Tasks in a real worklist manager, over DIMSE."""

from __future__ import annotations

import pytest
from deliveries import DELIVERY
from instances import START_UTC
from listeners import Listener, hang
from notices import CRITICAL, NOTABLE, UNFLAGGED, URGENT, news
from pydicom.uid import CTImageStorage
from pynetdicom.sop_class import UnifiedProcedureStepPush
from ups import CANCELED, COMPLETED, IN_PROGRESS, SCHEDULED, Manager

from millet.codec import notice
from millet.codec.codes import Code
from millet.codec.workitem import Task
from millet.core.language import Language
from millet.core.notification import Change, Identify, reference
from millet.core.peer import Peer
from millet.edge.destinations import Line, ReviewDestination
from millet.errors import DeliveryError

IMAGES = [(CTImageStorage, f"1.2.3.4.{n}") for n in range(3)]
TASK = Task(worklist="CT", archive_ae="PACS", language=Language.ENGLISH)
FIRST = news(URGENT, Change.RAISED)
RAISED = news(CRITICAL, Change.RAISED, URGENT, told=1)
LOWERED = news(NOTABLE, Change.LOWERED, URGENT, told=1)
WITHDRAWN = news(UNFLAGGED, Change.WITHDRAWN, URGENT, told=1)


@pytest.fixture
def manager():
    """A worklist manager that heard nothing wrong until its end."""
    made = Manager()
    yield made
    made.end()
    assert not made.wrong


def tell(manager, *told, identify=Identify.STUDY, task=TASK, images=IMAGES):
    """Deliver notifications, one after the other."""
    destination = ReviewDestination(Line(manager.peer, "MILLET", 30.0, None), task, lambda _: images)
    for one in told:
        destination.deliver(DELIVERY, notice.encode("lists", [one], identify, START_UTC))


def only(manager):
    """The only task."""
    (task,) = manager.tasks.values()
    return task


def test_a_study_becomes_a_task_that_says_where_its_series_is(manager):
    """With what the Standard wants of it, and a reference to each instance; nothing of the patient."""
    tell(manager, FIRST)
    task = only(manager)
    assert manager.states == [("MEDIUM", SCHEDULED)]
    assert (task.WorklistLabel, task.ProcedureStepLabel) == ("CT", "Review CT: urgent")
    assert task.ScheduledWorkitemCodeSequence[0].CodeValue == "110005"
    assert "left mass of 31.0 mm" in task.CommentsOnTheScheduledProcedureStep
    (series,) = task.InputInformationSequence
    assert (series.StudyInstanceUID, series.SeriesInstanceUID) == ("1.2.3", "1.2.3.4")
    references = series.ReferencedSOPSequence
    assert [(one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID) for one in references] == IMAGES
    assert series.DICOMRetrievalSequence[0].RetrieveAETitle == "PACS"
    assert not any((task.PatientID, task.PatientName, task.PatientBirthDate, task.ReferencedRequestSequence))


def test_the_patient_is_named_where_the_recipient_asked_for_it(manager):
    """By ID and issuer, with the accession number of the request; by no name or birth date."""
    tell(manager, FIRST, identify=Identify.PATIENT)
    task = only(manager)
    assert (task.PatientID, task.IssuerOfPatientID) == ("P^1", "NORTH")
    assert task.ReferencedRequestSequence[0].AccessionNumber == "A-77"
    assert not any((task.PatientName, task.PatientBirthDate, task.PatientSex))


def test_a_task_is_assigned_as_configured(manager):
    """To a station and a performer, in the words of the language."""
    station, performer = Code("ROOM1", "L", "Reading room 1"), Code("TH", "L", "Thorax team")
    task = Task(
        worklist="CT", archive_ae="PACS", language=Language.GERMAN, station=station, performer=performer
    )
    tell(manager, FIRST, task=task)
    made = only(manager)
    assert made.ScheduledStationNameCodeSequence[0].CodeValue == "ROOM1"
    assert made.ScheduledHumanPerformersSequence[0].HumanPerformerCodeSequence[0].CodeMeaning == "Thorax team"
    assert made.ProcedureStepLabel == "CT ansehen: dringend"


@pytest.mark.parametrize(
    ("told", "priority"),
    [
        (news(NOTABLE, Change.RAISED), "LOW"),
        (news(URGENT, Change.RAISED), "MEDIUM"),
        (news(CRITICAL, Change.RAISED), "HIGH"),
    ],
    ids=["notable", "urgent", "critical"],
)
def test_each_level_has_its_priority(manager, told, priority):
    """Three of each."""
    tell(manager, told)
    assert manager.states == [(priority, SCHEDULED)]


@pytest.mark.parametrize(
    ("state", "then", "states"),
    [
        (SCHEDULED, RAISED, [("HIGH", SCHEDULED)]),
        (SCHEDULED, LOWERED, [("LOW", SCHEDULED)]),
        (SCHEDULED, WITHDRAWN, [("MEDIUM", CANCELED)]),
        (IN_PROGRESS, RAISED, [("MEDIUM", IN_PROGRESS), ("HIGH", SCHEDULED)]),
        (IN_PROGRESS, LOWERED, [("MEDIUM", IN_PROGRESS)]),
        (IN_PROGRESS, WITHDRAWN, [("MEDIUM", IN_PROGRESS)]),
        (COMPLETED, RAISED, [("MEDIUM", COMPLETED), ("HIGH", SCHEDULED)]),
        (COMPLETED, LOWERED, [("MEDIUM", COMPLETED)]),
        (COMPLETED, WITHDRAWN, [("MEDIUM", COMPLETED)]),
        (CANCELED, RAISED, [("MEDIUM", CANCELED), ("HIGH", SCHEDULED)]),
        (CANCELED, LOWERED, [("MEDIUM", CANCELED)]),
        (CANCELED, WITHDRAWN, [("MEDIUM", CANCELED)]),
    ],
)
def test_what_becomes_of_a_task_depends_on_whether_somebody_has_begun(manager, state, then, states):
    """Told twice it becomes no more than that: a try may be repeated."""
    tell(manager, FIRST)
    manager.begin(state=state)
    for _ in range(2):
        tell(manager, then)
        assert manager.states == states


def test_a_study_that_is_flagged_again_gets_a_new_task(manager):
    """The cancelled one stays cancelled, as the Standard wants; later changes reach the new one."""
    again = news(URGENT, Change.RAISED, told=2)
    tell(manager, FIRST, WITHDRAWN, again, news(CRITICAL, Change.RAISED, URGENT, told=3))
    assert manager.states == [("MEDIUM", CANCELED), ("HIGH", SCHEDULED)]
    tell(manager, news(UNFLAGGED, Change.WITHDRAWN, CRITICAL, told=4))
    assert manager.states == [("MEDIUM", CANCELED), ("HIGH", CANCELED)]


def test_a_task_whose_withdrawal_was_passed_over_is_taken_up_again(manager):
    """The message that says so was replaced before it could be sent: nothing is asked for twice."""
    tell(manager, FIRST, news(CRITICAL, Change.RAISED, told=2))
    assert manager.states == [("HIGH", SCHEDULED)]


@pytest.mark.parametrize(("ended", "told"), [(CANCELED, 3), (COMPLETED, 2)])
def test_a_level_that_rose_unheard_is_not_lost(manager, ended, told):
    """Its message was passed over, and the one after it finds a task that is closed: one more is made."""
    tell(manager, FIRST)
    manager.begin(state=ended)
    then = news(URGENT, Change.LOWERED, CRITICAL, told=told)
    tell(manager, then, then)
    assert manager.states == [("MEDIUM", ended), ("MEDIUM", SCHEDULED)]


def test_a_change_reaches_the_task_of_a_message_long_before(manager):
    """The newest that there is, by the names of the messages before."""
    tell(manager, FIRST, RAISED, news(URGENT, Change.LOWERED, CRITICAL, told=5))
    assert manager.states == [("MEDIUM", SCHEDULED)]


def test_a_worklist_that_lost_its_tasks_gets_a_new_one(manager):
    """Whether the level rose or fell; there is none to cancel."""
    tell(manager, LOWERED)
    assert manager.states == [("LOW", SCHEDULED)]
    manager.tasks.clear()
    tell(manager, WITHDRAWN)
    assert manager.states == []


def test_a_series_whose_instances_are_forgotten_is_told_by_its_study(manager):
    """A reference must name instances, or be left out."""
    tell(manager, FIRST, images=[])
    task = only(manager)
    assert (len(task.InputInformationSequence), task.StudyInstanceUID) == (0, "1.2.3")


@pytest.mark.parametrize(
    ("status", "retryable"), [(0x0213, True), (0x0110, True), (0xC309, False), (0x0106, False)], ids=hex
)
def test_a_refusal_says_whether_to_try_again(manager, status, retryable):
    """What the worklist may heal is tried again, what the task cannot change is not."""
    manager.answers.append(status)
    with pytest.raises(DeliveryError, match=f"0x{status:04X}") as failed:
        tell(manager, FIRST)
    assert failed.value.retryable is retryable


def test_a_peer_that_keeps_no_worklist_is_not_asked_again():
    """Both services are needed: to make a task, and to change it."""
    narrow = Manager([UnifiedProcedureStepPush])
    try:
        with pytest.raises(DeliveryError, match="no such worklist") as failed:
            tell(narrow, FIRST)
    finally:
        narrow.end()
    assert not failed.value.retryable
    assert narrow.asked == []


def test_a_worklist_that_never_answers_is_away():
    """A port that takes connections and speaks no DICOM."""
    with Listener(hang) as listener:
        peer = Peer(ae_title="LISTS", host="127.0.0.1", port=listener.port)
        destination = ReviewDestination(Line(peer, "MILLET", 0.5, None), TASK, lambda _: IMAGES)
        with pytest.raises(DeliveryError) as failed:
            destination.deliver(DELIVERY, notice.encode("lists", [FIRST], Identify.STUDY, START_UTC))
    assert failed.value.away


def test_what_is_no_message_is_refused(manager):
    """Never guessed at; nor is a digest a task."""
    destination = ReviewDestination(Line(manager.peer, "MILLET", 5.0, None), TASK, lambda _: IMAGES)
    for encoded in (b"{}", notice.encode("lists", [FIRST, RAISED], Identify.STUDY, START_UTC)):
        with pytest.raises(DeliveryError, match="cannot be made a task") as failed:
            destination.deliver(DELIVERY, encoded)
        assert not failed.value.retryable
    assert manager.asked == []


def test_the_name_of_a_task_tells_nothing_and_is_always_the_same(manager):
    """A hash of recipient, study and message, below 2.25."""
    tell(manager, FIRST, FIRST)
    ((_, uid), (_, again)) = manager.asked
    assert uid == again
    assert uid.startswith("2.25.")
    assert reference("default", "1.2.3") not in uid
