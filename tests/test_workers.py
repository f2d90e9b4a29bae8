"""`--workers N`: several processes on one address and one database serve, record and stop as one."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Place, environment, query
from tests.faults.load import CHAT, WHOLE, Load, check, provider, unended
from tests.gateway import Gateway, coderai
from tests.provider import Provider
from tests.waiting import until
from tests.workers import REPLACED, listening, workers


@pytest.fixture
def upstream() -> Iterator[Provider]:
    running = provider()
    yield running
    running.close()


def test_two_serve_record_and_stop_as_one(tmp_path: Path, upstream: Provider, place: Place) -> None:
    gateway = Gateway(tmp_path, upstream.url, "--workers", "2", **environment(place))
    token = gateway.user("alice")
    until(lambda: listening(gateway) == 2)
    with Load(gateway, token, clients=12) as load:
        load.until_completed(200)
    assert gateway.stop() == 0
    assert workers_of(place) == 2
    check(place, load.completed)
    assert (load.refused, load.broken) == ([], 0)
    assert "the trail is as it was written" in coderai("audit", "verify", env=gateway.env).stdout


def workers_of(place: Place) -> int:
    """How many processes have written to the trail."""
    return int(query(place, "SELECT count(DISTINCT instance_id) FROM aibridge_interceptions")[0][0])


def test_one_that_dies_is_replaced_and_what_it_left_is_ended(tmp_path: Path, upstream: Provider) -> None:
    gateway = Gateway(tmp_path, upstream.url, "--workers", "2")
    token = gateway.user("alice")
    until(lambda: listening(gateway) == 2)
    with Load(gateway, token, clients=8) as load:
        load.until_completed(300)
        threading.Event().wait(2)  # one that dies at once is taken for one that cannot be started
        os.kill(workers(gateway)[0], signal.SIGKILL)
        until(lambda: listening(gateway) == 3)
        load.until_completed(100)
    assert [line["fields"]["code"] for line in gateway.lines() if line["msg"] == REPLACED] == [-signal.SIGKILL]
    assert gateway.stop() == 0
    check(gateway.database, load.completed)
    assert unended(gateway.database) == 0


class AllJson(Gateway):
    """With its log where its errors are, as a container's log driver gets both."""

    def started(self) -> None:
        self.log = self.stderr


def test_what_a_log_of_json_tells_of_them_is_json(tmp_path: Path, upstream: Provider) -> None:
    flags = ("--workers", "2", "--log-human=", "--log-json=/dev/stderr")
    gateway = AllJson(tmp_path, upstream.url, *flags)
    until(lambda: listening(gateway) == 2)
    threading.Event().wait(2)  # one that dies at once is taken for one that cannot be started
    os.kill(workers(gateway)[0], signal.SIGKILL)
    until(lambda: listening(gateway) == 3)
    (line,) = [line for line in gateway.lines() if line["msg"] == REPLACED]
    assert (line["level"], line["fields"]["code"]) == ("WARN", -signal.SIGKILL)
    assert gateway.stop() == 0
    assert gateway.lines()[-1]["level"]


class OfAShell(Gateway):
    """With a child that it has not started, as the first process of a container gets them."""

    command = ("bash", "-c", 'cat "$CHILD" & exec "$0" -m coderai server "$@"', sys.executable)


def test_a_child_that_is_no_worker_is_none_of_its_business(tmp_path: Path, upstream: Provider) -> None:
    child = tmp_path / "child"
    os.mkfifo(child)
    gateway = OfAShell(tmp_path, upstream.url, "--workers", "2", CHILD=str(child))
    until(lambda: listening(gateway) == 2)
    assert len(workers(gateway)) == 3
    child.open("wb").close()
    until(lambda: len(workers(gateway)) == 2)
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: gateway.stderr.read_text().count("settings read again") == 2)
    child.unlink()
    assert gateway.stop() == 0


FORK_FAILS = """
import errno, os
calls, fork = [], os.fork
def failing():
    calls.append(1)
    if len(calls) in (3, 4):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()
os.fork = failing
from coderai.cli import main
main()
"""


class WithoutProcesses(Gateway):
    """The system has none to give for a while: what no limit does to root."""

    command = (sys.executable, "-c", FORK_FAILS, "server")


