"""Faults on SQLite: a server that is killed, a database that cannot be written, a second process that holds it."""

import resource
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.databases import query
from tests.faults.load import CHAT, WHOLE, Load, check, check_refusals, provider, unended
from tests.gateway import Gateway, coderai
from tests.provider import Provider

pytestmark = pytest.mark.faults

VERIFIED = "the trail is as it was written"


@pytest.fixture
def upstream() -> Iterator[Provider]:
    running = provider()
    yield running
    running.close()


@contextmanager
def unwritable(gateway: Gateway) -> Iterator[None]:
    """No file of the server grows any more: what a full disk does, whoever runs the tests."""
    size = gateway.database.with_name("coderai.db-wal").stat().st_size
    before = resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (min(size, 4096), before[1]))
    try:
        yield
    finally:
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, before)


def verify(gateway: Gateway) -> None:
    assert VERIFIED in coderai("audit", "verify", env=gateway.env).stdout


def ready(gateway: Gateway, expected: int) -> bytes:
    """What /readyz says once it answers with this status."""
    waiting = threading.Event()
    for _ in range(3000):
        if (answer := gateway.request("GET", "/readyz")).status == expected:
            return answer.body
        waiting.wait(0.01)  # polls a page: there is nothing to wait on
    raise AssertionError(f"/readyz says {answer.status}: {answer.body!r}")


def test_killed_again_and_again_under_load(tmp_path: Path, upstream: Provider) -> None:
    gateway = Gateway(tmp_path, upstream.url)
    token = gateway.user("alice")
    with Load(gateway, token) as load:
        for _ in range(5):
            load.until_completed(40)
            gateway.process.kill()
            gateway.process.wait(10)
            check(gateway.database, list(load.completed))
            gateway.start()
        load.until_completed(40)
    assert gateway.stop() == 0
    check(gateway.database, load.completed)
    assert unended(gateway.database) == 0  # those of the killed processes have been ended
    verify(gateway)
    assert load.refused == []


def test_a_full_disk(tmp_path: Path, upstream: Provider) -> None:
    gateway = Gateway(tmp_path, upstream.url, CODER_AIBRIDGE_STORE_GRACE="300ms", CODER_LOGGING_JSON="")
    token = gateway.user("alice")
    with Load(gateway, token) as load:
        load.until_completed(40)
        with unwritable(gateway):
            load.until_refused()
            assert b"cannot be stored" in ready(gateway, 503)
            assert gateway.request("GET", "/healthz").status == 200
            check(gateway.database, list(load.completed))
        ready(gateway, 200)
        load.until_completed(40)
    assert gateway.stop() == 0
    check(gateway.database, load.completed)
    check_refusals(load.refused)
    verify(gateway)
    states = [line for line in gateway.stderr.read_text().splitlines() if "recorder:" in line]
    assert len(states) == 3, states  # waits in memory; requests are refused; stored again: once each


@pytest.mark.parametrize("name", ["data", "data/coderai.db", "data/coderai.db-wal"])
@pytest.mark.parametrize("restarted", [False, True], ids=["put back", "put back for the next start"])
def test_the_database_is_moved_away(tmp_path: Path, upstream: Provider, name: str, restarted: bool) -> None:
    """Or its WAL; or a backup takes its place. SQLite goes on as if nothing had happened."""
    path = tmp_path / "data" / "coderai.db"
    env = {"CODER_SQLITE_PATH": str(path), "CODER_SPOOL_DIR": str(tmp_path / "spool"), "CODER_LOGGING_JSON": ""}
    gateway = Gateway(tmp_path, upstream.url, CODER_AIBRIDGE_STORE_GRACE="300ms", **env)
    token = gateway.user("alice")
    moved, away = tmp_path / name, tmp_path / "away"
    with Load(gateway, token) as load:
        load.until_completed(40)
        moved.rename(away)
        if moved == path:
            moved.write_bytes(b"")
        load.until_refused()
        assert b"cannot be stored" in ready(gateway, 503)
        assert gateway.request("GET", "/healthz").status == 200
        if restarted:
            assert gateway.stop() == 0
        away.rename(moved)
        if restarted:
            gateway.start()
        ready(gateway, 200)
        load.until_completed(40)
    assert gateway.stop() == 0
    assert "was deleted or replaced" in gateway.stderr.read_text()
    check(path, load.completed)
    check_refusals(load.refused)
    assert unended(path) == 0
    verify(gateway)


