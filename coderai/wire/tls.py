"""The server's own TLS: certificates that are chosen by the host that a client wants, and can be changed.

Of several pairs a client gets the first whose names match the host that it asks for, else the first of all, as Go's
crypto/tls (and so Coder) does it. https://pkg.go.dev/crypto/tls#Config (Certificates)
"""

import ssl
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coderai.wire import plaintext
from coderai.wire.leaf import Leaf, in_pem, read_leaf

VERSIONS = {
    "tls12": ssl.TLSVersion.TLSv1_2,
    "tls13": ssl.TLSVersion.TLSv1_3,
}


class BadCertificate(Exception):
    """A certificate or key that cannot be used; the message names the file and the remedy."""


@dataclass
class Identity:
    """What is shown to those who ask for one of these names: a certificate, or one for each kind of key."""

    context: ssl.SSLContext
    names: frozenset[str] = frozenset()
    kinds: set[bytes] = field(default_factory=set)

    def is_of(self, host: str) -> bool:
        _, dot, domain = host.partition(".")
        return host in self.names or f"*{dot}{domain}" in self.names


class ServerTLS:
    """`context` is what listens; each handshake goes on with that of an identity, which can be others at any time."""

    def __init__(self, oldest: str) -> None:
        self._oldest = oldest
        self.identities: Sequence[Identity] = ()
        self._from_pipes: tuple[Sequence[str], Sequence[str]] | None = None
        # It holds no certificate: a context can be given another, but one of another kind of key only in addition.
        self.context = self._new_context(plaintext.Context)
        self.context.sni_callback = self._choose

    def read(self, certificates: Sequence[str], keys: Sequence[str]) -> Sequence[Identity]:
        """What the files hold, to be served; changes nothing. Of pipes, which can be read only once, what is served.

        Raises BadCertificate.
        """
        if not certificates or len(certificates) != len(keys):
            raise BadCertificate(
                f"--tls-cert-file, --tls-key-file: {len(certificates)} certificates and {len(keys)} keys; "
                "give one key for each certificate (no longer to serve HTTPS takes a restart)"
            )
        if self.identities:  # clients are served: nobody waits for somebody to write into a pipe
            if (certificates, keys) == self._from_pipes:
                return self.identities
            _refuse_pipes("--tls-cert-file", certificates)
            _refuse_pipes("--tls-key-file", keys)
        elif not all(Path(file).is_file() for file in (*certificates, *keys)):
            self._from_pipes = certificates, keys
        if len(certificates) == 1:  # nothing to choose by its names: it may be a pipe, which is read but once
            alone = Identity(self._new_context())
            _load(alone.context, certificates[0], keys[0])
            return [alone]
        identities: list[Identity] = []
        for certificate, key in zip(certificates, keys, strict=True):
            leaf = _leaf(certificate)
            same = [one for one in identities if one.names == leaf.names and leaf.key not in one.kinds]
            if not same:
                same = [Identity(self._new_context(), leaf.names)]
                identities += same
            same[0].kinds.add(leaf.key)
            _load(same[0].context, certificate, key)
        return identities

    def serve(self, identities: Sequence[Identity]) -> None:
        """From the next handshake on; connections go on as they are."""
        self.identities = identities

    def _new_context(self, kind: type[ssl.SSLContext] = ssl.SSLContext) -> ssl.SSLContext:
        context = kind(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = VERSIONS[self._oldest]
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _choose(self, connection: ssl.SSLObject, host: str | None, _: ssl.SSLContext) -> None:
        host = (host or "").lower().removesuffix(".")
        matching = (one for one in self.identities if one.is_of(host))
        connection.context = next(matching, self.identities[0]).context


def client_context(ca_file: str) -> ssl.SSLContext:
    """For connections to providers: trusts what the system trusts, and this file. Raises BadCertificate."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:  # ssl.SSLError is one
        why = "it holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise BadCertificate(f"--aibridge-upstream-ca-file {ca_file}: {why}; give a readable PEM file") from None
    return context


def _refuse_pipes(option: str, files: Sequence[str]) -> None:
    for file in files:
        try:
            regular = stat.S_ISREG(Path(file).stat().st_mode)
        except OSError as error:
            raise _unreadable(option, file, error) from None
        if not regular:
            raise BadCertificate(
                f"{option} {file}: it is no regular file and cannot be read again; give one, or restart"
            )


def _leaf(certificate: str) -> Leaf:
    try:
        return read_leaf(in_pem(Path(certificate).read_bytes()))
    except OSError as error:
        raise _unreadable("--tls-cert-file", certificate, error) from None
    except ValueError:
        raise BadCertificate(f"--tls-cert-file {certificate}: it holds no certificate in PEM; give a chain") from None


def _load(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except _Encrypted:
        raise BadCertificate(f"--tls-key-file {key}: it is encrypted; give one without a passphrase") from None
    except OSError as error:
        _refuse_unreadable("--tls-cert-file", certificate)
        _refuse_unreadable("--tls-key-file", key)
        what = f"{certificate}, {key}: {error.strerror or type(error).__name__}"
        raise BadCertificate(
            f"--tls-cert-file, --tls-key-file {what}; give readable PEM files, a chain and its own key"
        ) from None


def _refuse_unreadable(option: str, file: str) -> None:
    try:
        Path(file).open("rb").close()
    except OSError as error:
        raise _unreadable(option, file, error) from None


def _unreadable(option: str, file: str, error: OSError) -> BadCertificate:
    return BadCertificate(f"{option} {file}: {error.strerror}; give a readable PEM file")


class _Encrypted(Exception):
    """The key asks for a passphrase, which nobody is there to type."""


def _no_password() -> str:
    raise _Encrypted
