"""How a server starts, stops, and dies: nothing completed is lost, and no mistake shows a traceback."""

import asyncio
import http.client
import json
import os
import signal
import socket
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from coderai import serving
from coderai.serving import SUPERVISOR_PIPE
from tests.databases import Place, counts, environment, query
from tests.exchange import ANSWER, ASK, ASK_STREAM, CHAT, DELTA, MESSAGES, START, STOP, TEXT, Reader, post
from tests.gateway import PROVIDER_KEY, Gateway, coderai
from tests.logs.opened import open_logs
from tests.postgres import drop, fresh
from tests.provider import LAST_CHUNK, Pause, Provider, stream, whole
from tests.waiting import until


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_stream_in_flight_ends_and_then_the_server(tmp_path: Path, provider: Provider, sign: signal.Signals) -> None:
    gateway = Gateway(tmp_path, provider.url)
    token = gateway.user("alice")
    pause = Pause()
    provider.answers(stream(START, TEXT, ended=False), pause, *stream(DELTA, STOP)[1:])
    with Reader(gateway, MESSAGES, ASK_STREAM, token) as client:
        client.until(b"text_delta")
        gateway.process.send_signal(sign)
        refused(gateway)
        pause.go()
        client.until(LAST_CHUNK)
    assert gateway.process.wait(10) == 0
    assert gateway.records()[-1]["error_type"] is None


def test_a_signal_to_the_process_and_to_its_group_is_one(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url)
    pid, before = gateway.process.pid, gateway.request("GET", "/healthz").status
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGINT)  # another number: the kernel keeps both
    assert (before, gateway.process.wait(10)) == (200, 0)
    assert not any("second signal" in line["msg"] for line in gateway.lines())


def refused(gateway: Gateway) -> None:
    """Returns when the server accepts no connection any more."""

    def connection_refused() -> bool:
        try:
            socket.create_connection((gateway.host, gateway.port), timeout=5).close()
        except ConnectionRefusedError:
            return True
        return False

    until(connection_refused)


def test_what_takes_longer_than_the_limit_is_cut_and_recorded(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, "--shutdown-timeout", "200ms")
    token = gateway.user("alice")
    silent = Pause()
    provider.answers(stream(START, TEXT, ended=False), silent)
    with Reader(gateway, MESSAGES, ASK_STREAM, token) as client:
        client.until(b"text_delta")
        assert gateway.stop() == 0
    silent.go()
    end = gateway.records()[-1]
    assert (end["record_type"], end["error_type"], end["status"]) == ("interception_end", "interrupted", 200)


def test_kill_9_loses_nothing_that_a_client_saw_the_end_of(tmp_path: Path, provider: Provider, place: Place) -> None:
    gateway = Gateway(tmp_path, provider.url, **environment(place))
    token = gateway.user("alice")
    connection = http.client.HTTPConnection(gateway.host, gateway.port, timeout=30)
    for _ in range(20):
        provider.answers(whole(ANSWER))
        connection.request("POST", CHAT, ASK, {"X-Api-Key": token})
        assert connection.getresponse().read() == ANSWER
    gateway.process.kill()
    gateway.process.wait(10)
    connection.close()
    ended = "SELECT count(*) FROM aibridge_interceptions WHERE ended_at IS NOT NULL AND status = 200"
    assert query(place, ended) == [(20,)]
    tables = ("aibridge_token_usages", "aibridge_user_prompts")
    assert counts(place, tables) == dict.fromkeys(tables, 20)
    gateway.start()
    assert gateway.request("GET", "/healthz").body == b"OK"
    assert gateway.stop() == 0


