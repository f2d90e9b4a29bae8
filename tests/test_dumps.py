"""API dumps: what is written, where, for whose eyes, and that nobody waits for it."""

import gzip
import json
import signal
import threading
import time
from pathlib import Path

import pytest

from coderai.dumps import CUT, FILE_LIMIT, WAITING_LIMIT, Dump, Dumps, intercepted, safe
from tests.exchange import ASK_STREAM, CHAT, DELTA, MESSAGES, START, STOP, TEXT, post
from tests.gateway import PROVIDER_KEY, Gateway, coderai
from tests.logs.opened import open_logs
from tests.provider import Provider, stream, whole
from tests.waiting import until

LOG = open_logs(human="")
ASK = b'{"model":"org/gpt-4.1","messages":[{"role":"user","content":"hello"}],"a":1}'


def test_requests_and_responses_as_they_passed(tmp_path: Path, provider: Provider) -> None:
    folder = tmp_path / "dumps"
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_DUMP_DIR=str(folder))
    token = gateway.user("alice")
    leak = b'{"id":"c1","said":"%b"}' % PROVIDER_KEY.encode()
    provider.answers(whole(leak, headers=("Content-Type: application/json", "Set-Cookie: a=b", "X-Id: 7")))
    answer = gateway.request("POST", CHAT, ASK, {"X-Note": "n", "Cookie": "c=d"}, token=token)
    assert answer.body == leak  # word for word
    provider.answers(stream(START, TEXT, DELTA, STOP))
    post(gateway, MESSAGES, ASK_STREAM, token)
    packed = gzip.compress(b'{"data":["models"]}')
    provider.answers(whole(packed, headers=("Content-Type: application/json", "Content-Encoding: gzip")))
    gateway.request("GET", "/api/v2/aibridge/openai/v1/models", token=token)
    assert gateway.stop() == 0

    (id,) = [r["interception_id"] for r in gateway.records() if r.get("model") == "org/gpt-4.1"]
    (request,) = (folder / "openai" / "org-gpt-4.1").glob(f"*-{id}.req.txt")
    head, _, body = request.read_text().partition("\n\n")
    lines = head.splitlines()
    assert lines[0] == "POST /v1/chat/completions HTTP/1.1"
    assert lines[1:] == [*sorted(lines[1:-1]), f"Content-Length: {len(body)}"]
    assert {"Cookie: ***", "X-Note: n"} <= set(lines)
    assert "uthorization" not in head
    assert body == json.dumps(json.loads(ASK), indent=2)
    (response,) = (folder / "openai" / "org-gpt-4.1").glob(f"*-{id}.resp.txt")
    assert response.read_text().startswith("HTTP/1.1 200 OK\nContent-Length: ")
    assert "Set-Cookie: ***" in response.read_text()
    assert response.read_text().endswith('\n\n{"id":"c1","said":"***"}')
    (streamed,) = (folder / "anthropic").rglob("*.resp.txt")
    assert streamed.read_bytes().endswith(START + TEXT + DELTA + STOP)
    (models,) = (folder / "openai" / "passthrough").glob("*-models-*.resp.txt")
    assert models.read_text().endswith('{"data":["models"]}')
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for secret in (PROVIDER_KEY, token, token[11:]):
        assert secret.encode() not in everything


def test_no_answer_and_a_folder_of_the_provider_s_own(tmp_path: Path, provider: Provider) -> None:
    indexed = {"TYPE": "openai", "NAME": "own", "BASE_URL": "http://127.0.0.1:1/v1", "DUMP_DIR": str(tmp_path / "own")}
    env = {f"CODER_AIBRIDGE_PROVIDER_0_{name}": value for name, value in (indexed | {"KEY": "sk-own-key-1"}).items()}
    gateway = Gateway(tmp_path, provider.url, **env)
    token = gateway.user("alice")
    assert post(gateway, "/api/v2/aibridge/own/v1/chat/completions", ASK, token).status == 502
    assert gateway.request("GET", "/api/v2/aibridge/own/v1/models", token=token).status == 502
    provider.answers(whole(b"{}"))
    assert post(gateway, CHAT, ASK, token).status == 200
    assert gateway.stop() == 0
    for folder in ("org-gpt-4.1", "passthrough"):
        files = sorted((tmp_path / "own" / "own" / folder).iterdir())
        assert [file.name.partition(".")[2] for file in files] == ["req.txt", "req_error.txt"]
        assert files[1].read_text().startswith("no connection to the provider")


def test_a_disk_that_takes_nothing_harms_nobody(tmp_path: Path, provider: Provider) -> None:
    folder = tmp_path / "dumps"
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_DUMP_DIR=str(folder))
    folder.rmdir()
    folder.write_text("")
    token = gateway.user("alice")
    for _ in range(2):
        provider.answers(whole(b'{"id":"1"}'))
        assert post(gateway, CHAT, ASK, token).body == b'{"id":"1"}'
    assert gateway.stop() == 0
    (told,) = [line for line in gateway.lines() if line["msg"] == "dumps are not written"]
    assert told["fields"]["error"] == "Not a directory"


