"""The certificates of one cluster: a CA, servers and clients signed by it, and kubeconfigs.

The names in a client certificate are what Kubernetes authorises: CN is the user, O the groups.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hack.cluster.files import write_atomically

LOOPBACK = "127.0.0.1"
_LIFETIME = datetime.timedelta(days=3650)
_SERVER_HOSTS = (
    LOOPBACK,
    "10.96.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
_CLIENTS = {
    "admin": ("admin", ["system:masters"]),
    "etcd-client": ("kube-apiserver-etcd-client", []),
    "kubelet-client": ("kube-apiserver-kubelet-client", ["system:masters"]),
    "controller-manager": ("system:kube-controller-manager", []),
    "scheduler": ("system:kube-scheduler", []),
    "proxy": ("system:kube-proxy", []),
}
_SERVERS = ("apiserver", "etcd")


@dataclass(frozen=True)
class KeyPair:
    """Where a certificate and its private key lie, both PEM."""

    certificate: Path
    key: Path


class Certificates:
    """The certificates in a folder, made on first use and kept."""

    def __init__(self, folder: Path, address: str = LOOPBACK) -> None:
        """Takes the folder, and the address under which the servers are reached."""
        self.folder = folder
        self._address = address
        self.ca = self._pair("ca")
        self.service_account = KeyPair(
            folder / "service-account.pub", folder / "service-account.key"
        )

    def ensure(self) -> None:
        """Make what is missing."""
        if self.service_account.key.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._make_ca()
        for name in _SERVERS:
            self._issue(name, name, [], sorted({self._address, *_SERVER_HOSTS}))
        for name, (user, groups) in _CLIENTS.items():
            self._issue(name, user, groups, ())
        self._make_service_account_key()  # last: its existence means that all the others exist

    def pair(self, name: str) -> KeyPair:
        """One of the pairs that `ensure` makes."""
        return self._pair(name)

    def node(self, name: str, address: str = LOOPBACK) -> tuple[KeyPair, KeyPair]:
        """The client and server certificates of a node at an address."""
        client, server = self._pair(f"node-{name}"), self._pair(f"node-{name}-server")
        if not server.key.exists():
            self._issue(client.key.stem, f"system:node:{name}", ["system:nodes"], ())
            self._issue(server.key.stem, name, [], (address, "localhost", name))
        return client, server

    def kubeconfig(self, client: KeyPair, server_url: str) -> str:
        """A kubeconfig with everything inside it, so that it may be copied anywhere."""
        cluster = {"server": server_url, "certificate-authority-data": _data(self.ca.certificate)}
        user = {
            "client-certificate-data": _data(client.certificate),
            "client-key-data": _data(client.key),
        }
        name = "tenyson-local"
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": name, "cluster": cluster}],
                "users": [{"name": name, "user": user}],
                "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
                "current-context": name,
            }
        )

    def _pair(self, name: str) -> KeyPair:
        return KeyPair(self.folder / f"{name}.crt", self.folder / f"{name}.key")

    def _make_ca(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tenyson-local-ca")])
        builder = _builder(name, name, key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self._write(self.ca, builder.sign(key, hashes.SHA256()), key)

    def _issue(self, name: str, user: str, groups: Sequence[str], hosts: Sequence[str]) -> None:
        """Sign a certificate: for a server where there are hosts, for a client in every case."""
        ca = x509.load_pem_x509_certificate(self.ca.certificate.read_bytes())
        ca_key = serialization.load_pem_private_key(self.ca.key.read_bytes(), None)
        assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = _builder(_subject(user, groups), ca.subject, key.public_key())
        if hosts:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names = x509.SubjectAlternativeName([_alternative_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        self._write(self._pair(name), builder.sign(ca_key, hashes.SHA256()), key)

    def _make_service_account_key(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_atomically(self.service_account.certificate, public)
        write_atomically(self.service_account.key, _private_pem(key))

    @staticmethod
    def _write(
        pair: KeyPair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
    ) -> None:
        write_atomically(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        write_atomically(pair.key, _private_pem(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    # An hour of slack for a clock that is set back while the cluster stands.
    begins = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + _LIFETIME)
    )


def _subject(user: str, groups: Sequence[str]) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _alternative_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