def test_what_a_killed_server_left_open_is_ended_at_the_next_start(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url)
    token = gateway.user("alice")
    silent = Pause()
    provider.answers(stream(START, TEXT, ended=False), silent)
    with Reader(gateway, MESSAGES, ASK_STREAM, token) as client:
        client.until(b"text_delta")
        gateway.process.kill()
        gateway.process.wait(10)
    silent.go()
    gateway.start()
    recovered = "ended the interceptions of a dead process"  # the last line, which follows upon the last commit
    until(lambda: any(line["msg"] == recovered for line in gateway.lines()))
    start, prompt, end = gateway.records()
    assert (prompt["record_type"], prompt["prompt"], prompt["msg_id"]) == ("prompt_usage", "hello", "")
    assert prompt["created_at"] == start["started_at"]
    assert (end["record_type"], end["error_type"], end["status"]) == ("interception_end", "interrupted", None)
    assert gateway.stop() == 0
    with closing(sqlite3.connect(gateway.database)) as database:
        rows = database.execute("SELECT error_type FROM aibridge_interceptions WHERE ended_at IS NOT NULL").fetchall()
        assert rows == [("interrupted",)]
        assert database.execute("SELECT count(*) FROM aibridge_instances WHERE ended_at IS NULL").fetchone() == (0,)
    assert "the trail is as it was written" in coderai("audit", "verify", env=gateway.env).stdout


def test_a_stopping_server_says_so_before_it_refuses(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, CODER_SHUTDOWN_DRAIN_DELAY="1s")
    token = gateway.user("alice")
    pause = Pause()
    provider.answers(stream(START, TEXT, ended=False), pause, *stream(DELTA, STOP)[1:])
    with Reader(gateway, MESSAGES, ASK_STREAM, token) as client:
        client.until(b"text_delta")
        assert gateway.request("GET", "/readyz").status == 200
        gateway.process.send_signal(signal.SIGTERM)
        waiting = threading.Event()
        while (answer := gateway.request("GET", "/readyz")).status == 200:
            waiting.wait(0.005)  # until the signal has arrived
        assert (answer.status, b"stopping" in answer.body) == (503, True)
        assert gateway.request("GET", "/healthz").status == 200
        provider.answers(whole(ANSWER))
        assert gateway.request("POST", CHAT, ASK, token=token).body == ANSWER  # its load balancer has not seen it yet
        refused(gateway)
        pause.go()
        client.until(LAST_CHUNK)
    assert gateway.process.wait(10) == 0


def test_no_secret_is_written_anywhere(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, "--verbose")
    token = gateway.user("alice")
    refusal = (
        b'{"error":{"message":"Incorrect API key provided: %b","type":"invalid_request_error"}}' % PROVIDER_KEY.encode()
    )
    provider.answers(whole(refusal, "401 Unauthorized"))
    answer = gateway.request("POST", CHAT, ASK, {"Cookie": "c=cookie-secret-1", "Authorization": f"Bearer {token}"})
    assert answer.body == refusal  # word for word, whatever it says
    gateway.request("POST", MESSAGES + f"?token={token}", b"{", token=token)
    command_line = Path(f"/proc/{gateway.process.pid}/cmdline").read_bytes()
    assert gateway.stop() == 0
    secret_part = token.partition("-")[2]
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file()) + command_line
    for secret in (PROVIDER_KEY, token, secret_part, "cookie-secret-1"):
        assert secret.encode() not in written


def mistake(*flags: str, tmp_path: Path, **env: str) -> tuple[int, str]:
    settings = {"CODER_SQLITE_PATH": str(tmp_path / "m.db"), "CODER_HTTP_ADDRESS": "127.0.0.1:0", **env}
    done = coderai("server", *flags, env=settings, check=False)
    assert "Traceback" not in done.stderr + done.stdout
    return done.returncode, done.stderr


def test_mistakes_name_option_value_and_remedy(tmp_path: Path, provider: Provider) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    corrupt = tmp_path / "corrupt.db"
    corrupt.write_bytes(b"this is no database, whatever its name says" * 100)
    cases = [
        ({"CODER_HTTP_ADDRESS": f"127.0.0.1:{provider.port}"}, 1, ["--http-address", str(provider.port), "taken"]),
        ({"CODER_HTTP_ADDRESS": "192.0.2.1:80"}, 1, ["--http-address", "192.0.2.1:80"]),
        ({"CODER_HTTP_ADDRESS": "no.such.host.invalid:80"}, 1, ["--http-address", "no.such.host.invalid"]),
        ({"CODER_SQLITE_PATH": str(folder)}, 1, [str(folder)]),
        ({"CODER_SQLITE_PATH": str(corrupt)}, 1, [str(corrupt)]),
        ({"CODER_SQLITE_PATH": "/proc/none/c.db"}, 1, ["/proc/none"]),
        ({"CODER_LOGGING_JSON": str(folder)}, 1, ["--log-json", str(folder)]),
        ({"CODER_AIBRIDGE_RETENTION": "60 days"}, 2, ["CODER_AIBRIDGE_RETENTION", "60 days"]),
        ({"CODER_CONFIG_PATH": str(folder / "none.yaml")}, 2, ["CODER_CONFIG_PATH", "none.yaml"]),
        ({"CODER_AIBRIDGE_OPENAI_BASE_URL": "api.openai.com"}, 2, ["CODER_AIBRIDGE_OPENAI_BASE_URL", "http"]),
    ]
    for env, code, words in cases:
        returned, stderr = mistake(tmp_path=tmp_path, **env)
        assert returned == code, stderr
        assert len(stderr.strip().splitlines()) == 1, stderr
        for word in words:
            assert word in stderr


