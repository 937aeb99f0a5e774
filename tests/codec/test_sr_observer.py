"""Who found the lesions of a report."""

from __future__ import annotations

import foreign_reports
import highdicom
import pytest
from brains import brain
from foreign_reports import device
from highdicom.sr import ObserverContext, PersonObserverIdentifyingAttributes
from pydicom.sr.codedict import codes as known

from millet.codec.sr_observer import LONGEST, observer
from millet.codec.sr_tree import read
from millet.core.language import Language, said

GROUPS = [foreign_reports.group(1, brain({3: 1}).lesions[0])]
PERSON = ObserverContext(known.DCM.Person, PersonObserverIdentifyingAttributes(name="Reader^Rita"))
TOOL = {
    "manufacturer": "Acme",
    "manufacturer_model_name": "Desk",
    "software_versions": ["3", "4"],
}


def found_by(**told):
    """What is read of a report whose observer and equipment are these."""
    return observer(read(foreign_reports.report(GROUPS, **told)).root)


def test_a_device_is_named_as_the_report_names_it():
    """By the observation context before the equipment, which tells the rest; with its own UID."""
    uid = highdicom.UID()
    told = found_by(observer=device("Finder", uid=uid, manufacturer_name="Beta"), **TOOL)
    assert (told.uid, told.is_person) == (uid, False)
    assert told.device == "Beta Desk Finder 3, 4"


def test_a_person_is_told_and_not_named():
    """The report has the name; what goes to other systems has the tool alone."""
    told = found_by(observer=PERSON, **TOOL)
    assert told.is_person
    assert said(told.said, Language.ENGLISH) == "a person with Acme Desk 3, 4"
    assert "Rita" not in repr(told)


@pytest.mark.parametrize(
    ("observer", "english", "german"),
    [
        (PERSON, "a person", "eine Person"),
        (device(""), "somebody whom it does not name", "jemand, den er nicht nennt"),
    ],
    ids=["person", "device"],
)
def test_who_is_not_named_is_said_so(observer, english, german):
    """In both languages."""
    told = found_by(observer=observer, manufacturer="").said
    assert (said(told, Language.ENGLISH), said(told, Language.GERMAN)) == (english, german)


def test_a_device_in_another_version_is_another_device():
    """The same report tells the same one."""
    uid = highdicom.UID()
    one, same, other = (
        found_by(observer=device(uid=uid), software_versions=version).device_uid for version in "112"
    )
    assert one == same != other


def test_names_are_short_and_of_one_line():
    """Whatever a report says there."""
    told = found_by(observer=device(f"a\r\nb\x00{'c' * 200}"))
    assert told.name.startswith("a b")
    assert len(told.name) == LONGEST
    assert told.name.isprintable()
