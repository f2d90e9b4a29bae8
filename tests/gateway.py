"""The gateway under test: the installed command, started as a user starts it, in a folder of its own."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import secrets

START_S = 20
LISTENING = re.compile(r'listening.*?http://([^\s"/]+):(\d+)')
PROVIDER_KEY = "sk-provider-0123456789abcdef"


def coderai(*arguments: str, env: Mapping[str, str], check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "coderai", *arguments],
        env=clean(env),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not check or done.returncode == 0, done.stderr
    secrets.refuse(secrets.in_environment(env), {"what it prints": (done.stdout + done.stderr).encode()})
    return done


def clean(env: Mapping[str, str]) -> dict[str, str]:
    """The environment without anybody's own settings."""
    own = ("CODER", "OPENAI", "ANTHROPIC", "AWS")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(own) and not name.upper().endswith("_PROXY")
    }
    return {**kept, **env}


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    broken: bool = False  # the body did not come to its end

    def header(self, name: str) -> str | None:
        return next((value for field, value in self.headers if field.lower() == name.lower()), None)

    def json(self) -> Any:
        return json.loads(self.body)


class Gateway:
    """A running `coderai server`; when it is stopped, no secret may be in what it wrote."""

    command: Sequence[str] = (sys.executable, "-m", "coderai", "server")

    def __init__(self, folder: Path, provider_url: str, *flags: str, **env: str) -> None:
        self.log = folder / "log.json"
        self.database = folder / "coderai.db"
        self.env = {
            "CODER_AIBRIDGE_ENABLED": "true",
            "CODER_AIBRIDGE_STRUCTURED_LOGGING": "true",
            "CODER_AIBRIDGE_OPENAI_KEY": PROVIDER_KEY,
            "CODER_AIBRIDGE_OPENAI_BASE_URL": f"{provider_url}/v1/",
            "CODER_AIBRIDGE_ANTHROPIC_KEY": PROVIDER_KEY,
            "CODER_AIBRIDGE_ANTHROPIC_BASE_URL": f"{provider_url}/",
            "CODER_HTTP_ADDRESS": "127.0.0.1:0",
            "CODER_SHUTDOWN_DRAIN_DELAY": "0s",
            "CODER_LOGGING_JSON": str(self.log),
            "CODER_SQLITE_PATH": str(self.database),
            **env,
        }
        self.flags = flags
        self.stderr = folder / "stderr.txt"
        self.secrets = secrets.in_environment(self.env)
        self._folder = folder
        self._given = set(folder.rglob("*"))  # a test's own files: keys, settings
        self.start()

    def start(self) -> None:
        with self.stderr.open("a") as errors:
            at = errors.tell()
            self.process = subprocess.Popen([*self.command, *self.flags], env=clean(self.env), stderr=errors)
        self.started()
        limit = time.monotonic() + START_S
        while (found := LISTENING.search(text := self.log_since(at))) is None:
            assert self.process.poll() is None, f"the server ended: {text}"
            assert time.monotonic() < limit, f"the server does not listen: {text}"
            time.sleep(0.01)  # polls a file: there is nothing to wait on
        self.host, self.port = found[1], int(found[2])

    def started(self) -> None:
        """What a test does before it listens."""

    def log_since(self, at: int) -> str:
        return self.stderr.read_text()[at:]

    def user(self, name: str, role: str = "member") -> str:
        """A new user's token."""
        coderai("users", "create", name, "--role", role, env=self.env)
        token = coderai("tokens", "create", "--user", name, "--name", "test", env=self.env).stdout.strip()
        self.secrets |= secrets.of_token(token)
        return token

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        fields = dict(headers or {})
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        self.secrets |= secrets.in_headers(fields)
        try:
            connection.request(method, path, body, fields)
            answer = connection.getresponse()
            try:
                return Answer(answer.status, answer.getheaders(), answer.read())
            except http.client.IncompleteRead as cut:
                return Answer(answer.status, answer.getheaders(), cut.partial, broken=True)
        finally:
            connection.close()

    def lines(self) -> list[dict[str, Any]]:
        """All JSON log lines so far; one that is being written is none yet."""
        return [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def records(self) -> list[dict[str, Any]]:
        """The structured log so far: the fields of each `interception log` line."""
        return [line["fields"] for line in self.lines() if line["msg"] == "interception log"]

    def end(self) -> tuple[int | None, str | None]:
        """Status and error type of the interception that ended last."""
        end = [record for record in self.records() if record["record_type"] == "interception_end"][-1]
        return end["status"], end["error_type"]

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        listed = secrets.process_list(self.process.pid)
        if self.process.poll() is None:
            self.process.send_signal(sign)
        status = self.process.wait(40)
        secrets.refuse(self.secrets, listed | secrets.files_of(self._folder, self._given))
        return status
