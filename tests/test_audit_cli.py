"""`coderai audit verify` as a command: what it refuses, and which logs it takes seals from."""

import os
import threading
from pathlib import Path

from tests.databases import change, environment
from tests.exchange import CHAT, post
from tests.gateway import Gateway, coderai
from tests.provider import Provider, whole
from tests.trail import fill


async def test_what_would_verify_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    await fill(path)
    (tmp_path / "log").write_text("# README\n")
    (tmp_path / "sealless").write_text('{"msg":"listening"}\n')
    numbers = ("[1]", '"1"', "null")
    for number in numbers:
        seal = f'{{"instance_id":"i","seal_number":{number},"seal":"00"}}'
        line = f'{{"ts":"2026-11-28T06:00:00Z","msg":"interception seal","fields":{seal}}}'
        (tmp_path / f"odd{number}").write_text(f"{line}\n")
    for words, remedy in (
        (["--from", "2026-11-28", "--to", "2026-11-27"], "give a time after --from"),
        (["--log", str(tmp_path / "log")], "it is no log of --log-json"),
        (["--log", str(tmp_path / "sealless")], "no line of it is an `interception seal`"),
        *((["--log", str(tmp_path / f"odd{number}")], ":1: this `interception seal` line") for number in numbers),
        (["--log", "/proc/self/mem"], "it cannot be read: Input/output error"),
        (["--from", "0001-01-01T00:00:00+14:00"], "write a date or a time"),
        (["--to", "9999-12-31T23:59:59-14:00"], "write a date or a time"),
    ):
        done = coderai("audit", "verify", *words, env=environment(path), check=False)
        assert (done.returncode != 0, remedy in done.stderr, "Traceback" in done.stderr) == (True, True, False)


async def test_a_log_may_come_through_a_pipe(tmp_path: Path) -> None:
    """As `<(zcat log.gz)` is one."""
    path, pipe = tmp_path / "c.db", tmp_path / "pipe"
    await fill(path)
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_text, args=('{"msg":"listening"}\n' * 3,))
    writing.start()
    done = coderai("audit", "verify", "--log", str(pipe), env=environment(path), check=False)
    writing.join()
    assert (done.returncode, "no line of it is an `interception seal`" in done.stderr) == (1, True)


def test_what_a_user_asks_keeps_no_log_from_being_verified(tmp_path: Path, provider: Provider) -> None:
    """A prompt has the words by which seals are known: it is in the log, too."""
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_SEAL_LOG_INTERVAL="1h")
    provider.answers(whole(b'{"id":"c1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}'))
    asked = b'{"model":"gpt-4.1","messages":[{"role":"user","content":"what is an interception seal?"}]}'
    assert post(gateway, CHAT, asked, gateway.user("alice")).status == 200
    assert gateway.stop() == 0
    cut = b'{"msg":"interception log","fields":{"prompt":"what is an interception seal'  # by a disk that was full
    nested = b'{"msg":"odd","fields":' + b"[" * 100_000 + b'"interception seal"' + b"]" * 100_000 + b"}"
    gateway.log.write_bytes(b"\n".join((cut, gateway.log.read_bytes(), nested, cut)))
    done = coderai("audit", "verify", "--log", str(gateway.log), env=gateway.env)
    assert done.stdout.startswith("1 interceptions verified, 1 seals followed")
    assert "1 seals of logs" in done.stdout


async def test_breaks_are_listed_in_the_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    await fill(path)
    change(path, "UPDATE aibridge_token_usages SET input_tokens = input_tokens + 1")
    done = coderai("audit", "verify", env=environment(path), check=False)
    listed = [line.removeprefix("break: ") for line in done.stdout.splitlines() if line.startswith("break: ")]
    assert done.returncode == 1
    assert len(listed) > 1 and listed == sorted(listed)
    assert f"({len(listed)} breaks); first: {listed[0]}" in done.stderr
