from __future__ import annotations

from pathlib import Path

import pytest

from millet.errors import SettingsError
from millet.settings import DestinationSection, Settings, load

GOOD = {"name": "pacs", "kind": "dicom", "to": "PACS@10.0.0.5:104"}


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "other"},
        {"kind": "fax"},
        {"to": "PACS"},
        {"kind": "stow", "to": "http://a/b"},
        {"kind": "stow", "to": "https://a/b", "tls": False},
        {"kind": "http", "to": "https://user:secret@a/"},
        {"kind": "http", "to": "a/b"},
        {"kind": "mllp", "to": "host"},
        {"kind": "mllp", "to": "host:99999"},
        {"kind": "mllp", "to": "ho..st:2575"},
        {"kind": "stow", "to": "https://a:99999/b"},
        {"kind": "http", "to": "https://a:b/"},
        {"kind": "http", "to": "https://[a/"},
        {"to": "PACS@ho..st:104"},
        {"kind": "folder", "to": " "},
        {"verify": "hope"},
        {"kind": "http", "to": "https://a/", "verify": "query"},
        {"kind": "stow", "to": "https://a/", "verify": "commitment"},
        {"kind": "oru", "to": "host"},
        {"kind": "ups", "to": "LISTS@h:104", "archive_ae": "PACS"},
        {"kind": "ups", "to": "LISTS@h:104", "identify": "study"},
        {"kind": "ups", "to": "h:104", "identify": "study", "archive_ae": "PACS"},
        {"kind": "ups", "to": "LISTS@h:104", "identify": "study", "archive_ae": "PACS", "worklist": ""},
        {"kind": "ups", "to": "LISTS@h:104", "identify": "study", "archive_ae": "PACS", "station": "A"},
        {"kind": "fhir", "to": "https://a/", "performer": "A^L^B"},
        {"identify": "somebody"},
        {"token_file": Path("t")},
        {"certificate": Path("c")},
        {"concurrency": 0},
        {"timeout_s": 0.0},
        {"timeout_s": 400.0},
    ],
    ids=lambda change: ",".join(f"{name}={value}" for name, value in change.items()),
)
def test_a_wrong_destination_is_refused(change):
    """Each mistake is one."""
    DestinationSection(**GOOD)
    with pytest.raises(ValueError, match=r"\w") as refused:
        DestinationSection(**(GOOD | change))
    assert ";" not in str(refused.value)


def test_every_mistake_of_a_destination_is_named():
    """All at once."""
    with pytest.raises(ValueError, match=r"kind.*verify.*concurrency"):
        DestinationSection(**(GOOD | {"kind": "fax", "verify": "hope", "concurrency": 0}))


def test_destinations_come_from_a_file_and_from_the_environment(tmp_path):
    """Tables in the one, a list of inline tables in the other; the simple one stays the first."""
    file = tmp_path / "millet.toml"
    file.write_text('[[destinations]]\nname = "a"\nkind = "folder"\nto = "/x"\nkinds = ["seg"]\n')
    assert [one.name for one in load({}, file).all_destinations] == ["folder", "a"]
    told = '[{name = "b", kind = "stow", to = "https://h/dicom-web"}]'
    chosen = load({"MILLET_DESTINATIONS": told, "MILLET_DESTINATION": "none"}, file)
    assert [one.name for one in chosen.all_destinations] == ["b"]


def test_two_destinations_need_two_names():
    """Else deliveries of the one would be those of the other."""
    one = DestinationSection(**GOOD)
    with pytest.raises(SettingsError, match="name of its own"):
        Settings(destinations=(one, one))
    with pytest.raises(SettingsError, match="name of its own"):
        Settings(destinations=(DestinationSection(**(GOOD | {"name": "folder"})),))


def test_the_simple_destination_is_one_like_the_others():
    """The folder, or a PACS in the clear, under the name that it always had."""
    (folder,) = Settings().all_destinations
    assert (folder.name, folder.kind, folder.wants("sr")) == ("folder", "folder", True)
    (pacs,) = Settings(destination="PACS@10.0.0.5:104").all_destinations
    assert (pacs.name, pacs.kind, pacs.tls) == ("PACS@10.0.0.5:104", "dicom", False)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, {"sr", "seg"}),
        ({"kinds": ("seg",)}, {"seg"}),
        ({"kind": "mllp", "to": "ris:2575"}, {"hl7-oru"}),
        ({"kind": "http", "to": "https://a/"}, {"sr", "seg", "hl7-oru"}),
        ({"kind": "mllp", "to": "ris:2575", "kinds": ("sr",)}, set()),
    ],
)
def test_a_destination_wants_what_it_asks_for_and_can_carry(change, wanted):
    """DICOM is never put into an HL7 frame."""
    section = DestinationSection(**(GOOD | change))
    assert {kind for kind in ("sr", "seg", "hl7-oru") if section.wants(kind)} == wanted


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "oru", "to": "ris:2575"},
        {"kind": "fhir", "to": "https://a/"},
        {"kind": "ups", "to": "LISTS@h:104", "identify": "study", "archive_ae": "PACS"},
    ],
    ids=lambda change: change["kind"],
)
def test_systems_that_keep_entries_may_be_told_of_several_studies_at_once(change):
    """The journal keeps the order of what is about the same, whoever sends it."""
    assert DestinationSection(**(GOOD | change | {"concurrency": 8})).concurrency == 8


HOOK = {"name": "ward", "kind": "webhook", "to": "https://a/hook", "key_file": Path("k")}
MAIL = {
    "name": "desk",
    "kind": "mail",
    "to": "mail.example:587",
    "sender": "millet@a.example",
    "recipients": ("ward@a.example",),
}


@pytest.mark.parametrize(
    ("good", "change"),
    [
        (HOOK, {"key_file": None}),
        (HOOK, {"to": "http://a/hook"}),
        (HOOK, {"kinds": ("sr",)}),
        (HOOK, {"notify_from": "unflagged"}),
        (HOOK, {"identify": "name"}),
        (HOOK, {"most_an_hour": 0}),
        (HOOK, {"sender": "millet@a.example"}),
        (GOOD, {"key_file": Path("k")}),
        (GOOD, {"recipients": ("ward@a.example",)}),
        (MAIL, {"to": "mail.example"}),
        (MAIL, {"recipients": ()}),
        (MAIL, {"recipients": ("Ward <ward@a.example>",)}),
        (MAIL, {"sender": "millet@a.example\nBcc: x@y.example"}),
        (MAIL, {"user": "millet"}),
        (MAIL, {"user": "millet", "password_file": Path("p"), "tls": False}),
        (MAIL, {"token_file": Path("t")}),
        (MAIL, {"verify": "query"}),
    ],
)
def test_a_wrong_recipient_of_notifications_is_refused(good, change):
    """Each mistake is one."""
    DestinationSection(**good)
    with pytest.raises(ValueError, match=r"\w") as refused:
        DestinationSection(**(good | change))
    assert ";" not in str(refused.value)


@pytest.mark.parametrize("section", [HOOK, MAIL])
def test_a_recipient_of_notifications_is_sent_nothing_else(section):
    """By default from urgent on, with no identifier."""
    one = DestinationSection(**section)
    assert not any(one.wants(kind) for kind in ("sr", "fhir", "hl7-oru", "notice-1", "nodules.json"))
    assert (one.notifies, one.rule.least, one.rule.identify) == (True, "urgent", "none")
