"""A certificate authority for tests: real X.509, elliptic keys, valid for this machine's loopback."""

import datetime as dt
import hashlib
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path

    @property
    def sha256(self) -> str:
        """The certificate's fingerprint."""
        one = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        return hashlib.sha256(one.public_bytes(serialization.Encoding.DER)).hexdigest()


class Authority:
    """Signs certificates; its own lies in `roots`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA of {folder.name}")])
        self._key = ec.generate_private_key(ec.SECP256R1())
        folder.mkdir(parents=True, exist_ok=True)
        self.roots = folder / "roots.pem"
        own = self._builder(self._name, self._key, 3650)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._own = own.sign(self._key, hashes.SHA256())
        self.roots.write_bytes(self._own.public_bytes(serialization.Encoding.PEM))

    def issue(self, common_name: str, *, days: float = 90, at: str | None = None) -> Pair:
        """A certificate for a name and for 127.0.0.1, written under `at` in one step for each file."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        places = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        one = self._builder(name, key, days).add_extension(
            x509.SubjectAlternativeName(places), critical=False
        )
        pair = Pair(*(self.folder / f"{at or common_name}.{part}" for part in ("pem", "key")))
        pem = one.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        put(pair.key, private_pem(key))
        put(pair.certificate, pem)
        return pair

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: float):
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 30 * DAY)
            .not_valid_after(now + days * DAY)
        )


def private_pem(key) -> bytes:
    """A private key as PEM, unencrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def put(path: Path, content: bytes) -> None:
    """Replace a file in one step, as an operator's tool does."""
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(content)
    fresh.replace(path)
