from pathlib import Path

import pytest

from millet.errors import SettingsError
from millet.settings import ROLES, Settings, load


def _mistakes_of(env: dict[str, str], file: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(env, file)
    return caught.value.mistakes


def test_nothing_given_is_the_defaults() -> None:
    """Without a file and without variables the service starts on its defaults."""
    assert load({"HOME": "/root", "MILLET_TEST_DATA": "/data"}, None) == Settings()


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    """A value in the environment wins over the same one in the file; others stay."""
    file = tmp_path / "millet.toml"
    file.write_text('site = "north"\nsettle_s = 3\nroles = ["receive"]\nstate_dir = "/data"\nweb_port = 1\n')
    settings = load({"MILLET_SITE": "south", "MILLET_SHOW_PATIENT": "True"}, file)
    assert settings == Settings(
        site="south", settle_s=3.0, roles=("receive",), state_dir=Path("/data"), web_port=1, show_patient=True
    )


def test_lists_are_comma_separated_in_the_environment() -> None:
    """A list of AE titles is split at commas, blanks around them dropped."""
    assert load({"MILLET_KNOWN_PEERS": "CT1, CT2,"}, None).known_peers == ("CT1", "CT2")


def test_all_mistakes_are_reported_together(tmp_path: Path) -> None:
    """A wrong configuration names every mistake of file, environment and meaning at once."""
    file = tmp_path / "millet.toml"
    file.write_text('colour = "red"\nthreads = "two"\nshow_patient = 1\n')
    found = _mistakes_of(
        {
            "MILLET_DICOM_PORT": "70000",
            "MILLET_QUIET_S": "soon",
            "MILLET_AE_TITLE": "MUCHTOOLONGATITLE",
            "MILLET_DESTINATION": "PACS:104",
            "MILLET_ROLES": "receive,dance",
            "MILLET_DEVICE": "tpu",
            "MILLET_TYPO": "1",
        },
        file,
    )
    named = ["colour", "threads", "show_patient", "MILLET_QUIET_S", "MILLET_TYPO", "dicom_port", "ae_title"]
    named += ["destination", "device", "roles"]
    assert sorted(m.split(":")[0].split(" ")[0] for m in found) == sorted(named)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SITE", " "),
        ("HOST", ""),
        ("DICOM_PORT", "0"),
        ("DICOM_PORT", "8080"),
        ("AE_TITLE", "A\\B"),
        ("KNOWN_PEERS", "CT1,THISONEISMUCHTOOLONG"),
        ("DESTINATION", "PACS@host"),
        ("DESTINATION", "PACS@host:0"),
        ("DESTINATION", "@host:104"),
        ("MODEL", "../secret"),
        ("MODEL", "log"),
        ("THREADS", "-1"),
        ("SETTLE_S", "nan"),
        ("QUIET_S", "inf"),
        ("RETRY_FIRST_S", "7200"),
        ("LOG_LEVEL", "LOUD"),
        ("ROLES", ""),
        ("SHOW_PATIENT", "maybe"),
    ],
)
def test_a_wrong_value_is_refused(variable: str, value: str) -> None:
    """Each value that the service could not run with is one mistake."""
    assert len(_mistakes_of({f"MILLET_{variable}": value})) == 1


def test_a_missing_or_broken_file_is_a_mistake(tmp_path: Path) -> None:
    """A configuration file that cannot be read is named, not ignored."""
    broken = tmp_path / "broken.toml"
    broken.write_text("site = ")
    assert "broken.toml" in _mistakes_of({}, broken)[0]
    assert "absent.toml" in _mistakes_of({}, tmp_path / "absent.toml")[0]


def test_the_destination_is_a_peer_or_the_folder() -> None:
    """The folder has no peer; AET@HOST:PORT has one."""
    assert Settings().destination_peer is None
    peer = Settings(destination="PACS@10.0.0.1:104").destination_peer
    assert peer is not None
    assert (peer.ae_title, peer.host, peer.port) == ("PACS", "10.0.0.1", 104)


def test_one_process_has_all_roles_by_default() -> None:
    """Without a choice of roles one process is a whole service."""
    assert Settings().roles == ROLES