def test_a_folder_that_cannot_be_one_is_told_at_the_start_and_at_a_reload(tmp_path: Path, provider: Provider) -> None:
    (tmp_path / "file").write_text("")
    why = f"{tmp_path}/file: dumps cannot be written there: Not a directory; name a writable directory with"
    env = {"CODER_SQLITE_PATH": f"{tmp_path}/new.db", "CODER_HTTP_ADDRESS": "127.0.0.1:0"}
    flags = ("--aibridge-enabled", "--aibridge-dump-dir", f"{tmp_path}/file")
    started = coderai("server", *flags, env=env, check=False)
    assert (started.returncode, len(started.stderr.splitlines())) == (1, 1), started.stderr
    assert why in started.stderr
    (tmp_path / "coderai.yaml").write_text("aibridge: {}")
    gateway = Gateway(tmp_path, provider.url, "--config", str(tmp_path / "coderai.yaml"))
    (tmp_path / "coderai.yaml").write_text(f"aibridge: {{dump_dir: {tmp_path}/file}}")
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: "new settings refused" in str(gateway.lines()))
    assert why in str(gateway.lines())
    assert gateway.stop() == 0


def test_a_secret_is_masked_wherever_it_is_cut(tmp_path: Path) -> None:
    text = b"before sk-secret-123456 after sk-secret-123456"
    for size in range(1, len(text)):
        dumps = Dumps(LOG)
        dump = Dump(dumps, tmp_path / str(size), ["sk-secret-123456"])
        dump.response(200, b"OK", [], None)
        for start in range(0, len(text), size):
            dump.write(text[start : start + size])
        dump.close()
        dumps.close()
        assert (tmp_path / f"{size}.resp.txt").read_bytes() == b"HTTP/1.1 200 OK\r\n\r\nbefore *** after ***"


def test_secrets_in_heads_are_masked_and_no_body_ends_the_dumping(tmp_path: Path) -> None:
    dumps = Dumps(LOG)
    dump = Dump(dumps, tmp_path / "one", ["sk-secret-123456"])
    nested = b"[" * 5000 + b"]" * 5000
    dump.request(b"POST /x?key=sk-secret-123456 HTTP/1.1", [(b"X-Copy", b"sk-secret-123456")], None, nested)
    dump.response(302, b"Found", [(b"Location", b"/?key=sk-secret-123456")], None)
    dump.close()
    dumps.close()
    assert b"sk-secret" not in (tmp_path / "one.req.txt").read_bytes() + (tmp_path / "one.resp.txt").read_bytes()
    assert (tmp_path / "one.req.txt").read_bytes().count(b"[") == 5000


@pytest.mark.parametrize(
    "written",
    [
        r"sk/secr\"et+1234",
        r"sk\/secr\"et+1234",
        r"sk/secr\u0022et\u002B1234",
        "sk%2Fsecr%22et%2B1234",
        "sk%2fsecr%22et%2b1234",
    ],
)
def test_a_secret_is_masked_however_it_is_spelled(tmp_path: Path, written: str) -> None:
    dumps = Dumps(LOG)
    dump = Dump(dumps, tmp_path / "one", ['sk/secr"et+1234'])
    dump.request(b"POST /?k=%b HTTP/1.1" % written.encode(), [], None, written.encode())
    dump.close()
    dumps.close()
    assert (tmp_path / "one.req.txt").read_bytes() == b"POST /?k=*** HTTP/1.1\r\nContent-Length: 3\r\n\r\n***"


def test_what_a_query_calls_a_credential_is_masked(tmp_path: Path) -> None:
    dumps = Dumps(LOG)
    line = b"GET /v1/models?key=abc&limit=2&X-Access-Token=d%20e&after=f&monkey HTTP/1.1"
    Dump(dumps, tmp_path / "one", []).request(line, [], None, b"")
    dumps.close()
    written = (tmp_path / "one.req.txt").read_bytes()
    assert written.startswith(b"GET /v1/models?key=***&limit=2&X-Access-Token=***&after=f&monkey HTTP/1.1\r\n")


@pytest.mark.parametrize("unit", [b"key", b"?key", b"?", b"&", b"?key=&"])
def test_a_long_query_holds_nobody_up(tmp_path: Path, unit: bytes) -> None:
    dumps = Dumps(LOG)
    began = time.thread_time()
    line = b"GET /v1/models?%b HTTP/1.1" % (unit * 64_000)[:64_000]
    Dump(dumps, tmp_path / "one", []).request(line, [], None, b"")
    assert time.thread_time() - began < 1
    dumps.close()


