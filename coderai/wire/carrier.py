"""What a request knows of the connection that it came on, and of the server behind that."""

import asyncio
from typing import Protocol


class BodyMemory:
    """Bytes of request bodies in flight, all connections together."""

    def __init__(self) -> None:
        self.limit = 0  # until it is set
        self.used = 0


class SiteLimits(Protocol):
    """What the server lets a request take, and whether it is about to stop."""

    max_body: int
    bodies: BodyMemory
    stopping: bool


class Carrier(Protocol):
    """The connection that a request came on."""

    @property
    def site(self) -> SiteLimits: ...

    loop: asyncio.AbstractEventLoop
    keep_alive: bool
    http10: bool
    stalled: bool

    def send(self, data: bytes) -> None:
        """To the client, unless it has gone."""

    def finished(self) -> None:
        """The answer is out."""

    def cut(self) -> None:
        """The answer is broken off."""
