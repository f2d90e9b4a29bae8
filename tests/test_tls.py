"""TLS on both sides: served with certificates that can be renewed, verified towards the provider."""

import http.client
import json
import socket
import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from tests.exchange import ASK, ASK_STREAM, CHAT, DELTA, MESSAGES, START, STOP, TEXT
from tests.gateway import Gateway, coderai
from tests.listener import Listener
from tests.provider import Provider, stream, whole
from tests.tls import issue, tls_port
from tests.waiting import reload


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def served_certificate(gateway: Gateway, port: int, context: ssl.SSLContext) -> int:
    """Its serial number."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    with context.wrap_socket(plain, server_hostname="localhost") as secured:
        assert secured.version() in ("TLSv1.2", "TLSv1.3")
        return int(secured.getpeercert()["serialNumber"], 16)


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_https_is_served_and_its_certificate_renewed(tmp_path: Path, provider: Provider, authority: trustme.CA) -> None:
    certificate, key = issue(authority, tmp_path, "tls", "localhost", "127.0.0.1")
    config = tmp_path / "c.yaml"
    config.write_text("")
    gateway = Gateway(
        tmp_path,
        provider.url,
        f"--config={config}",
        "--tls-enable",
        "--tls-address=127.0.0.1:0",
        f"--tls-cert-file={certificate}",
        f"--tls-key-file={key}",
    )
    token = gateway.user("alice")
    port = tls_port(gateway)
    context = trusting(authority)
    provider.answers(stream(START, TEXT, DELTA, STOP))
    connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
    connection.request("POST", MESSAGES, ASK_STREAM, {"X-Api-Key": token})
    assert connection.getresponse().read() == START + TEXT + DELTA + STOP
    connection.request("GET", "/healthz")  # handed over to another protocol, under TLS as well
    assert connection.getresponse().read() == b"OK"
    connection.close()
    before = served_certificate(gateway, port, context)
    issue(authority, tmp_path, "tls", "localhost")
    config.write_text(f"introspection:\n  logging:\n    humanPath: {tmp_path}/no/log\n")
    reload(gateway, "new settings refused")
    assert served_certificate(gateway, port, context) == before
    config.write_text("")
    reload(gateway, "settings read again")
    assert served_certificate(gateway, port, context) != before
    renewed = served_certificate(gateway, port, context)
    certificate.write_text("no certificate")
    reload(gateway, "new settings refused")
    assert str(certificate) in gateway.stderr.read_text()
    assert served_certificate(gateway, port, context) == renewed
    assert gateway.stop() == 0


@pytest.mark.parametrize("sent", [b"", b"x" * 10_000_000], ids=["no body", "a body"])
def test_plain_http_is_told_to_speak_https(
    tmp_path: Path, provider: Provider, authority: trustme.CA, sent: bytes
) -> None:
    """It would only see the connection end, as if the server were broken."""
    certificate, key = issue(authority, tmp_path, "tls", "localhost")
    files = f"--tls-cert-file={certificate}", f"--tls-key-file={key}"
    gateway = Gateway(tmp_path, provider.url, "--tls-enable", "--tls-address=127.0.0.1:0", *files)
    port = tls_port(gateway)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", MESSAGES, sent)
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Connection")) == (400, "close")
    assert json.loads(answer.read())["message"].endswith("write https:// in the URL")
    served_certificate(gateway, port, trusting(authority))
    assert gateway.stop() == 0  # though the client has not gone
    assert "ERROR" not in gateway.log.read_text()


def test_certificates_are_not_taken_away_from_a_server_that_needs_them(
    tmp_path: Path, provider: Provider, authority: trustme.CA
) -> None:
    certificate, key = issue(authority, tmp_path, "tls", "localhost")
    config = tmp_path / "c.yaml"
    tls = f"enable: true, address: '127.0.0.1:0', certFiles: ['{certificate}']"
    config.write_text(f"networking: {{tls: {{{tls}, keyFiles: ['{key}']}}}}")
    gateway = Gateway(tmp_path, provider.url, f"--config={config}")
    before = served_certificate(gateway, tls_port(gateway), trusting(authority))
    for left in (tls.replace("true", "false"), "enable: false"):
        config.write_text(f"networking: {{tls: {{{left}}}}}")
        reload(gateway, "new settings refused")
    assert "1 certificates and 0 keys" in gateway.stderr.read_text()
    assert served_certificate(gateway, tls_port(gateway), trusting(authority)) == before
    assert gateway.stop() == 0


def test_a_missing_certificate_is_one_line(tmp_path: Path) -> None:
    flags = (
        "--tls-enable",
        "--tls-address=127.0.0.1:0",
        f"--tls-cert-file={tmp_path}/a",
        f"--tls-key-file={tmp_path}/b",
    )
    env = {
        "CODER_SQLITE_PATH": str(tmp_path / "c.db"),
        "CODER_HTTP_ADDRESS": "127.0.0.1:0",
        "CODER_LOGGING_HUMAN": str(tmp_path / "log"),
    }
    done = coderai("server", *flags, env=env, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "--tls-cert-file" in done.stderr and f"{tmp_path}/a" in done.stderr


@pytest.fixture
def secured(authority: trustme.CA) -> Provider:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    provider = Provider(context)
    yield provider
    provider.close()


def test_a_provider_that_is_trusted(tmp_path: Path, secured: Provider, authority: trustme.CA) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    gateway = Gateway(tmp_path, secured.url, SSL_CERT_FILE=str(tmp_path / "ca.pem"))
    token = gateway.user("alice")
    for _ in range(2):
        secured.answers(whole(b'{"id":"1"}'))
        assert gateway.request("POST", CHAT, ASK, token=token).body == b'{"id":"1"}'
    assert secured.connections == 1
    assert gateway.stop() == 0


def test_a_provider_that_nobody_vouches_for_gets_no_request(tmp_path: Path, secured: Provider) -> None:
    gateway = Gateway(tmp_path, secured.url)
    token = gateway.user("alice")
    answer = gateway.request("POST", CHAT, ASK, token=token)
    assert answer.status == 502
    message = answer.json()["error"]["message"]
    assert "its certificate is refused: " in message and "; --aibridge-upstream-ca-file names" in message
    assert "_ssl.c" not in message
    assert secured.requests == []
    assert gateway.stop() == 0


@pytest.mark.parametrize(
    ("host", "until", "why"),
    [
        ("other.example", None, "Hostname mismatch, certificate is not valid for 'localhost'"),
        ("localhost", datetime(2020, 2, 1, tzinfo=UTC), "certificate has expired"),
    ],
)
def test_what_is_wrong_with_a_provider_s_certificate_is_told(
    tmp_path: Path, authority: trustme.CA, host: str, until: datetime | None, why: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, not_after=until).configure_cert(context)
    provider = Provider(context)
    authorities = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(authorities)
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_UPSTREAM_CA_FILE=str(authorities))
    answer = gateway.request("POST", CHAT, ASK, token=gateway.user("alice"))
    told = f"no connection to the provider: its certificate is refused: {why}"
    assert (answer.status, answer.json()["error"]["message"]) == (502, told)
    assert gateway.stop() == 0
    provider.close()


def test_a_provider_that_speaks_no_tls(tmp_path: Path) -> None:
    listener = Listener(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    gateway = Gateway(tmp_path, f"https://localhost:{listener.port}")
    answer = gateway.request("POST", CHAT, ASK, token=gateway.user("alice"))
    assert answer.status == 502
    assert answer.json()["error"]["message"].endswith("it speaks no TLS; is its URL http://?")
    assert gateway.stop() == 0
    listener.close()


def test_a_provider_that_hangs_up_before_tls_has_begun(tmp_path: Path) -> None:
    """As a sidecar does with nobody behind it; the client is told at once, whenever it comes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        while True:
            try:
                listener.accept()[0].close()
            except OSError:
                return

    threading.Thread(target=hang_up, daemon=True).start()
    gateway = Gateway(tmp_path, f"https://localhost:{listener.getsockname()[1]}")
    token = gateway.user("alice")
    for _ in range(20):
        answer = gateway.request("POST", CHAT, ASK, token=token)
        assert (answer.status, "no connection to the provider" in answer.json()["error"]["message"]) == (502, True)
    assert gateway.stop() == 0
    listener.shutdown(socket.SHUT_RDWR)  # which wakes its thread
    listener.close()
