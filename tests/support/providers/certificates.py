"""A certificate of localhost, and the authority that signed it, for servers of the tests that speak TLS."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

AUTHORITY = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "FormBridge tests")])
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What a server on localhost needs, and what its clients trust."""

    key: str
    """The server's private key, as PEM."""
    chain: str
    """The server's certificate, as PEM."""
    authority: Path
    """The file with the authority's certificate, for `SSL_CERT_FILE`."""
    key_hash: str
    """The hash of the server's public key, for Chromium's `--ignore-certificate-errors-spki-list`."""

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Make a new authority and a certificate that it signs; the authority's file is in `folder`."""
        root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        own = _builder(AUTHORITY, root.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        signed = _builder(NAME, leaf.public_key()).add_extension(names, False)
        authority = folder / "authority.pem"
        authority.write_bytes(own.sign(root, SHA256()).public_bytes(Encoding.PEM))
        public = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(
            key=leaf.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            chain=signed.sign(root, SHA256()).public_bytes(Encoding.PEM).decode(),
            authority=authority,
            key_hash=base64.b64encode(hashlib.sha256(public).digest()).decode(),
        )


def _builder(subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(AUTHORITY)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
