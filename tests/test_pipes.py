"""A server whose files are pipes: it starts with what they hold, and never stands still for one."""

import os
import signal
import sys
from pathlib import Path

import pytest
import trustme

from tests.exchange import ASK, CHAT
from tests.gateway import PROVIDER_KEY, Gateway
from tests.provider import Provider, whole
from tests.tls import client, issue, shown, tls_port
from tests.waiting import reload

FLAGGED = "sk-flag-0123456789abcdef"
FILED = "sk-filed-0123456789abcdef"


class PipedKey(Gateway):
    """As a shell starts it."""

    command = (
        "bash", "-c",
        'exec env CODER_AIBRIDGE_ANTHROPIC_KEY_FILE=<(echo "$FILED") "$0" -m coderai server "$@"', sys.executable,
    )  # fmt: skip


class PipedCertificate(Gateway):
    command = (
        "bash", "-c",
        'exec "$0" -m coderai server --tls-cert-file <(cat "$PAIR/one.crt") --tls-key-file <(cat "$PAIR/one.key") "$@"',
        sys.executable,
    )  # fmt: skip


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("flags", [(), (f"--aibridge-openai-key={FLAGGED}",)])
def test_a_key_from_a_pipe(tmp_path: Path, provider: Provider, flags: tuple[str, ...], workers: str) -> None:
    env = {"CODER_AIBRIDGE_ANTHROPIC_KEY": "", "FILED": FILED}
    if flags:
        env["CODER_AIBRIDGE_OPENAI_KEY"] = ""
    gateway = PipedKey(tmp_path, provider.url, *flags, "--workers", workers, **env)
    token = gateway.user("alice")
    reload(gateway, "settings read again")
    assert "can be read only once" in gateway.stderr.read_text()
    for path, header, key in (
        (CHAT, "Authorization", f"Bearer {FLAGGED if flags else PROVIDER_KEY}"),
        ("/api/v2/aibridge/anthropic/v1/messages", "X-Api-Key", FILED),
    ):
        provider.answers(whole(b'{"id":"1"}'))
        assert gateway.request("POST", path, ASK, token=token).status == 200
        assert provider.requests[-1].header(header) == key
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(20) == 0


def test_a_file_that_is_a_pipe_by_now(tmp_path: Path, provider: Provider) -> None:
    key, config = tmp_path / "key", tmp_path / "c.yaml"
    key.write_text(FILED)
    config.write_text("")
    env = {"CODER_AIBRIDGE_OPENAI_KEY": "", "CODER_AIBRIDGE_OPENAI_KEY_FILE": str(key)}
    gateway = Gateway(tmp_path, provider.url, "--config", str(config), **env)
    for file, text in ((key, FILED), (config, "")):
        file.unlink()
        os.mkfifo(file)
        reload(gateway, "new settings refused")
        assert gateway.request("GET", "/readyz").status == 200
        assert f'cannot read "{file}": it is no regular file' in gateway.stderr.read_text().replace('\\"', '"')
        file.unlink()
        file.write_text(text)
        reload(gateway, "settings read again")
    assert gateway.stop() == 0


def test_certificates_that_are_pipes_by_now(tmp_path: Path, provider: Provider, authority: trustme.CA) -> None:
    flags = issue(authority, tmp_path, "tls", "one.example").flags
    gateway = Gateway(tmp_path, provider.url, "--tls-enable", "--tls-address=127.0.0.1:0", *flags)
    for file in (tmp_path / "tls.crt", tmp_path / "tls.key"):
        content = file.read_bytes()
        file.unlink()
        os.mkfifo(file)
        reload(gateway, "new settings refused")
        assert f"{file}: it is no regular file" in gateway.stderr.read_text()
        assert shown(tls_port(gateway), client(authority), None)[0] == {"one.example"}
        file.unlink()
        file.write_bytes(content)
        reload(gateway, "settings read again")
    assert gateway.stop() == 0


def test_a_certificate_from_a_pipe(tmp_path: Path, provider: Provider, authority: trustme.CA) -> None:
    issue(authority, tmp_path, "one", "one.example")
    gateway = PipedCertificate(tmp_path, provider.url, "--tls-enable", "--tls-address=127.0.0.1:0", PAIR=str(tmp_path))
    for _ in range(2):
        assert shown(tls_port(gateway), client(authority), None)[0] == {"one.example"}
        reload(gateway, "settings read again")
    assert sum("certificate from a pipe" in line["msg"] for line in gateway.lines()) == 2
    assert gateway.stop() == 0