def test_where_no_process_can_be_had_the_others_go_on(tmp_path: Path, upstream: Provider) -> None:
    gateway = WithoutProcesses(tmp_path, upstream.url, "--workers", "2")
    until(lambda: listening(gateway) == 2)
    threading.Event().wait(2)  # one that dies at once is taken for one that cannot be started
    os.kill(workers(gateway)[0], signal.SIGKILL)
    until(lambda: gateway.stderr.read_text().count("no worker can be started") == 2)
    assert gateway.request("GET", "/healthz").status == 200
    until(lambda: listening(gateway) == 3)
    assert "Resource temporarily unavailable" in gateway.stderr.read_text()
    assert gateway.stop() == 0


def test_they_end_with_their_supervisor(tmp_path: Path, upstream: Provider) -> None:
    gateway = Gateway(tmp_path, upstream.url, "--workers", "2")
    until(lambda: listening(gateway) == 2)
    pids = workers(gateway)
    gateway.process.kill()
    gateway.process.wait(10)
    until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids))


def test_a_reload_reaches_all(tmp_path: Path, upstream: Provider) -> None:
    gateway = Gateway(tmp_path, upstream.url, "--workers", "2")
    until(lambda: listening(gateway) == 2)
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: gateway.stderr.read_text().count("settings read again") == 2)
    assert gateway.stop(signal.SIGINT) == 0


def test_one_that_is_started_again_has_the_settings_of_the_others(tmp_path: Path, upstream: Provider) -> None:
    key = tmp_path / "key"
    key.write_text("sk-first-0123456789\n")
    keys = {"CODER_AIBRIDGE_OPENAI_KEY": "", "CODER_AIBRIDGE_OPENAI_KEY_FILE": str(key)}
    gateway = Gateway(tmp_path, upstream.url, "--workers", "2", **keys)
    token = gateway.user("alice")
    until(lambda: listening(gateway) == 2)
    key.write_text("sk-second-0123456789\n")
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: gateway.stderr.read_text().count("settings read again") == 2)
    key.write_text("sk-refused with its blanks\n")
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: gateway.stderr.read_text().count("new settings refused") == 2)
    threading.Event().wait(2)  # one that dies at once is taken for one that cannot be started
    for worker in workers(gateway):
        os.kill(worker, signal.SIGKILL)
    until(lambda: listening(gateway) == 4)
    for _ in range(4):
        assert gateway.request("POST", CHAT, WHOLE, token=token).status == 200
    assert {request.header("Authorization") for request in upstream.requests} == {"Bearer sk-second-0123456789"}
    assert gateway.stop() == 0


def test_one_is_started_again_though_the_others_have_refused_what_was_read(tmp_path: Path, upstream: Provider) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("aibridge: {retention: 30d}\n")
    gateway = Gateway(tmp_path, upstream.url, "--workers", "2", "--config", str(config))
    until(lambda: listening(gateway) == 2)
    config.write_text(f"introspection: {{logging: {{humanPath: {tmp_path}/no/such/log}}}}\n")
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: gateway.stderr.read_text().count("new settings refused") == 2)
    config.write_text('aibridge: {openai_key_file: "/tmp/\\ud800"}\n')
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: gateway.stderr.read_text().count("new settings refused") == 4)
    threading.Event().wait(2)  # one that dies at once is taken for one that cannot be started
    os.kill(workers(gateway)[0], signal.SIGKILL)
    until(lambda: listening(gateway) == 3)
    assert gateway.stop() == 0


def test_mistakes_end_it_with_one_message(tmp_path: Path, upstream: Provider) -> None:
    env = {"CODER_SQLITE_PATH": str(tmp_path), "CODER_HTTP_ADDRESS": "127.0.0.1:0"}
    done = coderai("server", "--workers", "2", env=env, check=False)
    assert (done.returncode, "is a directory" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    taken = {"CODER_SQLITE_PATH": str(tmp_path / "c.db"), "CODER_HTTP_ADDRESS": f"127.0.0.1:{upstream.port}"}
    done = coderai("server", "--workers", "2", env=taken, check=False)
    assert (done.returncode, "taken by another process" in done.stderr) == (1, True)


def test_they_begin_where_one_alone_has_just_ended(tmp_path: Path, upstream: Provider) -> None:
    """Connections that it ended are in TIME_WAIT for a minute."""
    alone = Gateway(tmp_path, upstream.url)
    assert alone.request("GET", "/healthz").status == 200  # ended by the server
    assert alone.stop() == 0
    (tmp_path / "two").mkdir()
    two = Gateway(tmp_path / "two", upstream.url, "--workers", "2", CODER_HTTP_ADDRESS=f"127.0.0.1:{alone.port}")
    until(lambda: listening(two) == 2)
    assert two.stop() == 0
