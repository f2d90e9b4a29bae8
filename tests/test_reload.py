"""SIGHUP: all new settings hold from then on, or, with one mistake in them, none; log files are opened anew."""

import signal
from pathlib import Path

from tests.exchange import ANSWER, ASK, CHAT
from tests.gateway import Gateway
from tests.provider import Provider, whole
from tests.waiting import reload, until


def test_reload_takes_the_new_key_and_refuses_a_bad_file(tmp_path: Path, provider: Provider) -> None:
    key, config = tmp_path / "key", tmp_path / "c.yaml"
    key.write_text("sk-first-0123456789\n")
    config.write_text("aibridge:\n  retention: 30d\n")
    gateway = Gateway(
        tmp_path,
        provider.url,
        "--config",
        str(config),
        CODER_AIBRIDGE_OPENAI_KEY="",
        CODER_AIBRIDGE_OPENAI_KEY_FILE=str(key),
    )
    token = gateway.user("alice")

    def key_sent() -> str | None:
        provider.answers(whole(ANSWER))
        gateway.request("POST", CHAT, ASK, token=token)
        return provider.requests[-1].header("Authorization")

    assert key_sent() == "Bearer sk-first-0123456789"
    key.write_text("sk-second-0123456789\n")
    config.write_text("aibridge:\n  retention: 7d\nnetworking:\n  http:\n    httpAddress: 127.0.0.1:1\n")
    reload(gateway, "settings read again")
    line = gateway.lines()[-1]["fields"]
    assert "aibridge-retention" in line["applied"]
    assert key_sent() == "Bearer sk-second-0123456789"
    config.write_text("aibridge:\n  retention: soon\n  nonsense: 1\n")
    key.write_text("sk-third-0123456789\n")
    reload(gateway, "new settings refused")
    assert key_sent() == "Bearer sk-second-0123456789"
    refusals = [line["fields"]["problem"] for line in gateway.lines() if "new settings refused" in line["msg"]]
    assert any("c.yaml:2" in problem and "soon" in problem for problem in refusals)
    assert any("nonsense" in problem for problem in refusals)
    assert gateway.stop() == 0


def test_a_reload_that_is_refused_changes_nothing(tmp_path: Path, provider: Provider) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("aibridge:\n  enabled: true\n")
    gateway = Gateway(tmp_path, provider.url, "--config", str(config), CODER_AIBRIDGE_ENABLED="")
    token = gateway.user("alice")

    def status() -> int:
        provider.answers(whole(ANSWER))
        return gateway.request("POST", CHAT, ASK, token=token).status

    config.write_text(f"aibridge:\n  enabled: false\nintrospection:\n  logging:\n    humanPath: {tmp_path}/no/log\n")
    reload(gateway, "new settings refused")
    assert status() == 200
    config.write_text("aibridge:\n  enabled: false\n")
    reload(gateway, "settings read again")
    assert gateway.lines()[-1]["fields"]["need_a_restart"] == "aibridge-enabled"
    assert status() == 200
    assert gateway.stop() == 0


def test_logrotate(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url)
    gateway.log.rename(tmp_path / "log.json.1")
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: gateway.log.exists() and "settings read again" in gateway.log.read_text())
    assert gateway.stop() == 0


def test_logrotate_while_there_is_a_mistake_in_the_settings(tmp_path: Path, provider: Provider) -> None:
    """It would be deleted some day, with every line since."""
    config, rotated = tmp_path / "c.yaml", tmp_path / "log.json.1"
    config.write_text("aibridge:\n  retention: 30d\n")
    gateway = Gateway(tmp_path, provider.url, "--config", str(config))
    config.write_text("aibridge:\n  retention: soon\n")
    gateway.log.rename(rotated)
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: "new settings refused" in gateway.stderr.read_text())
    until(gateway.log.exists)
    token = gateway.user("alice")
    moved = rotated.read_text()
    provider.answers(whole(ANSWER))
    assert gateway.request("POST", CHAT, ASK, token=token).status == 200
    assert gateway.end() == (200, None)
    assert rotated.read_text() == moved
    assert gateway.stop() == 0
