"""No secret in any output: refusals, logs, database, dumps and the process list, with every way to have one at once."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests import databases, secrets
from tests.databases import Place
from tests.exchange import ASK, ASK_STREAM, CHAT, DELTA, MESSAGES, START, STOP, TEXT
from tests.gateway import PROVIDER_KEY, Answer, Gateway, coderai
from tests.provider import CUT, Pause, Provider, stream, whole
from tests.proxy import Proxy

BASE = "/api/v2/aibridge"
TOKEN = "X-Coder-AI-Governance-Token"
OWN = "sk-own-0123456789abcdefghij"
POOL = ("sk-pool-first-0123456789", "sk-pool-second-0123456789")
FILED = "sk-filed-0123456789abcdef"
PROXY_PASSWORD = "proxy-pass-0123456789"
TABLES = ("interceptions", "token_usages", "user_prompts", "tool_usages", "model_thoughts")


def providers(url: str, key_file: Path) -> dict[str, str]:
    listed = [
        {"TYPE": "openai", "NAME": "pool", "KEYS": ",".join(POOL), "BASE_URL": f"{url}/v1"},
        {"TYPE": "anthropic", "NAME": "filed", "KEY_FILE": str(key_file), "BASE_URL": url, "MODELS": "claude-*"},
        {"TYPE": "openai", "NAME": "away", "KEY": PROVIDER_KEY, "BASE_URL": "https://provider.invalid/v1"},
        {"TYPE": "copilot", "BASE_URL": url},
    ]
    return {
        f"CODER_AIBRIDGE_PROVIDER_{n}_{name}": value
        for n, fields in enumerate(listed)
        for name, value in fields.items()
    }


def repeated(*secret: str) -> bytes:
    return json.dumps({"error": {"type": "e", "message": f"no {' '.join(secret)}", "code": secret[0]}}).encode()


def refusals(gateway: Gateway, token: str) -> list[Answer]:
    """Whatever the gateway itself says no to, and what is asked with it."""
    own = {TOKEN: token, "Authorization": f"Bearer {OWN}"}
    asked = [
        ("POST", CHAT, b"no json", {"X-Api-Key": token}),
        ("POST", CHAT, b"{}", own),
        ("POST", CHAT, ASK, {"X-Api-Key": f"{token[:-1]}!"}),
        ("POST", CHAT, ASK, {"Authorization": f"Bearer {token[:11]}{OWN}"}),
        ("POST", CHAT, ASK, {"Authorization": OWN}),
        ("GET", f"{BASE}/openai/v1/nowhere", None, own),
        ("GET", f"{BASE}/openai/v1/responses/resp_1", None, own),
        ("GET", CHAT, None, {"Upgrade": "websocket", "Connection": "upgrade", "X-Api-Key": token}),
        ("POST", f"{BASE}/filed/v1/messages", ASK, {"X-Api-Key": token}),
        ("POST", f"{BASE}/away/v1/chat/completions", ASK, own),
        ("GET", f"{BASE}/away/v1/models", None, own),
        ("POST", f"{BASE}/copilot/chat/completions", ASK, {"X-Api-Key": token}),
        ("GET", f"{BASE}/interceptions?q=nonsense:1", None, {"X-Api-Key": token}),
        ("GET", f"{BASE}/interceptions", None, {"Coder-Session-Token": OWN}),
    ]
    return [gateway.request(method, path, body, headers) for method, path, body, headers in asked]


def test_no_secret_in_any_output(tmp_path: Path, place: Place, provider: Provider) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(FILED)
    proxy = Proxy(status="407 Who Are You")
    gateway = Gateway(
        tmp_path, provider.url, "--verbose", "--workers=2",
        CODER_AIBRIDGE_DUMP_DIR=str(tmp_path / "dumps"),
        CODER_AIBRIDGE_IDLE_TIMEOUT="300ms",
        HTTPS_PROXY=proxy.url.replace("//", f"//user:{PROXY_PASSWORD}@"),
        **providers(provider.url, key_file), **databases.environment(place),
    )  # fmt: skip
    gateway.secrets |= {FILED}
    assert {PROVIDER_KEY, PROXY_PASSWORD, *POOL} <= gateway.secrets
    alice, olga = gateway.user("alice"), gateway.user("olga", "owner")
    own = {TOKEN: alice, "X-Api-Key": OWN}
    pause = Pause()
    for answers, path, body, headers in (
        ([whole(repeated(PROVIDER_KEY), "400 No")], CHAT, ASK, {"X-Api-Key": alice}),
        ([whole(repeated(OWN, alice), "401 No")], MESSAGES, ASK, own),
        ([whole(repeated(POOL[0]), "429 Slow")], f"{BASE}/pool/v1/chat/completions", ASK, {"X-Api-Key": alice}),
        ([stream(START, TEXT, DELTA, STOP)], f"{BASE}/filed/v1/messages", ASK_STREAM, {"X-Api-Key": alice}),
        ([stream(START, b"event: error\ndata: %b\n\n" % repeated(OWN))], MESSAGES, ASK_STREAM, own),
        ([b"HTTP/1.1 200 OK\r\nX-Key: %b\r\n" % PROVIDER_KEY.encode(), CUT], CHAT, ASK, {"X-Api-Key": alice}),
        ([pause], CHAT, ASK, {"X-Api-Key": alice}),
    ):  # fmt: skip
        provider.answers(*answers)
        if path.startswith(f"{BASE}/pool"):
            provider.answers(whole(repeated(POOL[1]), "401 No"))
        gateway.request("POST", f"{path}?key={alice}&api_key={OWN}", body, headers)
    pause.go()
    refused = refusals(gateway, alice)
    assert {answer.status for answer in refused} >= {400, 401, 403, 404, 426, 502}
    listed = gateway.request("GET", f"{BASE}/interceptions?limit=100", token=olga)
    assert listed.json()["count"] >= 9
    answers = {f"answer {n}": answer.body + str(answer.headers).encode() for n, answer in enumerate([*refused, listed])}
    secrets.refuse(gateway.secrets, answers)
    rows = {table: repr(databases.rows(place, f"aibridge_{table}")).encode() for table in TABLES}
    secrets.refuse(gateway.secrets, rows)
    assert len(secrets.process_list(gateway.process.pid)) >= 3
    assert gateway.stop() == 0  # which looks into the files
    written = secrets.files_of(tmp_path, set())
    assert {name.rpartition(".")[2] for name in written} >= {"json", "txt"}
    assert any("dumps" in name for name in written)
    proxy.close()


def test_nor_where_a_client_puts_what_it_brings(tmp_path: Path, provider: Provider) -> None:
    """In names of models, paths and sessions: of these are made log lines, errors, rows and the names of dumps."""
    gateway = Gateway(tmp_path, provider.url, "--verbose", CODER_AIBRIDGE_DUMP_DIR=str(tmp_path / "dumps"))
    alice, other = gateway.user("alice"), "sk-other/0123456789+abcdef=="
    own = {TOKEN: alice, "Authorization": f"Bearer {OWN}", "X-Api-Key": other}
    answers = []
    for secret in (alice, OWN, other):
        in_path = quote(secret, safe="")
        for method, path, body, headers in (
            ("POST", CHAT, ASK.replace(b"gpt-4.1", secret.encode()), {}),
            ("POST", CHAT, ASK, {"User-Agent": f"tool {secret}", "session-id": secret}),
            ("POST", CHAT, ASK, {"Content-Encoding": f"x-{secret}"}),
            ("GET", f"{BASE}/openai/v1/models/{in_path}", None, {}),
            ("GET", f"{BASE}/openai/v1/responses/{secret}", None, {}),
            ("POST", f"{BASE}/openai/v1/nowhere/{in_path}", ASK, {}),
        ):
            provider.reset()
            provider.answers(whole(b"{}", headers=(f"Content-Encoding: {OWN}",)))
            answers.append(gateway.request(method, path, body, {**own, **headers}))
    gateway.secrets |= {other, quote(other, safe="")}
    assert {answer.status for answer in answers} == {200, 404}
    secrets.refuse(gateway.secrets, {f"answer {n}": answer.body for n, answer in enumerate(answers)})
    assert gateway.stop() == 0  # which looks into the files
    names = [str(path) for path in (tmp_path / "dumps").rglob("*")]
    assert any("passthrough" in name for name in names)
    secrets.refuse(gateway.secrets, {"names": "".join(names).encode()})


@pytest.mark.parametrize("placeholder", ["anthropic", "fifteen-letters"])
def test_a_placeholder_is_no_secret(tmp_path: Path, provider: Provider, placeholder: str) -> None:
    gateway = Gateway(tmp_path, provider.url)
    provider.answers(whole(b"{}"))
    fields = {"Coder-Session-Token": gateway.user("alice"), "Authorization": f"Bearer {placeholder}"}
    gateway.request("POST", CHAT, ASK.replace(b"gpt-4.1", b"%b/claude" % placeholder.encode()), fields)
    assert gateway.records()[0]["model"] == f"{placeholder}/claude"
    gateway.secrets.clear()
    assert gateway.stop() == 0


def test_a_credential_is_left_out_whole_whatever_it_is_made_of(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url)
    alice = gateway.user("alice")
    for field, secret in (
        ("Bearer sixteen-letters-", "sixteen-letters-"),
        ("Bearer  neither=is-long=alone", "neither=is-long=alone"),
        ("token id=abcdefghijklmnop, of=nobody", "abcdefghijklmnop"),
        ("Bearer abcdefghijklmnop=its-end", "abcdefghijklmnop=its-end"),
    ):
        provider.answers(whole(b"{}"))
        fields = {"Coder-Session-Token": alice, "Authorization": field}
        gateway.request("POST", CHAT, ASK.replace(b"gpt-4.1", secret.encode()), fields)
        starts = [record for record in gateway.records() if record["record_type"] == "interception_start"]
        assert starts[-1]["model"] == "***", field
    assert gateway.stop() == 0


@pytest.mark.parametrize(
    "spelled",
    [r"sk/0123456789\u002Babcdef", r"sk\/0123456789+abcdef", "sk%2F0123456789%2Babcdef", "sk%2f0123456789%2babcdef"],
)
def test_a_key_is_not_on_record_however_a_provider_spells_it(tmp_path: Path, provider: Provider, spelled: str) -> None:
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_OPENAI_KEY="sk/0123456789+abcdef")
    provider.answers(whole(json.dumps({"error": {"message": f"no {spelled}"}}).encode(), "401 No"))
    gateway.request("POST", CHAT, ASK, token=gateway.user("alice"))
    assert gateway.records()[-1]["error_message"] == "no ***"
    assert gateway.stop() == 0


@pytest.mark.parametrize("where", ["log.json", "coderai.db", "dumps/a.req.txt"])
def test_a_secret_that_is_written_is_found(tmp_path: Path, where: str) -> None:
    (tmp_path / where).parent.mkdir(exist_ok=True)
    (tmp_path / where).write_text(f"x{OWN}y")
    with pytest.raises(AssertionError, match="sk-own"):
        secrets.refuse({OWN}, secrets.files_of(tmp_path, set()))


@pytest.mark.parametrize("form", ["--aibridge-openai-key={}", "--ai-gateway-openai-key {}"])
def test_a_key_given_as_a_flag_is_not_in_the_process_list(tmp_path: Path, provider: Provider, form: str) -> None:
    key = "sk-flag-0123456789abcdef"
    flags = ("--verbose", *form.format(key).split(), "--workers", "2")
    gateway = Gateway(tmp_path, provider.url, *flags, CODER_AIBRIDGE_OPENAI_KEY="")
    token = gateway.user("alice")
    seen = secrets.process_list(gateway.process.pid)
    assert len(seen) == 3
    secrets.refuse([key], seen)
    provider.answers(whole(b'{"id":"1"}'))
    assert gateway.request("POST", CHAT, ASK, token=token).status == 200
    assert provider.requests[0].header("Authorization") == f"Bearer {key}"
    assert gateway.stop() == 0


@pytest.mark.parametrize("form", ["--aibridge-openai-key= {}", "--aibridge-openai-key sk-first-0123456789 {}"])
@pytest.mark.parametrize("command", ["server", "config show"])
def test_a_key_behind_a_blank_too_many_is_not_repeated(command: str, form: str) -> None:
    ended = coderai(*command.split(), *form.format(OWN).split(), env={}, check=False)
    assert ended.returncode == 2
    assert OWN not in ended.stdout + ended.stderr
    assert 'value: "sk-o…"; write --option=value' in ended.stderr


@pytest.mark.parametrize("command", ["users list", "users create alice", "tokens list", "db check", "audit verify"])
def test_nor_is_a_database_s_password(command: str) -> None:
    url = f"postgres://coderai:{OWN}@db/coderai"
    ended = coderai(*command.split(), "--postgres-url=", url, env={}, check=False)
    assert ended.returncode == 2
    assert OWN not in ended.stdout + ended.stderr
    assert 'value: "post…"; write --option=value' in ended.stderr


def test_nor_where_it_is_taken_for_a_file() -> None:
    url = f"postgres://coderai:{OWN}@db/coderai"
    ended = coderai("db", "backup", "--postgres-url=", url, env={}, check=False)
    assert ended.returncode == 2
    assert OWN not in ended.stdout + ended.stderr
    assert "FILE is a URL" in ended.stderr
