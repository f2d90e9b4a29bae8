"""Certificates for a gateway that serves TLS, and what its clients are shown."""

import socket
import ssl
from pathlib import Path
from typing import NamedTuple

import trustme

from tests.gateway import Gateway
from tests.waiting import until

RSA, ECDSA = trustme.KeyType.RSA, trustme.KeyType.ECDSA
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
# Of which an RSA key can do the one, and an elliptic one the other.
CIPHERS = {RSA: "ECDHE-RSA-AES128-GCM-SHA256", ECDSA: "ECDHE-ECDSA-AES128-GCM-SHA256"}


class Pair(NamedTuple):
    certificate: Path
    key: Path

    @property
    def flags(self) -> list[str]:
        return [f"--tls-cert-file={self.certificate}", f"--tls-key-file={self.key}"]


def issue(authority: trustme.CA, folder: Path, name: str, *hosts: str, kind: trustme.KeyType = ECDSA) -> Pair:
    """A pair of files, in place of those that were there."""
    issued = authority.issue_cert(*hosts, key_type=kind)
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    pair.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    pair.key.write_bytes(issued.private_key_pem.bytes())
    return pair


def client(authority: trustme.CA, version: ssl.TLSVersion = V13, kind: trustme.KeyType | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    authority.configure_trust(context)
    if kind is not None:
        context.set_ciphers(CIPHERS[kind])
    return context


def shown(
    port: int, context: ssl.SSLContext, host: str | None, session: ssl.SSLSession | None = None
) -> tuple[set[str], ssl.SSLSession | None]:
    """The names in the certificate that a client is shown, and the session to go on with."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    with context.wrap_socket(plain, server_hostname=host, session=session) as secured:
        assert secured.selected_alpn_protocol() == "http/1.1"
        assert secured.version() == ("TLSv1.2" if context.maximum_version == V12 else "TLSv1.3")
        secured.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: secured.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 200")
        certificate = secured.getpeercert()
        return {value for _, value in certificate["subjectAltName"]}, secured.session


def tls_port(gateway: Gateway) -> int:
    until(lambda: "address=https://" in gateway.stderr.read_text())  # which comes after that of plain HTTP
    (line,) = [line for line in gateway.stderr.read_text().splitlines() if "address=https://" in line]
    return int(line.split("address=https://", 1)[1].split()[0].rsplit(":", 1)[1])
