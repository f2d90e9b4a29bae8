"""Waiting for what nobody announces: processes, files, log lines."""

import signal
import threading
from collections.abc import Callable

from tests.gateway import Gateway

WAIT_S = 20


def until(condition: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(WAIT_S * 100):
        if condition():
            return
        waiting.wait(0.01)  # polls processes and files: there is nothing to wait on
    raise AssertionError("it does not come")


def reload(gateway: Gateway, message: str) -> None:
    """Until both of its logs tell of it: each is written by a thread of its own."""

    def told() -> int:
        return min(sum(message in line["msg"] for line in gateway.lines()), gateway.stderr.read_text().count(message))

    seen = told()
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: told() > seen)


def wait_for_end(gateway: Gateway, error_type: str) -> None:
    def ended() -> bool:
        told = [(record["record_type"], record.get("error_type")) for record in gateway.records()[-1:]]
        return told == [("interception_end", error_type)]

    until(ended)
