"""The fingerprint of a configuration."""

from pathlib import Path

import pytest

from millet.settings import ArchiveSection, Settings
from millet.settings.digest import settings_digest

ARCHIVE = ArchiveSection(name="pacs", kind="dimse", to="PACS@10.0.0.5:104")


@pytest.mark.parametrize(
    "changed",
    [
        Settings(language="de"),
        Settings(criteria_dir=Path("sets")),
        Settings(age_up_s=1.0),
        Settings(archive=(ARCHIVE,)),
        Settings(known_peers=("CT1",)),
    ],
)
def test_another_setting_is_another_configuration(changed):
    """Texts, numbers, files, lists and sections."""
    assert settings_digest(changed) != settings_digest(Settings())


def test_secrets_and_places_are_no_part_of_it():
    """So that it may be shown, and holds on the next machine."""
    elsewhere = Settings(journal_url="postgresql://u:secret@db/millet", state_dir=Path("/elsewhere"))
    assert settings_digest(elsewhere) == settings_digest(Settings())


def test_a_change_within_a_section_is_seen():
    """Of every one of them."""
    one, other = (Settings(archive=(ArchiveSection(**facts),)) for facts in _sections())
    assert settings_digest(one) != settings_digest(other)


def _sections():
    plain = {"name": "pacs", "kind": "dimse", "to": "PACS@10.0.0.5:104"}
    return plain, {**plain, "timeout_s": 5.0}
