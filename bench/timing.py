"""How long a call takes: the best of several rounds, for a shared machine only ever makes it slower."""

import time
from collections.abc import Callable

ROUNDS = 7
ROUND_S = 0.2


def best_us(call: Callable[[], object]) -> float:
    """Microseconds of one call."""
    began = time.perf_counter()
    call()
    count = max(1, int(ROUND_S / max(time.perf_counter() - began, 1e-7)))
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(count):
            call()
        best = min(best, (time.perf_counter() - began) / count)
    return best * 1e6


def shown(microseconds: float) -> str:
    return f"{microseconds / 1000:,.2f} ms" if microseconds >= 1000 else f"{microseconds:,.2f} us"


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
