"""A site's key: who signed what, and pseudonyms that nobody else can make."""

import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from millet.edge.signing import Signature, SigningKey, fingerprint, read, read_or_make, verified
from millet.errors import ServiceError

MESSAGE = b"what is signed"


@pytest.fixture
def key(tmp_path) -> SigningKey:
    """A key that was just made."""
    return read_or_make(tmp_path / "deep" / "site.pem")


def test_a_key_is_made_once_and_is_its_owners_alone(tmp_path):
    """Read again, it is the same one."""
    file = tmp_path / "site.pem"
    made = read_or_make(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_or_make(file).public_key == read(file).public_key == made.public_key


def test_a_signature_holds_for_its_message_alone(key, tmp_path):
    """Not for another message, nor under another key."""
    signature = key.sign(MESSAGE)
    assert verified(MESSAGE, signature)
    assert not verified(MESSAGE + b".", signature)
    other = read_or_make(tmp_path / "other.pem")
    assert not verified(MESSAGE, signature._replace(public_key=other.public_key))
    assert fingerprint(key.public_key) != fingerprint(other.public_key)


@pytest.mark.parametrize("part", ["", "!", "AAAA", "Ä"])
def test_what_is_no_signature_holds_for_nothing(key, part):
    """Whatever stands in its place."""
    good = key.sign(MESSAGE)
    assert not verified(MESSAGE, Signature(part, good.value))
    assert not verified(MESSAGE, Signature(good.public_key, part))


def test_pseudonyms_are_the_sites_own(key, tmp_path):
    """The same for the same, another with another key, and never the plain digest."""
    other = read_or_make(tmp_path / "other.pem")
    assert key.pseudonym(MESSAGE) == key.pseudonym(MESSAGE)
    assert len({key.pseudonym(MESSAGE), key.pseudonym(b""), other.pseudonym(MESSAGE)}) == 3


def test_a_key_that_others_may_read_is_refused(tmp_path):
    """With the remedy."""
    file = tmp_path / "site.pem"
    read_or_make(file)
    file.chmod(0o640)
    with pytest.raises(ServiceError, match=r"may be read by others \(mode 0640\): chmod 600"):
        read_or_make(file)


def test_another_kind_of_key_is_refused(tmp_path):
    """An elliptic one of another curve, and what is no key at all."""
    file = tmp_path / "site.pem"
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for encoded, why in ((pem, "is not for Ed25519"), (b"nothing", "no unencrypted private key")):
        file.write_bytes(encoded)
        file.chmod(0o600)
        with pytest.raises(ServiceError, match=why):
            read(file)
