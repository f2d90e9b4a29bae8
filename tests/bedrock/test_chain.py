"""With what requests to AWS are signed: several key pairs, and AWS's default chain, whose command botocore runs."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.bedrock.aws import KEY, SECRET, signature_holds, streamed
from tests.bedrock.running import ASK, SSE, STREAM, WHOLE, ask, rows, running, variables
from tests.gateway import Gateway
from tests.provider import Provider, whole

SESSION = "session-0123456789abcdef"


def command(folder: Path, says: str) -> dict[str, str]:
    """The environment in which AWS's chain runs a command that says this, and notes each run in `runs`."""
    script, config = folder / "credentials.sh", folder / "config"
    script.write_text(f"#!/bin/sh\necho run >> {folder}/runs\ncat <<'END'\n{says}\nEND\n")
    script.chmod(0o700)
    config.write_text(f"[default]\ncredential_process = {script}\n")
    return {
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def credentials(lives: timedelta) -> str:
    fields = {"AccessKeyId": KEY, "SecretAccessKey": SECRET, "SessionToken": SESSION}
    return json.dumps({"Version": 1, **fields, "Expiration": (datetime.now(UTC) + lives).isoformat()})


def test_a_throttled_key_pair_rests_and_the_next_one_signs(tmp_path, provider: Provider) -> None:
    second = "AKIDSECOND9876543210", "second-secret-0123456789"
    pairs = {"BEDROCK_ACCESS_KEYS": f"{KEY},{second[0]}", "BEDROCK_ACCESS_KEY_SECRETS": f"{SECRET},{second[1]}"}
    for gateway in running(tmp_path, provider, **variables(provider.url, **pairs)):
        token = gateway.user("alice")
        provider.answers(whole(b'{"message":"slow"}', "429 Slow", ("x-amzn-ErrorType: ThrottlingException",)))
        provider.answers(streamed(STREAM, 99))
        assert ask(gateway, token, stream=True).body == SSE
        assert signature_holds(provider.requests[0])
        assert signature_holds(provider.requests[1], None, *second)
        provider.answers(whole(b'{"message":"expired"}', "403 No", ("x-amzn-ErrorType: ExpiredTokenException",)))
        assert ask(gateway, token).status == 403
        assert signature_holds(provider.requests[2], None, *second)
        found = rows(gateway, "SELECT credential_hint, status FROM aibridge_interceptions ORDER BY id")
        assert found == [("AKID...3210", 200), ("AKID...3210", 403)]
        assert second[1] not in gateway.log.read_text()


def hanging(folder: Path) -> tuple[dict[str, str], Path]:
    """The same of a command that waits for a word, and where that goes."""
    env = command(folder, credentials(timedelta(hours=5)))
    gate, script = folder / "gate", folder / "credentials.sh"
    os.mkfifo(gate)
    script.write_text(script.read_text().replace("cat", f"read word < {gate}\ncat", 1))
    return env, gate


def test_a_chain_that_hangs_does_not_keep_the_server_from_ending(tmp_path: Path, provider: Provider) -> None:
    env, gate = hanging(tmp_path)
    gateway = Gateway(tmp_path, provider.url, **variables(provider.url), **env)
    try:
        assert gateway.stop() == 0
    finally:
        gateway.process.kill()
        with gate.open("w") as opened:  # the command's end is its own
            opened.write("go\n")


def test_a_chain_that_hangs_keeps_nobody_else_waiting(tmp_path: Path, provider: Provider) -> None:
    env, gate = hanging(tmp_path)
    for gateway in running(tmp_path, provider, **variables(provider.url), **env):
        token = gateway.user("alice")
        provider.answers(whole(b'{"id":"1"}'))
        answer = gateway.request(
            "POST", "/api/v2/aibridge/anthropic/v1/messages", json.dumps(ASK).encode(), token=token
        )
        assert answer.status == 200
        with gate.open("w") as opened:
            opened.write("go\n")
        provider.answers(whole(WHOLE))
        assert ask(gateway, token).status == 200
        assert signature_holds(provider.requests[-1], SESSION)


def test_what_does_not_live_for_long_is_asked_for_once_a_request(tmp_path: Path, provider: Provider) -> None:
    """More often would be on the event loop, where everybody waits for it."""
    env = command(tmp_path, credentials(timedelta(minutes=5)))
    for gateway in running(tmp_path, provider, **variables(provider.url), **env):
        token = gateway.user("alice")
        runs = tmp_path / "runs"
        before = len(runs.read_text().split())
        for _ in range(3):
            provider.answers(whole(WHOLE))
            assert ask(gateway, token).status == 200
            assert signature_holds(provider.requests[-1], SESSION)
        assert len(runs.read_text().split()) == before + 3


def test_what_the_chain_gave_is_not_recorded(tmp_path: Path, provider: Provider) -> None:
    env = command(tmp_path, credentials(timedelta(hours=5)))
    for gateway in running(tmp_path, provider, **variables(provider.url), **env):
        for hidden in (SECRET, SESSION):
            provider.answers(whole(json.dumps({"message": f"no {hidden}"}).encode(), "400 Bad"))
            assert ask(gateway, gateway.user(f"a{len(hidden)}")).status == 400
        found = rows(gateway, "SELECT error_message FROM aibridge_interceptions")
        assert found == [("no ***",), ("no ***",)]
        assert SESSION not in gateway.log.read_text()


def test_nor_dumped_where_it_gave_it_for_this_very_request(tmp_path: Path, provider: Provider) -> None:
    env = command(tmp_path, credentials(timedelta(minutes=5))) | {"CODER_AIBRIDGE_DUMP_DIR": str(tmp_path / "dumps")}
    for gateway in running(tmp_path, provider, **variables(provider.url), **env):
        token = gateway.user("alice")
        script, renewed = tmp_path / "credentials.sh", "renewed-0123456789abcdef"
        script.write_text(script.read_text().replace(SESSION, renewed))
        provider.answers(whole(json.dumps({"message": f"no {renewed}"}).encode(), "400 Bad"))
        assert ask(gateway, token).status == 400
        assert signature_holds(provider.requests[-1], renewed)
    (response,) = (tmp_path / "dumps").rglob("*.resp.txt")
    assert '"no ***"' in response.read_text()


@pytest.mark.parametrize(
    ("says", "fault"),
    [("no json", "Expecting value"), (credentials(timedelta(hours=-1)), "refreshed"), (None, "No such file")],
)
def test_a_chain_that_fails_is_named_and_the_server_starts(
    tmp_path: Path, provider: Provider, says: str | None, fault: str
) -> None:
    env = command(tmp_path, says or "")
    if says is None:
        (tmp_path / "credentials.sh").unlink()
    for gateway in running(tmp_path, provider, **variables(provider.url), **env):
        (line,) = [line for line in gateway.lines() if line["msg"] == "a provider cannot be used yet"]
        answer = ask(gateway, gateway.user("alice"))
        assert (answer.status, provider.requests) == (502, [])
        for message in (line["fields"]["error"], answer.json()["error"]["message"]):
            assert message.startswith("no AWS credentials found: ")
            assert fault in message
        assert rows(gateway, "SELECT error_type FROM aibridge_interceptions") == [("no_credentials",)]


def test_what_a_failing_command_writes_is_told_to_nobody(tmp_path: Path, provider: Provider) -> None:
    env = command(tmp_path, "")
    script = tmp_path / "credentials.sh"
    script.write_text(f"#!/bin/sh\necho + token={SESSION} >&2\nexit 1\n")
    for gateway in running(tmp_path, provider, **variables(provider.url), **env):
        answer = ask(gateway, gateway.user("alice"))
        assert answer.status == 502
        assert "custom-process failed; where that is a credential_process, run it" in answer.json()["error"]["message"]
        recorded = rows(gateway, "SELECT error_message FROM aibridge_interceptions")
        for told in (answer.body, gateway.log.read_bytes(), repr(recorded).encode()):
            assert SESSION.encode() not in told
