"""Claude Code, Codex and OpenCode through the gateway: a prompt, a tool loop, a resumed session; what is recorded.

`make test-clients` installs them; `make test` leaves them out (a gigabyte of npm packages).
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients import model
from tests.gateway import Gateway
from tests.provider import Provider

pytestmark = pytest.mark.clients
BIN = Path(__file__).parents[2] / ".clients" / "node_modules" / ".bin"
PROMPT = "please RUNTOOL now"


class Home:
    """A gateway, and a folder in which a client finds its settings and nothing else."""

    def __init__(self, gateway: Gateway, folder: Path, user: str) -> None:
        self.gateway = gateway
        self.folder = folder
        self.token = gateway.user(user)
        self.url = f"http://{gateway.host}:{gateway.port}/api/v2/aibridge"
        self.work = folder / "work"
        self.work.mkdir()
        self._known = len(gateway.records()) if gateway.log.exists() else 0

    def run(self, *command: str, **env: str) -> str:
        kept = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TERM": "dumb"}
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:]],
            cwd=self.work, env=kept | env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def records(self, record_type: str) -> list[dict[str, Any]]:
        return [r for r in self.gateway.records()[self._known :] if r["record_type"] == record_type]

    def check_tool_loop(self, client: str, tool: str, command: str) -> None:
        """The prompt is on record once, the tool call with its input, its result's request hangs below it."""
        started = {r["interception_id"]: r for r in self.records("interception_start")}
        assert {r["client"] for r in started.values()} == {client}
        assert len({r["client_session_id"] for r in started.values()}) == 1
        assert all(r["client_session_id"] for r in started.values())
        (call,) = self.records("tool_usage")
        assert call["tool"] == tool
        assert json.loads(call["input"])[command] == model.COMMAND
        (below,) = [r for r in started.values() if r["correlating_tool_call_id"]]
        assert below["correlating_tool_call_id"] == call["tool_call_id"]
        assert below["thread_parent_id"] == call["interception_id"] == below["thread_root_id"]
        assert PROMPT in {r["prompt"].strip('"') for r in self.records("prompt_usage")}
        assert below["interception_id"] not in {r["interception_id"] for r in self.records("prompt_usage")}
        self.check_ends()

    def check_ends(self) -> None:
        ends = self.records("interception_end")
        assert {r["interception_id"] for r in ends} == {
            r["interception_id"] for r in self.records("interception_start")
        }
        assert {(r["status"], r["error_type"]) for r in ends} == {(200, None)}
        assert {r["interception_id"] for r in self.records("token_usage")} == {r["interception_id"] for r in ends}

    def forget(self) -> None:
        self._known = len(self.gateway.records())


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    provider = Provider(model=model.answer)
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def gateway(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = Gateway(tmp_path_factory.mktemp("gateway"), provider.url)
    yield running
    assert running.stop() == 0


def test_claude_code(gateway: Gateway, tmp_path: Path) -> None:
    home = Home(gateway, tmp_path, "claude")
    settings = {
        "ANTHROPIC_BASE_URL": f"{home.url}/anthropic",
        "ANTHROPIC_AUTH_TOKEN": home.token,
        "IS_SANDBOX": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    assert model.SAW in home.run("claude", "-p", PROMPT, "--allowedTools", "Bash", **settings)
    home.check_tool_loop("Claude Code", "Bash", "command")
    assert [r["input_tokens"] for r in home.records("token_usage")] == [11, 11]
    session = home.records("interception_start")[0]["client_session_id"]
    home.forget()
    assert model.PLAIN in home.run("claude", "-c", "-p", "and one more thing", **settings)
    (start,) = home.records("interception_start")
    assert start["client_session_id"] == session
    assert [r["prompt"] for r in home.records("prompt_usage")] == ["and one more thing"]
    home.check_ends()


def test_codex(gateway: Gateway, tmp_path: Path) -> None:
    home = Home(gateway, tmp_path, "codex")
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "config.toml").write_text(
        'model = "gpt-5-codex"\nmodel_provider = "gw"\n[model_providers.gw]\nname = "gw"\n'
        f'base_url = "{home.url}/openai/v1"\nenv_key = "OPENAI_API_KEY"\nwire_api = "responses"\n'
    )
    flags = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
    assert model.SAW in home.run("codex", "exec", *flags, PROMPT, OPENAI_API_KEY=home.token)
    home.check_tool_loop("Codex", "exec_command", "cmd")
    assert [r["input_tokens"] for r in home.records("token_usage")] == [12, 12]
    session = home.records("interception_start")[0]["client_session_id"]
    home.forget()
    resumed = home.run("codex", "exec", *flags, "resume", "--last", "and one more thing", OPENAI_API_KEY=home.token)
    assert model.PLAIN in resumed
    (start,) = home.records("interception_start")
    assert start["client_session_id"] == session
    assert [r["prompt"] for r in home.records("prompt_usage")] == ["and one more thing"]
    home.check_ends()


def test_codex_falls_back_from_a_websocket_at_once(gateway: Gateway, provider: Provider, tmp_path: Path) -> None:
    home = Home(gateway, tmp_path, "codex-ws")
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "config.toml").write_text(
        'model = "gpt-5-codex"\nmodel_provider = "gw"\n[model_providers.gw]\nname = "gw"\nsupports_websockets = true\n'
        f'base_url = "{home.url}/openai/v1"\nenv_key = "OPENAI_API_KEY"\nwire_api = "responses"\n'
    )
    flags = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
    assert model.PLAIN in home.run("codex", "exec", *flags, "say words", OPENAI_API_KEY=home.token)
    assert len(home.records("interception_start")) == 1


def test_opencode(gateway: Gateway, tmp_path: Path) -> None:
    home = Home(gateway, tmp_path, "opencode")
    (tmp_path / ".config" / "opencode").mkdir(parents=True)
    options = {"baseURL": f"{home.url}/openai/v1", "apiKey": home.token}
    named = {"npm": "@ai-sdk/openai-compatible", "name": "gw", "options": options, "models": {"gpt-4.1": {}}}
    settings = {"$schema": "https://opencode.ai/config.json", "provider": {"gw": named}, "autoupdate": False}
    (tmp_path / ".config" / "opencode" / "opencode.json").write_text(json.dumps(settings))
    assert model.SAW in home.run("opencode", "run", "-m", "gw/gpt-4.1", PROMPT)
    home.check_tool_loop("OpenCode", "bash", "command")
    assert {r["input_tokens"] for r in home.records("token_usage")} == {9}
    session = home.records("interception_start")[0]["client_session_id"]
    home.forget()
    assert model.PLAIN in home.run("opencode", "run", "-c", "-m", "gw/gpt-4.1", "and one more thing")
    assert {r["client_session_id"] for r in home.records("interception_start")} == {session}
    assert "and one more thing" in {r["prompt"].strip('"') for r in home.records("prompt_usage")}
    home.check_ends()