def test_an_unknown_flag_is_named(tmp_path: Path) -> None:
    code, stderr = mistake("--aibridge-enable", tmp_path=tmp_path)
    assert code == 2
    assert "--aibridge-enabled" in stderr


def test_a_fault_that_nobody_foresaw_is_told_without_a_traceback(tmp_path: Path) -> None:
    env = {"CODER_SQLITE_PATH": str(tmp_path / "c.db"), "CODER_HTTP_ADDRESS": "127.0.0.1:0"}
    done = coderai("server", env={**env, SUPERVISOR_PIPE: "none"}, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "the server has failed" in done.stderr and "ValueError" in done.stderr and "serving.py" in done.stderr


def test_a_new_database_is_told_of(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url)
    assert gateway.stop() == 0
    gateway.start()
    assert gateway.stop() == 0
    told = [line["fields"]["database"] for line in gateway.lines() if "is a new one" in line["msg"]]
    assert told == [str(gateway.database)]


async def test_a_part_that_fails_is_started_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(serving, "RESTART_SECONDS", 0)
    runs: list[int] = []
    twice = asyncio.Event()

    async def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise KeyError("odd")
        twice.set()
        await asyncio.Event().wait()

    log = open_logs(human=str(tmp_path / "log"))
    async with serving._running(work, log):
        await twice.wait()
    log.close()
    assert "a part has failed and is started again" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("request_", ["POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nbegun", None])
def test_nobody_who_asks_for_health_or_the_trail_holds_it_up(
    tmp_path: Path, provider: Provider, request_: str | None
) -> None:
    """aiohttp would wait for a body for ten seconds, for a reader for two minutes."""
    gateway = Gateway(tmp_path, provider.url, "--shutdown-timeout", "500ms")
    token = gateway.user("olga", "owner")
    if request_ is None:
        ask = json.dumps({"model": "m", "messages": [{"role": "user", "content": "h" * 60_000}]}).encode()
        for _ in range(150):
            provider.answers(whole(b'{"id":"x","choices":[]}'))
            assert post(gateway, CHAT, ask, token).status == 200
        request_ = f"GET /api/v2/aibridge/interceptions?limit=1000 HTTP/1.1\r\nHost: x\r\nX-Api-Key: {token}\r\n\r\n"
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((gateway.host, gateway.port))
        client.sendall(request_.encode())
        assert client.recv(12).startswith(b"HTTP/1.1")
        gateway.process.terminate()
        assert gateway.process.wait(9) == 0
    assert gateway.stop() == 0  # no secret in its files


def test_nor_does_a_database_that_takes_its_time(tmp_path: Path, provider: Provider, postgres_url: str) -> None:
    url = fresh(postgres_url)
    gateway = Gateway(tmp_path, provider.url, "--shutdown-timeout", "500ms", **environment(url))
    token = gateway.user("olga", "owner")
    with psycopg.connect(url) as other, socket.create_connection((gateway.host, gateway.port)) as client:
        other.execute("LOCK TABLE aibridge_interceptions IN ACCESS EXCLUSIVE MODE")
        path = "/api/v2/aibridge/interceptions"
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {token}\r\n\r\n".encode())
        until(lambda: query(url, "SELECT 1 FROM pg_locks WHERE NOT granted") != [])
        gateway.process.terminate()
        assert gateway.process.wait(9) == 0
    drop(url)
