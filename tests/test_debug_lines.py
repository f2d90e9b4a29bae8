"""`--verbose` and `--log-filter` on a running server: which debug lines are written."""

from pathlib import Path

import pytest

from tests.gateway import Gateway
from tests.provider import Provider

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
