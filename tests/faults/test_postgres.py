"""Faults on PostgreSQL: restarted, killed, frozen; and of two replicas on it, one killed."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coderai.cli.workers import SOONEST_SECONDS
from coderai.store.postgres import COMMIT_SECONDS
from tests.databases import environment, query
from tests.faults.load import MESSAGES, STREAMED, Load, check, check_refusals, provider, unended
from tests.gateway import Gateway, coderai
from tests.postgres import Postgres, fresh
from tests.provider import Provider
from tests.waiting import until
from tests.workers import REPLACED, listening, workers

pytestmark = pytest.mark.faults


@pytest.fixture
def upstream() -> Iterator[Provider]:
    running = provider()
    yield running
    running.close()


@pytest.fixture
def server() -> Iterator[Postgres]:
    running = Postgres()
    yield running
    running.close()


def replica(folder: Path, url: str, upstream: Provider, **env: str) -> Gateway:
    folder.mkdir(exist_ok=True)
    return Gateway(folder, upstream.url, CODER_SPOOL_DIR=str(folder), **environment(url), **env)


def sound(url: str, *loads: Load) -> None:
    check(url, [id for load in loads for id in load.completed])
    assert unended(url) == 0
    assert "the trail is as it was written" in coderai("audit", "verify", env=environment(url)).stdout


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_the_server_restarts_or_dies_amid_load(
    tmp_path: Path, server: Postgres, upstream: Provider, sign: signal.Signals
) -> None:
    url = fresh(server.url)
    gateway = replica(tmp_path, url, upstream, CODER_AIBRIDGE_STORE_GRACE="500ms")
    with Load(gateway, gateway.user("alice")) as load:
        for _ in range(2):
            load.until_completed(30)
            server.stop(sign)
            load.until_refused()
            assert gateway.request("GET", "/healthz").status == 200
            assert gateway.request("GET", "/readyz").status == 503
            server.start()
            load.until_completed(30)
    assert gateway.stop() == 0
    check_refusals(load.refused)
    sound(url, load)


def test_a_short_restart_is_waited_out(tmp_path: Path, server: Postgres, upstream: Provider) -> None:
    url = fresh(server.url)
    gateway = replica(tmp_path, url, upstream, CODER_AIBRIDGE_STORE_GRACE="20s")
    with Load(gateway, gateway.user("alice")) as load:
        load.until_completed(30)
        server.stop()
        server.start()
        load.until_completed(30)
    assert gateway.stop() == 0
    assert (load.refused, load.broken) == ([], 0)
    sound(url, load)


def test_a_frozen_server(tmp_path: Path, server: Postgres, upstream: Provider) -> None:
    url = fresh(server.url)
    gateway = replica(tmp_path, url, upstream, CODER_AIBRIDGE_STORE_GRACE="2s")
    token = gateway.user("alice")
    with Load(gateway, token) as load:
        load.until_completed(30)
        server.freeze()
        load.until_refused(5)
        threading.Event().wait(12)  # longer than the time limit of a commit, twice
        asked = time.monotonic()  # whoever asks now is told so, and need not wait for the database
        assert gateway.request("GET", "/healthz").status == 200
        assert b"the database cannot be read" in gateway.request("GET", "/readyz").body
        refused = gateway.request("POST", MESSAGES, STREAMED, token=token)
        assert (refused.status, refused.header("retry-after") is not None) == (503, True)
        assert time.monotonic() - asked < COMMIT_SECONDS / 2
        server.thaw()
        load.until_completed(30)
    assert gateway.stop() == 0
    check_refusals(load.refused)
    sound(url, load)


def test_stopped_while_the_server_is_frozen(tmp_path: Path, server: Postgres, upstream: Provider) -> None:
    """What could not be stored waits in the spool."""
    url = fresh(server.url)
    gateway = replica(tmp_path, url, upstream, CODER_AIBRIDGE_STORE_GRACE="1s")
    with Load(gateway, gateway.user("alice")) as load:
        load.until_completed(30)
        server.freeze()
        load.until_refused()
        assert gateway.stop() == 0
        server.thaw()
        assert len(list(tmp_path.glob("coderai.spool-*"))) == 1
        gateway.start()
        load.until_completed(30)
    assert gateway.stop() == 0
    assert list(tmp_path.glob("coderai.spool-*")) == []
    sound(url, load)


def test_of_two_replicas_one_is_killed(tmp_path: Path, server: Postgres, upstream: Provider) -> None:
    url = fresh(server.url)
    one, two = (replica(tmp_path / name, url, upstream) for name in ("one", "two"))
    token = one.user("alice")
    with Load(one, token, clients=3) as first, Load(two, token, clients=3) as second:
        first.until_completed(30)
        second.until_completed(30)
        one.process.kill()
        second.until_completed(30)
        one.process.wait(10)
    living = "SELECT count(*) FROM aibridge_instances WHERE ended_at IS NULL"
    waiting = threading.Event()
    for _ in range(900):
        if query(url, living) == [(1,)]:
            break
        waiting.wait(0.1)  # polls the database: the other replica takes half a minute to be sure
    assert two.stop() == 0
    sound(url, first, second)
    assert query(url, living) == [(0,)]


def test_a_worker_that_dies_while_the_database_is_down_does_not_end_the_others(
    tmp_path: Path, server: Postgres, upstream: Provider
) -> None:
    url = fresh(server.url)
    gateway = Gateway(tmp_path, upstream.url, "--workers", "2", **environment(url))
    token = gateway.user("alice")
    until(lambda: listening(gateway) == 2)
    with Load(gateway, token) as load:
        load.until_completed(30)
        threading.Event().wait(SOONEST_SECONDS)  # until they count as workers that can be started
        server.stop()
        os.kill(workers(gateway)[0], signal.SIGKILL)
        until(lambda: gateway.stderr.read_text().count(REPLACED) > 1)  # the first in its place has ended, too
        assert gateway.request("GET", "/healthz").status == 200
        server.start()
        until(lambda: listening(gateway) == 3)
        load.until_completed(30)
    assert gateway.stop() == 0
    check(url, load.completed)
