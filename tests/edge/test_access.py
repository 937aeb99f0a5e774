"""The access file: whom it names, how it is renewed, and every mistake in it."""

import hashlib

import pytest
from certificates import put

from millet.core.doors import Certificate
from millet.core.roles import Role, Who
from millet.edge.access import AccessFile
from millet.errors import SettingsError


def sha256(token: str) -> str:
    """As it stands in the file."""
    return hashlib.sha256(token.encode()).hexdigest()


FILE = f"""
[[who]]
name = "worklist"
role = "viewer"
token_sha256 = "{sha256("viewer-token")}"

[[who]]
name = "console"
role = "admin"
token_sha256 = "{sha256("admin-token").upper()}"

[[who]]
name = "monitoring"
role = "ops"
certificate = "prometheus.hospital.example"

[[who]]
name = "archive"
role = "viewer"
certificate = "{"ab" * 32}"
"""


@pytest.fixture
def path(tmp_path):
    """A file that names four."""
    made = tmp_path / "access.toml"
    made.write_text(FILE)
    return made


@pytest.fixture
def told():
    """What was told of renewals."""
    return []


@pytest.fixture
def access(path, told):
    """The file, read."""
    return AccessFile(path, told.append)


def test_a_token_is_of_whom_the_file_says(access):
    """Its hash decides; no other text is a token, least of all the hash itself."""
    assert access.by_token("viewer-token") == Who(name="worklist", role=Role.VIEWER)
    assert access.by_token("admin-token") == Who(name="console", role=Role.ADMIN)
    for other in ("", "viewer-token ", "Viewer-token", sha256("viewer-token"), "\udcff", "x" * 1_000_000):
        assert access.by_token(other) is None


def test_a_certificate_is_of_whom_the_file_says(access):
    """By common name or by fingerprint; an empty one is nobody's."""
    prometheus = Certificate(common_name="prometheus.hospital.example", sha256="cd" * 32)
    assert access.by_certificate(prometheus) == Who(name="monitoring", role=Role.OPS)
    archive = Certificate(common_name="anything", sha256="ab" * 32)
    assert access.by_certificate(archive) == Who(name="archive", role=Role.VIEWER)
    assert access.by_certificate(Certificate(common_name="", sha256="")) is None
    assert access.by_certificate(Certificate(common_name="ab" * 32, sha256="ef" * 32)) is None


def test_a_changed_file_counts_from_the_next_call_on(access, path, told):
    """Whoever is taken out is out, without a restart."""
    put(path, FILE.replace(sha256("viewer-token"), sha256("new-token")).encode())
    assert access.by_token("viewer-token") is None
    assert access.by_token("new-token").name == "worklist"
    assert told == [""]


def test_a_changed_file_with_a_mistake_leaves_the_old_one_in_use(access, path, told):
    """Nobody is locked out by a typing error, and nobody let in; it is told once."""
    put(path, FILE.replace('"ops"', '"operator"').encode())
    assert access.by_token("viewer-token").name == "worklist"
    assert access.by_token("viewer-token").name == "worklist"
    (why,) = told
    assert "who 3" in why
    assert "operator" in why
    path.unlink()
    assert access.by_token("viewer-token").name == "worklist"
    assert access.by_token("viewer-token").name == "worklist"
    assert len(told) == 2
    path.write_text(FILE)
    assert access.by_token("viewer-token").name == "worklist"
    assert told[2:] == [""]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "names nobody"),
        ("who = 3", "table of texts"),
        ("x = 1\n" + FILE, "x is no part"),
        ("[[who", "access.toml"),
        ('[[who]]\nname = "a"\nrole = "viewer"', "either token_sha256 or certificate"),
        ('[[who]]\nname = "a"\nrole = "viewer"\ntoken_sha256 = "secret"', "64 hexadecimal digits"),
        (
            f'[[who]]\nname = "a"\nrole = "root"\ntoken_sha256 = "{"0" * 64}"',
            "none of viewer, reader, ops, admin",
        ),
        (f'[[who]]\nname = " "\nrole = "ops"\ntoken_sha256 = "{"0" * 64}"', "name is missing"),
        ('[[who]]\nname = "a"\nrole = "ops"\ntoken = "x"', "token is no part"),
        ('[[who]]\nname = "a"\nrole = 1\ncertificate = "x"', "table of texts"),
    ],
)
def test_a_file_with_a_mistake_refuses_to_start(path, content, says):
    """The mistake is named; a token that was written in the clear is not repeated."""
    path.write_text(content)
    with pytest.raises(SettingsError, match=says) as caught:
        AccessFile(path, print)
    assert "secret" not in str(caught.value)


def test_every_mistake_is_named_at_once(path):
    """Two wrong entries are two mistakes."""
    path.write_text(FILE.replace('"ops"', '"x"').replace('"admin"', '"y"'))
    with pytest.raises(SettingsError) as caught:
        AccessFile(path, print)
    assert len(caught.value.mistakes) == 2


def test_a_file_that_is_not_there_refuses_to_start(tmp_path):
    """Its path is named."""
    with pytest.raises(SettingsError, match="nowhere"):
        AccessFile(tmp_path / "nowhere", print)
