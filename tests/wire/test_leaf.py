"""What a certificate is for: read from many that were issued, and from bytes that are none."""

import random
import ssl
from contextlib import suppress

import pytest
import trustme

from coderai.wire.leaf import Leaf, in_pem, read_leaf

RSA, ELLIPTIC = bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a8648ce3d0201")
KINDS = {trustme.KeyType.RSA: RSA, trustme.KeyType.ECDSA: ELLIPTIC}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def issued(authority: trustme.CA, *names: str, kind: trustme.KeyType = trustme.KeyType.ECDSA) -> bytes:
    return authority.issue_cert(*names, key_type=kind).cert_chain_pems[0].bytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "names",
    [
        ("localhost",),
        ("a.example", "b.example", "*.c.example"),
        ("127.0.0.1", "::1", "UPPER.example", "me@mail.example"),
        ("10.0.0.0/8",),
        tuple(f"n{n}.example" for n in range(3000)),  # lengths of three bytes
    ],
)
def test_names_and_kind_of_key(authority: trustme.CA, names: tuple[str, ...], kind: trustme.KeyType) -> None:
    found = read_leaf(in_pem(issued(authority, *names, kind=kind)))
    assert found.key == KINDS[kind]
    assert found.names == {
        name.lower() for name in names if "@" not in name and not name[0].isdigit() and name != "::1"
    }


def test_an_authority_has_no_names(authority: trustme.CA) -> None:
    assert read_leaf(in_pem(authority.cert_pem.bytes())) == Leaf(ELLIPTIC, frozenset())


def test_the_first_of_a_chain_whatever_stands_before_it(authority: trustme.CA) -> None:
    first, second = issued(authority, "one.example"), issued(authority, "two.example")
    key = authority.issue_cert("x").private_key_pem.bytes()
    for pem in (first + second, b"subject=CN=x \xfc\r\n" + key + first.replace(b"\n", b"\r\n") + second):
        assert in_pem(pem) == ssl.PEM_cert_to_DER_cert(first.decode())
        assert read_leaf(in_pem(pem)).names == {"one.example"}
    trusted = first.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE")  # which OpenSSL takes, too
    assert read_leaf(in_pem(trusted)).names == {"one.example"}


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"no certificate",
        b"-----BEGIN CERTIFICATE-----\nAAAA",
        b"-----BEGIN CERTIFICATE-----\n\xff\xfe=A\n-----END CERTIFICATE-----",
    ],
)
def test_no_pem(pem: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - or base64's own, which is one
        read_leaf(in_pem(pem))


def test_what_is_cut_off_is_refused_wherever_it_is(authority: trustme.CA) -> None:
    der = in_pem(issued(authority, "localhost", "a.example"))
    for length in range(len(der)):
        with pytest.raises(ValueError):  # noqa: PT011
            read_leaf(der[:length])


def test_garbage_is_refused_or_read_and_never_anything_else(authority: trustme.CA) -> None:
    der = in_pem(issued(authority, "localhost", "a.example"))
    chance = random.Random(7)
    for _ in range(20_000):
        spoilt = bytearray(der)
        for _ in range(chance.randint(1, 4)):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        for bytes_ in (bytes(spoilt), chance.randbytes(chance.randrange(40))):
            with suppress(ValueError):
                assert isinstance(read_leaf(bytes_), Leaf)
