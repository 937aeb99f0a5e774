from pathlib import Path

import pytest

from millet.core.turns import EMERGENCY
from millet.errors import SettingsError
from millet.settings import ROLES, Settings, load
from millet.settings.security import rules


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
        ("DESTINATION", "PACS@ho..st:104"),
        ("MODEL", "../secret"),
        ("MODEL", "log"),
        ("THREADS", "-1"),
        ("SETTLE_S", "nan"),
        ("QUIET_S", "inf"),
        ("RETRY_FIRST_S", "7200"),
        ("LOG_LEVEL", "LOUD"),
        ("ROLES", ""),
        ("SHOW_PATIENT", "maybe"),
        ("SPOOL_URL", "https://s3.example.org/bucket"),
        ("SPOOL_URL", "s3://Bucket"),
        ("METRICS_PORT", "8080"),
        ("METRICS_PORT", "-1"),
        ("KSERVE_PORT", "50051"),
        ("METRICS_HOST", " "),
        ("WEB_ORIGINS", "*"),
        ("WEB_ORIGINS", "https://viewer.example,viewer.example"),
        ("WEB_ORIGINS", "https://viewer.example/"),
        ("WEB_PROXIES", "*"),
        ("WEB_PROXIES", "10.1.9.0/24,10.1.9.1/24"),
        ("WEB_PROXIES", "proxy.hospital.example"),
        ("CANARY_EVERY_S", "-1"),
        ("TRACES_TO", "collector:4317"),
        ("TRACES_TO", "http://user:sesame@collector:4317"),
        ("SITE", "millet-canary"),
        ("AE_TITLE", "MILLET-CANARY"),
        ("KNOWN_PEERS", "CT1,MILLET-CANARY"),
        ("CALLED", '[{ae_title = "MILLET-CANARY"}]'),
        ("DESTINATIONS", '[{name = "millet-canary", kind = "folder", to = "/reports"}]'),
    ],
)
def test_a_wrong_value_is_refused(variable: str, value: str) -> None:
    """Each value that the service could not run with is one mistake."""
    assert len(_mistakes_of({f"MILLET_{variable}": value})) == 1


def test_a_secret_in_the_address_of_a_bucket_is_refused_and_not_told() -> None:
    """Credentials belong into the environment; a mistake is no reason to write them into a log."""
    (mistake,) = _mistakes_of({"MILLET_SPOOL_URL": "s3://AKIA0815:sesame@bucket/prefix"})
    assert mistake.startswith("spool_url: ")
    assert "AKIA0815" not in mistake
    assert "sesame" not in mistake


def test_a_path_that_no_file_can_have_is_a_mistake(tmp_path: Path) -> None:
    """It is refused with the others, not when the file is opened."""
    (file := tmp_path / "millet.toml").write_text('state_dir = "/data\\u0000"\n')
    assert _mistakes_of({}, file) == ("state_dir: it holds a null character",)


def test_a_missing_or_broken_file_is_a_mistake(tmp_path: Path) -> None:
    """A configuration file that cannot be read is named, not ignored."""
    broken = tmp_path / "broken.toml"
    broken.write_text("site = ")
    assert "broken.toml" in _mistakes_of({}, broken)[0]
    assert "absent.toml" in _mistakes_of({}, tmp_path / "absent.toml")[0]


def test_a_misspelt_name_is_told_with_the_one_that_is_near(tmp_path: Path) -> None:
    """In the file, in the environment and within a section; what is near to nothing stands alone."""
    file = tmp_path / "millet.toml"
    file.write_text('dicom_prot = 104\ncolour = "red"\npeer = [{ae_titel = "CT1"}]\n')
    assert sorted(_mistakes_of({"MILLET_WEB_PRT": "80"}, file)) == [
        "MILLET_WEB_PRT is no setting (is MILLET_WEB_PORT meant?)",
        "colour is no setting",
        "dicom_prot is no setting (is dicom_port meant?)",
        "peer: ae_titel is no setting of it (is ae_title meant?)",
    ]


