"""`--verbose` and `--log-filter` on a running server: which debug lines are written."""

from pathlib import Path

import pytest

from tests.exchange import ANSWER, ASK, CHAT, post
from tests.gateway import Gateway
from tests.provider import Provider, whole

AUDIT = "/api/v2/aibridge/interceptions"


@pytest.mark.parametrize(
    ("flags", "seen"),
    [
        ((), set()),
        (("--verbose",), {"token read", "API request", "no records are old enough to be deleted"}),
        (("--log-filter", "^api$"), {"API request"}),
        (("--log-filter", "(?i)^API$", "--log-filter", "(?P<one>x)", "--log-filter", "(?P<one>y)"), {"API request"}),
        (("-l", "nothing", "-l", "token|old"), {"token read", "no records are old enough to be deleted"}),
    ],
)
def test_debug_lines(tmp_path: Path, provider: Provider, flags: tuple[str, ...], seen: set[str]) -> None:
    gateway = Gateway(tmp_path, provider.url, *flags)
    token = gateway.user("alice", "owner")
    assert gateway.request("GET", AUDIT, token=token).status == 200
    assert gateway.request("GET", f"/{token}").status == 404
    assert gateway.request("GET", f"/api/v2/aibridge/openai/{token}/v1/models").status == 404
    assert gateway.stop() == 0
    lines = gateway.lines()
    assert {line["msg"] for line in lines if line["level"] == "DEBUG"} >= seen
    assert seen or all(line["level"] != "DEBUG" for line in lines)
    if "--log-filter" in flags:
        assert {line["msg"] for line in lines if line["level"] == "DEBUG"} == seen
    assert token not in gateway.log.read_text()


def test_what_is_relayed_is_told(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, "--log-filter", "^interception (started|ended)$")
    token = gateway.user("alice")
    provider.answers(whole(ANSWER), whole(b"{}", status="500 Internal Server Error"))
    for status in (200, 500):
        assert post(gateway, CHAT, ASK, token, **{"User-Agent": f"curl/8 {token}"}).status == status
    assert gateway.stop() == 0
    told = [line["fields"] for line in gateway.lines() if line["level"] == "DEBUG"]
    (first, second) = (line.pop("interception_id") for line in told[::2])
    assert [line.pop("interception_id") for line in told[1::2]] == [first, second]
    started = {
        "provider": "openai",
        "route": "/chat/completions",
        "streaming": False,
        "credential_kind": "centralized",
        "credential_hint": "sk-p...cdef",
        "request_user_agent": "curl/8 ***",
    }
    assert told[0] == told[2] == started
    assert told[1::2] == [{"status": 200, "error_type": None}, {"status": 500, "error_type": None}]
    assert token not in gateway.log.read_text()
