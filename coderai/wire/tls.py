"""The server's own TLS: a context whose certificates can be loaded anew while it serves."""

import ssl
from collections.abc import Sequence
from pathlib import Path

VERSIONS = {
    "tls10": ssl.TLSVersion.TLSv1,
    "tls11": ssl.TLSVersion.TLSv1_1,
    "tls12": ssl.TLSVersion.TLSv1_2,
    "tls13": ssl.TLSVersion.TLSv1_3,
}


class BadCertificate(Exception):
    """A certificate or key that cannot be used; the message names the file and the remedy."""


def server_context(certificates: Sequence[str], keys: Sequence[str], oldest: str) -> ssl.SSLContext:
    """A context for serving; raises BadCertificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[oldest]
    context.set_alpn_protocols(["http/1.1"])
    load(context, certificates, keys)
    return context


def client_context(ca_file: str) -> ssl.SSLContext:
    """For connections to providers: trusts what the system trusts, and this file. Raises BadCertificate."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:  # ssl.SSLError is one
        why = "it holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise BadCertificate(f"--aibridge-upstream-ca-file {ca_file}: {why}") from None
    return context


def load(context: ssl.SSLContext, certificates: Sequence[str], keys: Sequence[str]) -> None:
    """Loads the pairs, the first last so that it is the one for clients that name no host they want.

    Raises BadCertificate.
    """
    if not certificates or len(certificates) != len(keys):
        raise BadCertificate(
            f"--tls-cert-file, --tls-key-file: {len(certificates)} certificates and {len(keys)} keys; "
            "give one key for each certificate (no longer to serve HTTPS takes a restart)"
        )
    for certificate, key in reversed(list(zip(certificates, keys, strict=True))):
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
        raise BadCertificate(f"{option} {file}: {error.strerror}; give a readable PEM file") from None


class _Encrypted(Exception):
    """The key asks for a passphrase, which nobody is there to type."""


def _no_password() -> str:
    raise _Encrypted
