"""What comes before a server listens: a SIGHUP that finds it starting, and standard streams that are not there."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.exchange import ASK, CHAT
from tests.gateway import PROVIDER_KEY, Gateway, clean
from tests.provider import Provider, whole
from tests.waiting import until

FIRST, SECOND = "sk-first-0123456789", "sk-second-0123456789"


class Starting(Gateway):
    """What a test does while it starts."""

    def __init__(self, during: Callable[[int], None], *arguments: Path | str, **env: str) -> None:
        self.during = during
        super().__init__(*arguments, **env)

    def started(self) -> None:
        self.during(self.process.pid)


def key_sent(gateway: Gateway, provider: Provider, token: str) -> str | None:
    provider.answers(whole(b'{"id":"1"}'))
    assert gateway.request("POST", CHAT, ASK, token=token).status == 200
    return provider.requests[-1].header("Authorization")


def read_again(gateway: Gateway, times: int) -> None:
    until(lambda: gateway.stderr.read_text().count("settings read again") >= times)


def blocks_sighup(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.split("SigBlk:", 1)[1].split()[0], 16) & 1 << signal.SIGHUP - 1)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_while_the_settings_are_read(tmp_path: Path, provider: Provider, processes: int) -> None:
    key, pipe = tmp_path / "key", tmp_path / "pipe"
    key.write_text(FIRST)
    os.mkfifo(pipe)

    def during(pid: int) -> None:
        with pipe.open("w") as writing:  # the other key has been read by now
            key.write_text(SECOND)
            os.kill(pid, signal.SIGHUP)
            pipe.unlink()
            pipe.write_text(PROVIDER_KEY)
            writing.write(PROVIDER_KEY)

    env = {"CODER_AIBRIDGE_OPENAI_KEY": "", "CODER_AIBRIDGE_OPENAI_KEY_FILE": str(key)}
    env |= {"CODER_AIBRIDGE_ANTHROPIC_KEY": "", "CODER_AIBRIDGE_ANTHROPIC_KEY_FILE": str(pipe)}
    gateway = Starting(during, tmp_path, provider.url, "--workers", str(processes), **env)
    token = gateway.user("alice")
    read_again(gateway, processes)
    for _ in range(4):
        assert key_sent(gateway, provider, token) == f"Bearer {SECOND}"
    assert gateway.stop() == 0


@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_while_the_database_is_opened(tmp_path: Path, provider: Provider, processes: int) -> None:
    key = tmp_path / "key"
    key.write_text(FIRST)
    env = {"CODER_AIBRIDGE_OPENAI_KEY": "", "CODER_AIBRIDGE_OPENAI_KEY_FILE": str(key)}
    Gateway(tmp_path, provider.url, **env).stop()
    (tmp_path / "stderr.txt").write_text("")
    with closing(sqlite3.connect(tmp_path / "coderai.db")) as other:
        other.execute("BEGIN EXCLUSIVE")

        def during(pid: int) -> None:
            opened = f"{tmp_path}/coderai.db"
            if processes > 1:
                until(lambda: len(children(pid)) == processes)
            until(lambda: all(opened in files_of(one) for one in children(pid) or [pid]))
            key.write_text(SECOND)
            os.kill(pid, signal.SIGHUP)
            other.rollback()

        gateway = Starting(during, tmp_path, provider.url, "--workers", str(processes), **env)
        token = gateway.user("alice")
        read_again(gateway, processes)
        for _ in range(4):
            assert key_sent(gateway, provider, token) == f"Bearer {SECOND}"
        assert gateway.stop() == 0


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def files_of(pid: int) -> set[str]:
    return {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}


@pytest.mark.parametrize("flags", [(), ("--workers=2",), (f"--aibridge-openai-key={FIRST}", "--workers=2")])
def test_a_signal_before_anything_is_loaded(tmp_path: Path, provider: Provider, flags: tuple[str, ...]) -> None:
    def during(pid: int) -> None:
        until(lambda: blocks_sighup(pid))
        os.kill(pid, signal.SIGHUP)

    gateway = Starting(during, tmp_path, provider.url, *flags, CODER_AIBRIDGE_OPENAI_KEY="")
    read_again(gateway, 2 if flags else 1)
    serving = children(gateway.process.pid) if flags else [gateway.process.pid]
    assert not any(blocks_sighup(pid) for pid in serving)
    assert gateway.stop() == 0


@pytest.mark.parametrize("closed", ["2>&-", "0<&- 1>&- 2>&-", "1>&-"])
@pytest.mark.parametrize("flags", [(), ("--workers=2",), (f"--aibridge-openai-key={FIRST}",)])
def test_standard_streams_that_are_closed(
    tmp_path: Path, provider: Provider, closed: str, flags: tuple[str, ...]
) -> None:
    class Closed(Gateway):
        command = ("bash", "-c", f'exec "$0" -m coderai server "$@" {closed}', sys.executable)

        def log_since(self, at: int) -> str:
            return self.log.read_text() if self.log.exists() else ""

    gateway = Closed(tmp_path, provider.url, *flags, CODER_AIBRIDGE_OPENAI_KEY="")
    streams = [str(Path(f"/proc/{gateway.process.pid}/fd/{number}").readlink()) for number in range(3)]
    numbers = [int(part[0]) for part in closed.split()]
    assert [streams[number] for number in numbers] == ["/dev/null"] * len(numbers)
    assert gateway.request("GET", "/readyz").status == 200
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: any(line["msg"] == "settings read again" for line in gateway.lines()))
    assert gateway.request("GET", "/readyz").status == 200
    assert gateway.stop() == 0


def test_settings_from_a_standard_input_that_is_closed(tmp_path: Path) -> None:
    env = clean({"CODER_SQLITE_PATH": str(tmp_path / "c.db"), "CODER_HTTP_ADDRESS": "127.0.0.1:0"})
    for arguments in ("server", "config show"):
        script = f"exec '{sys.executable}' -m coderai {arguments} --config - <&-"
        done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=60)
        line = '--config: cannot read "-": standard input is closed; expected a YAML file'
        assert (done.returncode, done.stderr.splitlines()) == (2, [line])


LOADING = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), int(sys.argv[2]))
sys.meta_path.insert(0, Interrupting())
from coderai.cli import main
sys.argv[1:] = ["--version"]
main()
"""


@pytest.mark.parametrize("module", ["click", "aiohttp", "coderai.store"])
def test_ctrl_c_while_it_is_loaded_shows_nothing(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", LOADING, module, "2"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_the_first_process_of_a_container_can_be_stopped_while_it_is_loaded(sign: signal.Signals) -> None:
    """The kernel gives it no signal that it has no handler for."""
    first = ("unshare", "--map-root-user", "--pid", "--fork")
    if subprocess.run([*first, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs namespaces")
    command = [*first, sys.executable, "-c", LOADING, "click", str(int(sign))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (128 + sign, "", "")


def test_ctrl_c_that_is_ignored_stays_so() -> None:
    ignoring = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{LOADING}"
    done = subprocess.run([sys.executable, "-c", ignoring, "click", "2"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout.split()[0], done.stderr) == (0, "coderai", "")


def test_ctrl_c_of_a_command_says_so(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "coderai", "config", "show", "--config", str(pipe)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process, pipe.open("w"):  # it reads
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[1].strip() == "Aborted!"
    assert process.returncode == 1
