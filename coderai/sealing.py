"""Writes the last seal of this process's chain to the log, at intervals and at the end: a copy that whoever can write
the database cannot change, and that `coderai audit verify --log` holds against the trail.
"""

import asyncio
import time

from coderai.logs import Logger
from coderai.store import Store

MESSAGE = "interception seal"  # cli/audit.py reads these lines
# How soon a changed interval is seen.
LOOK_SECONDS = 5.0


class SealLog:
    """`seconds`: the interval; 0 writes none. May change at any time."""

    def __init__(self, store: Store, log: Logger, seconds: float = 0) -> None:
        self._store = store
        self._log = log
        self._logged = 0
        self._written = time.monotonic()
        self.seconds = seconds

    async def run(self) -> None:
        while True:
            await asyncio.sleep(min(self.seconds or LOOK_SECONDS, LOOK_SECONDS))
            if self.seconds and time.monotonic() - self._written >= self.seconds:
                self.write()

    def write(self) -> None:
        self._written = time.monotonic()
        head = self._store.head
        if self.seconds and head.number > self._logged:
            self._logged = head.number
            fields = {"instance_id": self._store.instance_id, "seal_number": head.number, "seal": head.seal.hex()}
            self._log.info(MESSAGE, **fields)
