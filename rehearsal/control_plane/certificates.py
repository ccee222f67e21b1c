"""Keys and certificates for one run, made in process: `openssl` is not on every machine and costs a process each.

P-256 throughout, because an RSA key takes a tenth of a second and nobody here needs one. Validity is a fixed span
around every date a scenario may name, so that no clock has to be read.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VALID = (dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2049, 12, 31, tzinfo=dt.UTC))


@dataclass(frozen=True)
class Pair:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """NAME.crt and NAME.key in `directory`, the key readable by its owner only."""
        certificate = directory / f"{name}.crt"
        certificate.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return certificate, write_key(self.key, directory / f"{name}.key")


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key; apiserver signs service account tokens with one as well."""
    return ec.generate_private_key(ec.SECP256R1())


def write_key(key: ec.EllipticCurvePrivateKey, path: Path) -> Path:
    """The key as PEM, readable by its owner only; in the older form: apiserver derives no public key from PKCS 8."""
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return path


def authority(name: str) -> Pair:
    """A certificate authority of its own for each run: it can vouch for nothing else."""
    key = new_key()
    builder = _builder(name, name, key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    return Pair(builder.sign(key, hashes.SHA256()), key)


def server(signer: Pair, name: str, alternatives: Sequence[str]) -> Pair:
    """A serving certificate for the given DNS names and addresses."""
    key = new_key()
    issuer = signer.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    builder = (
        _builder(name, str(issuer), key.public_key())
        .add_extension(x509.SubjectAlternativeName([_alternative(entry) for entry in alternatives]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
    )
    return Pair(builder.sign(signer.key, hashes.SHA256()), key)


def _alternative(entry: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(entry))
    except ValueError:
        return x509.DNSName(entry)


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(VALID[0])
        .not_valid_after(VALID[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
