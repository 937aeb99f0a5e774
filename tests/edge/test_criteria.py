from __future__ import annotations

from dataclasses import replace

import pytest

from millet.codec import criteria_toml
from millet.core.criteria_sets import LUNG_MILIARY
from millet.edge import criteria
from millet.errors import SettingsError

OWN = replace(LUNG_MILIARY, identifier="lung-of-ours", version="north-1")


def test_sets_are_read_by_the_names_of_their_files(tmp_path):
    """Every TOML file is one, in order; without a folder there are none."""
    other = replace(OWN, identifier="lung-of-others")
    (tmp_path / "b.toml").write_text(criteria_toml.encode(other), "utf-8")
    (tmp_path / "a.toml").write_text(criteria_toml.encode(OWN), "utf-8")
    (tmp_path / "README").write_text("no set", "utf-8")
    assert criteria.read(tmp_path) == (OWN, other)
    assert criteria.read(None) == ()


def test_every_mistake_is_told_by_file_and_field(tmp_path):
    """A damaged file, one that is no text, and a name taken twice: nothing is left out in silence."""
    document = criteria_toml.encode(OWN)
    (tmp_path / "a.toml").write_text(document, "utf-8")
    (tmp_path / "b.toml").write_text(document, "utf-8")
    (tmp_path / "c.toml").write_text(document.replace('"count"', '"profusion"'), "utf-8")
    (tmp_path / "d.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "e.toml").write_text(criteria_toml.encode(LUNG_MILIARY), "utf-8")
    (tmp_path / "f.toml").write_text("#" * 100_000, "utf-8")
    with pytest.raises(SettingsError) as refused:
        criteria.read(tmp_path)
    told = "\n".join(refused.value.mistakes)
    assert "c.toml: levels[0].rules[0].measure: 'profusion'" in told
    assert "d.toml: 'utf-8' codec" in told
    assert "b.toml: identifier: another set is called lung-of-ours" in told
    assert "e.toml: identifier: another set is called lung-miliary" in told
    assert "f.toml: 64001 characters are more than 64000" in told
    assert len(refused.value.mistakes) == 5


def test_a_folder_without_sets_is_a_mistake(tmp_path):
    """Whoever names a folder expects something of it."""
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(SettingsError, match="criteria_dir: 0 files"):
            criteria.read(folder)
