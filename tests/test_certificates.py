"""Which certificate a client is shown: by the host that it asks for and the kinds of key it takes, and the newest."""

import re
import socket
import ssl
import struct
from pathlib import Path

import pytest
import trustme

from coderai.wire.tls import BadCertificate, ServerTLS
from tests.gateway import Gateway
from tests.provider import Provider
from tests.tls import ECDSA, RSA, V12, V13, client, issue, shown, tls_port
from tests.waiting import reload


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def serving(tmp_path: Path, provider: Provider, *flags: str) -> Gateway:
    return Gateway(tmp_path, provider.url, "--tls-enable", "--tls-address=127.0.0.1:0", *flags)


@pytest.mark.parametrize("version", [V12, V13])
def test_the_first_whose_names_match(
    tmp_path: Path, provider: Provider, authority: trustme.CA, version: ssl.TLSVersion
) -> None:
    one = issue(authority, tmp_path, "one", "one.example").flags
    two = issue(authority, tmp_path, "two", "two.example", "*.two.example").flags
    late = issue(authority, tmp_path, "late", "late.example", "a.two.example", kind=RSA).flags
    gateway = serving(tmp_path, provider, *one, *two, *late)
    port, context = tls_port(gateway), client(authority, version)
    for host, expected in {
        "one.example": "one.example",
        "two.example": "two.example",
        "TWO.Example": "two.example",
        "a.two.example": "two.example",
        "a.b.two.example": "one.example",
        "late.example": "late.example",
        "example": "one.example",
        "*.two.example": "two.example",
        "xn--mnchen-3ya.two.example": "two.example",
        None: "one.example",
    }.items():
        names, session = shown(port, context, host)
        assert expected in names, host
        for other in ("one.example", "two.example", "late.example", None):  # where a client goes on with a session
            names, _ = shown(port, context, other, session)
            assert names
    for host in ("one.example", "two.example"):  # with a session or without, nothing else has changed
        assert host in shown(port, context, host)[0]
    assert gateway.stop() == 0


@pytest.mark.parametrize("version", [V12, V13])
def test_a_session_goes_on_after_a_reload(
    tmp_path: Path, provider: Provider, authority: trustme.CA, version: ssl.TLSVersion
) -> None:
    gateway = serving(tmp_path, provider, *issue(authority, tmp_path, "tls", "one.example").flags)
    port, context = tls_port(gateway), client(authority, version)
    _, session = shown(port, context, "one.example")
    reload(gateway, "settings read again")
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    with context.wrap_socket(plain, server_hostname="one.example", session=session) as secured:
        assert secured.session_reused
    assert gateway.stop() == 0


@pytest.mark.parametrize("version", [V12, V13])
def test_one_of_another_kind_of_key_takes_its_place(
    tmp_path: Path, provider: Provider, authority: trustme.CA, version: ssl.TLSVersion
) -> None:
    gateway = serving(tmp_path, provider, *issue(authority, tmp_path, "tls", "old.example", kind=RSA).flags)
    port, context = tls_port(gateway), client(authority, version)
    assert shown(port, context, "old.example")[0] == {"old.example"}
    for kind in (ECDSA, RSA):
        issue(authority, tmp_path, "tls", f"{kind.name.lower()}.example", kind=kind)
        reload(gateway, "settings read again")
        for _ in range(3):
            assert shown(port, context, "old.example")[0] == {f"{kind.name.lower()}.example"}
    (tmp_path / "tls.key").write_bytes(authority.issue_cert("x").private_key_pem.bytes())
    reload(gateway, "new settings refused")
    assert shown(port, context, "old.example")[0] == {"rsa.example"}
    assert gateway.stop() == 0


def test_two_kinds_of_key_for_the_same_names(tmp_path: Path, provider: Provider, authority: trustme.CA) -> None:
    hosts = ("both.example", "*.both.example")
    pairs = [issue(authority, tmp_path, kind.name, *hosts, kind=kind).flags for kind in (RSA, ECDSA)]
    other = issue(authority, tmp_path, "other", "other.example", kind=ECDSA).flags
    gateway = serving(tmp_path, provider, *pairs[0], *other, *pairs[1])
    port = tls_port(gateway)
    for kind in (RSA, ECDSA):
        for host in (*hosts, None):
            assert shown(port, client(authority, V12, kind), host)[0] == set(hosts)
    assert shown(port, client(authority, V12, ECDSA), "other.example")[0] == {"other.example"}
    assert gateway.stop() == 0


def test_a_name_that_is_no_name_makes_no_noise(tmp_path: Path, provider: Provider, authority: trustme.CA) -> None:
    """Python cannot tell us of it, and would print a traceback for everybody who sends one."""
    one, two = (issue(authority, tmp_path, name, f"{name}.example").flags for name in ("one", "two"))
    gateway = serving(tmp_path, provider, *one, *two, "--verbose")
    port, context = tls_port(gateway), client(authority)
    for name in (b"one.\xfc\xff", b"\x80", b"\xc3\xbcber.example", b"a" * 255, b".", b"..", b"*", b"%s\n\x1b"):
        alert(port, name)
        assert shown(port, context, "two.example")[0] == {"two.example"}
    written = gateway.stderr.read_text()
    assert "Traceback" not in written and "Exception ignored" not in written and "[error]" not in written
    assert written.count("a client asks for a host by a name that is no ASCII") == 3
    assert gateway.stop() == 0


def alert(port: int, name: bytes) -> None:
    """Sends a hello that asks for this host: whatever the answer is."""
    out = ssl.MemoryBIO()
    placeholder = "x" * len(name)
    labels = re.sub("x{51}", "x" * 50 + ".", placeholder)  # of 63 characters at most
    hello = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(ssl.MemoryBIO(), out, server_hostname=labels)
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    sent, length = out.read(), struct.pack(">H", len(name))
    asked = length + labels.encode()
    assert sent.count(asked) == 1
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        plain.sendall(sent.replace(asked, length + name))
        assert plain.recv(1) in (b"", b"\x15", b"\x16")  # the end, an alert, or a handshake that goes on


@pytest.mark.parametrize("spoilt", ["two.crt", "two.key", "one.crt"])
def test_one_of_several_that_is_bad_is_named(tmp_path: Path, authority: trustme.CA, spoilt: str) -> None:
    for name in ("one", "two"):
        issue(authority, tmp_path, name, f"{name}.example")
    files = [[str(tmp_path / f"{name}.{end}") for name in ("one", "two")] for end in ("crt", "key")]
    tls = ServerTLS("tls12")
    assert len(tls.read(*files)) == 2
    for text in (b"", b"none", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", None):
        (tmp_path / spoilt).write_bytes(text) if text is not None else (tmp_path / spoilt).unlink()
        with pytest.raises(BadCertificate, match=re.escape(str(tmp_path / spoilt))):
            tls.read(*files)
