"""One request through a real gateway, with records and without, beside the bare provider."""

import http.client
import statistics
import time
from pathlib import Path

from bench.timing import shown
from tests.faults.load import CHAT, WHOLE, provider
from tests.gateway import Gateway

REQUESTS = 1500


def measure(folder: Path) -> list[tuple[str, str]]:
    upstream = provider()
    direct = _median(upstream.port, "/v1/chat/completions", "")
    (folder / "gateway").mkdir()
    gateway = Gateway(
        folder / "gateway", upstream.url, CODER_AIBRIDGE_STRUCTURED_LOGGING="false", CODER_LOGGING_JSON=""
    )
    token = gateway.user("bench")
    recorded = _median(gateway.port, CHAT, token)
    passed = _median(gateway.port, "/api/v2/aibridge/openai/v1/models", token, "GET")
    gateway.stop()
    upstream.close()
    return [
        ("the provider alone (a test's, in Python), median", shown(direct)),
        ("through the gateway, recorded, median", shown(recorded)),
        ("through the gateway, passed through and not recorded, median", shown(passed)),
        ("what recording adds to the end of an answer, at most", shown(recorded - passed)),
    ]


def _median(port: int, path: str, token: str, method: str = "POST") -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    taken = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        connection.request(method, path, WHOLE if method == "POST" else None, {"X-Api-Key": token})
        connection.getresponse().read()
        taken.append((time.perf_counter() - began) * 1e6)
    connection.close()
    return statistics.median(taken)
