"""The certificate of the progress endpoint: given by files, or made by the controller itself."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tenyson.controller.credentials import load_pair

_LIFE: Final = timedelta(days=3650)
_FILES: Final = ("ca.crt", "tls.crt", "tls.key")


@dataclass(frozen=True)
class Certificate:
    """A server's certificate and the authority that signed it, as PEM."""

    authority: str
    certificate: bytes
    private_key: bytes

    def tls(self) -> ssl.SSLContext:
        """Returns the TLS settings of a server with this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        load_pair(context, self.certificate, self.private_key)
        return context


def obtain(folder: str, host: str) -> Certificate:
    """Returns the certificate in a folder, made there if missing; in memory for an empty name.

    Raises:
        FileNotFoundError: Some of its files are there and some are not.
    """
    if not folder:
        return make(host)
    paths = [Path(folder, name) for name in _FILES]
    missing = [path.name for path in paths if not path.exists()]
    if len(missing) == len(paths):
        _store(make(host), paths)
    elif missing:
        raise FileNotFoundError(
            f"{folder} holds a part of a certificate and lacks {', '.join(missing)}. "
            f"Add what is missing, or empty the folder to have all of it made."
        )
    authority, certificate, private_key = (path.read_bytes() for path in paths)
    return Certificate(authority.decode(), certificate, private_key)


def host_of(certificate: Certificate) -> str:
    """Returns the host name or address that a certificate is good for, the first if it has many."""
    loaded = x509.load_pem_x509_certificate(certificate.certificate)
    found = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    named = found.get_values_for_type(x509.DNSName)
    return named[0] if named else str(found.get_values_for_type(x509.IPAddress)[0])


def _store(made: Certificate, paths: list[Path]) -> None:
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    contents = (made.authority.encode(), made.certificate, made.private_key)
    for path, content in zip(paths, contents, strict=True):
        path.touch(mode=0o600)
        path.write_bytes(content)


def make(host: str) -> Certificate:
    """Returns a new certificate for a host name or address, signed by an authority of its own."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = _name("tenyson-progress-ca")
    authority = (
        _builder(name, name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        _builder(_name("tenyson-progress"), name, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_hosts(host), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    private_key = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem = serialization.Encoding.PEM
    return Certificate(
        authority.public_bytes(pem).decode(), certificate.public_bytes(pem), private_key
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A pod's clock may be behind ours.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _hosts(host: str) -> x509.SubjectAlternativeName:
    try:
        shown: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        shown = x509.DNSName(host)
    return x509.SubjectAlternativeName([shown])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