def test_what_fields_call_a_credential_is_masked(tmp_path: Path) -> None:
    names = (b"Helicone-Auth", b"cf-aig-authorization", b"Ocp-Apim-Subscription-Key", b"X-Vault-Token", b"Cookie")
    plain = [(b"x-ratelimit-remaining-tokens", b"7"), (b"Monkeys", b"8")]
    dumps = Dumps(LOG)
    dump = Dump(dumps, tmp_path / "one", [])
    dump.request(b"GET / HTTP/1.1", [*((name, b"Bearer hush") for name in names), *plain], None, b"")
    dump.response(302, b"Found", [(b"Location", b"https://h/?api_key=hush&page=2#access_token=hush"), *plain], None)
    dump.close()
    dumps.close()
    request, response = ((tmp_path / f"one.{kind}.txt").read_bytes() for kind in ("req", "resp"))
    assert b"hush" not in request + response
    assert all(b"%b: ***" % name in request for name in names)
    assert b"Location: https://h/?api_key=***&page=2#access_token=***" in response
    assert all(b"%b: %b" % field in both for field in plain for both in (request, response))


def test_a_coded_answer_is_decoded_by_nobody_who_serves(tmp_path: Path) -> None:
    dumps = Dumps(LOG)
    dump = Dump(dumps, tmp_path / "one", ["sk-secret-123456"])
    dump.response(200, b"OK", [], b"gzip")
    body = b"x" * FILE_LIMIT + b"sk-secret-123456"
    packed = gzip.compress(body)
    began = time.thread_time()
    dump.write(packed)
    dump.close()
    assert time.thread_time() - began < 0.01
    dumps.close()
    written = (tmp_path / "one.resp.txt").read_bytes()
    assert written == b"HTTP/1.1 200 OK\r\n\r\n" + body[:FILE_LIMIT] + b"***"


def test_what_the_disk_has_not_taken_is_no_hole(tmp_path: Path) -> None:
    """Where there is room again, what follows it would look as if nothing was missing."""
    (tmp_path / "folder").write_text("in the way")
    dumps = Dumps(LOG)
    dump = Dump(dumps, tmp_path / "folder" / "one", [])
    dump.response(200, b"OK", [], None)
    dump.write(b"lost")
    while dumps._waiting:
        threading.Event().wait(0.001)  # polls a thread: there is nothing to wait on
    (tmp_path / "folder").unlink()
    dump.write(b"what follows")
    dump.close()
    dumps.close()
    assert (tmp_path / "folder" / "one.resp.txt").read_bytes() == CUT


def test_requests_in_a_coding_are_dumped_decoded_and_masked(tmp_path: Path) -> None:
    dumps = Dumps(LOG)
    body = b'{"key":"sk-secret-123456"}'
    for name, coding, sent in (("gzip", b"gzip", gzip.compress(body)), ("odd", b"odd", body), ("torn", b"gzip", body)):
        Dump(dumps, tmp_path / name, ["sk-secret-123456"]).request(b"POST / HTTP/1.1", [], coding, sent)
    dumps.close()
    assert (tmp_path / "gzip.req.txt").read_bytes().endswith(b'{\n  "key": "***"\n}')
    assert (tmp_path / "odd.req.txt").read_bytes().endswith(CUT)
    assert (tmp_path / "torn.req.txt").read_bytes().endswith(CUT)


def test_a_request_is_not_cut_amid_a_secret(tmp_path: Path) -> None:
    dumps = Dumps(LOG)
    for cut in (5, 16):
        body = b"x" * (FILE_LIMIT - cut) + b"sk-secret-123456"
        Dump(dumps, tmp_path / str(cut), ["sk-secret-123456"]).request(b"POST / HTTP/1.1", [], None, body)
        dumps.close()
        dumps = Dumps(LOG)
        written = (tmp_path / f"{cut}.req.txt").read_bytes()
        assert b"sk" not in written.removesuffix(CUT)[-30:]
        assert cut == 16 or written.endswith(CUT)


def test_size_is_limited(tmp_path: Path) -> None:
    dumps = Dumps(LOG)
    dump = Dump(dumps, tmp_path / "big", [])
    dump.response(200, b"OK", [], None)
    for _ in range(FILE_LIMIT // 2**20 + 5):
        dump.write(b"x" * 2**20)
        if dumps._waiting > WAITING_LIMIT - 2**21:
            break
    dump.close()
    dumps.close()
    written = (tmp_path / "big.resp.txt").read_bytes()
    assert written.endswith(CUT)
    assert len(written) < FILE_LIMIT + 2**20


def test_names_lead_nowhere_else(tmp_path: Path) -> None:
    for model in ("../../etc/passwd", "..", ".hidden", "a\0b", "x" * 500, "", "é/ü"):
        path = intercepted(tmp_path, "openai", model, 1, "id")
        assert path.resolve().is_relative_to(tmp_path / "openai")
        assert len(path.parent.name) <= 100
    assert safe("gpt-4.1:latest@x+y") == "gpt-4.1:latest@x+y"
