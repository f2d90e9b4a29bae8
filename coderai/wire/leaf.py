"""What a certificate is for, out of its DER: which kind of key it has, and which hosts' names.

`ssl` tells neither of a certificate that is served.
https://www.rfc-editor.org/rfc/rfc5280#section-4.1, https://www.itu.int/rec/T-REC-X.690 (8.1: tag, length, content)
"""

import binascii
import re
from typing import NamedTuple

# As OpenSSL finds it in a file: whatever else stands there, the first one is the server's own.
_PEM = re.compile(b"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.*?)-----END ", re.DOTALL)
_VERSION, _EXTENSIONS = 0xA0, 0xA3  # the optional fields, by their tags
_KEY = 5  # of the fields behind the version: serial number, signature, issuer, validity, subject, key
_ALTERNATIVE_NAMES = b"\x55\x1d\x11"  # 2.5.29.17
_DNS_NAME = 0x82


class Leaf(NamedTuple):
    key: bytes  # the object identifier of its key's algorithm
    names: frozenset[str]  # in lower case; the first label may be *


def in_pem(text: bytes) -> bytes:
    """The first certificate's DER; raises ValueError."""
    found = _PEM.search(text)
    if found is None:
        raise ValueError("no certificate in PEM")
    return binascii.a2b_base64(found[1])


def read_leaf(der: bytes) -> Leaf:
    """Raises ValueError on what is no certificate."""
    try:
        signed = _parts(_parts(_parts(der)[0][1])[0][1])
        fields = signed[1:] if signed[0][0] == _VERSION else signed
        key = _parts(_parts(fields[_KEY][1])[0][1])[0][1]
        names = [name for tag, content in fields[_KEY + 1 :] if tag == _EXTENSIONS for name in _names(content)]
    except IndexError:
        raise ValueError("no certificate") from None
    return Leaf(key, frozenset(names))


def _names(extensions: bytes) -> list[str]:
    found = []
    for _, extension in _parts(_parts(extensions)[0][1]):
        parts = _parts(extension)  # identifier, perhaps whether it is critical, value
        if parts[0][1] == _ALTERNATIVE_NAMES:
            # Any byte is a character here: what is no ASCII is nobody's name, and no reason to refuse a certificate.
            names = _parts(_parts(parts[-1][1])[0][1])
            found += [name.decode("latin-1").lower() for tag, name in names if tag == _DNS_NAME]
    return found


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    """Tags and contents of the elements that stand one behind the other; raises ValueError, IndexError."""
    parts, at = [], 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length >= 0x80:  # so many bytes of length follow
            octets, at = data[at : at + length - 0x80], at + length - 0x80
            length = int.from_bytes(octets, "big")
        if at + length > len(data):
            raise ValueError("an element that is cut off")
        parts.append((tag, data[at : at + length]))
        at += length
    return parts