def test_the_database_is_moved_away_while_nobody_asks(tmp_path: Path, upstream: Provider) -> None:
    gateway = Gateway(tmp_path, upstream.url, CODER_AIBRIDGE_STORE_GRACE="300ms")
    ready(gateway, 200)
    gateway.database.rename(tmp_path / "away")
    assert b"the database cannot be written" in ready(gateway, 503)
    (tmp_path / "away").rename(gateway.database)
    ready(gateway, 200)
    assert gateway.stop() == 0


def test_another_process_holds_the_database(tmp_path: Path, upstream: Provider) -> None:
    """A moment is waited out, and no client sees it; more than the grace is refused."""
    gateway = Gateway(tmp_path, upstream.url, CODER_AIBRIDGE_STORE_GRACE="6s")
    token = gateway.user("alice")
    with Load(gateway, token) as load, closing(sqlite3.connect(gateway.database, isolation_level=None)) as other:
        load.until_completed(20)
        other.execute("BEGIN IMMEDIATE")
        threading.Event().wait(0.5)  # the length of the fault
        other.execute("ROLLBACK")
        load.until_completed(20)
        assert load.refused == []
        other.execute("BEGIN IMMEDIATE")
        load.until_refused()
        other.execute("ROLLBACK")
        load.until_completed(20)
    assert gateway.stop() == 0
    check(gateway.database, load.completed)
    check_refusals(load.refused)
    verify(gateway)


def test_what_cannot_be_stored_before_the_end_is_stored_at_the_next_start(tmp_path: Path, upstream: Provider) -> None:
    gateway = Gateway(tmp_path, upstream.url, CODER_AIBRIDGE_STORE_GRACE="200ms", CODER_LOGGING_JSON="")
    token = gateway.user("alice")
    spool = tmp_path / "spool"
    with Load(gateway, token) as load:
        load.until_completed(20)
    gateway.stop()
    gateway.env["CODER_SPOOL_DIR"] = str(spool)
    gateway.start()
    with Load(gateway, token) as load, closing(sqlite3.connect(gateway.database, isolation_level=None)) as other:
        load.until_completed(20)
        other.execute("BEGIN IMMEDIATE")
        load.until_refused()
        assert gateway.stop() == 0
        other.execute("ROLLBACK")
        (file,) = spool.iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
        gateway.start()
        load.until_completed(20)
    assert gateway.stop() == 0
    assert list(spool.iterdir()) == []
    check(gateway.database, load.completed)
    assert unended(gateway.database) == 0
    verify(gateway)


def test_one_odd_text_costs_no_other_record_its_place_in_the_spool(tmp_path: Path, upstream: Provider) -> None:
    gateway = Gateway(tmp_path, upstream.url, CODER_AIBRIDGE_STORE_GRACE="100ms", CODER_SPOOL_DIR=str(tmp_path / "s"))
    token = gateway.user("alice")
    with closing(sqlite3.connect(gateway.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ask = WHOLE.replace(b"hello", b"half a character: \\ud83d")
        refused = gateway.request("POST", CHAT, ask, token=token)  # the answer is not given, as it is not stored
        assert (refused.status, refused.header("retry-after")) == (503, "5")
        assert gateway.stop() == 0
        other.execute("ROLLBACK")
    gateway.start()
    prompts = "SELECT prompt FROM aibridge_user_prompts"
    assert query(gateway.database, prompts) == [("half a character: \\ud83d",)]
    assert gateway.stop() == 0
    verify(gateway)


def test_a_second_signal_ends_it_at_once(tmp_path: Path, upstream: Provider) -> None:
    gateway = Gateway(tmp_path, upstream.url, CODER_SHUTDOWN_DRAIN_DELAY="60s")
    gateway.process.send_signal(signal.SIGTERM)
    assert b"stopping" in ready(gateway, 503)
    assert gateway.request("GET", "/healthz").status == 200
    for _ in range(10):  # one that comes right behind the first is taken for the same
        gateway.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            assert gateway.process.wait(1) == 128 + signal.SIGTERM
            return
    raise AssertionError("it goes on")


def test_one_changed_byte_is_found(tmp_path: Path, upstream: Provider) -> None:
    gateway = Gateway(tmp_path, upstream.url, CODER_AIBRIDGE_SEAL_LOG_INTERVAL="10m")
    token = gateway.user("alice")
    with Load(gateway, token) as load:
        load.until_completed(20)
    assert gateway.stop() == 0
    sealed = coderai("audit", "verify", "--log", str(gateway.log), env=gateway.env).stdout
    assert "1 seals of logs" in sealed
    data = bytearray(gateway.database.read_bytes())
    at = data.rindex(b"hello")
    data[at] ^= 1
    gateway.database.write_bytes(data)
    found = coderai("audit", "verify", env=gateway.env, check=False)
    assert found.returncode == 1
    assert "prompts, thoughts or tool inputs were changed" in found.stderr