def test_of_a_section_only_what_it_needs_is_missing(tmp_path: Path) -> None:
    """What has a default is not asked for."""
    file = tmp_path / "millet.toml"
    file.write_text('destinations = [{name = "pacs", to = "PACS@10.0.0.5:104"}]\n')
    assert _mistakes_of({}, file) == ("destinations: missing: kind",)


def test_the_destination_is_a_peer_or_the_folder() -> None:
    """The folder by default; AET@HOST:PORT is a peer that is sent to by C-STORE."""
    (folder,) = Settings().all_destinations
    (peer,) = Settings(destination="PACS@10.0.0.1:104").all_destinations
    assert (folder.kind, peer.kind, peer.to) == ("folder", "dicom", "PACS@10.0.0.1:104")


def test_one_process_has_all_roles_by_default() -> None:
    """Without a choice of roles one process is a whole service."""
    assert Settings().roles == ROLES


PEERS = """
[[peer]]
ae_title = "CT1"
addresses = ["10.1.0.0/16"]
certificate = "ct1.example"
urgency = "emergency"
host = "10.1.2.3"
port = 104

[[called]]
ae_title = "STAT"
peers = ["CT1"]
destinations = ["folder"]
model = "log/1"
"""


def test_peers_and_called_titles_are_sections(tmp_path: Path) -> None:
    """From a file, or as an inline list in the environment; the simple lists are the same rules."""
    file = tmp_path / "millet.toml"
    file.write_text(PEERS)
    found = rules(load({"MILLET_KNOWN_PEERS": "CT2", "MILLET_EMERGENCY_PEERS": "CT2"}, file))
    assert [one.ae_title for one in found.peers] == ["CT2", "CT1"]
    assert found.peers[1].addresses == ("10.1.0.0/16",)
    assert (found.urgency("CT1", "STAT"), found.urgency("CT2", "STAT")) == (EMERGENCY, EMERGENCY)
    assert found.models == {"STAT": "log/1"}
    (one,) = load({"MILLET_PEER": '[{ae_title = "*", addresses = ["::1"]}]'}, None).peer
    assert one.known().addresses == ("::1",)
    assert str(load({}, file).peer[0].listens()) == "CT1@10.1.2.3:104"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('peer = [{ae_title = "*"}]', "anybody may come in"),
        ('peer = [{ae_title = "A", addresses = ["10.1.2.3/8"]}]', "no network"),
        ('peer = [{ae_title = "A", urgency = "high"}]', "routine, emergency"),
        ('peer = [{ae_title = "A", host = "h"}]', "port 0"),
        ('peer = [{ae_title = "*", addresses = ["::1"], host = "h", port = 1}]', "cannot be called back"),
        ("peer = [{addresses = []}]", "missing: ae_title"),
        ('called = [{ae_title = "A", peers = ["B"]}]', "'B' is no peer"),
        ('called = [{ae_title = "A"}, {ae_title = "A"}]', "twice"),
        ('called = [{ae_title = "A", model = "log"}]', "'log' is not of the form name/version"),
        ('tls_certificate = "c"', "each needs the other"),
        ('tls_roots = "r"', "needs tls_certificate"),
        ("dicom_tls = true", "both ends prove who they are"),
        ("grpc_client_certificates = true", "needs tls_roots"),
        ('oidc_issuer = "https://i"', "each needs the other"),
        ('oidc_keys = "k"', "needs oidc_issuer"),
        ('oidc_issuer = "http://i"\noidc_audience = "a"', "forged on the way"),
        ('oidc_role_claim = " "', "must not be blank"),
    ],
)
def test_security_that_does_not_fit_together_is_a_mistake(tmp_path: Path, text: str, says: str) -> None:
    """Each is named in words, before anything listens."""
    file = tmp_path / "millet.toml"
    file.write_text(text)
    assert any(says in mistake for mistake in _mistakes_of({}, file))


def test_a_language_that_is_not_there_is_named_with_those_that_are() -> None:
    """Before anything is made in another one than was asked for."""
    with pytest.raises(SettingsError, match="language: 'fr' is none of en, de"):
        Settings(language="fr")
    assert Settings(language="de").language == "de"
