"""The workers of a running gateway."""

from pathlib import Path

from tests.gateway import Gateway

REPLACED = "a worker has ended, and this one takes its place"


def workers(gateway: Gateway) -> list[int]:
    pid = gateway.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def listening(gateway: Gateway) -> int:
    return gateway.stderr.read_text().count("listening")
